"""COCO: annotations to labels and back, and the rows that are rejected."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from pycocotools import mask as reference

from pipeline.core.codecs import coco_rle
from pipeline.core.geometry import Box, Geometry, Node, Polygon, Polyline, Shape, Skeleton, Visibility
from pipeline.core.labels import Group, LabelRow, Media, MediaKind, ObjectInstance, Occurrence
from pipeline.core.losses import LossKind
from pipeline.core.masks import Mask
from pipeline.core.ontology import AttributeKind, Ontology
from pipeline.core.rows import EditedRow, PackedRow, Place, RowKey
from pipeline.errors import RowError
from pipeline.platforms.coco import PLATFORM
from pipeline.platforms.coco.convert.categories import PERSON, read_categories
from pipeline.platforms.coco.convert.reading import Reader
from pipeline.platforms.coco.convert.writing import pack_row
from pipeline.platforms.coco.joining import joined
from pipeline.platforms.coco.settings import Settings, Style, Wanted
from pipeline.platforms.coco.source import CocoSource
from pipeline.ports import RowChoice
from tests.conformance.coco_samples import INSTANCES, Json, sample, written
from tests.conformance.moving import encoded, rejections_of, rows_of
from tests.strategies import Scope, rows_with_ontology

pytestmark = pytest.mark.anyio

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine is no fault."""

CATEGORIES = read_categories(INSTANCES["categories"])


def packed(row: LabelRow, style: Style = Style.INSTANCES) -> PackedRow:
    edited = EditedRow(RowKey(row.key, 0, row.title), Place(row.key), encoded(row, "coco_rle"))
    return pack_row(edited, style)


def document(*rows: LabelRow, ontology: Ontology | None = None, style: Style = Style.INSTANCES) -> Any:  # noqa: ANN401
    data = [packed(row, style).payload for row in rows]
    return json.loads(b"".join(joined(lambda: data, ontology, style)))


def read_back(found: Json) -> list[LabelRow]:
    reader = Reader(read_categories(found["categories"]))
    return [
        reader.row(image, [one for one in found["annotations"] if one["image_id"] == image["id"]])
        for image in found["images"]
    ]


def a_row(*geometries: Geometry, **changes: Any) -> LabelRow:  # noqa: ANN401 - fields of a row
    items = tuple(
        ObjectInstance(f"o{place}", "car", {0: Occurrence(geometry)})
        for place, geometry in enumerate(geometries)
    )
    row = LabelRow("5", "5.png", media=(Media("5.png", width=20, height=10),), objects=items)
    return replace(row, **changes)


def losses(row: LabelRow) -> list[LossKind]:
    return [loss.what for loss in packed(row).losses]


async def read(tmp_path: Path, found: object, **settings: Any) -> list[LabelRow]:  # noqa: ANN401 - settings
    source = CocoSource(
        Settings(annotations=written(tmp_path, found), **settings), tmp_path / "scratch", RowChoice()
    )
    try:
        return await rows_of(source)
    finally:
        source.close()


# ---- reading ----------------------------------------------------------------------------------------------


async def test_an_annotation_is_one_object_for_each_geometry_that_it_states(tmp_path: Path) -> None:
    first, second, third = await read(tmp_path, INSTANCES)
    (car,) = first.objects
    assert car.occurrences[0].geometry == Polygon(
        ((((1.004, 2), (10.5, 2.0), (10.5, 12.25)),), (((20, 20), (30, 20), (30, 31.337)),))
    )
    crowd, polygon, skeleton, box, alone = second.objects
    mask = crowd.occurrences[0].geometry
    assert isinstance(mask, Mask)
    assert (mask.area, mask.box) == (8, (1, 1, 2, 4))
    assert [item.shape for item in (polygon, skeleton, box, alone)] == [
        Shape.POLYGON, Shape.SKELETON, Shape.BOX, Shape.BOX,
    ]  # fmt: skip
    assert skeleton.occurrences[0].geometry == Skeleton(
        (
            Node("nose", 1, 1, Visibility.VISIBLE),
            Node("left", 0, 0, Visibility.INVISIBLE),
            Node("right", 3.5, 4, Visibility.OCCLUDED),
        )
    )
    assert second.groups == (Group("13", ("13", "13:keypoints", "13:bbox")),)
    assert {answer.attribute: answer.value for answer in box.answers} == {
        "occluded": False,
        "count": 2,
        "note": "x",
    }
    assert [item.occurrences[0].confidence for item in second.objects] == [None, 0.25, 0.25, 0.25, None]
    assert third.objects == ()
    assert first.media[0].url == "http://x.org/1.jpg"


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Wanted.SEGMENTATION, [Shape.POLYGON, Shape.MASK, Shape.POLYGON]),
        (Wanted.KEYPOINTS, [Shape.SKELETON]),
        (Wanted.BOX, [Shape.BOX] * 4),
    ],
)
async def test_the_wanted_geometry_can_be_chosen(
    tmp_path: Path, wanted: Wanted, expected: list[Shape]
) -> None:
    rows = await read(tmp_path, INSTANCES, geometry=wanted)
    assert [item.shape for row in rows for item in row.objects] == expected


def test_the_person_of_results_has_the_points_and_edges_of_coco() -> None:
    assert (len(PERSON.points), len(PERSON.edges)) == (17, 19)
    assert ("left_ankle", "left_knee") in PERSON.edges


# ---- rejected rows ----------------------------------------------------------------------------------------


def changed(place: int, **values: Any) -> Callable[[Json], None]:  # noqa: ANN401 - JSON
    return lambda found: found["annotations"][place].update(values)


@pytest.mark.parametrize(
    ("change", "key", "words"),
    [
        (lambda found: found["images"].append({"id": 1, "file_name": "x"}), "1", "2 images have this id"),
        (changed(0, id=12), "1", "annotation id 12 is there more than once"),
        (changed(0, image_id=99), "99", "not among images"),
        (changed(0, category_id=99), "1", "category_id 99 is not among the 3 categories"),
        (changed(2, keypoints=[1, 2, 2]), "2", "keypoints has 3 numbers; expected 9"),
        (changed(2, keypoints=[1, 2, 3] * 3), "2", "visibility of 3"),
        (changed(1, segmentation={"size": [6, 5], "counts": [7, 400]}), "2", "height * width"),
        (changed(1, segmentation={"size": [6, 5], "counts": "abc"}), "2", "annotation 12"),
        (changed(1, segmentation={"size": [60000, 60000], "counts": "0"}), "2", "60000"),
        (changed(1, segmentation={"size": [5, 6], "counts": [30]}), "2", "the image is 6 x 5"),
        (changed(0, segmentation=[[1, 2, 3, 4]]), "1", "2 points; expected at least 3"),
        (changed(0, segmentation=[[1, 2, 3, 4, 5, 6, 7]]), "1", "pairs of x and y"),
        (changed(0, segmentation=[1, 2, 3, 4, 5, 6]), "1", "flat list of numbers"),
        (changed(0, segmentation=[[1, 2, 3, 4, 5, None]]), "1", "flat list of numbers"),
        (changed(3, bbox=[1, 2, 3]), "2", "bbox has 3 numbers"),
        (changed(3, bbox=None), "2", "states no geometry"),
        (changed(0, score="high"), "1", "score is 'high'"),
        (lambda found: found["images"][0].update(width=-1), "1", "expected whole numbers above 0"),
    ],
)
async def test_a_wrong_annotation_rejects_its_image_and_the_others_go_on(
    tmp_path: Path, change: Callable[[Json], None], key: str, words: str
) -> None:
    found = sample()
    change(found)
    source = CocoSource(Settings(annotations=written(tmp_path, found)), tmp_path / "scratch", RowChoice())
    rejected = await rejections_of(source)
    source.close()
    assert words in rejected.pop(key)
    # Two annotations with one id are both in doubt, in whichever images they are.
    assert rejected.keys() == ({"2"} if "more than once" in words else set())


async def test_a_number_that_is_not_json_rejects_its_image(tmp_path: Path) -> None:
    found = sample()
    found["annotations"][0]["area"] = float("nan")
    source = CocoSource(Settings(annotations=written(tmp_path, found)), tmp_path / "scratch", RowChoice())
    assert "its JSON is wrong" in (await rejections_of(source))["1"]
    source.close()


# ---- writing ----------------------------------------------------------------------------------------------


PLAIN = (AttributeKind.TEXT, AttributeKind.NUMBER, AttributeKind.BOOLEAN)


@UNHURRIED
@given(rows_with_ontology(Scope.of(PLATFORM.features, attribute_kinds=PLAIN)))
def test_any_row_that_coco_holds_survives(found: tuple[LabelRow, Ontology]) -> None:
    row, ontology = found
    assert packed(row).losses == ()
    (back,) = read_back(document(row, ontology=ontology))
    assert meaning(back) == meaning(row)


@UNHURRIED
@given(rows_with_ontology())
def test_any_other_row_names_everything_that_does_not_arrive(found: tuple[LabelRow, Ontology]) -> None:
    row, ontology = found
    losing = packed(row).losses
    (back,) = read_back(document(row, ontology=ontology))
    if not losing:
        assert meaning(back) == meaning(row)
    whole = {loss.what for loss in losing if loss.object is None}
    gone = {loss.object for loss in losing if loss.what in (LossKind.SHAPE, LossKind.FRAMES)}
    held = [item for item in row.objects if item.id not in gone]
    assert sorted(item.class_name for item in back.objects) == sorted(item.class_name for item in held)
    assert (len(row.groups) > len(back.groups)) == (LossKind.GROUP in whole)


def meaning(row: LabelRow) -> Any:  # noqa: ANN401 - something to compare
    objects = [
        (
            item.class_name,
            item.occurrences[0].geometry,
            item.occurrences[0].confidence,
            {answer.attribute: answer for answer in item.answers},
        )
        for item in row.objects
    ]
    place = {item.id: index for index, item in enumerate(row.objects)}
    groups = [{place[number] for number in group.objects} for group in row.groups]
    return row.title, row.size_at(0), objects, groups


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_mask_with_holes_goes_out_as_run_lengths_and_reads_the_same_in_pycocotools() -> None:
    array = np.zeros((10, 20), np.bool_)
    array[1:9, 2:18] = True
    array[3:6, 5:9] = False
    (found,) = document(a_row(Mask.from_array(array)))["annotations"]
    assert np.array_equal(reference.decode(found["segmentation"]).astype(np.bool_), array)
    assert found["area"] == int(array.sum())
    assert found["bbox"] == [2, 1, 16, 8]
    assert found["iscrowd"] == 0


def test_a_polygon_with_holes_becomes_a_mask_and_says_so() -> None:
    outer, hole = ((1.0, 1.0), (9.0, 1.0), (9.0, 9.0), (1.0, 9.0)), ((3.0, 3.0), (6.0, 3.0), (6.0, 6.0))
    row = a_row(Polygon(((outer, hole),)))
    assert losses(row) == [LossKind.PRECISION]
    (found,) = document(row)["annotations"]
    assert coco_rle.decode(found["segmentation"]["counts"], 10, 20).area < 64
    with pytest.raises(RowError, match="size of the image is not known"):
        packed(replace(row, media=(Media("5.png"),)))


def test_what_coco_does_not_hold_is_named() -> None:
    box, line = Box(1.0, 1.0, 2.0, 2.0), Polyline(((1.0, 1.0), (2.0, 2.0)))
    assert losses(a_row(line)) == [LossKind.SHAPE]
    work = packed(a_row(box, status="done", metadata={"a": 1}))
    assert not work.losses
    assert [note.what for note in work.notes] == ["status", "metadata"]
    assert losses(a_row(box, groups=(Group("g", ("o0",)),))) == [LossKind.GROUP]
    assert losses(a_row(box, box, groups=(Group("g", ("o0", "o1")),))) == [LossKind.GROUP]
    video = a_row(box, media_kind=MediaKind.VIDEO, frame_count=3)
    assert losses(video) == [LossKind.FRAMES, LossKind.FRAMES]
    (item,) = a_row(box).objects
    assert losses(a_row(objects=(replace(item, sensor="left"),))) == [LossKind.FRAMES]
    rig = a_row(box, media_kind=MediaKind.MULTI_SENSOR, media=(), frame_count=2)
    assert losses(rig) == [LossKind.FRAMES, LossKind.FRAMES]
    zeros = Skeleton((Node("a", 0, 0, Visibility.INVISIBLE),))
    assert losses(a_row(zeros)) == [LossKind.SHAPE]
    with pytest.raises(RowError, match="nan"):
        packed(a_row(Box(float("nan"), 1.0, 2.0, 2.0)))
    with pytest.raises(RowError, match="its mask is 4 x 4"):
        packed(a_row(Mask.empty(4, 4)))


def test_a_track_that_is_the_objects_own_id_is_a_note_and_any_other_a_loss() -> None:
    (item,) = a_row(Box(1.0, 1.0, 2.0, 2.0)).objects
    own = packed(a_row(objects=(replace(item, track=item.id),)))
    assert ([*own.losses], [note.what for note in own.notes]) == ([], ["track"])
    assert losses(a_row(objects=(replace(item, track="7"),))) == [LossKind.TRACK]


def test_a_group_with_the_tight_box_of_its_polygon_stays_two_annotations() -> None:
    triangle = Polygon(((((1.0, 1.0), (5.0, 1.0), (5.0, 7.0)),),))
    both = (Group("g", ("o0", "o1")),)
    assert losses(a_row(triangle, Box(1.0, 1.0, 4.0, 6.0), groups=both)) == [LossKind.GROUP]
    apart = a_row(triangle, Box(0.0, 1.0, 4.0, 6.0), groups=both)
    assert losses(apart) == []
    (found,) = document(apart)["annotations"]
    assert (found["bbox"], found["segmentation"]) == ([0.0, 1.0, 4.0, 6.0], [[1.0, 1.0, 5.0, 1.0, 5.0, 7.0]])


async def test_only_what_an_operation_changed_is_written_anew(tmp_path: Path) -> None:
    _, row, _ = await read(tmp_path, INSTANCES)
    crowd, polygon, skeleton, box, alone = row.objects
    moved = replace(box, occurrences={0: replace(box.occurrences[0], geometry=Box(0.5, 0.5, 4.0, 4.0))})
    ontology = Ontology(raw={"coco": {name: INSTANCES[name] for name in ("info", "categories")}})
    edited = replace(row, objects=(replace(crowd, class_name="never used"), polygon, skeleton, moved))
    found = document(edited, ontology=ontology)
    first, second = INSTANCES["annotations"][1:3]
    assert found["annotations"] == [first | {"category_id": 5}, second | {"bbox": [0.5, 0.5, 4.0, 4.0]}]
    assert found["categories"] == INSTANCES["categories"]

    fewer = replace(row, objects=(polygon, alone), groups=())
    kept, other = document(fewer, ontology=ontology)["annotations"]
    assert "keypoints" not in kept
    assert kept["bbox"] == [1, 1, 3, 3]
    assert kept["custom"] == {"a": None}
    assert other == INSTANCES["annotations"][3]


def test_ids_are_kept_where_they_are_free_and_numbered_elsewhere() -> None:
    box = Box(1.0, 1.0, 2.0, 2.0)
    rows = [a_row(box, key=key, title=f"{key}.png") for key in ("7", "a", "7", "b")]
    found = document(*rows)
    assert [image["id"] for image in found["images"]] == [7, 8, 9, 10]
    assert [one["image_id"] for one in found["annotations"]] == [7, 8, 9, 10]
    assert [one["id"] for one in found["annotations"]] == [1, 2, 3, 4]


def test_one_class_with_two_sets_of_keypoints_becomes_two_categories() -> None:
    rows = [
        a_row(Skeleton(tuple(Node(name, 1.0, 2.0) for name in names)), key=key)
        for key, names in (("1", "ab"), ("2", "abc"))
    ]
    found = document(*rows)
    assert [(item["name"], item["keypoints"]) for item in found["categories"]] == [
        ("car", ["a", "b"]),
        ("car", ["a", "b", "c"]),
    ]
    assert [meaning(row) for row in read_back(found)] == [meaning(row) for row in rows]


def test_results_are_a_list_with_scores() -> None:
    item = ObjectInstance("o", "car", {0: Occurrence(Box(1.0, 2.0, 3.0, 4.0), confidence=0.75)})
    found = document(a_row(objects=(item,)), style=Style.RESULTS)
    assert found == [{"image_id": 5, "category_id": 1, "bbox": [1.0, 2.0, 3.0, 4.0], "score": 0.75}]


def test_results_that_get_a_number_of_their_own_are_noted() -> None:
    row = a_row(Box(1.0, 2.0, 3.0, 4.0), key="a", title="a.png")
    assert [note.what for note in packed(row, Style.RESULTS).notes] == ["image id"]
    assert not packed(row).notes
    assert not packed(replace(row, key="7"), Style.RESULTS).notes


def test_labels_that_coco_does_not_hold_are_not_counted_as_saved() -> None:
    done = packed(a_row(Box(1.0, 2.0, 3.0, 4.0), Polyline(((0.0, 0.0), (3.0, 4.0)))))
    assert [loss.what for loss in done.losses] == [LossKind.SHAPE]
    assert done.labels == 1


def test_a_packed_row_means_the_same_in_every_run() -> None:
    row = a_row(Box(1.0, 2.0, 3.0, 4.0))
    assert packed(row).digest == packed(a_row(Box(1.0, 2.0, 3.0, 4.0))).digest
    assert packed(row).digest != packed(a_row(Box(1.0, 2.0, 3.0, 5.0))).digest
    assert packed(row).labels == 1
