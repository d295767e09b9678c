"""Encord's JSON and the label model: what a user may rely on when labels are read and written."""

import json
import math
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from pipeline.core import codecs
from pipeline.core.geometry import (
    Box,
    Ellipse,
    Geometry,
    Node,
    Polygon,
    RotatedBox,
    Shape,
    Skeleton,
    Visibility,
)
from pipeline.core.labels import (
    Answer,
    Classification,
    Group,
    LabelRow,
    Media,
    MediaKind,
    ObjectInstance,
    Occurrence,
    Option,
    Provenance,
    Relation,
)
from pipeline.core.losses import LossKind
from pipeline.core.masks import AlphaMask, EncodedMask, Mask, Raster
from pipeline.core.ontology import AttributeKind, ClassDef, Ontology, draft
from pipeline.errors import RowError, UsageError
from pipeline.platforms.encord.convert import read_ontology, read_row, write_ontology
from pipeline.platforms.encord.wire import DRAWN
from tests.conformance.encord_rows import (
    emptied,
    empty_for,
    foreign,
    golden,
    pack,
    pack_over,
    sent,
    shown,
)
from tests.strategies import FLAT, Scope, rows_with_ontology

FRUIT = read_ontology(golden("ontology"))
FRAMES = {"image": None, "video": 10, "group": None, "image_old": None}
RECORDED = sorted(FRAMES)
KINDS = (MediaKind.IMAGE, MediaKind.IMAGE_GROUP, MediaKind.IMAGE_SEQUENCE, MediaKind.VIDEO)
HELD = Scope(
    shapes=DRAWN - {Shape.CUBOID_2D},
    media_kinds=KINDS,
    attribute_kinds=(AttributeKind.TEXT, AttributeKind.NUMBER, AttributeKind.RADIO, AttributeKind.BOOLEAN),
    groups=False,
    relations=False,
    tracks=False,
    keyframes=False,
    row_details=False,
)


def read(name: str) -> LabelRow:
    return read_row(golden(name), FRUIT, frame_count=FRAMES[name])


def fruit_row(*objects: ObjectInstance, **changes: Any) -> LabelRow:
    row = LabelRow("k", "a.png", media=(Media("a.png", width=64, height=48),), objects=objects)
    return replace(row, **changes)


def cherry(identity: str = "o1", **changes: Any) -> ObjectInstance:
    item = ObjectInstance(identity, "Cherry", {0: Occurrence(Box(1.0, 2.0, 3.0, 4.0))})
    return replace(item, **changes)


def drawn(name: str, geometry: Geometry) -> LabelRow:
    return fruit_row(ObjectInstance("o1", name, {0: Occurrence(geometry)}))


def reads_alike(one: LabelRow, other: LabelRow) -> bool:
    return near(shown(one), shown(other))


def near(one: Any, other: Any) -> bool:
    """Equal, numbers within a millionth of a pixel and masks to the pixel."""
    if isinstance(one, Mask) or isinstance(one, str | None | bool) or type(one) is not type(other):
        return bool(one == other)
    if isinstance(one, float):
        return math.isclose(one, other, rel_tol=1e-12, abs_tol=1e-6)
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(near, one, other))
    if is_dataclass(one):
        return all(near(getattr(one, item.name), getattr(other, item.name)) for item in fields(one))
    return bool(one == other)


# ---- what came from Encord goes back as it came ----------------------------------------------------------


@pytest.mark.parametrize("name", RECORDED)
def test_a_row_that_goes_back_is_the_row_that_came(name: str) -> None:
    data, row = golden(name), read(name)
    packed = pack_over(row, FRUIT, data, row, frame_count=FRAMES[name])
    assert sent(packed) == data
    assert packed.unchanged
    assert not packed.losses
    assert not packed.notes


@pytest.mark.parametrize("name", ["image", "video", "group"])
def test_a_row_goes_into_its_emptied_place_with_every_key_and_number(name: str) -> None:
    data, row = golden(name), read(name)
    packed = pack(row, FRUIT, emptied(data), frame_count=FRAMES[name])
    assert sent(packed) == data
    assert not packed.unchanged


@pytest.mark.parametrize("name", RECORDED)
def test_reading_changes_nothing_in_what_was_read(name: str) -> None:
    data = golden(name)
    pack(read_row(data, FRUIT, frame_count=FRAMES[name]), FRUIT, data, frame_count=FRAMES[name])
    assert data == golden(name)


def test_an_edit_changes_what_was_edited_and_keeps_all_other_keys() -> None:
    data, row = golden("image_old"), read("image_old")
    first = row.objects[0]
    box = first.occurrences[0].geometry
    assert isinstance(box, Box)
    wider = replace(first.occurrences[0], geometry=replace(box, width=box.width + 2))
    edited = replace(row, objects=(replace(first, occurrences={0: wider}), *row.objects[1:]))
    packed = pack_over(edited, FRUIT, data, row, user="me@example.org")
    expected = golden("image_old")
    unit = next(iter(expected["data_units"].values()))
    drawn_box = unit["labels"]["objects"][0]
    drawn_box["boundingBox"]["w"] = (box.width + 2) / 64
    drawn_box["lastEditedAt"] = "Sat, 02 Jan 2027 03:04:05 UTC"
    drawn_box["lastEditedBy"] = "me@example.org"
    assert sent(packed) == expected
    assert not packed.unchanged


def test_an_edited_answer_leaves_its_neighbours_in_the_spelling_of_the_web_editor() -> None:
    data, row = golden("image_old"), read("image_old")
    first = row.objects[0]
    answers = tuple(replace(a, value=9.5) if a.attribute == "Weight" else a for a in first.answers)
    edited = replace(row, objects=(replace(first, answers=answers), *row.objects[1:]))
    expected = golden("image_old")
    entries = expected["object_answers"]["obj0000="]["classifications"]
    next(entry for entry in entries if entry["name"] == "Weight")["answers"] = 9.5
    assert sent(pack_over(edited, FRUIT, data, row)) == expected


def test_an_edited_dynamic_answer_keeps_the_keys_of_its_entry() -> None:
    data = golden("video")
    entries = data["object_actions"]["obj0000="]["actions"]
    for entry in entries:
        entry.update(shouldPropagate=True, trackHash="t", manualAnnotation=False)
    row = read_row(data, FRUIT, frame_count=10)
    first = row.objects[0]
    answers = tuple(
        replace(a, frames=((2, 3),)) if a.attribute == "Position" and a.frames == ((2, 2),) else
        replace(a, frames=((5, 5),)) if a.attribute == "Position" else a
        for a in first.answers
    )  # fmt: skip
    edited = replace(row, objects=(replace(first, answers=answers), *row.objects[1:]))
    after = sent(pack_over(edited, FRUIT, data, row, frame_count=10))["object_actions"]["obj0000="]["actions"]
    wanted = [{**e, "range": {"Standing": [[2, 3]], "Walking": [[5, 5]]}[e["answers"][0]["name"]]}
              if e["name"] == "Position" else e for e in entries]  # fmt: skip
    assert after == wanted


def test_a_renamed_object_gets_the_class_of_the_target_and_keeps_its_hash() -> None:
    ontology = Ontology((*FRUIT.classes, ClassDef("Plum", Shape.POLYGON, "plum0000", "#010203")))
    data, row = golden("image"), read("image")
    edited = replace(row, objects=tuple(
        replace(item, class_name="Plum") if item.class_name == "Persimmon" else item for item in row.objects
    ))  # fmt: skip
    objects = next(iter(sent(pack_over(edited, ontology, data, row))["data_units"].values()))["labels"][
        "objects"
    ]
    before = next(iter(data["data_units"].values()))["labels"]["objects"]
    changed = [(a, b) for a, b in zip(objects, before, strict=True) if a != b]
    assert len(changed) == 1
    after, old = changed[0]
    assert {key for key in after if after[key] != old.get(key)} == {"name", "value", "featureHash", "color"}
    assert (after["featureHash"], after["color"], after["objectHash"]) == ("plum0000", "#010203", "obj0002=")


def test_a_removed_object_leaves_no_answer_behind() -> None:
    data, row = golden("video"), read("video")
    packed = pack_over(replace(row, objects=row.objects[1:], relations=()), FRUIT, data, row, frame_count=10)
    assert '"obj0000="' not in packed.payload.decode()


def test_ids_of_another_project_are_found_again_by_name_and_shape() -> None:
    other = read_ontology(write_ontology(FRUIT.without_ids()))
    row = read("video")
    packed = pack(row, other, emptied(golden("video")), frame_count=10)
    back = read_row(sent(packed), other, frame_count=10)
    assert reads_alike(back, row)
    assert not packed.losses
    known = {item.id for item in other.classes}
    unit = next(iter(sent(packed)["data_units"].values()))
    assert {o["featureHash"] for labels in unit["labels"].values() for o in labels["objects"]} <= known
    assert "0000001c" not in packed.payload.decode()


def test_an_old_row_reads_like_a_new_one() -> None:
    row = read("image_old")
    box, polygon, line, bones = (item.occurrences[0].geometry for item in row.objects)
    assert isinstance(polygon, Polygon)
    assert polygon.parts[0][0][0] == (6.4, 4.800000000000001)
    assert len(polygon.parts[0][0]) == 11
    assert isinstance(bones, Skeleton)
    assert [node.visibility for node in bones.nodes] == list(Visibility)
    answers = {answer.attribute: answer for answer in row.objects[0].answers}
    assert answers["Damage"].value == (Option("Bird"), Option("Worm"))
    colour = answers["Colour"].value
    assert isinstance(colour, Option)
    assert colour.answers[0].value == Option("Pink", (Answer("Shade", AttributeKind.TEXT, "dark"),))
    assert row.classifications[0].frames is None
    assert row.classifications[0].answer.value.name == "Cherry"


# ---- what came from elsewhere -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", RECORDED)
def test_labels_from_elsewhere_read_back_as_they_were(name: str) -> None:
    row = foreign(read(name))
    packed = pack(row, FRUIT, emptied(golden(name)), frame_count=FRAMES[name])
    assert not packed.losses
    assert reads_alike(read_row(sent(packed), FRUIT, frame_count=FRAMES[name]), row)


def test_packing_again_gives_the_same_hashes_and_says_unchanged() -> None:
    row = foreign(read("video"))
    first = pack(row, FRUIT, emptied(golden("video")), frame_count=10)
    again = pack(row, FRUIT, sent(first), frame_count=10)
    assert again.unchanged
    assert again.digest == first.digest


def test_a_label_added_by_an_earlier_run_is_not_added_twice() -> None:
    new = fruit_row(
        cherry(), classifications=(Classification("c", Answer("Comment", AttributeKind.TEXT, "x")),)
    )
    saved = sent(pack(new, FRUIT, empty_for(new)))
    existing = read_row(saved, FRUIT)
    both = replace(
        existing,
        key=new.key,
        objects=(*existing.objects, *new.objects),
        classifications=(*existing.classifications, *new.classifications),
    )
    packed = pack_over(both, FRUIT, saved, existing)
    assert packed.labels == 2
    assert packed.unchanged


def test_two_objects_with_one_id_reject_the_row() -> None:
    row = fruit_row(cherry(), cherry())
    with pytest.raises(RowError, match=r"a\.png.*two objects have the id 'o1'"):
        pack(row, FRUIT, empty_for(row))


def test_times_of_another_platform_are_written_in_english_and_utc() -> None:
    made = Provenance(created_at="2024-05-01T23:30:00+02:00", manual=False)
    row = fruit_row(cherry(occurrences={0: Occurrence(Box(1, 2, 3, 4), provenance=made)}))
    (wire,) = next(iter(sent(pack(row, FRUIT, empty_for(row)))["data_units"].values()))["labels"]["objects"]
    assert wire["createdAt"] == "Wed, 01 May 2024 21:30:00 UTC"
    assert wire["manualAnnotation"] is False
    assert wire["createdBy"] is None
    assert wire["confidence"] == 1.0


def test_a_circle_is_measured_by_the_width_of_the_picture() -> None:
    row = drawn("Plate", Ellipse(32, 24, 16, 16, 0.0, circle=True))
    (wire,) = next(iter(sent(pack(row, FRUIT, empty_for(row)))["data_units"].values()))["labels"]["objects"]
    assert wire["circle"] == {"x": 0.5, "y": 0.5, "r": 0.25, "stretch": 1.0, "theta": 0.0}


def test_an_ellipse_has_each_radius_by_its_own_side() -> None:
    row = drawn("Bowl", Ellipse(32, 24, 16, 12, 30.0))
    (wire,) = next(iter(sent(pack(row, FRUIT, empty_for(row)))["data_units"].values()))["labels"]["objects"]
    assert wire["ellipse"] == {"x": 0.5, "y": 0.5, "rx": 0.25, "ry": 0.25, "theta": 30.0}


@pytest.mark.parametrize("made", [Raster, Mask.from_array])
def test_a_mask_arrives_to_the_pixel_however_it_is_given(made: Any) -> None:
    array = np.zeros((48, 64), bool)
    array[3:20, 5:40] = True
    array[7:9, 10:12] = False
    row = drawn("Blueberry", made(array))
    back = read_row(sent(pack(row, FRUIT, empty_for(row))), FRUIT).objects[0].occurrences[0].geometry
    assert isinstance(back, EncodedMask)
    assert (codecs.decode(back.codec, back.data, 48, 64).to_array() == array).all()


def test_an_encoded_mask_goes_in_as_it_is() -> None:
    row = drawn("Blueberry", EncodedMask(48, 64, "encord_rle", "bo0X1"))
    (wire,) = next(iter(sent(pack(row, FRUIT, empty_for(row)))["data_units"].values()))["labels"]["objects"]
    assert wire["bitmask"] == {"top": 0, "left": 0, "height": 48, "width": 64, "rleString": "bo0X1"}


# ---- relations and groups -----------------------------------------------------------------------------------


def test_a_relation_answer_that_names_an_object_is_a_relation_and_no_answer() -> None:
    row = read("image")
    assert row.relations == (Relation("Part of", "obj0000=", "obj0002="),)
    assert "Part of #relation" not in {answer.attribute for answer in row.objects[0].answers}


def test_a_relation_answer_that_names_nothing_is_text_written_verbatim() -> None:
    row = read("image_old")
    assert row.relations == ()
    assert (
        Answer("Part of #relation", AttributeKind.TEXT, "see the drawing", relation=True)
        in row.objects[0].answers
    )


def test_a_relation_follows_its_object_to_a_new_hash() -> None:
    row = fruit_row(cherry("a"), cherry("b"), relations=(Relation("Part of", "a", "b"),))
    packed = pack(row, FRUIT, empty_for(row))
    back = read_row(sent(packed), FRUIT)
    first, second = (item.id for item in back.objects)
    assert back.relations == (Relation("Part of", first, second),)


def test_a_relation_without_a_place_is_a_loss() -> None:
    plate = ObjectInstance("p", "Plate", {0: Occurrence(Ellipse(9, 9, 2, 2, circle=True))})
    row = fruit_row(
        cherry("a"), plate, relations=(Relation("Part of", "p", "a"), Relation("next to", "a", "p"))
    )
    losses = pack(row, FRUIT, empty_for(row)).losses
    assert [(loss.what, loss.object) for loss in losses] == [
        (LossKind.RELATION, "a"),
        (LossKind.RELATION, "p"),
    ]


def test_groups_are_losses_unless_an_attribute_holds_them() -> None:
    row = fruit_row(cherry("a"), cherry("b"), groups=(Group("g1", ("a", "b")),))
    assert [loss.what for loss in pack(row, FRUIT, empty_for(row)).losses] == [LossKind.GROUP]
    packed = pack(row, FRUIT, empty_for(row), group_attribute="Description")
    back = read_row(sent(packed), FRUIT, group_attribute="Description")
    assert not packed.losses
    assert back.groups == (Group("g1", tuple(item.id for item in back.objects)),)
    assert back.objects[0].answers == ()


# ---- losses and notes ---------------------------------------------------------------------------------------


def test_what_encord_cannot_hold_is_a_loss_by_name() -> None:
    alpha = ObjectInstance(
        "m", "Blueberry", {0: Occurrence(AlphaMask(48, 64, 0, 0, np.ones((2, 2), np.uint8)))}
    )
    guessed = cherry("g", occurrences={0: Occurrence(Box(1, 2, 3, 4), keyframe=False)})
    row = fruit_row(alpha, guessed, cherry("t1", track="t"), cherry("t2", track="t"))
    packed = pack(row, FRUIT, empty_for(row))
    assert [(loss.object, loss.what) for loss in packed.losses] == [
        ("m", LossKind.SHAPE),
        ("g", LossKind.KEYFRAME),
        ("t1", LossKind.TRACK),
        ("t2", LossKind.TRACK),
    ]
    assert packed.labels == 3


def test_state_and_metadata_of_a_row_are_noted() -> None:
    row = fruit_row(cherry(track="7"), status="done", priority=0.5, metadata={"site": 1})
    notes = pack(row, FRUIT, empty_for(row)).notes
    assert [note.what for note in notes] == ["track", "status", "priority", "metadata"]


def test_a_missing_required_answer_warns_or_rejects() -> None:
    editor = golden("ontology")
    editor["objects"][0]["attributes"][0]["required"] = True
    ontology = read_ontology(editor)
    row = fruit_row(cherry())
    assert [note.what for note in pack(row, ontology, empty_for(row)).notes] == ["required answer"]
    with pytest.raises(RowError, match=r"'o1'.*'Description' is not answered; answer it"):
        pack(row, ontology, empty_for(row), require_answers=True)
    answered = fruit_row(cherry(answers=(Answer("Description", AttributeKind.TEXT, "x"),)))
    assert pack(answered, ontology, empty_for(row), require_answers=True).notes == ()


def test_an_answer_that_differs_by_frame_has_no_place_in_a_static_attribute() -> None:
    answers = (Answer("Description", AttributeKind.TEXT, "a", ((0, 0),)), Answer("Description", AttributeKind.TEXT, "b", ((1, 1),)))  # fmt: skip
    boxes = {frame: Occurrence(Box(1, 2, 3, 4)) for frame in (0, 1)}
    row = fruit_row(cherry(occurrences=boxes, answers=answers), media_kind=MediaKind.VIDEO, frame_count=2)
    assert [loss.what for loss in pack(row, FRUIT, empty_for(row), frame_count=2).losses] == [
        LossKind.ATTRIBUTE
    ]


# ---- mistakes that are caught before anything is sent ---------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "geometry", "said"),
    [
        ("Cherry", Box(math.nan, 0, 1, 1), "finite"),
        ("Cherry", Box(0, 0, math.inf, 1), "finite"),
        ("Cherry", Box(0, 0, -1, 1), "size >= 0"),
        ("Cherry", Box(60, 0, 10, 1), r"\(70, 1\) lies outside the picture of 64 x 48 pixels; add `clip"),
        ("Cherry", Box(-0.1, 0, 1, 1), "outside"),
        ("Other type of fruit", RotatedBox(1, 1, 2, 2, math.nan), "angle is nan"),
        ("Other type of fruit", RotatedBox(100, 1, 2, 2, 0), "outside"),
        ("Persimmon", Polygon((((((0, 0), (9, 0), (9, 99))),),)), r"\(9, 99\) lies outside"),
        ("Persimmon", Polygon(()), "without points"),
        ("Bowl", Ellipse(9, 9, -1, 1), "radius_x is -1"),
        ("Blueberry", Mask.empty(64, 48), r"mask is 48 x 64 pixels, the picture 64 x 48"),
        ("Blueberry", EncodedMask(48, 64, "coco_rle", "~~"), "frame 0"),
        ("Strawberry", Skeleton((Node("nose", 1, 1),)), "unknown nodes nose; its template has point_0, point_1"),
        ("Strawberry", Skeleton((Node("point_0", math.nan, 1),)), "finite"),
        ("Strawberry", Skeleton((Node("point_0", 1, 1), Node("point_0", 2, 2))), "twice"),
        ("Persimmon", Box(0, 0, 1, 1), "exists with shape polygon, but the label is a box; add `convert"),
        ("Mango", Box(0, 0, 1, 1), "no class 'Mango' of shape box"),
    ],
)  # fmt: skip
def test_a_wrong_geometry_rejects_the_row_and_says_why(name: str, geometry: Geometry, said: str) -> None:
    row = drawn(name, geometry)
    with pytest.raises(RowError, match=rf"row 'a\.png', object 'o1' \({name}.*{said}"):
        pack(row, FRUIT, empty_for(row))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer("Taste", AttributeKind.TEXT, "x"), r"no attribute 'Taste' in 'Cherry'.*known: Colour, Damage"),
        (Answer("Colour", AttributeKind.RADIO, Option("Green")), r"no option 'Green' \(known: 'Blue', 'Some other'\)"),
        (Answer("Colour", AttributeKind.TEXT, "Blue"), "is radio in the ontology, but the answer is text 'Blue'"),
        (Answer("Weight", AttributeKind.NUMBER, math.nan), "finite number"),
        (Answer("Weight", AttributeKind.TEXT, "5"), "expected a number"),
        (Answer("Damage", AttributeKind.RADIO, Option("Bird")), "expected several options"),
        (Answer("Colour", AttributeKind.RADIO, Option("Blue", (Answer("Shade", AttributeKind.TEXT, "x"),))),
         "no attribute 'Shade' below option 'Blue'"),
        (Answer("Note", AttributeKind.TEXT, "x", ((0, 4),)), "holds on frames 0 to 4; the row has frames 0 to 0"),
    ],
)  # fmt: skip
def test_a_wrong_answer_rejects_the_row_and_names_what_is_known(answer: Answer, said: str) -> None:
    row = fruit_row(cherry(answers=(answer,)))
    with pytest.raises(RowError, match=rf"row 'a\.png', object 'o1'.*{said}"):
        pack(row, FRUIT, empty_for(row))


def test_a_frame_that_the_row_has_not_rejects_it() -> None:
    row = fruit_row(
        cherry(occurrences={10: Occurrence(Box(1, 2, 3, 4))}), media_kind=MediaKind.VIDEO, frame_count=10
    )
    with pytest.raises(RowError, match="on frame 10; the row has frames 0 to 9"):
        pack(row, FRUIT, empty_for(row), frame_count=10)


def test_one_classification_twice_on_a_frame_rejects_the_row() -> None:
    def mark(identity: str, frames: Any) -> Classification:
        return Classification(identity, Answer("Many types of fruit?", AttributeKind.CHECKLIST, ()), frames)

    row = fruit_row(
        media_kind=MediaKind.VIDEO,
        frame_count=9,
        classifications=(mark("a", ((0, 4),)), mark("b", ((4, 5),))),
    )
    with pytest.raises(RowError, match="twice for frame 4"):
        pack(row, FRUIT, empty_for(row), frame_count=9)
    apart = replace(row, classifications=(mark("a", ((0, 4),)), mark("b", ((5, 5),))))
    assert pack(apart, FRUIT, empty_for(row), frame_count=9).labels == 2


def test_labels_outside_the_picture_that_are_already_there_are_not_judged_again() -> None:
    data = golden("image")
    objects = next(iter(data["data_units"].values()))["labels"]["objects"]
    objects[0]["boundingBox"]["x"] = -3.5
    row = read_row(data, FRUIT)
    edited = replace(row, objects=tuple(item for item in row.objects if item.class_name != "Plate"))
    assert sent(pack_over(edited, FRUIT, data, row))["data_units"] != {}
    with pytest.raises(RowError, match="outside"):
        pack(foreign(row), FRUIT, emptied(data))


@pytest.mark.parametrize(
    "kind", ["dicom", "nifti", "audio", "plain_text", "pdf", "group", "scene", "time_series"]
)
def test_other_kinds_of_rows_are_refused_by_name(kind: str) -> None:
    with pytest.raises(RowError, match=f"is a {kind} row; only image, image group"):
        read_row({**golden("image_empty"), "data_type": kind}, FRUIT)


def test_broken_labels_name_row_object_and_frame() -> None:
    data = golden("image")
    del next(iter(data["data_units"].values()))["labels"]["objects"][0]["boundingBox"]["h"]
    with pytest.raises(
        RowError, match=r"row 'image', object 'obj0000=' \(Cherry\), frame 0: its bounding_box cannot be read"
    ):
        read_row(data, FRUIT)


# ---- the ontology -------------------------------------------------------------------------------------------


def test_the_ontology_keeps_ids_options_templates_and_foreign_shapes() -> None:
    cherry_class = FRUIT.find("Cherry", Shape.BOX)
    assert cherry_class is not None
    part_of, colour = cherry_class.attributes[1:3]
    assert part_of.relation
    assert [option.name for option in colour.options] == ["Blue", "Some other"]
    assert colour.options[1].attributes[0].options[0].attributes[0].name == "Shade"
    bones = FRUIT.find("Strawberry", Shape.SKELETON)
    assert bones is not None
    assert bones.skeleton is not None
    assert [node.name for node in bones.skeleton.nodes] == ["point_0", "point_1", "point_2"]
    assert bones.skeleton.edges == (("point_0", "point_1"), ("point_0", "point_2"), ("point_1", "point_2"))
    assert [item.name for item in FRUIT.classes if item.shape is Shape.OTHER] == [
        "Sound",
        "Sentence",
        "Window",
    ]
    assert [item.whole_row for item in FRUIT.classifications] == [False, False, True]


def test_an_ontology_goes_out_and_comes_back() -> None:
    editor = write_ontology(FRUIT)
    assert read_ontology(json.loads(json.dumps(editor))) == FRUIT
    assert write_ontology(FRUIT.without_ids()) == write_ontology(FRUIT.without_ids())


def test_a_shape_without_an_equivalent_is_an_error() -> None:
    with pytest.raises(UsageError, match="'m': Encord has no class of shape alpha_mask"):
        write_ontology(draft([("m", Shape.ALPHA_MASK)]))


# ---- any row ------------------------------------------------------------------------------------------------


def survives(found: tuple[LabelRow, Ontology]) -> None:
    row, drafted = found
    ontology = read_ontology(write_ontology(drafted))
    packed = pack(row, ontology, empty_for(row), frame_count=row.frame_count)
    assert packed.losses == ()
    back = read_row(sent(packed), ontology, frame_count=row.frame_count)
    assert reads_alike(back, row)
    again = pack_over(back, ontology, sent(packed), back, frame_count=row.frame_count)
    assert again.unchanged
    assert sent(again) == sent(packed)


@settings(deadline=None, max_examples=60)
@given(rows_with_ontology(HELD))
def test_any_row_that_encord_can_hold_survives(found: tuple[LabelRow, Ontology]) -> None:
    survives(found)


@settings(deadline=None, max_examples=40)
@given(
    rows_with_ontology(
        replace(HELD, attribute_kinds=(AttributeKind.CHECKLIST, AttributeKind.RADIO), nested=False)
    )
)
def test_any_row_with_checklists_survives(found: tuple[LabelRow, Ontology]) -> None:
    survives(found)


@settings(deadline=None, max_examples=60)
@given(
    rows_with_ontology(
        replace(
            HELD, shapes=FLAT - {Shape.ALPHA_MASK}, tracks=True, keyframes=True, relations=True, groups=True
        )
    )
)
def test_what_does_not_survive_is_a_loss(found: tuple[LabelRow, Ontology]) -> None:
    row, drafted = found
    ontology = read_ontology(write_ontology(drafted))
    packed = pack(row, ontology, empty_for(row), frame_count=row.frame_count)
    lost = {loss.what for loss in packed.losses}
    assert (LossKind.GROUP in lost) == bool(row.groups)
    assert (LossKind.RELATION in lost) == bool(row.relations)
    assert (LossKind.KEYFRAME in lost) == any(
        not one.keyframe
        for item in row.objects
        if LossKind.SHAPE not in lost
        for one in item.occurrences.values()
    ) or LossKind.SHAPE in lost
    back = read_row(sent(packed), ontology, frame_count=row.frame_count)
    if LossKind.SHAPE not in lost:
        assert reads_alike(back, replace(row, relations=()))
    else:
        assert len(back.objects) == len(row.objects) - sum(
            loss.what is LossKind.SHAPE for loss in packed.losses
        )
