"""Names that others have taken in a dataset of Supervisely: rejected, used, or found another one."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.labels import LabelRow, Media
from pipeline.core.rows import LabelTask, OpenRow, Rejection, RowKey
from tests.conformance.opening import listed, placed, tasks_for
from tests.conformance.supervisely_pictures import COPY, drawn, picture, reasons
from tests.conformance.supervisely_project import Local, boxes, bring, hash_of, local

pytestmark = pytest.mark.anyio


async def taken(server: Local, name: str, shade: int = 99) -> None:
    """Somebody else adds an image to the dataset."""
    dataset = next(one["id"] for one in await server.datasets() if one["name"] == "dataset")
    digest = (await server.images())["dataset/seed.png"]["hash"]
    body = {"title": name, "hash": digest, "meta": {"shade": shade}}
    await server.call("images.bulk.add", {"datasetId": dataset, "images": [body]})


SEED = [replace(boxes("seed.png", 0), media=(Media(width=64, height=48),))]


async def raced(
    server: Local,
    rows: Sequence[LabelRow],
    names: Sequence[str],
    **changes: Any,  # noqa: ANN401
) -> list[OpenRow | Rejection]:
    """Open rows whose names others take between the listing and the opening."""
    async with server.adapter(**changes) as adapter:
        target = adapter.target()
        tasks = tasks_for(rows)
        places = await placed(await target.prepare(COPY, listed(rows)), tasks)
        for name in names:
            await taken(server, name)
        return list(await target.open(tasks, places))


async def test_a_name_that_is_taken_meanwhile_rejects_its_row(tmp_path: Path) -> None:
    rows = drawn(tmp_path, {"a.png": 1, "b.png": 2, "c.png": 3})
    async with local(tmp_path, SEED) as server:
        found = await raced(server, rows, ["b.png"])
        assert len(await server.images()) == 4
    assert [isinstance(row, OpenRow) for row in found] == [True, False, True]
    assert "has an image of that name" in reasons(found)[0]


async def test_a_name_that_is_taken_gets_a_number(tmp_path: Path) -> None:
    rows = drawn(tmp_path, {"a.png": 1, "b.png": 2, "c": 3})
    async with local(tmp_path, SEED) as server:
        names = ["b.png", "b_001.png", "c"]
        found = await raced(server, rows, names, if_image_taken="new-name")
        assert reasons(found) == []
        images = await server.images()
        assert sorted(images) == [
            f"dataset/{name}" for name in sorted(["a.png", "b_002.png", "c_001", "seed.png", *names])
        ]
        assert images["dataset/b_002.png"]["hash"] == hash_of(picture(2))
        assert images["dataset/b.png"]["meta"] == {"shade": 99}


def at_paths(rows: Sequence[LabelRow], folder: str = "at/") -> list[LabelTask]:
    """Tasks of rows that have one title, each with a path of its own."""
    rows = [replace(row, title="same.png") for row in rows]
    keys = [replace(task.key, path=f"{folder}{n}") for n, task in enumerate(tasks_for(rows))]
    return [LabelTask(key, row) for key, row in zip(keys, rows, strict=True)]


async def by_path(server: Local, tasks: Sequence[LabelTask], choice: str) -> list[OpenRow | Rejection]:
    """Open rows that are matched by path, in a run of its own."""

    async def keyed() -> AsyncIterator[RowKey]:
        for task in tasks:
            yield task.key

    async with server.adapter(by="path", dataset=None, if_image_taken=choice) as adapter:
        target = adapter.target()
        places = await target.prepare(COPY, keyed())
        assert [problem async for problem in places.problems()] == []
        return list(await target.open(tasks, await placed(places, tasks)))


def ids_of(found: Sequence[OpenRow | Rejection]) -> list[str]:
    return [row.place.id for row in found if isinstance(row, OpenRow)]


@pytest.mark.parametrize("foreign", [True, False])
async def test_rows_of_one_name_find_their_images_again(tmp_path: Path, foreign: bool) -> None:  # noqa: FBT001
    tasks = at_paths(drawn(tmp_path, {"a.png": 1, "b.png": 1, "c.png": 2}))
    async with local(tmp_path, SEED) as server:
        if foreign:
            await taken(server, "same.png")
        first = ids_of(await by_path(server, tasks, "new-name"))
        # As after a crash that came before the first run could note anything.
        assert ids_of(await by_path(server, tasks, "new-name")) == first
        assert len(await server.images()) == (5 if foreign else 4)
    assert len(set(first)) == 3


async def test_a_row_finds_its_image_again_behind_another_row_of_its_name(tmp_path: Path) -> None:
    tasks = at_paths(drawn(tmp_path, {"a.png": 1, "b.png": 1, "c.png": 2}))
    async with local(tmp_path, SEED) as server:
        alone = ids_of(await by_path(server, tasks[1:2], "new-name"))
        found = ids_of(await by_path(server, tasks, "new-name"))
        assert sorted(await server.images()) == [
            "dataset/same.png", "dataset/same_001.png", "dataset/same_002.png", "dataset/seed.png"
        ]  # fmt: skip
    assert found[1:2] == alone
    assert len(set(found)) == 3


@pytest.mark.parametrize("choice", ["fail", "use"])
async def test_rows_of_one_name_get_no_image_in_common_and_no_other_name(tmp_path: Path, choice: str) -> None:
    tasks = at_paths(drawn(tmp_path, {"a.png": 1, "b.png": 2}))
    async with local(tmp_path, SEED) as server:
        found = await by_path(server, tasks, choice)
        assert sorted(await server.images()) == ["dataset/same.png", "dataset/seed.png"]
    assert [isinstance(row, OpenRow) for row in found] == [True, False]
    assert "row 'same.png'" in reasons(found)[0]


async def test_an_image_that_is_used_by_one_row_is_not_used_by_another(tmp_path: Path) -> None:
    rows = drawn(tmp_path, {"a.png": 1, "b.png": 2, "c.png": 3})
    tasks = at_paths(rows, "dataset/")
    tasks[0] = LabelTask(replace(tasks[0].key, path="dataset/same.png"), tasks[0].row)
    async with local(tmp_path, SEED) as server:
        await taken(server, "same.png")
        async with server.adapter(by="path", dataset=None, if_image_taken="use") as adapter:
            target = adapter.target()
            places = await placed(await target.prepare(COPY, listed(rows)), tasks)
            found: list[OpenRow | Rejection] = []
            for task, place in zip(tasks, places, strict=True):
                found += await target.open([task], [place])
    assert [isinstance(row, OpenRow) for row in found] == [True, False, False]
    assert "another row" in reasons(found)[0]


async def test_an_image_that_is_there_is_used_with_its_labels(tmp_path: Path) -> None:
    rows = drawn(tmp_path, {"a.png": 1, "b.png": 2})
    async with local(tmp_path, SEED) as server:
        async with server.adapter(if_image_taken="use") as adapter:
            target = adapter.target()
            tasks = tasks_for(rows)
            places = await placed(await target.prepare(COPY, listed(rows)), tasks)
            await taken(server, "b.png")
            async with server.adapter() as other:
                await bring(other.target(), [boxes("b.png", 2)])
            found = await target.open(tasks, places)
        assert len(await server.images()) == 3
    assert [row.existing.label_count for row in found if isinstance(row, OpenRow) and row.existing] == [0, 2]


async def test_names_are_told_apart_before_the_first_write(tmp_path: Path) -> None:
    rows = [replace(row, title="same.png") for row in drawn(tmp_path, {"a.png": 1, "b.png": 2})]
    counts = {}
    async with local(tmp_path, SEED) as server:
        for choice in ("fail", "use", "new-name"):
            async with server.adapter(by="external_id", if_image_taken=choice) as adapter:
                places = await adapter.target().prepare(COPY, listed(rows))
                counts[choice] = len([problem async for problem in places.problems()])
    assert counts == {"fail": 2, "use": 2, "new-name": 0}


async def test_rows_alike_in_name_and_picture_keep_apart_whatever_answers_are_lost(tmp_path: Path) -> None:
    rows = [replace(row, title="same.png") for row in drawn(tmp_path, {f"{n}.png": 1 for n in range(6)})]
    async with local(tmp_path, SEED) as server:
        async with server.adapter(by="external_id", if_image_taken="new-name") as adapter:
            target = adapter.target()
            tasks = tasks_for(rows)
            places = await placed(await target.prepare(COPY, listed(rows)), tasks)
            await server.faults(drop_after=0.5, kinds=["images.bulk.add"], seed=3)
            found: list[OpenRow | Rejection] = []
            for task, place in zip(tasks, places, strict=True):
                found += await target.open([task], [place])
        await server.faults()
        assert reasons(found) == []
        assert len({row.place.id for row in found if isinstance(row, OpenRow)}) == 6
        assert len(await server.images()) == 7
