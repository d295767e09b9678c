"""Encord's JSON and the label model: what a user may rely on when labels are read and written."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.core import codecs
from pipeline.core.geometry import Box, Ellipse, Geometry, Polygon, Shape, Skeleton, Visibility
from pipeline.core.labels import (
    Answer,
    Classification,
    MediaKind,
    Occurrence,
    Option,
    Provenance,
)
from pipeline.core.masks import EncodedMask, Mask, Raster
from pipeline.core.ontology import AttributeKind, ClassDef, Ontology
from pipeline.errors import RowError
from pipeline.platforms.encord.convert import read_ontology, read_row, write_ontology
from tests.conformance.encord_rows import (
    FRAMES,
    FRUIT,
    RECORDED,
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
    _, polygon, _, bones = (item.occurrences[0].geometry for item in row.objects)
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
    answer = row.classifications[0].answer.value
    assert isinstance(answer, Option)
    assert answer.name == "Cherry"


def test_a_checklist_that_the_web_editor_split_by_option_and_frames_is_one_answer_for_each_frame() -> None:
    data = golden("video")
    actions = data["object_actions"]["obj0000="]["actions"]
    tags = [entry for entry in actions if entry["name"] == "Tags"]
    wet, ripe = ({**tags[0], "answers": [one]} for one in tags[0]["answers"])
    rest = [entry for entry in actions if entry["name"] != "Tags"]
    data["object_actions"]["obj0000="]["actions"] = [
        *rest, {**wet, "range": [[2, 3]]}, {**ripe, "range": [[3, 5]]},
    ]  # fmt: skip
    row = read_row(data, FRUIT, frame_count=10)
    found = {answer.frames: answer.value for answer in row.objects[0].answers if answer.attribute == "Tags"}
    wet_now, ripe_now = Option("Wet"), Option("Ripe")
    assert found == {((2, 2),): (wet_now,), ((3, 3),): (wet_now, ripe_now), ((4, 5),): (ripe_now,)}
    assert sent(pack_over(row, FRUIT, data, row, frame_count=10)) == data


def test_an_image_sequence_is_a_video_of_pictures() -> None:
    data = golden("video")
    next(iter(data["data_units"].values()))["data_type"] = "image/jpeg"
    row = read_row(data, FRUIT, frame_count=10)
    assert (row.media_kind, row.frame_count) == (MediaKind.IMAGE_SEQUENCE, 10)
    assert list(row.objects[0].occurrences) == [2, 3, 5]
    assert sent(pack_over(row, FRUIT, data, row, frame_count=10)) == data


# ---- what came from elsewhere ---------------------------------------------------------------------


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
def test_a_mask_arrives_to_the_pixel_however_it_is_given(
    made: Callable[[NDArray[np.bool_]], Geometry],
) -> None:
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
