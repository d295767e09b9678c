"""What Encord cannot hold, and the mistakes that are caught before anything is sent."""

import math
from dataclasses import replace

import numpy as np
import pytest

from pipeline.core.geometry import (
    Box,
    Cuboid2D,
    Ellipse,
    Geometry,
    Node,
    Polygon,
    RotatedBox,
    Skeleton,
)
from pipeline.core.labels import (
    Answer,
    Classification,
    Frames,
    Group,
    MediaKind,
    ObjectInstance,
    Occurrence,
    Option,
    Relation,
)
from pipeline.core.losses import LossKind
from pipeline.core.masks import AlphaMask, EncodedMask, Mask
from pipeline.core.ontology import AttributeKind
from pipeline.errors import RowError
from pipeline.platforms.encord.convert import read_ontology, read_row
from tests.conformance.encord_rows import (
    FRUIT,
    cherry,
    drawn,
    emptied,
    empty_for,
    foreign,
    fruit_row,
    golden,
    pack,
    pack_over,
    read,
    reads_alike,
    sent,
)

# ---- relations and groups -------------------------------------------------------------------------


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


# ---- losses and notes -----------------------------------------------------------------------------


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


def test_labels_on_a_sensor_are_losses_by_name() -> None:
    on_left = cherry("s", sensor="left", track="t")
    checked = Classification("c", Answer("Checked", AttributeKind.RADIO, Option("Yes")), sensor="left")
    row = fruit_row(
        cherry("a"), on_left, classifications=(checked,), relations=(Relation("Part of", "a", "s"),)
    )
    packed = pack(row, FRUIT, empty_for(row))
    assert [(loss.object, loss.what) for loss in packed.losses] == [
        ("a", LossKind.RELATION),
        ("s", LossKind.FRAMES),
        ("c", LossKind.FRAMES),
    ]
    assert "sensor 'left'" in packed.losses[1].why
    back = read_row(sent(packed), FRUIT)
    assert (len(back.objects), back.classifications) == (1, ())


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
    answers = (
        Answer("Description", AttributeKind.TEXT, "a", ((0, 0),)),
        Answer("Description", AttributeKind.TEXT, "b", ((1, 1),)),
    )
    boxes = {frame: Occurrence(Box(1, 2, 3, 4)) for frame in (0, 1)}
    row = fruit_row(cherry(occurrences=boxes, answers=answers), media_kind=MediaKind.VIDEO, frame_count=2)
    assert [loss.what for loss in pack(row, FRUIT, empty_for(row), frame_count=2).losses] == [
        LossKind.ATTRIBUTE
    ]


# ---- mistakes -------------------------------------------------------------------------------------


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
        (
            "Strawberry",
            Skeleton((Node("nose", 1, 1),)),
            "unknown nodes nose; its template has point_0, point_1",
        ),
        ("Strawberry", Skeleton((Node("point_0", math.nan, 1),)), "finite"),
        ("Strawberry", Skeleton((Node("point_0", 1, 1), Node("point_0", 2, 2))), "twice"),
        ("Persimmon", Box(0, 0, 1, 1), "exists with shape polygon, but the label is a box; add `convert"),
        ("Mango", Box(0, 0, 1, 1), "no class 'Mango' of shape box"),
    ],
)
def test_a_wrong_geometry_rejects_the_row_and_says_why(name: str, geometry: Geometry, said: str) -> None:
    row = drawn(name, geometry)
    with pytest.raises(RowError, match=rf"row 'a\.png', object 'o1' \({name}.*{said}"):
        pack(row, FRUIT, empty_for(row))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            Answer("Taste", AttributeKind.TEXT, "x"),
            r"no attribute 'Taste' in 'Cherry'.*known: Colour, Damage",
        ),
        (
            Answer("Colour", AttributeKind.RADIO, Option("Green")),
            r"no option 'Green' \(known: 'Blue', 'Some other'\)",
        ),
        (
            Answer("Colour", AttributeKind.TEXT, "Blue"),
            "is radio in the ontology, but the answer is text 'Blue'",
        ),
        (Answer("Weight", AttributeKind.NUMBER, math.nan), "finite number"),
        (Answer("Weight", AttributeKind.TEXT, "5"), "expected a number"),
        (Answer("Damage", AttributeKind.RADIO, Option("Bird")), "expected several options"),
        (
            Answer(
                "Colour", AttributeKind.RADIO, Option("Blue", (Answer("Shade", AttributeKind.TEXT, "x"),))
            ),
            "no attribute 'Shade' below option 'Blue'",
        ),
        (
            Answer("Note", AttributeKind.TEXT, "x", ((0, 4),)),
            "holds on frames 0 to 4; the row has frames 0 to 0",
        ),
    ],
)
def test_a_wrong_answer_rejects_the_row_and_names_what_is_known(answer: Answer, said: str) -> None:
    row = fruit_row(cherry(answers=(answer,)))
    with pytest.raises(RowError, match=rf"row 'a\.png', object 'o1'.*{said}"):
        pack(row, FRUIT, empty_for(row))


def test_two_answers_on_one_frame_reject_the_row() -> None:
    said = (("a", ((0, 1),)), ("b", ((1, 2),)))
    answers = tuple(Answer("Note", AttributeKind.TEXT, text, frames) for text, frames in said)
    boxes = {frame: Occurrence(Box(1, 2, 3, 4)) for frame in (0, 1, 2)}
    row = fruit_row(cherry(occurrences=boxes, answers=answers), media_kind=MediaKind.VIDEO, frame_count=3)
    with pytest.raises(RowError, match="'Note' is answered twice on frame 1"):
        pack(row, FRUIT, empty_for(row), frame_count=3)


def test_a_confidence_that_is_no_number_rejects_the_row() -> None:
    row = fruit_row(cherry(occurrences={0: Occurrence(Box(1, 2, 3, 4), confidence=math.nan)}))
    with pytest.raises(RowError, match="confidence is nan"):
        pack(row, FRUIT, empty_for(row))


def test_a_frame_that_the_row_has_not_rejects_it() -> None:
    row = fruit_row(
        cherry(occurrences={10: Occurrence(Box(1, 2, 3, 4))}), media_kind=MediaKind.VIDEO, frame_count=10
    )
    with pytest.raises(RowError, match="on frame 10; the row has frames 0 to 9"):
        pack(row, FRUIT, empty_for(row), frame_count=10)


def test_one_classification_twice_on_a_frame_rejects_the_row() -> None:
    def mark(identity: str, frames: Frames) -> Classification:
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


def test_labels_in_layers_are_refused_and_not_left_out_in_silence() -> None:
    data = golden("image")
    data["spaces"] = {"layer-1": {"space_type": "image", "labels": {"0": {"objects": [{}]}}}}
    with pytest.raises(RowError, match="'image': it has labels in the space 'layer-1'"):
        read_row(data, FRUIT)


def test_a_cuboid_whose_faces_do_not_match_is_a_loss() -> None:
    front = ((1.0, 1.0), (9.0, 1.0), (9.0, 9.0), (1.0, 9.0))
    row = drawn("Crate", Cuboid2D(front, ((2.0, 2.0), (9.0, 2.0), (9.0, 7.0), (3.0, 9.0))))
    assert [loss.what for loss in pack(row, FRUIT, empty_for(row)).losses] == [LossKind.SHAPE]
    moved = drawn("Crate", Cuboid2D(front, tuple((x + 2, y + 3) for x, y in front)))
    packed = pack(moved, FRUIT, empty_for(moved))
    assert not packed.losses
    assert reads_alike(read_row(sent(packed), FRUIT), moved)


def test_broken_labels_name_row_object_and_frame() -> None:
    data = golden("image")
    del next(iter(data["data_units"].values()))["labels"]["objects"][0]["boundingBox"]["h"]
    with pytest.raises(
        RowError, match=r"row 'image', object 'obj0000=' \(Cherry\), frame 0: its bounding_box cannot be read"
    ):
        read_row(data, FRUIT)
