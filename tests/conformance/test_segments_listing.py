"""The samples of Segments.ai are listed whole: page by page, counted, once each, on disk."""

import json
import tracemalloc
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from pipeline.core.labels import LabelRow, Media
from pipeline.core.rows import LabelTask
from pipeline.errors import CredentialsError, FatalError, Stopped, TransientError, UsageError
from pipeline.platforms.segments import listing
from pipeline.platforms.segments.client import Client
from pipeline.platforms.segments.convert import kind_of
from pipeline.platforms.segments.listing import list_all
from pipeline.platforms.segments.spool import Spool
from pipeline.platforms.segments.wire import Dataset
from tests.conformance.moving import keys_of, rows_of, tasks_of
from tests.conformance.opening import PLAN, listed
from tests.conformance.segments_project import Local, boxes, bring, local

pytestmark = pytest.mark.anyio


@dataclass
class Listing:
    """A dataset that is listed in pages, with whims.

    `counts` is what it says of its number of samples, each time it is asked; the last one stays. `cap`: the
    most samples of a page. `most`: pages of more samples than this cannot be given. `shifts`: a sample that
    comes before all others before the page of this number of a reading is given.
    """

    names: list[str]
    counts: list[int | str | None] = field(default_factory=list)
    cap: int = 1000
    most: int = 1000
    broken: Exception | None = None
    shifts: dict[int, str] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    body: str = ""
    asked: list[tuple[int, int]] = field(default_factory=list)

    async def dataset(self) -> Dataset:
        if not self.counts:
            return Dataset(samples_count=len(self.names))
        return Dataset(samples_count=self.counts.pop(0) if len(self.counts) > 1 else self.counts[0])

    async def page(self, number: int, size: int, **_: object) -> list[msgspec.Raw]:
        self.asked.append((number, size))
        if self.broken is not None:
            raise self.broken
        if size > self.most:
            raise TransientError("the server answered 502")
        if number in self.shifts:
            self.names.insert(0, self.shifts.pop(number))
        size = min(size, self.cap)
        names = [name for name in self.names if name not in self.missing]
        return [self._sample(name) for name in names[(number - 1) * size : number * size]]

    def _sample(self, name: str) -> msgspec.Raw:
        return msgspec.Raw(json.dumps({"uuid": f"id of {name}", "name": name, "readme": self.body}).encode())


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[Spool]:
    async with Spool(tmp_path) as opened:
        yield opened


async def read(pages: Listing, spool: Spool, task_type: str = "vector") -> list[str]:
    await list_all(cast("Client", pages), spool, kind_of(task_type))
    return [head.name async for heads in spool.heads() for head in heads]


def files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def names(count: int) -> list[str]:
    return [f"{number:05}" for number in range(count)]


# ---- pages --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 200, 850])
@pytest.mark.parametrize("says", ["number", "text", "nothing", "more"])
async def test_all_samples_are_listed_once_in_order(spool: Spool, count: int, says: str) -> None:
    told: int | str | None = {"text": str(count), "nothing": None}.get(says, count)
    pages = Listing(names(count), [told], cap=1000 if says != "more" else 7)
    assert await read(pages, spool, "image-vector-sequence") == names(count)


async def test_a_dataset_that_fits_on_a_page_costs_one_request(spool: Spool) -> None:
    pages = Listing(names(999))
    await read(pages, spool)
    assert pages.asked == [(1, 1000)]


async def test_pages_that_must_be_there_are_asked_for_at_once_and_no_others(spool: Spool) -> None:
    pages = Listing(names(550))
    await read(pages, spool, "pointcloud-cuboid")
    assert pages.asked == [(number, 100) for number in range(1, 7)]


@pytest.mark.parametrize("cap", [1, 7, 50])
async def test_a_server_that_gives_fewer_at_once_is_asked_until_the_end(spool: Spool, cap: int) -> None:
    pages = Listing(names(120), cap=cap)
    assert await read(pages, spool) == names(120)
    assert {size for _, size in pages.asked} == {1000, cap}


async def test_a_server_that_gives_fewer_and_tells_no_number_is_asked_until_the_end(spool: Spool) -> None:
    assert await read(Listing(names(120), [None], cap=50), spool) == names(120)


async def test_pages_that_cannot_be_given_are_halved_and_stay_so(spool: Spool) -> None:
    pages = Listing(names(2500), most=300)
    assert await read(pages, spool) == names(2500)
    assert [size for _, size in pages.asked if size > 300] == [1000, 500]
    assert [number for number, size in pages.asked if size == 250] == list(range(1, 12))


async def test_a_page_in_the_middle_that_cannot_be_given_leaves_nothing_out(spool: Spool) -> None:
    pages = Listing(names(2500))
    whole = pages.page

    async def page(number: int, size: int, **_: object) -> list[msgspec.Raw]:
        if size == 1000 and number == 2:
            raise FatalError("the answer is longer than 268435456 bytes")
        return await whole(number, size)

    pages.page = page  # type: ignore[method-assign]
    assert await read(pages, spool) == names(2500)


@pytest.mark.parametrize("size", [1000, 100])
async def test_halving_ends_and_the_error_is_told(spool: Spool, size: int) -> None:
    pages = Listing(names(20), broken=TransientError("no connection"))
    with pytest.raises(TransientError, match="no connection"):
        await read(pages, spool, "vector" if size == 1000 else "pointcloud-vector")
    assert len(pages.asked) < 9
    assert min(asked for _, asked in pages.asked) >= listing.LEAST_PAGE


@pytest.mark.parametrize("error", [CredentialsError("refused"), UsageError("no labelset")])
async def test_what_is_no_fault_of_the_size_is_asked_once(spool: Spool, error: Exception) -> None:
    pages = Listing(names(20), broken=error)
    with pytest.raises(type(error)):
        await read(pages, spool)
    assert pages.asked == [(1, 1000)]


# ---- samples that come and go -------------------------------------------------------------------------


async def test_a_sample_that_comes_meanwhile_shifts_pages_and_doubles_nothing(spool: Spool) -> None:
    pages = Listing(names(250), shifts={2: "-new"})
    assert await read(pages, spool, "pointcloud-vector") == ["-new", *names(250)]
    assert len(pages.asked) == 6


async def test_a_sample_that_goes_meanwhile_makes_a_gap_that_is_read_again(spool: Spool) -> None:
    pages = Listing(names(250))
    whole = pages.page

    async def page(number: int, size: int, **_: object) -> list[msgspec.Raw]:
        found = await whole(number, size)
        if number == 1 and "00000" in pages.names:
            pages.names.remove("00000")  # the first of page 2 moves to page 1, which was read
        return found

    pages.page = page  # type: ignore[method-assign]
    assert await read(pages, spool, "pointcloud-vector") == names(250)[1:]


async def test_a_listing_that_lacks_samples_once_is_read_again(spool: Spool) -> None:
    pages = Listing(names(30), [30], missing={"00007"})
    whole = pages.page

    async def page(number: int, size: int, **_: object) -> list[msgspec.Raw]:
        found = await whole(number, size)
        if not found:
            pages.missing = set()
        return found

    pages.page = page  # type: ignore[method-assign]
    assert await read(pages, spool) == names(30)


async def test_a_listing_that_always_lacks_samples_fails_and_says_so(spool: Spool) -> None:
    pages = Listing(names(30), [30], missing={"00007"})
    with pytest.raises(FatalError, match="says that it has 30 samples, but its listing gives 29"):
        await read(pages, spool)
    assert sum(number == 1 and size == 1000 for number, size in pages.asked) == listing.READINGS


async def test_a_number_that_changes_meanwhile_is_a_reason_to_read_again(spool: Spool) -> None:
    pages = Listing(names(30), [29, 30])
    assert len(await read(pages, spool)) == 30
    assert len([size for _, size in pages.asked if size == 1000]) == 2
    with pytest.raises(FatalError, match="has 3 samples, then 4, but its listing gives 30"):
        await read(Listing(names(30), [1, 2, 3, 4]), spool)


# ---- on disk ------------------------------------------------------------------------------------------


async def test_samples_wait_on_disk_and_leave_no_file(tmp_path: Path) -> None:
    size, count = 20_000, 2500
    async with Spool(tmp_path) as spool:
        pages = Listing(names(count), body="x" * size)
        tracemalloc.start()
        found = await read(pages, spool, "pointcloud-vector")
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert found == names(count)
        assert peak < size * count / 2
        assert files(tmp_path) == []
        some = await spool.samples([f"id of {name}" for name in ("00003", "02499", "none")])
    assert sorted(sample.name for sample in some.values()) == ["00003", "02499"]
    assert {len(sample.readme or "") for sample in some.values()} == {size}


@pytest.mark.parametrize("body", [b'{"name":"no uuid"}', b'{"uuid":1}', b"[]", b"{"])
async def test_what_is_no_sample_ends_the_listing(spool: Spool, body: bytes) -> None:
    with pytest.raises(TransientError, match="not as expected"):
        await spool.add([msgspec.Raw(body)])


# ---- the stand-in -------------------------------------------------------------------------------------


def many(count: int) -> list[LabelRow]:
    shuffled = sorted(range(count), key=lambda number: number * 7919 % count)
    return [LabelRow(f"{n:05}", f"{n:05}.png", media=(Media(width=64, height=48),)) for n in shuffled]


async def test_many_pages_are_read_in_the_order_of_names_and_asked_for_once(tmp_path: Path) -> None:
    rows = many(2500)
    async with local(tmp_path, rows) as server, server.adapter() as adapter:
        source = adapter.source()
        keys = await keys_of(source)
        tasks = await tasks_of(source)
        asked = (await server.log())["kinds"]
    assert [key.title for key in keys] == sorted(row.title for row in rows)
    assert [key.ordinal for key in keys] == list(range(2500))
    assert [task.key for task in tasks] == keys
    assert asked["samples.GET"] == 3
    assert asked["datasets.GET"] == 3


@pytest.mark.parametrize("cap", [1, 3, 7])
async def test_a_stand_in_that_gives_fewer_is_read_whole_with_its_labels(tmp_path: Path, cap: int) -> None:
    rows = [boxes(f"{number}.png", number) for number in range(7)]
    async with local(tmp_path, rows, per_page_cap=cap) as server, server.adapter() as adapter:
        await bring(adapter.target(), rows)
        found = await rows_of(adapter.source())
    assert [row.label_count for row in found] == list(range(7))


async def test_an_outage_while_listing_stops_the_run_and_blames_no_row(tmp_path: Path) -> None:
    rows = many(3)
    for kinds in ([], ["samples.GET"]):
        async with local(tmp_path, rows) as server, server.adapter() as adapter:
            await server.faults(drop_before=1.0, kinds=kinds)
            with pytest.raises(Stopped):
                await adapter.target().prepare(PLAN, listed(rows))


async def test_trouble_while_listing_leaves_nothing_out(tmp_path: Path) -> None:
    rows = many(1200)
    async with local(tmp_path, rows, per_page_cap=50) as server, server.adapter() as adapter:
        await server.faults(seed=3, fail_before=0.2, drop_after=0.1, kinds=["samples.GET"])
        keys = await keys_of(adapter.source())
        statuses = (await server.log())["statuses"]
    assert [key.title for key in keys] == sorted(row.title for row in rows)
    assert statuses["503"] > 0


# ---- a release ----------------------------------------------------------------------------------------


async def release(server: Local, name: str = "v1") -> None:
    await server.ask("POST", "/datasets/sandbox/dataset/releases/", {"name": name, "description": ""})


async def titled(server: Local, **settings: Any) -> dict[str, int]:  # noqa: ANN401 - settings
    async with server.adapter(**settings) as adapter:
        found = await tasks_of(adapter.source())
    return {
        task.key.title: task.row.label_count
        for task in found
        if isinstance(task, LabelTask) and task.row is not None
    }


async def test_a_release_is_read_as_it_was_made(tmp_path: Path) -> None:
    rows = [boxes(f"{number}.png", number) for number in range(450)]
    async with local(tmp_path, rows[:449], labelsets=("model",), release_polls=0) as server:
        async with server.adapter() as adapter:
            await bring(adapter.target(), rows[1:4])
        async with server.adapter(labelset="model") as adapter:
            await bring(adapter.target(), rows[5:7])
        await release(server)
        async with server.adapter() as adapter:
            await bring(adapter.target(), [boxes("0.png", 9)])
        live, first = await titled(server), await titled(server, release="v1")
        model = await titled(server, release="v1", labelset="model")
        asked = (await server.log())["kinds"]
        assert files(tmp_path / "scratch" / "read") == []
    assert live["0.png"] == 9
    assert (len(first), {name: count for name, count in first.items() if count}) == (
        449,
        {"1.png": 1, "2.png": 2, "3.png": 3},
    )
    assert {name: count for name, count in model.items() if count} == {"5.png": 5, "6.png": 6}
    assert list(first) == sorted(first)
    assert asked["storage.GET"] == 2


async def test_a_release_that_is_not_ready_is_no_source(tmp_path: Path) -> None:
    async with local(tmp_path, many(2), release_polls=1000) as server:
        await release(server)
        with pytest.raises(UsageError, match="release 'v1' of sandbox/dataset is PENDING; wait"):
            await titled(server, release="v1")
        with pytest.raises(UsageError, match="`dataset`"):
            await titled(server, release="v2")
    async with local(tmp_path, many(2), release_polls=0, release_fails=True) as server:
        await release(server)
        with pytest.raises(UsageError, match="is FAILED; making it failed"):
            await titled(server, release="v1")


async def test_a_labelset_that_came_after_the_release_is_not_taken_for_empty(tmp_path: Path) -> None:
    async with local(tmp_path, many(2), release_polls=0) as server:
        await release(server)
        labelset = {"name": "model", "description": "", "attributes": "{}"}
        await server.ask("POST", "/datasets/sandbox/dataset/labelsets/", labelset)
        with pytest.raises(UsageError, match="release 'v1' has no labelset 'model'; it has ground-truth"):
            await titled(server, release="v1", labelset="model")


@pytest.mark.parametrize("fault", [{"drop_before": 1.0}, {"fail_before": 1.0, "fail_status": 403}])
async def test_a_file_of_a_release_that_does_not_come_is_worth_another_run(
    tmp_path: Path, fault: dict[str, Any]
) -> None:
    async with local(tmp_path, many(2), release_polls=0) as server:
        await release(server)
        await server.faults(**fault, kinds=["storage.GET"])
        with pytest.raises(TransientError):
            await titled(server, release="v1")
        await server.faults()
        assert len(await titled(server, release="v1")) == 2
