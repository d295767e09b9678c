"""A job that replaces labels may leave out reading images that have none; it reads all others."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.core.labels import LabelRow
from pipeline.platforms.supervisely.wire import Image
from tests.conformance.supervisely_project import Local, boxes, local

pytestmark = pytest.mark.anyio

ROWS = [boxes(f"{number}.png", number % 3 + 1) for number in range(8)]
COUNTS = {row.title: row.label_count for row in ROWS}
META = {
    "classes": [{"title": "car", "shape": "rectangle"}],
    "tags": [{"name": "night", "value_type": "none"}],
}
CAR = {
    "classTitle": "car",
    "geometryType": "rectangle",
    "points": {"exterior": [[1, 1], [9, 9]], "interior": []},
}
READ = "annotations.bulk.info"


async def given(server: Local, name: str, **content: Any) -> None:  # noqa: ANN401 - JSON
    """Write an annotation as somebody else does."""
    image = (await server.images())[f"dataset/{name}"]
    size = {"height": image["height"], "width": image["width"]}
    annotation = {"description": "", "size": size, "tags": [], "objects": [], "customBigData": {}, **content}
    body = {"imageId": image["id"], "annotation": annotation}
    await server.call("annotations.bulk.add", {"datasetId": image["datasetId"], "annotations": [body]})


async def reads(server: Local) -> int:
    """How often annotations were read so far."""
    kinds = (await server.log())["kinds"]
    return int(kinds.get(READ, 0))


async def wrote(server: Local, rows: list[LabelRow], **changes: Any) -> int:  # noqa: ANN401 - keys of a job
    """Run a job that leaves out what it may, and return how often it read annotations."""
    before = await reads(server)
    report = await server.run(rows, target={"read_unlabelled": False}, **changes)
    assert report.rows["saved"] == len(rows)
    return await reads(server) - before


async def test_images_without_labels_are_written_unread(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS, meta=META) as server:
        assert await wrote(server, ROWS, mode="replace") == 0
        assert await server.counts() == COUNTS


async def test_images_that_have_anything_are_read_and_keep_their_custom_data(tmp_path: Path) -> None:
    custom = {"mine": [1, 2]}
    kept: dict[str, dict[str, Any]] = {
        "0.png": {"objects": [CAR]},
        "1.png": {"tags": [{"name": "night"}]},
        "2.png": {"description": "x"},
    }
    async with local(tmp_path, ROWS, meta=META) as server:
        for name, content in kept.items():
            await given(server, name, customBigData=custom, **content)
        assert await wrote(server, ROWS, mode="replace") == 1
        found = await server.annotations()
        assert await server.counts() == COUNTS
    assert [name for name, one in found.items() if one["customBigData"] == custom] == [
        f"dataset/{name}" for name in kept
    ]


async def test_a_second_run_finds_its_labels_and_changes_nothing(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS, meta=META) as server:
        await wrote(server, ROWS, mode="replace")
        report = await server.run(ROWS, target={"read_unlabelled": False}, mode="replace", name="again")
    assert report.rows == {"unchanged": len(ROWS)}


@pytest.mark.parametrize("mode", [None, "append", "skip-existing"])
async def test_a_job_that_has_to_know_whether_there_are_labels_reads_all(
    tmp_path: Path, mode: str | None
) -> None:
    async with local(tmp_path, ROWS, meta=META) as server:
        assert await wrote(server, ROWS, **({"mode": mode} if mode else {})) == 1


async def test_without_the_setting_all_are_read(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS, meta=META) as server:
        await server.run(ROWS, mode="replace")
        assert await reads(server) == 1


@pytest.mark.parametrize(
    ("name", "value"), [("labelsCount", 3), ("tags", [{"name": "night"}]), ("description", "x")]
)
def test_an_image_of_which_the_list_does_not_tell_all_does_not_count_as_empty(
    name: str, value: object
) -> None:
    entity = {"id": 7, "name": "a.png", "labelsCount": "0", "tags": [], "description": None}
    silent = {key: said for key, said in entity.items() if key != name}
    assert Image.of(entity, "dataset").unlabelled
    assert not Image.of(silent, "dataset").unlabelled
    assert not Image.of({**entity, name: value}, "dataset").unlabelled
