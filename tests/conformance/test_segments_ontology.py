"""Dataset types of Segments.ai, and its categories and attributes as an ontology."""

import json
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core.geometry import Shape
from pipeline.core.labels import MediaKind
from pipeline.core.ontology import (
    AttributeDef,
    AttributeKind,
    ClassDef,
    ClassificationDef,
    Ontology,
    OptionDef,
    draft,
)
from pipeline.core.operations import Rename
from pipeline.errors import UsageError
from pipeline.platforms.archive.ontology import read_ontology as from_archive
from pipeline.platforms.archive.ontology import write_ontology as to_archive
from pipeline.platforms.segments.convert.kinds import KINDS, SENSOR_KINDS, Kind, kind_for, kind_of
from pipeline.platforms.segments.convert.ontology import fitted, read_ontology, write_ontology
from pipeline.platforms.segments.wire import DRAWN
from tests.strategies import Scope, ontologies

VECTOR, BITMAP = KINDS["vector"], KINDS["segmentation-bitmap"]
SEQUENCE = KINDS["image-vector-sequence"]

PUBLISHED: dict[str, Any] = {
    "format_version": "0.1",
    "categories": [
        {
            "id": 1,
            "name": "vehicle",
            "color": [10, 200, 30],
            "has_instances": True,
            "attributes": [
                {
                    "name": "hue", "input_type": "select", "values": ["red", "blue"], "default_value": "red",
                    "is_mandatory": True, "is_track_level": True,
                },
                {"name": "text", "input_type": "text", "default_value": "A nice car."},
                {"name": "wheels", "input_type": "number", "min": "1", "max": 20.5, "step": ""},
                {"name": "electric", "input_type": "checkbox", "is_track_level": False},
                {"name": "extras", "input_type": "multiselect", "values": ["rack", 3], "default_value": []},
                {"name": "speed", "input_type": "vector3", "sensors": "3D", "synced_across_sensors": True},
                {"name": "turn", "input_type": "quaternion"},
                {"name": "outline", "input_type": "points"},
                {"name": "later", "input_type": "something new", "values": [1]},
            ],
            "dimensions": {"x": 4.0, "y": 2, "z": 1.5},
            "link_attributes": [{"name": "side", "input_type": "text"}],
            "link_category_restrictions": [2],
            "lock_dimensions": True,
        },
        {"name": "sky", "id": 0, "color": [33.4, 138.0, 33], "link_category_restrictions": [], "foo": "bar"},
        {"name": "bare", "id": 7, "attributes": []},
    ],
    "image_attributes": [{"name": "weather", "input_type": "text"}],
    "warning_rules": [{"name": "intersecting-cuboids", "excluded_categories": [1]}],
    "circle_radius": 50,
}  # fmt: skip


def written(ontology: Ontology, kind: Kind) -> Any:  # noqa: ANN401 - JSON
    """The JSON as it would travel, so that what JSON cannot hold is seen."""
    return json.loads(json.dumps(write_ontology(ontology, kind)))


# ---- types of datasets ------------------------------------------------------------------------------------


def test_every_type_says_what_it_shows_and_holds() -> None:
    assert {name for name, kind in KINDS.items() if kind.bitmaps} == {
        "segmentation-bitmap", "segmentation-bitmap-highres", "image-segmentation-sequence",
    }  # fmt: skip
    for name, kind in KINDS.items():
        assert kind_of(name) is kind
        assert kind.shapes <= DRAWN
        assert kind.solid == name.startswith("pointcloud")
        assert kind.sequence == name.endswith("sequence")
        assert bool(kind.frame_version) == (kind.sequence and not kind.sensors)
        assert kind.points == ("pointcloud-segmentation" in name)
        assert kind.links == ("segmentation" not in name)
    assert len(SENSOR_KINDS) == 5


@pytest.mark.parametrize("name", ["", "bbox", "text-named-entities"])
def test_an_unknown_type_is_an_error_that_names_the_known_ones(name: str) -> None:
    with pytest.raises(UsageError, match=rf"type '{name}'.*segmentation-bitmap, .*multisensor-sequence"):
        kind_of(name)


@pytest.mark.parametrize(
    ("shapes", "media_kind", "task_type"),
    [
        ({Shape.BOX}, MediaKind.IMAGE, "bboxes"),
        ({Shape.POINT}, MediaKind.IMAGE, "keypoints"),
        ({Shape.BOX, Shape.POLYGON}, MediaKind.IMAGE, "vector"),
        ({Shape.MASK}, MediaKind.IMAGE, "segmentation-bitmap"),
        ({Shape.MASK, Shape.ROTATED_BOX}, MediaKind.IMAGE, "segmentation-bitmap"),
        ({Shape.ROTATED_BOX}, MediaKind.IMAGE, "vector"),
        (set(), MediaKind.IMAGE, "vector"),
        ({Shape.ANY}, MediaKind.IMAGE, "vector"),
        ({Shape.MASK}, MediaKind.VIDEO, "image-segmentation-sequence"),
        ({Shape.BOX}, MediaKind.IMAGE_GROUP, "image-vector-sequence"),
        ({Shape.CUBOID}, MediaKind.POINT_CLOUD, "pointcloud-cuboid"),
        ({Shape.CUBOID, Shape.POINT_3D}, MediaKind.POINT_CLOUD, "pointcloud-vector"),
        ({Shape.POINT_SET}, MediaKind.POINT_CLOUD_SEQUENCE, "pointcloud-segmentation-sequence"),
        ({Shape.BOX, Shape.CUBOID}, MediaKind.MULTI_SENSOR, "multisensor-sequence"),
    ],
)
def test_a_new_dataset_is_of_a_type_that_holds_the_shapes(
    shapes: set[Shape], media_kind: MediaKind, task_type: str
) -> None:
    assert kind_for(shapes, media_kind).task_type == task_type


# ---- reading ---------------------------------------------------------------------------------------------


def test_categories_become_classes_and_input_types_kinds() -> None:
    ontology = read_ontology("image-vector-sequence", PUBLISHED)
    vehicle = ontology.classes[0]
    assert (vehicle.name, vehicle.shape, vehicle.id, vehicle.colour) == (
        "vehicle", Shape.ANY, "1", "#0ac81e",
    )  # fmt: skip
    assert [(item.kind, item.required, item.dynamic) for item in vehicle.attributes] == [
        (AttributeKind.RADIO, True, False),
        (AttributeKind.TEXT, False, True),
        (AttributeKind.NUMBER, False, True),
        (AttributeKind.BOOLEAN, False, True),
        (AttributeKind.CHECKLIST, False, True),
        *[(AttributeKind.JSON, False, True)] * 4,
    ]
    assert [option.name for option in vehicle.attributes[4].options] == ["rack", "3"]
    assert [(item.id, item.colour) for item in ontology.classes[1:]] == [("0", "#218a21"), ("7", None)]
    assert ontology.classifications == (ClassificationDef(AttributeDef("weather", AttributeKind.TEXT)),)


@pytest.mark.parametrize(
    ("task_type", "shape"),
    [
        ("segmentation-bitmap", Shape.MASK),
        ("bboxes", Shape.BOX),
        ("pointcloud-segmentation", Shape.POINT_SET),
        ("pointcloud-cuboid-sequence", Shape.CUBOID),
        ("pointcloud-vector", Shape.ANY),
        ("multisensor-sequence", Shape.ANY),
    ],
)
def test_a_class_has_the_shape_of_its_dataset(task_type: str, shape: Shape) -> None:
    assert {item.shape for item in read_ontology(task_type, PUBLISHED).classes} == {shape}


def test_attributes_of_single_pictures_are_static() -> None:
    ontology = read_ontology("vector", PUBLISHED)
    assert not any(item.dynamic for found in ontology.classes for item in found.attributes)


@pytest.mark.parametrize(
    "broken",
    [
        {"categories": [{"id": 1}]},
        {"categories": [{"id": "one", "name": "car"}]},
        {"categories": [{"id": True, "name": "car"}]},
        {"categories": {"a": 1}},
        {"categories": [{"id": 1, "name": "car", "attributes": [{"name": "hue"}]}]},
        {"image_attributes": [3]},
    ],
)
def test_what_is_no_configuration_is_an_error(broken: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="categories cannot be read"):
        read_ontology("vector", broken)


# ---- there and back ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("task_type", list(KINDS))
@pytest.mark.parametrize(
    "found", [PUBLISHED, {}, {"format_version": "0.1", "categories": [], "image_attributes": []}]
)
def test_what_came_goes_out_key_by_key(task_type: str, found: dict[str, Any]) -> None:
    before = deepcopy(found)
    ontology = read_ontology(task_type, found)
    expected = {"categories": [], **found}
    assert written(ontology, KINDS[task_type]) == expected
    assert written(from_archive(to_archive(ontology)), KINDS[task_type]) == expected
    draft_of = written(ontology.without_ids(), KINDS[task_type])
    assert draft_of["categories"] == expected["categories"]
    assert draft_of.get("image_attributes", []) == expected.get("image_attributes", [])
    assert found == before


def test_no_configuration_is_an_empty_ontology() -> None:
    assert read_ontology("vector", None) == Ontology()


def test_only_what_changed_is_patched() -> None:
    ontology = read_ontology("image-vector-sequence", PUBLISHED)
    first = ontology.classes[0]
    hue, *others = first.attributes
    hue = replace(hue, required=False, dynamic=True, options=(*hue.options, OptionDef("green")))
    first = replace(first, name="car", colour="#000010", attributes=(hue, *others))
    found = written(replace(ontology, classes=(first, *ontology.classes[1:])), SEQUENCE)
    expected = deepcopy(PUBLISHED)
    category = expected["categories"][0]
    category |= {"name": "car", "color": [0, 0, 16]}
    category["attributes"][0] |= {
        "values": ["red", "blue", "green"], "is_mandatory": False, "is_track_level": False,
    }  # fmt: skip
    assert found == expected


def test_lists_of_category_ids_follow_a_category_to_its_new_id() -> None:
    one = read_ontology("vector", PUBLISHED)
    two = read_ontology(
        "vector", {"categories": [{"id": 1, "name": "tree", "link_category_restrictions": [1, 9]}]}
    )
    found = written(replace(one, classes=(*two.classes, *one.classes)), VECTOR)
    assert [(item["name"], item["id"]) for item in found["categories"]] == [
        ("tree", 1), ("vehicle", 2), ("sky", 0), ("bare", 7),
    ]  # fmt: skip
    assert found["categories"][0]["link_category_restrictions"] == [1, 9]
    assert found["categories"][1]["link_category_restrictions"] == []  # there was no category 2, and now is


def test_two_categories_of_one_name_stay_two() -> None:
    found = {"categories": [{"id": 4, "name": "car"}, {"id": 2, "name": "car"}]}
    assert written(read_ontology("vector", found), VECTOR) == found


# ---- from elsewhere ----------------------------------------------------------------------------------------


def test_a_new_dataset_has_one_category_for_all_shapes_of_a_name() -> None:
    colour = AttributeDef("colour", AttributeKind.RADIO, options=(OptionDef("red"),), required=True)
    moving = AttributeDef("note", AttributeKind.TEXT, dynamic=True)
    ontology = Ontology(
        (
            ClassDef("car", Shape.BOX, "3", "#ff0080", (colour,)),
            ClassDef("man", Shape.POINT, "ab12cd34", raw={"encord": {}}),
            ClassDef("car", Shape.POLYGON, attributes=(moving,)),
            ClassDef("tree", Shape.BOX, "12345678", raw={"featureNodeHash": "12345678"}),
        ),
        (ClassificationDef(AttributeDef("seen", AttributeKind.BOOLEAN)),),
    )
    assert written(ontology, SEQUENCE) == {
        "format_version": "0.1",
        "categories": [
            {
                "id": 3,
                "name": "car",
                "color": [255, 0, 128],
                "has_instances": True,
                "attributes": [
                    {
                        "name": "colour", "input_type": "select", "values": ["red"], "is_mandatory": True,
                        "is_track_level": True,
                    },
                    {"name": "note", "input_type": "text", "is_track_level": False},
                ],
            },
            {"id": 1, "name": "man", "color": [33, 138, 33], "has_instances": True},
            {"id": 2, "name": "tree", "color": [226, 115, 0], "has_instances": True},
        ],
        "image_attributes": [{"name": "seen", "input_type": "checkbox"}],
    }  # fmt: skip


def test_a_renamed_class_keeps_its_category() -> None:
    ontology = Rename(classes={"vehicle": "car"}).revise(read_ontology("vector", PUBLISHED))
    expected = deepcopy(PUBLISHED)
    expected["categories"][0]["name"] = "car"
    assert written(ontology, VECTOR) == expected


@pytest.mark.parametrize(
    ("ontology", "kind", "words"),
    [
        (draft([("m", Shape.MASK)]), VECTOR, "'m': a dataset of type vector has no mask; it has box, point,"),
        (draft([("b", Shape.BOX)]), BITMAP, "no box; it has mask, polygon"),
        (draft([("s", Shape.OTHER)]), VECTOR, "has no other"),
        (
            Ontology((ClassDef("c", Shape.BOX, attributes=(AttributeDef("any", AttributeKind.JSON),)),)),
            VECTOR,
            "'any' of 'c': Segments.ai has no attribute for any JSON value",
        ),
        (
            Ontology(
                (),
                (
                    ClassificationDef(
                        AttributeDef(
                            "light",
                            AttributeKind.RADIO,
                            options=(OptionDef("day", attributes=(AttributeDef("x", AttributeKind.TEXT),)),),
                        )
                    ),
                ),
            ),
            VECTOR,
            r"'light' of 'light': Segments.ai has no attributes below an option \(day\)",
        ),
        (
            Ontology(
                (
                    ClassDef("c", Shape.BOX, attributes=(AttributeDef("a", AttributeKind.TEXT),)),
                    ClassDef("c", Shape.POINT, attributes=(AttributeDef("a", AttributeKind.NUMBER),)),
                )
            ),
            VECTOR,
            "'a' of 'c' is a text of its box, a number of its point",
        ),
    ],
)
def test_what_a_dataset_cannot_hold_is_named_and_the_rest_fits(
    ontology: Ontology, kind: Kind, words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        write_ontology(ontology, kind)


def test_polygons_may_go_to_bitmaps() -> None:
    ontology = draft([("m", Shape.POLYGON), ("m", Shape.MASK)])
    (category,) = written(ontology, BITMAP)["categories"]
    assert category["name"] == "m"
    assert read_ontology("segmentation-bitmap", {"categories": [category]}).find("m", Shape.MASK)


@settings(deadline=None, max_examples=60)
@given(ontologies(Scope()), st.sampled_from(sorted(KINDS)))
def test_any_ontology_fits_but_for_what_is_named(ontology: Ontology, task_type: str) -> None:
    kind = KINDS[task_type]
    fit, lost = fitted(ontology, kind)
    if any("they share a category" in why for why in lost):
        return
    assert fitted(fit, kind) == (fit, ())
    assert (fit == ontology) == (not lost)
    wire = written(fit, kind)
    back = read_ontology(task_type, wire)
    assert written(back, kind) == wire
    assert written(back.without_ids(), kind) == wire
    assert list(dict.fromkeys(item.name for item in fit.classes)) == [item.name for item in back.classes]
    for item in fit.classes:
        found = next(other for other in back.classes if other.name == item.name)
        assert found.shape in {Shape.ANY, item.shape} or kind.bitmaps
        known = {attribute.name: attribute for attribute in found.attributes}
        for attribute in item.attributes:
            same = known[attribute.name]
            assert same.kind is attribute.kind
            assert {option.name for option in attribute.options} <= {option.name for option in same.options}
            assert same.dynamic >= (attribute.dynamic and kind.sequence)
    assert [(mark.name, mark.attribute.kind) for mark in back.classifications] == [
        (mark.name, mark.attribute.kind) for mark in fit.classifications
    ]
