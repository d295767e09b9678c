"""Labels that the vendor's client wrote are edited where they are, and nothing else changes in them."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest

from tests.oracles.jobs import archive, ferried
from tests.oracles.segments import meant
from tests.oracles.segments.jobs import edited, labels, uploads
from tests.oracles.segments.published import SAMPLES, TASK_ATTRIBUTES, label
from tests.oracles.segments.served import DATASET, Json, Sdk, Served, needs_sdk, served

pytestmark = [pytest.mark.anyio, needs_sdk]

EVERY = pytest.mark.parametrize("task_type", SAMPLES)
IDS = np.array([[0, 1, 1, 70000], [0, 1, 0, 70000], [1, 1, 1, 0]], np.uint32)
LATER = np.array([[0, 2, 2, 70001], [0, 0, 0, 70001], [2, 2, 2, 0]], np.uint32)
"""The ids of a sequence's second frame."""
VEHICLE, TRAILER = 1, 2

Change = Callable[[list[Json]], list[Json]]
"""Makes an edit in the annotations of one frame."""


@asynccontextmanager
async def written(sdk: Sdk, folder: Path, task_type: str, *, twice: bool = False) -> AsyncIterator[Served]:
    """A sample whose label the SDK wrote, with bitmaps that it drew; with `twice` there is another one."""
    options: Json = {"task_type": task_type, "task_attributes": TASK_ATTRIBUTES}
    async with served(sdk, **options, dataset={"enable_3d_cuboid_rotation": True}) as server:
        urls = [await drawn(server, folder, ids) for ids in (IDS, LATER)]
        for name in ("sample", "other")[: 1 + twice]:
            given = [{"name": name, "attributes": SAMPLES[task_type]}]
            (made,) = await server.sdk("add_samples", dataset=DATASET, samples=given)
            server.uuids[name] = made["uuid"]
            attributes = placed(label(task_type, urls[0]), urls)
            more = {"label_status": "REVIEWED", "score": 0.75}
            await server.sdk("write_label", sample=made["uuid"], attributes=attributes, **more)
        yield server


async def drawn(server: Served, folder: Path, ids: np.ndarray[tuple[int, int], np.dtype[np.uint32]]) -> str:
    """Draw a bitmap with the SDK, and upload it with the SDK."""
    np.save(folder / "ids.npy", ids)
    path = str(folder / "ids.png")
    await server.sdk("encode_png", ids=str(folder / "ids.npy"), path=path)
    url: str = await server.sdk("upload", path=path)
    return url


def placed(attributes: Json, urls: list[str]) -> Json:
    """The label with the bitmap of each frame."""
    for frames in every_frame(attributes):
        for frame, url in zip(frames, urls, strict=False):
            if "segmentation_bitmap" in frame:
                frame["segmentation_bitmap"] = {"url": url}
    return attributes


def every_frame(attributes: Json) -> list[list[Json]]:
    """The frames of a label, sensor by sensor."""
    if "sensors" in attributes:
        return [one["attributes"]["frames"] for one in attributes["sensors"] if one["attributes"]]
    return [attributes.get("frames", [attributes])]


def expected(before: Json, change: Change) -> Json:
    """What the SDK should read after an edit: points lose the ids that are no more."""
    after = deepcopy(before)
    for frames in every_frame(after["attributes"]):
        for frame in frames:
            had = {one["id"] for one in frame["annotations"]}
            frame["annotations"] = change(frame["annotations"])
            gone = had - {one["id"] for one in frame["annotations"]}
            if "point_annotations" in frame:
                points = frame["point_annotations"]
                frame["point_annotations"] = [0 if number in gone else number for number in points]
    return after


def renamed(annotations: list[Json]) -> list[Json]:
    return [{**one, "category_id": VEHICLE} for one in annotations]


def answered(annotations: list[Json]) -> list[Json]:
    for one in annotations:
        if one["category_id"] == VEHICLE:
            one["attributes"] = {**(one.get("attributes") or {}), "plate": "LF 2"}
    return annotations


def dropped(annotations: list[Json]) -> list[Json]:
    return [one for one in annotations if one["category_id"] != TRAILER]


EDITS: dict[str, tuple[Json, Change]] = {
    "rename": ({"rename": {"classes": {"trailer": "vehicle"}}}, renamed),
    "set": ({"set": {"attribute": "plate", "value": "LF 2", "classes": ["vehicle"]}}, answered),
    "drop": ({"drop": {"classes": ["trailer"]}}, dropped),
}


def bare(read: Json) -> Json:
    """A label without the time of its last change."""
    return {key: value for key, value in read.items() if key not in {"updated_at", "sample_uuid"}}


async def seen(server: Served, name: str = "sample", labelset: str = "ground-truth") -> Json:
    """What the SDK reads, and the ids of its bitmaps in place of their URLs."""
    found: Json = await server.sdk("read_label", sample=server.uuids[name], labelset=labelset)
    for _, _, frame in pictures(found["attributes"]):
        ids = await server.ids("bitmap", url=frame["segmentation_bitmap"]["url"])
        frame["segmentation_bitmap"] = ids.tolist()
    return bare(found)


def pictures(attributes: Json) -> list[tuple[int, int, Json]]:
    """Frames that have bitmaps, with the numbers of their sensor and of the frame."""
    return [
        (sensor, at, frame)
        for sensor, frames in enumerate(every_frame(attributes))
        for at, frame in enumerate(frames)
        if frame.get("segmentation_bitmap")
    ]


def without(ids: list[list[int]], numbers: set[int]) -> list[list[int]]:
    """A picture in which these ids are nothing any more."""
    return [[0 if number in numbers else number for number in line] for line in ids]


@EVERY
@pytest.mark.parametrize("edit", EDITS)
async def test_the_sdk_sees_the_edit_and_nothing_else_changed(
    sdk: Sdk, tmp_path: Path, task_type: str, edit: str
) -> None:
    operation, change = EDITS[edit]
    async with written(sdk, tmp_path, task_type) as server:
        before, files = await seen(server), await uploads(server)
        urls = [one["segmentation_bitmap"] for _, _, one in pictures(await server.stored("sample"))]
        report = await edited(server, tmp_path, operation)
        after = await seen(server)
        wanted = expected(before, change)
        touched = wanted != before
        assert report.rows == {"saved" if touched else "unchanged": 1}
        new = [one["segmentation_bitmap"] for _, _, one in pictures(await server.stored("sample"))]
        if edit == "drop":
            for _, at, frame in pictures(wanted["attributes"]):
                frame["segmentation_bitmap"] = without(frame["segmentation_bitmap"], {70000 + at})
            assert all(one != other for one, other in zip(urls, new, strict=True))
            assert await uploads(server) - files == len(new)
        else:
            assert (new, await uploads(server)) == (urls, files)
        if edit == "drop":
            same_tracks(wanted["attributes"], after["attributes"])
        assert meant.differences(wanted, after, near=0) == []


def same_tracks(wanted: Json, after: Json) -> None:
    """Give the frames that were drawn anew the ids that they have now: one for an object on all frames."""
    for frames, others in zip(every_frame(wanted), every_frame(after), strict=True):
        for frame, other in zip(frames, others, strict=True):
            if not isinstance(frame.get("segmentation_bitmap"), list):
                continue
            numbers = {0: 0}
            for one, new in zip(frame["annotations"], other["annotations"], strict=True):
                numbers[one["id"]] = new["id"]
                one["id"] = new["id"]
            ids = frame["segmentation_bitmap"]
            frame["segmentation_bitmap"] = [[numbers[number] for number in line] for line in ids]


@EVERY
async def test_an_edit_on_the_way_to_another_labelset_leaves_the_first_as_it_is(
    sdk: Sdk, tmp_path: Path, task_type: str
) -> None:
    async with written(sdk, tmp_path, task_type) as server:
        before, files = await seen(server), await uploads(server)
        operation, change = EDITS["set"]
        target = labels(server, labelset="edited")
        await ferried(tmp_path, labels(server), target, operations=[operation])
        assert await seen(server) == before
        copied = {**await seen(server, labelset="edited"), "labelset": "ground-truth"}
        for key in ("created_at", "created_by"):
            copied[key] = before[key]
        assert meant.differences(expected(before, change), copied, near=0) == []
        assert await uploads(server) == files


@EVERY
async def test_a_row_that_the_operation_does_not_touch_is_not_sent(
    sdk: Sdk, tmp_path: Path, task_type: str
) -> None:
    async with written(sdk, tmp_path, task_type, twice=True) as server:
        before = await server.rows()
        operation = EDITS["set"][0]
        report = await edited(server, tmp_path, operation, rows={"titles": ["other"]})
        after = await server.rows()
        assert after[f"{DATASET}:sample"] == before[f"{DATASET}:sample"]
        report = await edited(server, tmp_path, operation, name="again")
        assert report.rows["unchanged"] >= 1
        assert after[f"{DATASET}:other"] == (await server.rows())[f"{DATASET}:other"]


@EVERY
async def test_labels_of_the_sdk_come_back_through_an_archive_as_it_saw_them(
    sdk: Sdk, tmp_path: Path, task_type: str
) -> None:
    async with written(sdk, tmp_path, task_type) as server:
        before, stored = await seen(server), await server.stored("sample")
        await ferried(tmp_path, labels(server), archive(tmp_path / "backup"), name="backup")
        await server.sdk("delete_label", sample=server.uuids["sample"])
        await ferried(tmp_path, archive(tmp_path / "backup"), labels(server), name="restore")
        after = await seen(server)
        assert await server.stored("sample") == stored
    assert {**after, "created_at": 0} == {**before, "created_at": 0}


async def test_a_release_is_read_as_the_dataset_was(sdk: Sdk, tmp_path: Path) -> None:
    async with written(sdk, tmp_path, "segmentation-bitmap") as server:
        stored = await server.stored("sample")
        await server.sdk("release", dataset=DATASET, name="v1")
        await edited(server, tmp_path, EDITS["drop"][0])
        assert await server.stored("sample") != stored
        await ferried(tmp_path, labels(server, release="v1"), labels(server, labelset="old"), name="release")
        assert await server.stored("sample", labelset="old") == stored
