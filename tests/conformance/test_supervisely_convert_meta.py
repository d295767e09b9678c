"""Ontologies into the meta of a project: what is there stays, what is missing is added, clashes are said."""

import json
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core.geometry import Box, Cuboid2D, Geometry, Node, Shape, Skeleton
from pipeline.core.labels import LabelRow, ObjectInstance, Occurrence
from pipeline.core.ontology import (
    AttributeDef,
    AttributeKind,
    ClassDef,
    ClassificationDef,
    Ontology,
    OptionDef,
    SkeletonTemplate,
    TemplateNode,
)
from pipeline.platforms.supervisely.convert import Merged, Rules, merge_meta, project_of, read_ontology
from pipeline.platforms.supervisely.convert.drafting import drafted
from pipeline.platforms.supervisely.convert.geometry import VERTICES
from pipeline.platforms.supervisely.wire import DRAWN, Json
from tests.conformance.supervisely_labels import golden, with_ids
from tests.strategies import Scope, ontologies

CHOICES = (AttributeKind.RADIO, AttributeKind.CHECKLIST)
SCOPE = Scope(shapes=DRAWN, attribute_kinds=CHOICES, nested=False, dynamic=False, relation_answers=False)


def choice(name: str, *values: str) -> AttributeDef:
    return AttributeDef(name, AttributeKind.RADIO, options=tuple(map(OptionDef, values)))


def tag_of(merged: Merged, name: str) -> Json:
    return next(one for one in merged.meta["tags"] if one["name"] == name)


def test_the_recorded_meta_is_read() -> None:
    ontology = read_ontology(golden("meta"))
    shapes = {item.name: item.shape for item in ontology.classes}
    assert shapes == {
        "car": Shape.BOX, "turned": Shape.ROTATED_BOX, "road": Shape.POLYGON, "lake": Shape.POLYGON,
        "lane": Shape.POLYLINE, "spot": Shape.POINT, "part": Shape.MASK, "smoke": Shape.ALPHA_MASK,
        "dog": Shape.SKELETON, "crate": Shape.CUBOID_2D, "thing": Shape.ANY, "old crate": Shape.OTHER,
    }  # fmt: skip
    car = ontology.classes[0]
    assert (car.id, car.colour) == ("11", "#ff0000")
    kinds = {item.name: item.kind for item in car.attributes}
    assert kinds == {
        "seen": AttributeKind.BOOLEAN, "plate": AttributeKind.TEXT, "speed": AttributeKind.NUMBER,
        "colour": AttributeKind.RADIO, "taken": AttributeKind.TEXT, "parked": AttributeKind.BOOLEAN,
        "confidence": AttributeKind.NUMBER,
    }  # fmt: skip
    assert "plate" not in {item.name for item in ontology.classes[1].attributes}
    assert [mark.name for mark in ontology.classifications] == ["seen", "colour", "weather", "taken"]
    template = ontology.classes[8].skeleton
    assert template is not None
    assert [node.name for node in template.nodes] == ["head", "tail", "paw"]
    assert template.edges == (("head", "tail"), ("tail", "paw"))


def test_nodes_have_their_labels_for_names() -> None:
    nodes = {"3f-a": {"label": "nose", "loc": [1, 2]}, "3f-b": {"label": "tail", "loc": [3, 4]}}
    config = {"nodes": nodes, "edges": [{"src": "3f-a", "dst": "3f-b"}]}
    dog: Json = {"title": "dog", "shape": "graph", "color": "#000000", "geometry_config": config}
    template = read_ontology({"classes": [dog]}).classes[0].skeleton
    assert template is not None
    assert template.nodes == (TemplateNode("nose", "3f-a", 1, 2), TemplateNode("tail", "3f-b", 3, 4))
    nodes["3f-b"]["label"] = "nose"
    again = read_ontology({"classes": [dog]}).classes[0].skeleton
    assert again is not None
    assert [node.name for node in again.nodes] == ["3f-a", "3f-b"]


def test_the_confidence_is_no_attribute() -> None:
    project = project_of(golden("meta"), Rules(confidence_tag="confidence"))
    assert all(one.name != "confidence" for item in project.ontology.classes for one in item.attributes)


def test_a_project_that_has_all_of_it_stays_as_it_is() -> None:
    meta = golden("meta")
    merged = merge_meta(meta, read_ontology(meta), Rules(confidence_tag="confidence"))
    assert merged == Merged(meta)


def test_a_second_project_gets_the_same_classes_and_tags_without_their_ids() -> None:
    meta = golden("meta")
    merged = merge_meta({}, read_ontology(meta).without_ids())
    assert merged.conflicts == ()
    assert len(merged.added) == len(meta["classes"]) + len(meta["tags"])
    for kind in ("classes", "tags"):
        after = {one.get("title") or one["name"]: one for one in merged.meta[kind]}
        for one in meta[kind]:
            del one["id"]
        assert after == {one.get("title") or one["name"]: one for one in meta[kind]}


@settings(deadline=None, max_examples=60)
@given(ontologies(SCOPE), ontologies(SCOPE), st.sampled_from(["polygon", "any"]))
def test_nothing_is_ever_removed_or_changed(one: Ontology, other: Ontology, polygons: str) -> None:
    first = with_ids(merge_meta({}, one, Rules(polygons=polygons)).meta)
    before = json.dumps(first)
    second = merge_meta(first, other, Rules(polygons=polygons))
    assert json.dumps(first) == before
    classes = {item["title"]: item for item in second.meta["classes"]}
    assert all(classes[item["title"]] == item for item in first["classes"])
    tags = {tag["name"]: tag for tag in second.meta["tags"]}
    for tag in first["tags"]:
        after = tags[tag["name"]]
        assert set(tag["values"]) <= set(after["values"])
        assert not after["classes"] or set(tag["classes"]) <= set(after["classes"])
        assert {**after, "values": 0, "classes": 0, "applicable_type": 0} == {
            **tag, "values": 0, "classes": 0, "applicable_type": 0
        }  # fmt: skip
    again = merge_meta(second.meta, other, Rules(polygons=polygons))
    assert (again.meta, again.added, again.conflicts) == (second.meta, (), second.conflicts)


@settings(deadline=None, max_examples=60)
@given(ontologies(SCOPE))
def test_what_was_drafted_is_found_again(drafted: Ontology) -> None:
    found = read_ontology(with_ids(merge_meta({}, drafted).meta))
    for item in drafted.classes:
        held = found.find(item.name, item.shape)
        assert held is not None
        for attribute in item.attributes:
            known = held.attribute(attribute.name)
            assert known is not None
            assert {one.name for one in attribute.options} <= {one.name for one in known.options}
    assert {mark.name for mark in drafted.classifications} <= {mark.name for mark in found.classifications}


def test_one_name_with_several_shapes_is_one_class_of_any() -> None:
    merged = merge_meta({}, Ontology((ClassDef("car", Shape.BOX), ClassDef("car", Shape.MASK))))
    assert [(one["title"], one["shape"]) for one in merged.meta["classes"]] == [("car", "any")]
    assert merged.added == ("class 'car' (any)",)


def test_labels_of_a_class_of_any_shape_are_judged_one_by_one() -> None:
    template = SkeletonTemplate((TemplateNode("nose"),))
    wanted = ClassDef("car", Shape.ANY, skeleton=template), ClassDef("dog", Shape.ANY)
    merged = merge_meta(golden("meta"), Ontology(wanted))
    assert (merged.conflicts, merged.added) == ((), ())
    assert merged.meta["classes"] == golden("meta")["classes"]


def test_a_class_of_another_shape_is_a_conflict_that_says_what_to_do() -> None:
    merged = merge_meta(
        golden("meta"), Ontology((ClassDef("car", Shape.MASK), ClassDef("lake", Shape.POLYGON)))
    )
    assert len(merged.conflicts) == 1
    for word in ("'car'", "rectangle", "bitmap", "convert"):
        assert word in merged.conflicts[0]


def test_a_template_without_a_node_is_a_conflict() -> None:
    template = SkeletonTemplate((TemplateNode("head"), TemplateNode("ear")))
    merged = merge_meta(golden("meta"), Ontology((ClassDef("dog", Shape.SKELETON, skeleton=template),)))
    assert len(merged.conflicts) == 1
    assert "'ear'" in merged.conflicts[0]


def test_what_is_drawn_by_a_template_has_one_in_a_class_of_any_shape_too() -> None:
    template = SkeletonTemplate((TemplateNode("head", x=1, y=2), TemplateNode("ear")), (("head", "ear"),))
    crate = ClassDef("crate", Shape.CUBOID_2D)
    items = (replace(crate, shape=Shape.SKELETON, skeleton=template), crate, ClassDef("box", Shape.BOX))
    made = {one["title"]: one for one in merge_meta({}, Ontology(items)).meta["classes"]}
    config = made["crate"]["geometry_config"]
    assert made["crate"]["shape"] == "any"
    assert config["nodes"]["head"] == {"label": "head", "loc": [1, 2], "color": "#0000FF"}
    assert list(config["vertices"]) == list(VERTICES)
    assert len(config["edges"]) == 13
    assert made["box"]["geometry_config"] == {}
    bare = merge_meta(
        {"classes": [{**made["crate"], "geometry_config": {}}], "tags": []}, Ontology(items[:2])
    )
    assert bare.conflicts == ()
    assert bare.meta["classes"][0]["geometry_config"]["nodes"] == config["nodes"]
    assert bare.meta["classes"][0]["geometry_config"]["vertices"] == config["vertices"]
    assert len(bare.added) == 2


def test_a_tag_gets_the_values_classes_and_images_that_it_lacks() -> None:
    wanted = Ontology(
        (
            ClassDef("turned", Shape.ROTATED_BOX, attributes=(AttributeDef("plate", AttributeKind.TEXT),)),
            ClassDef("spot", Shape.POINT, attributes=(choice("weather", "snow"),)),
        ),
        (ClassificationDef(choice("colour", "red", "green")),),
    )
    merged = merge_meta(golden("meta"), wanted)
    assert merged.conflicts == ()
    assert tag_of(merged, "plate")["classes"] == ["car", "part", "turned"]
    assert tag_of(merged, "weather")["applicable_type"] == "all"
    assert tag_of(merged, "weather")["classes"] == ["spot"]
    assert tag_of(merged, "weather")["values"] == ["sun", "rain", "snow"]
    assert tag_of(merged, "colour")["values"] == ["red", "blue", "green"]
    assert len(merged.added) == 4
    assert tag_of(merged, "plate")["id"] == 32


def test_a_tag_of_another_type_is_a_conflict() -> None:
    speed = AttributeDef("speed", AttributeKind.TEXT)
    merged = merge_meta(golden("meta"), Ontology((ClassDef("car", Shape.BOX, attributes=(speed,)),)))
    assert len(merged.conflicts) == 1
    assert "any_number" in merged.conflicts[0]
    assert merged.meta == golden("meta")


def test_two_attributes_of_one_name_and_two_kinds_cannot_be_one_tag() -> None:
    size = {kind: AttributeDef("size", kind) for kind in (AttributeKind.TEXT, AttributeKind.NUMBER)}
    wanted = Ontology(
        (
            ClassDef("car", Shape.BOX, attributes=(size[AttributeKind.TEXT],)),
            ClassDef("bus", Shape.BOX, attributes=(size[AttributeKind.NUMBER],)),
        )
    )
    merged = merge_meta({}, wanted)
    assert len(merged.conflicts) == 1
    assert "'size' of 'bus'" in merged.conflicts[0]


def test_what_no_project_has_is_left_out_and_said() -> None:
    nested = AttributeDef(
        "kind", AttributeKind.RADIO, options=(OptionDef("a", attributes=(choice("more", "x"),)),)
    )
    anything = AttributeDef("blob", AttributeKind.JSON)
    wanted = Ontology(
        (ClassDef("disc", Shape.CIRCLE), ClassDef("car", Shape.BOX, attributes=(nested, anything)))
    )
    merged = merge_meta({}, wanted)
    assert [one["title"] for one in merged.meta["classes"]] == ["car"]
    said = " ".join(merged.left_out)
    assert all(word in said for word in ("'disc'", "circle", "'kind'", "'blob'", "json"))


def test_a_boolean_is_the_choice_of_true_and_false() -> None:
    parked = AttributeDef("parked", AttributeKind.BOOLEAN)
    merged = merge_meta({}, Ontology((ClassDef("car", Shape.BOX, attributes=(parked,)),)))
    assert tag_of(merged, "parked")["values"] == ["true", "false"]
    found: Any = read_ontology(merged.meta).classes[0].attribute("parked")
    assert found.kind is AttributeKind.BOOLEAN


def test_the_choice_of_true_and_false_is_held_by_a_tag_without_values() -> None:
    project: Json = {"classes": [], "tags": [{"name": "seen", "value_type": "none"}]}
    truth, other = (
        merge_meta(project, Ontology(classifications=(ClassificationDef(choice("seen", "true", value)),)))
        for value in ("false", "maybe")
    )
    assert (truth.conflicts, truth.meta["tags"]) == ((), project["tags"])
    assert len(other.conflicts) == 1


def test_the_tag_of_confidences_is_added_for_all_classes() -> None:
    merged = merge_meta({}, Ontology((ClassDef("car", Shape.BOX),)), Rules(confidence_tag="how sure"))
    found = tag_of(merged, "how sure")
    assert (found["value_type"], found["applicable_type"], found["classes"]) == (
        "any_number",
        "objectsOnly",
        [],
    )


def test_a_class_that_rows_bring_has_the_templates_of_all_that_they_draw() -> None:
    square = ((0.0, 0.0), (9.0, 0.0), (9.0, 9.0), (0.0, 9.0))
    drawn: list[Geometry] = [Box(1, 2, 3, 4), Skeleton((Node("nose", 1, 2),)), Cuboid2D(square, square)]
    objects = tuple(ObjectInstance(f"o{at}", "x", {0: Occurrence(one)}) for at, one in enumerate(drawn))
    row = LabelRow("a", objects=objects)
    merged = merge_meta({}, drafted([row], Ontology()))
    [found] = merged.meta["classes"]
    assert (found["shape"], list(found["geometry_config"]["nodes"])) == ("any", ["nose"])
    assert list(found["geometry_config"]["vertices"]) == list(VERTICES)
    assert merge_meta(merged.meta, drafted([row], read_ontology(merged.meta))).added == ()


def test_a_meta_in_the_old_form_becomes_one_in_the_new() -> None:
    old: Json = {"classes": [], "tags_images": [{"name": "a", "value_type": "none"}], "tags_objects": []}
    merged = merge_meta(old, Ontology())
    assert merged.meta["tags"] == [{"name": "a", "value_type": "none", "applicable_type": "imagesOnly"}]
    assert "tags_images" not in merged.meta
