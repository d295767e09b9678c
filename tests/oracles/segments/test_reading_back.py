"""What labelferry writes is what the vendor's own client reads."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.core.geometry import Cuboid
from pipeline.core.instances import Instance, InstanceMap
from pipeline.core.labels import Answer, LabelRow, Media, ObjectInstance, Occurrence, Relation
from pipeline.core.masks import Raster
from pipeline.core.ontology import AttributeKind
from tests.oracles.jobs import ferried
from tests.oracles.segments import meant
from tests.oracles.segments.jobs import labels, uploads
from tests.oracles.segments.rows import (
    DRAWN,
    FRAMES,
    SENSORS,
    TASK_ATTRIBUTES,
    bare,
    row,
    tilted,
)
from tests.oracles.segments.served import DATASET, Json, Sdk, Served, load, needs_sdk, served

pytestmark = [pytest.mark.anyio, needs_sdk]

TYPES = [*DRAWN, "multisensor-sequence"]
EVERY = pytest.mark.parametrize("task_type", TYPES)
IN_DATASET_OF_THE_SDK = (
    "segmentation-bitmap",
    "segmentation-bitmap-highres",
    "vector",
    "bboxes",
    "keypoints",
)
"""Types that `SegmentsDataset` reads with pictures that are not missing anything."""


BITMAPS = {
    "segmentation-bitmap": 1,
    "segmentation-bitmap-highres": 1,
    "image-segmentation-sequence": FRAMES,
    "multisensor-sequence": FRAMES,
}
"""How many bitmaps the row of a type has."""


def dataset_of(task_type: str, rows: list[LabelRow], **options: object) -> Json:
    """The options of a stand-in whose dataset has these rows, without their labels."""
    given = {"task_type": task_type, "task_attributes": TASK_ATTRIBUTES, "sensors": SENSORS}
    if task_type.startswith("multi"):
        given["dataset"] = {"enable_3d_cuboid_rotation": True}
    return {**given, "rows": [bare(one) for one in rows], **options}


async def written(server: Served, folder: Path, found: LabelRow, **settings: str) -> Json:
    """The label that the SDK reads after labelferry brought the row; both of its ways must give the same."""
    report = await ferried(folder, [found], labels(server, **settings))
    assert (report.rows, report.losses) == ({"saved": 1}, {})
    read: Json = await server.sdk("read_label", sample=server.uuids[found.title])
    assert await server.sdk("read_all", dataset=DATASET) == {found.title: read}
    return read


@EVERY
async def test_a_row_of_every_type_is_read_by_the_sdk_as_it_was_meant(
    sdk: Sdk, tmp_path: Path, task_type: str
) -> None:
    found, moving = row(task_type), task_type.endswith("-sequence")
    async with served(sdk, **dataset_of(task_type, [found])) as server:
        read = await written(server, tmp_path, found, label_status="REVIEWED")
        assert (read["label_status"], read["score"], read["label_type"]) == ("REVIEWED", 0.625, task_type)
        label = read["attributes"]
        turned = "cuboid" in task_type or task_type.startswith(("pointcloud-vector", "multi"))
        assert meant.disagreements(found, label, moving=moving, turned=turned) == []
        for sensor, at, frame in meant.bitmaps(label):
            ids = await server.ids("bitmap", url=frame["segmentation_bitmap"]["url"])
            assert np.array_equal(ids, meant.picture(found, frame, at, sensor)), (sensor, at)
        expected = BITMAPS.get(task_type, 0)
        assert len(list(meant.bitmaps(label))) == await uploads(server) == expected


@EVERY
async def test_ids_and_tracks_are_one_for_each_object(sdk: Sdk, tmp_path: Path, task_type: str) -> None:
    found = row(task_type)
    async with served(sdk, **dataset_of(task_type, [found])) as server:
        await written(server, tmp_path, found)
        stored = await server.stored(found.title)
    numbers = meant.numbers(found, stored)
    assert {len(set(held)) for held in numbers.values()} == {1}
    ids = {name: held[0][0] for name, held in numbers.items()}
    assert set(ids) == {item.id for item in found.objects}
    assert all(1 <= number < 1 << 24 for number in ids.values())
    for sensor in meant.sensors_of(found):
        own = [ids[item.id] for item in found.objects if item.sensor == sensor]
        assert len(set(own)) == len(own)
    for item in found.objects:
        assert len(numbers[item.id]) == len(item.occurrences)
        track = numbers[item.id][0][1]
        assert track == (int(item.track) if item.track else ids[item.id])


@pytest.mark.parametrize("name", ["pointcloud-segmentation", "pointcloud-segmentation-sequence", "Points"])
async def test_every_point_of_a_cloud_has_the_number_of_its_object(
    sdk: Sdk, tmp_path: Path, name: str
) -> None:
    sensor = "Points" if name == "Points" else None
    task_type = "multisensor-sequence" if sensor else name
    found = row(task_type)
    async with served(sdk, **dataset_of(task_type, [found])) as server:
        read = await written(server, tmp_path, found)
    frames = meant.frames_of(read["attributes"], sensor)
    assert [frame["point_annotations"] for frame in frames] == [
        meant.cloud(found, frame, at, sensor) for at, frame in enumerate(frames)
    ]


@pytest.mark.parametrize("task_type", [name for name in TYPES if "segmentation" not in name])
async def test_a_link_names_the_tracks_of_its_ends(sdk: Sdk, tmp_path: Path, task_type: str) -> None:
    found = row(task_type)
    async with served(sdk, **dataset_of(task_type, [found])) as server:
        read = await written(server, tmp_path, found)
        stored = await server.stored(found.title)
    numbers = meant.numbers(found, stored)
    (meant_link,) = found.relations
    ends = {"from_id": meant_link.source, "to_id": meant_link.target}
    expected: Json = {}
    for key, name in ends.items():
        number, track = numbers[name][0]
        expected[key] = number if track is None else track
    if meant_link.answers:
        expected["attributes"] = {"side": "left"}
    assert stored["links"] == [expected]
    # The SDK drops the links of pictures, but takes a label of points only for one of a cloud.
    dropped = task_type in {"bboxes", "vector", "image-vector-sequence"}
    assert read["attributes"].get("links") == (None if dropped else [expected])


@pytest.mark.parametrize("task_type", ["pointcloud-cuboid", "pointcloud-cuboid-sequence"])
@pytest.mark.parametrize("full", [True, False])
async def test_cuboids_are_turned_as_they_were_to_a_billionth(
    sdk: Sdk, tmp_path: Path, task_type: str, *, full: bool
) -> None:
    found, moving = row(task_type), task_type.endswith("-sequence")
    if full:
        found = found.with_objects(
            tuple(
                replace(
                    item,
                    occurrences={
                        at: replace(one, geometry=tilted(n, at)) for at, one in item.occurrences.items()
                    },
                )
                for n, item in enumerate(found.objects)
            )
        )
    options = {"dataset": {"enable_3d_cuboid_rotation": full}}
    async with served(sdk, **dataset_of(task_type, [found], **options)) as server:
        read = await written(server, tmp_path, found)
    assert meant.disagreements(found, read["attributes"], moving=moving, turned=full) == []
    by_name = {item.id: item for item in found.objects}
    for at, frame in enumerate(meant.frames_of(read["attributes"])):
        for one in frame["annotations"]:
            geometry = by_name[one["attributes"]["plate"]].occurrences[at].geometry
            assert isinstance(geometry, Cuboid)
            expected = meant.drawn(geometry, turned=full)
            assert abs(math.remainder(expected["yaw"] - one["yaw"], math.tau)) <= 1e-9
            assert meant.differences(expected.get("rotation"), one.get("rotation"), near=1e-9) == []


@pytest.mark.parametrize("task_type", IN_DATASET_OF_THE_SDK)
async def test_a_release_of_the_dataset_is_read_by_the_sdk(sdk: Sdk, tmp_path: Path, task_type: str) -> None:
    found = row(task_type)
    async with served(sdk, **dataset_of(task_type, [found])) as server:
        read = await written(server, tmp_path, found)
        (item,) = await server.sdk("items", dataset=DATASET)
    assert item["image"] == [found.media[0].width, found.media[0].height]
    says = {one["attributes"]["plate"]: one["category_id"] for one in item["annotations"]}
    wants = {one["attributes"]["plate"]: one["category_id"] for one in read["attributes"]["annotations"]}
    assert says == wants
    if "segmentation" in task_type:
        ids = load(item["segmentation_bitmap"])
        assert np.array_equal(ids, meant.picture(found, read["attributes"], 0))


async def test_the_numbers_of_a_picture_of_instances_are_kept(sdk: Sdk, tmp_path: Path) -> None:
    ids = np.array([[0, 1, 255, 256], [65535, 65536, 0x123456, 16777215], [0, 0, 7, 7]])
    picture = InstanceMap.from_array(ids)
    items = tuple(
        ObjectInstance(f"o{n}", "trailer", {0: Occurrence(Instance(picture, n))}) for n in picture.present
    )
    found = LabelRow("a", "a", media=(Media(width=4, height=3),), objects=items)
    async with served(sdk, **dataset_of("segmentation-bitmap", [found])) as server:
        read = (await written(server, tmp_path, found))["attributes"]
        assert (await server.ids("bitmap", url=read["segmentation_bitmap"]["url"])).tolist() == ids.tolist()
    assert [one["id"] for one in read["annotations"]] == list(picture.present)


async def test_the_mask_on_top_has_the_pixels_that_two_share(sdk: Sdk, tmp_path: Path) -> None:
    lower, upper = np.zeros((3, 5), np.bool_), np.zeros((3, 5), np.bool_)
    lower[:, :4], upper[1:, 2:] = True, True
    items = tuple(
        ObjectInstance(name, "trailer", {0: Occurrence(Raster(drawn))}, (Answer("plate", TEXT, name),))
        for name, drawn in (("lower", lower), ("upper", upper))
    )
    found = LabelRow("a", "a", media=(Media(width=5, height=3),), objects=items)
    for on_top, covered in (("last", upper), ("first", lower), ("smallest", upper)):
        async with served(sdk, **dataset_of("segmentation-bitmap", [found])) as server:
            target = labels(server, on_top=on_top)
            report = await ferried(tmp_path, [found], target, name=on_top, allow_losses=["overlap"])
            assert report.losses == {"overlap": 1}
            read = (await server.sdk("read_label", sample=server.uuids["a"]))["attributes"]
            ids = await server.ids("bitmap", url=read["segmentation_bitmap"]["url"])
        numbers = {one["attributes"]["plate"]: one["id"] for one in read["annotations"]}
        top = "upper" if covered is upper else "lower"
        assert np.array_equal(ids == numbers[top], covered)
        assert np.array_equal(ids != 0, lower | upper)


TEXT = AttributeKind.TEXT
ODD = {
    "pull": {"x": 1, "y": 2.0, "z": -3.5},
    "turn": {"qx": 0, "qy": 0, "qz": 0, "qw": 1},
    "hull": [[1, 2.5]],
}


async def test_values_that_the_sdk_cannot_read_are_in_the_label_as_they_were_given(
    sdk: Sdk, tmp_path: Path
) -> None:
    found = row("bboxes")
    answers = tuple(Answer(name, AttributeKind.JSON, value) for name, value in ODD.items())
    vehicle = replace(found.objects[0], answers=answers)
    found = replace(found, relations=()).with_objects((vehicle,))
    async with served(sdk, **dataset_of("bboxes", [found])) as server:
        await ferried(tmp_path, [found], labels(server))
        (said,) = (await server.stored("sample"))["annotations"]
        assert meant.differences(said["attributes"], ODD, near=0) == []
        assert (await server.refused("read_label", sample=server.uuids["sample"]))[0] == "ValidationError"


@EVERY
async def test_rows_that_are_brought_again_are_not_sent_again(
    sdk: Sdk, tmp_path: Path, task_type: str
) -> None:
    found = row(task_type)
    async with served(sdk, **dataset_of(task_type, [found])) as server:
        await ferried(tmp_path, [found], labels(server))
        first, files = await server.rows(), await uploads(server)
        for mode in ("append", "replace"):
            report = await ferried(tmp_path, [found], labels(server), mode=mode)
            assert report.rows == {"unchanged": 1}
            assert (await server.rows(), await uploads(server)) == (first, files)


async def test_a_wrong_number_would_be_noticed(sdk: Sdk, tmp_path: Path) -> None:
    found = row("vector")
    async with served(sdk, **dataset_of("vector", [found])) as server:
        label = (await written(server, tmp_path, found))["attributes"]
    assert meant.disagreements(found, label, moving=False) == []
    label["annotations"][0]["points"][0][0] += 1e-5
    assert len(meant.disagreements(found, label, moving=False)) == 1


async def test_a_relation_of_another_name_rejects_the_row_unless_its_loss_is_allowed(
    sdk: Sdk, tmp_path: Path
) -> None:
    found = row("vector")
    other = replace(found, relations=(Relation("pulls", found.objects[0].id, found.objects[1].id),))
    async with served(sdk, **dataset_of("vector", [found])) as server:
        report = await ferried(tmp_path, [other], labels(server), allow_losses=["relation"])
        assert report.losses == {"relation": 1}
        assert "links" not in await server.stored("sample")
