"""Bitmaps and numbers of points: what is drawn, what lies below, and what need not travel."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from pipeline.core.geometry import (
    Cuboid,
    PointSet,
    Polygon,
)
from pipeline.core.instances import InstanceMap, OnTop
from pipeline.core.labels import (
    Answer,
    LabelRow,
    Media,
    MediaKind,
    ObjectInstance,
)
from pipeline.core.losses import LossKind
from pipeline.core.masks import Mask
from pipeline.core.ontology import AttributeKind
from pipeline.errors import RowError
from pipeline.platforms.segments.convert import filled, placeholders, read_row
from pipeline.platforms.segments.convert.placeholders import placeholder_of
from tests.conformance.segments_labels import (
    Golden,
    archived,
    elsewhere,
    golden,
    item,
    losses,
    opened,
    pack,
    packed_to,
    put,
    row_of,
    sent,
    uploaded,
)

RING = ((0.0, 0.0), (4.0, 0.0), (4.0, 4.0), (0.0, 4.0))


def square(size: int, *at: tuple[int, int]) -> Mask:
    array = np.zeros((size, size), np.bool_)
    for y, x in at:
        array[y, x] = True
    return Mask.from_array(array)


# ---- bitmaps ----------------------------------------------------------------------------------------------


def masks(*pixels: tuple[str, tuple[tuple[int, int], ...]]) -> tuple[ObjectInstance, ...]:
    return tuple(item(square(6, *at), name) for name, at in pixels)


def bitmap_row(*objects: ObjectInstance, frames: int = 1) -> tuple[LabelRow, Golden]:
    found = golden("segmentation-bitmap" if frames == 1 else "image-segmentation-sequence")
    media = tuple(Media(f"{at}.png", width=6, height=6) for at in range(frames))
    kind = MediaKind.IMAGE if frames == 1 else MediaKind.IMAGE_SEQUENCE
    return LabelRow("source", "title", kind, media, frames, objects=objects), found


@pytest.mark.parametrize(
    ("on_top", "lost"), [(OnTop.LAST, {"a": 2}), (OnTop.FIRST, {"b": 1, "c": 1}), (OnTop.SMALLEST, {"a": 2})]
)
def test_masks_below_others_are_lost_by_name(on_top: OnTop, lost: dict[str, int]) -> None:
    row, found = bitmap_row(
        *masks(("a", ((0, 0), (0, 1), (0, 2))), ("b", ((0, 1),)), ("c", ((0, 2), (5, 5))))
    )
    packed = pack(opened(row, found.sample), found.project, on_top=on_top)
    assert {loss.object: int(loss.why.split()[0]) for loss in packed.losses} == lost
    assert {loss.what for loss in packed.losses} == {LossKind.OVERLAP}


def test_equal_pictures_travel_once_and_empty_frames_have_none() -> None:
    (one,) = masks(("a", ((0, 0),)))
    everywhere = replace(one, occurrences=dict.fromkeys((0, 2), one.occurrences[0]))
    row, found = bitmap_row(everywhere, frames=3)
    packed = pack(opened(row, found.sample), found.project)
    assert len(packed.assets) == 1
    frames = sent(packed)["attributes"]["frames"]
    urls = [frame.get("segmentation_bitmap") for frame in frames]
    assert urls[0] == urls[2] != None  # noqa: E711 - neither is missing
    assert urls[1] is None
    assert packed.size > len(packed.payload)


def test_a_bitmap_stays_at_its_service_and_moves_to_another() -> None:
    found = golden("segmentation-bitmap-all")
    row = archived(found.row())
    kept = pack(opened(row, elsewhere(found.sample)), found.project)
    assert kept.assets == ()
    other = replace(found.project, service="https://segments.example")
    moved = pack(opened(row, elsewhere(found.sample)), other)
    assert len(moved.assets) == 1
    (url,) = uploaded(moved)
    assert sent(moved)["attributes"]["segmentation_bitmap"] == {"url": url, "level": 3}
    assert moved.digest == kept.digest
    (picture,) = uploaded(moved).values()
    (before,) = found.bitmaps.values()
    # What no annotation has is no label, and is not drawn again, but said.
    assert [note.why for note in moved.notes if "77" in note.why] == [
        "ids without an annotation are not drawn again: 77"
    ]
    assert picture == before.renumbered({number: number for number in before.present if number != 77})


def test_a_bitmap_that_is_there_already_is_not_uploaded_again() -> None:
    row, found = bitmap_row(*masks(("a", ((0, 0), (1, 1)))))
    first = pack(opened(row, found.sample), found.project)
    label = put(first)
    existing = read_row(found.sample, label, found.project, uploaded(first)).row
    again = pack(opened(row, found.sample, label, existing=existing), found.project)
    assert again.unchanged
    renamed = row.with_objects(tuple(replace(one, class_name="sign") for one in row.objects))
    changed = pack(opened(renamed, found.sample, label, existing=existing), found.project)
    assert not changed.unchanged
    assert changed.assets == ()
    assert sent(changed)["attributes"]["segmentation_bitmap"] == label.attributes["segmentation_bitmap"]  # type: ignore[index, call-overload]


def test_ids_of_frames_survive_where_pixels_change() -> None:
    found = golden("image-segmentation-sequence-all")
    row = found.row()
    gone = row.with_objects(tuple(one for one in row.objects if one.id != "20"))
    packed = pack(opened(gone, found.sample, found.label, existing=row), found.project)
    frames = sent(packed)["attributes"]["frames"]
    assert [one["id"] for frame in frames for one in frame["annotations"]] == [1, 4, 5]
    assert frames[2] == found.attributes["frames"][2]
    pictures = uploaded(packed)
    assert [pictures[frame["segmentation_bitmap"]["url"]].present for frame in frames[:2]] == [(1,), (4,)]


def test_placeholders_are_exact() -> None:
    row, found = bitmap_row(*masks(("a", ((0, 0),))))
    text = placeholder_of(0, "0" * 32)
    answers = (Answer("plate", AttributeKind.TEXT, text),)
    row = row.with_objects(tuple(replace(one, answers=answers) for one in row.objects))
    packed = pack(opened(row, found.sample), found.project)
    (placeholder,) = placeholders(packed)
    assert packed.payload.count(placeholder.encode()) == 1
    body = json.loads(filled(packed, ['https://x.example/"a"?b=c']))
    assert body["attributes"]["segmentation_bitmap"]["url"] == 'https://x.example/"a"?b=c'
    assert body["attributes"]["annotations"][0]["attributes"]["plate"] == text
    with pytest.raises(ValueError, match="zip"):
        filled(packed, [])


def test_a_mask_of_no_pixel_is_reported() -> None:
    row, found = bitmap_row(item(Mask.empty(6, 6)))
    packed = pack(opened(row, found.sample), found.project)
    assert [note.what for note in packed.notes] == ["bitmap"]
    assert packed.assets == ()
    assert sent(packed)["attributes"]["segmentation_bitmap"] == {}


def test_more_than_24_bits_are_refused() -> None:
    with pytest.raises(ValueError, match="16777216"):
        InstanceMap.from_array(np.array([[1 << 24]]))


def test_a_polygon_on_a_picture_of_unknown_size_is_refused() -> None:
    row, found = bitmap_row(item(Polygon(((RING,),))))
    row = replace(row, media=(Media("a.png"),))
    with pytest.raises(RowError, match="the size of the picture is not known"):
        pack(opened(row, found.sample), found.project)


# ---- clouds -----------------------------------------------------------------------------------------------


def test_points_that_two_objects_have_are_lost_by_one() -> None:
    found = golden("pointcloud-segmentation")
    row = row_of(found, item(PointSet((0, 1))), item(PointSet((1, 2)), "p"))
    packed = pack(opened(row, found.sample), found.project)
    assert losses(packed) == [("overlap", "o")]
    ids = [one["id"] for one in sent(packed)["attributes"]["annotations"]]
    assert sent(packed)["attributes"]["point_annotations"] == [ids[0], ids[1], ids[1], 0, 0, 0, 0, 0, 0]
    first = pack(opened(row, found.sample), found.project, on_top=OnTop.FIRST)
    assert losses(first) == [("overlap", "p")]


def test_a_cloud_of_unknown_size_ends_with_the_last_labelled_point() -> None:
    found = golden("pointcloud-segmentation")
    row = replace(row_of(found, item(PointSet((4,)))), media=(Media(),))
    packed = pack(opened(row, found.sample), found.project)
    assert len(sent(packed)["attributes"]["point_annotations"]) == 5
    assert [note.what for note in packed.notes] == ["point_annotations"]


def test_a_rotation_is_kept_where_the_dataset_has_it_and_lost_elsewhere() -> None:
    tilted = item(Cuboid((0, 0, 0), (1, 1, 1), (0.0, math.sin(0.2), 0.0, math.cos(0.2))))
    upright = item(Cuboid((0, 0, 0), (1, 1, 1), (0.0, 0.0, math.sin(0.2), math.cos(0.2))), "u")
    full = sent(packed_to("pointcloud-cuboid", tilted, upright))["attributes"]["annotations"]
    assert full[0]["rotation"] == {"qx": 0, "qy": math.sin(0.2), "qz": 0, "qw": math.cos(0.2)}
    assert math.isclose(full[1]["yaw"], 0.4, abs_tol=1e-12)
    flat = packed_to("pointcloud-cuboid-yaw", tilted, upright)
    assert losses(flat) == [("rotation", "o")]
    assert all("rotation" not in one for one in sent(flat)["attributes"]["annotations"])
