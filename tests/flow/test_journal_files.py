"""A file that is no journal is refused clearly, and nothing is half there after a crash or a full disk."""

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from threading import Event

import anyio
import pytest
import sqlalchemy as sa

from pipeline.errors import Stopped, UsageError
from pipeline.io.journal import journal_path, open_journal, sqlite
from tests.flow.journals import JOB, intend, keys, names, pragma, save, url, written

pytestmark = pytest.mark.anyio


async def test_the_file_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    async with open_journal(f"sqlite:///{tmp_path}/new/folder/journal.db"):
        made = list((tmp_path / "new/folder").iterdir())
        assert {stat.S_IMODE(path.stat().st_mode) for path in made} == {0o600}


@pytest.mark.parametrize("name", ["file:a.db", "a b%20c#d.db", "é'\".db"])
async def test_the_file_has_the_name_that_was_given(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with open_journal(f"sqlite:///{name}") as journal:
        await journal.begin("job", {})
    sizes = {entry.name: entry.stat().st_size for entry in os.scandir()}
    assert sizes.keys() <= {name, f"{name}-journal"}
    assert sizes[name] > 0


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("postgresql://me@host/base", "'postgresql' is not built; write sqlite:///FILE"),
        ("labelferry.db", "'labelferry.db' is not built"),
        ("sqlite:///", "expected sqlite:///FILE"),
        ("sqlite:///:memory:", "expected sqlite:///FILE"),
        ("sqlite:///file?mode=ro", "expected sqlite:///FILE"),
    ],
)
def test_an_address_that_is_no_file_is_refused(address: str, message: str) -> None:
    with pytest.raises(UsageError, match=message.replace("?", r"\?")):
        journal_path(address)


def test_a_relative_path_is_relative_to_the_working_folder() -> None:
    assert journal_path("sqlite:///runs/a.db") == Path("runs/a.db")
    assert journal_path("sqlite:////var/a.db") == Path("/var/a.db")


async def opened(folder: Path) -> None:
    async with open_journal(url(folder)):
        pass


async def test_a_file_that_is_no_journal_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(b"images:\n" * 200)
    with pytest.raises(UsageError, match=r"journal.db is damaged, or not a journal of labelferry"):
        await opened(tmp_path)
    assert path.read_bytes() == b"images:\n" * 200
    path.unlink()
    with closing(sqlite3.connect(path)) as file:
        file.execute("CREATE TABLE holidays (day TEXT)")
    before = path.read_bytes()
    with pytest.raises(UsageError, match="a database, but not a journal of labelferry"):
        await opened(tmp_path)
    assert path.read_bytes() == before


async def test_a_journal_of_another_version_is_refused(tmp_path: Path) -> None:
    await opened(tmp_path)
    with closing(sqlite3.connect(tmp_path / "journal.db")) as file:
        file.execute("UPDATE labelferry SET version = 2")
        file.commit()
    with pytest.raises(UsageError, match="has version 2, expected 1"):
        await opened(tmp_path)


async def test_a_damaged_journal_is_refused(tmp_path: Path) -> None:
    async with open_journal(url(tmp_path)) as journal:
        await journal.begin("job", JOB)
        await intend(journal, "b", keys(0, 2000))
    path = tmp_path / "journal.db"
    whole = path.read_bytes()
    path.write_bytes(whole[:100] + b"\xff" * 8000 + whole[8100:])
    with pytest.raises(UsageError, match="damaged"):
        await opened(tmp_path)


async def test_a_journal_that_is_missing_is_not_made_by_who_only_reads(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no journal .*journal\.db"):
        async with open_journal(url(tmp_path), must_exist=True):
            pass
    assert not journal_path(url(tmp_path)).exists()


async def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"cannot open the journal .*file/journal\.db"):
        await opened(tmp_path / "file")


async def test_a_journal_locked_by_another_program_is_an_error_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await opened(tmp_path)
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0)
    with closing(sqlite3.connect(tmp_path / "journal.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(UsageError, match="another process has locked it"):
            await opened(tmp_path)
        other.execute("ROLLBACK")
        async with open_journal(url(tmp_path)) as journal:
            await journal.begin("job", JOB)
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(Stopped, match="another process has locked it"):
                await intend(journal, "b", keys(0, 1))
            other.execute("ROLLBACK")
            await intend(journal, "b", keys(0, 1))
            assert await journal.in_intent(["k0"]) == {"k0": "digest 0"}


# ---- real ends ------------------------------------------------------------------------------------------

CHILD = """
import sys, resource, anyio
from pipeline.core.rows import Decision, Receipt, RowKey
from pipeline.errors import Stopped
from pipeline.io.journal import open_journal

async def main(url, limit):
    async with open_journal(url) as journal:
        await journal.begin("job", {"target": "t", "operations": "o"})
        if limit:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        first = sum((await journal.counts((await journal.last_run()).id)).values())
        for bundle in range(first // 100, 10000):
            rows = [RowKey(f"k{n}", n) for n in range(bundle * 100, bundle * 100 + 100)]
            journal.decide([(row, Decision.WRITE, "t") for row in rows])
            await journal.intent(f"b{bundle}", [(row, "d", "t") for row in rows])
            print("intent", bundle, flush=True)
            await journal.saved(f"b{bundle}", [Receipt(row.key, "t") for row in rows])
            print("saved", bundle, flush=True)

try:
    anyio.run(main, sys.argv[1], int(sys.argv[2]))
except Stopped as error:
    print("stopped", error, flush=True)
"""


def killed_after(lines: int, address: str) -> list[list[str]]:
    """Run a child until it has said so many lines, kill it, and return all that it said."""
    command = [sys.executable, "-c", CHILD, address, "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        said = [child.stdout.readline() for _ in range(lines)]
        child.kill()
        said += child.stdout.read().splitlines()
    return [line.split() for line in said]


def stopped_at(size: int, address: str) -> list[str]:
    """Run a child that can write no file longer than `size` bytes, and return what it said."""
    command = [sys.executable, "-c", CHILD, address, str(size)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def statuses(path: Path) -> dict[int, set[object]]:
    """Return the statuses of each hundred rows."""
    found: dict[int, set[object]] = {}
    for key, status in written(path, "SELECT key, status FROM row"):
        found.setdefault(int(str(key)[1:]) // 100, set()).add(status)
    return found


@pytest.mark.parametrize("lines", [1, 2, 7, 24, 61])
async def test_after_kill_9_all_that_was_acknowledged_is_there_and_no_bundle_is_half_there(
    tmp_path: Path, lines: int
) -> None:
    said = killed_after(lines, url(tmp_path))
    async with open_journal(url(tmp_path)) as journal:
        run = await journal.begin("job", JOB)
        assert run.resumed
        counts = await journal.counts(run.id)
    found = statuses(tmp_path / "journal.db")
    assert all(len(status) == 1 for status in found.values())
    assert all(found[int(bundle)] == {"saved"} for what, bundle in said if what == "saved")
    assert all(found[int(bundle)] <= {"saved", "intent"} for what, bundle in said if what == "intent")
    assert sum(counts.values()) == 100 * len(found)


async def test_a_full_disk_stops_the_run_and_it_goes_on_when_there_is_room(tmp_path: Path) -> None:
    said = stopped_at(300_000, url(tmp_path))
    assert said[-1].startswith(f"stopped journal {tmp_path}/journal.db cannot be written")
    last = int(said[-2].split()[1])
    assert last > 10
    async with open_journal(url(tmp_path)) as journal:
        assert (await journal.begin("job", JOB)).resumed
        rows = keys(0, (last + 1) * 100)
        unsaved = {row.key for row in rows} - await journal.settled(names(rows))
        assert unsaved == set(await journal.in_intent(names(rows)))
        await intend(journal, "again", [row for row in rows if row.key in unsaved])
        await save(journal, "again", [row for row in rows if row.key in unsaved])
        assert await journal.settled(names(rows)) == set(names(rows))


async def test_when_the_disk_is_full_what_was_not_committed_is_not_there(tmp_path: Path) -> None:
    async with open_journal(url(tmp_path)) as journal:
        run = await journal.begin("job", JOB)
        await intend(journal, "b", keys(0, 10))
        pages = await pragma(journal, "page_count")
        await pragma(journal, f"max_page_count={pages + 1}")
        with pytest.raises(Stopped, match=r"journal\.db: the disk is full; make room there, then resume"):
            await intend(journal, "c", keys(10, 1000))
        assert await journal.counts(run.id) == {"intent": 10}
        await pragma(journal, "max_page_count=100000")
        await intend(journal, "c", keys(10, 1000))
        assert await journal.counts(run.id) == {"intent": 1010}


async def test_a_journal_is_closed_once_a_commit_that_asyncio_cancelled_has_ended(tmp_path: Path) -> None:
    begun, go_on, done = Event(), Event(), []

    def work(connection: sa.Connection) -> None:
        begun.set()
        go_on.wait()
        done.append(connection.exec_driver_sql("SELECT 1").scalar())

    async def use() -> None:
        async with open_journal(f"sqlite:///{tmp_path}/journal.db") as journal:
            await journal._store.write(work)

    task = asyncio.create_task(use())
    await anyio.to_thread.run_sync(begun.wait)
    task.cancel()  # as `asyncio.timeout` and Ctrl-C in `asyncio.run` do
    asyncio.get_running_loop().call_later(0.1, go_on.set)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == [1]
