"""A run can go on after any end: what was acknowledged is there, and nothing is half there."""

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import anyio
import pytest

from pipeline.core.rows import Decision, Receipt, Rejection, RowKey
from pipeline.errors import AlreadyRunning, Stopped, UsageError
from pipeline.io.journal import SqlJournal, journal_path, open_journal, sqlite
from pipeline.io.lock import job_lock, lock_path
from pipeline.ports import Step

pytestmark = pytest.mark.anyio
JOB = {"target": "t", "operations": "o"}


def keys(first: int, rows: int) -> list[RowKey]:
    return [RowKey(f"k{number}", number, f"title {number}") for number in range(first, first + rows)]


def names(rows: Sequence[RowKey]) -> list[str]:
    return [row.key for row in rows]


def target(row: RowKey) -> str:
    return f"place {row.ordinal}"


async def decide(journal: SqlJournal, rows: Sequence[RowKey], decision: Decision = Decision.WRITE) -> None:
    await journal.decide([(row, decision, target(row)) for row in rows])


async def intend(journal: SqlJournal, bundle: str, rows: Sequence[RowKey]) -> None:
    await journal.intent(bundle, [(row, f"digest {row.ordinal}", target(row)) for row in rows])


async def save(journal: SqlJournal, bundle: str, rows: Sequence[RowKey]) -> None:
    await journal.saved(bundle, [Receipt(row.key, target(row)) for row in rows])


async def reject(journal: SqlJournal, rows: Sequence[RowKey], line: bytes | None = None) -> None:
    await journal.reject([(Rejection(row, "save", f"no {row.ordinal}"), line) for row in rows])


async def pragma(journal: SqlJournal, text: str) -> Any:  # noqa: ANN401 - text or a number
    return (await journal._store._connection.exec_driver_sql(f"PRAGMA {text}")).scalar()


def written(path: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as file:
        return file.execute(query).fetchall()


def url(folder: Path) -> str:
    return f"sqlite:///{folder}/journal.db"


# ---- runs -------------------------------------------------------------------------------------------


async def test_an_unfinished_run_goes_on_and_after_a_finished_one_a_new_one_starts(tmp_path: Path) -> None:
    async with open_journal(url(tmp_path)) as journal:
        first = await journal.begin("job", JOB)
        assert not first.resumed
        other = await journal.begin("another job", JOB)
    async with open_journal(url(tmp_path)) as journal:
        again = await journal.begin("job", JOB)
        assert (again.id, again.resumed) == (first.id, True)
        await journal.end("saved")
        second = await journal.begin("job", JOB)
        assert not second.resumed
        assert [run.id for run in await journal.runs()] == [first.id, other.id, second.id]
        assert sorted([second.id, other.id, first.id]) == [first.id, other.id, second.id]
        ended = (await journal.runs())[0]
        assert (ended.outcome, ended.ended is None) == ("saved", False)
        last = await journal.last_run("another job")
        assert last is not None
        assert last.id == other.id
        assert await journal.last_run("no such job") is None


async def test_a_changed_job_does_not_continue_and_the_message_says_what_changed(tmp_path: Path) -> None:
    async with open_journal(url(tmp_path)) as journal:
        first = await journal.begin("job", JOB)
        with pytest.raises(UsageError, match=r"job 'job'.*changed since: mapping, operations; .*--new"):
            await journal.begin("job", {"target": "t", "operations": "other", "mapping": "m"})
        second = await journal.begin("job", {"target": "t", "operations": "other"}, new=True)
        assert second.id > first.id
        assert [run.outcome for run in await journal.runs()] == ["abandoned", None]


async def test_run_ids_sort_by_time_even_when_the_clock_is_set_back(tmp_path: Path) -> None:
    minutes = count(59, -1)

    def clock() -> datetime:
        return datetime(2030, 1, 1, 12, next(minutes), tzinfo=UTC)

    async with open_journal(url(tmp_path), clock=clock) as journal:
        ids = [(await journal.begin("job", JOB, new=True)).id for _ in range(5)]
    assert ids == sorted(set(ids))
    assert ids[0] == "20300101-125900-0000"


# ---- rows -------------------------------------------------------------------------------------------


async def test_what_is_settled_is_known_at_once_and_after_a_restart(tmp_path: Path) -> None:
    rows = keys(0, 60)
    async with open_journal(url(tmp_path)) as journal:
        run = await journal.begin("job", JOB)
        await reject(journal, rows[:5])
        await decide(journal, rows[5:50])
        await intend(journal, "b1", rows[10:40])
        await save(journal, "b1", rows[10:30])
        await journal.settle("unchanged", [(row, "d", target(row)) for row in rows[40:45]])
        await journal.settle("skipped", [(row, "", target(row)) for row in rows[45:48]])
        settled = {*names(rows[:5]), *names(rows[10:30]), *names(rows[40:48])}
        assert await journal.settled(names(rows)) == settled
    async with open_journal(url(tmp_path)) as journal:
        await journal.begin("job", JOB)
        assert await journal.settled(names(rows)) == settled
        assert await journal.in_intent(names(rows)) == dict.fromkeys(names(rows[30:40]), "b1")
        assert await journal.counts(run.id) == {
            "pending": 7, "intent": 10, "saved": 20, "unchanged": 5, "skipped": 3, "rejected": 5
        }  # fmt: skip


async def test_the_decision_of_the_first_open_is_kept(tmp_path: Path) -> None:
    rows = keys(0, 4)
    async with open_journal(url(tmp_path)) as journal:
        await journal.begin("job", JOB)
        assert await journal.decisions(names(rows)) == {}
        for row, decision in zip(rows, Decision, strict=True):
            await decide(journal, [row], decision)
    async with open_journal(url(tmp_path)) as journal:
        await journal.begin("job", JOB)
        expected = dict(zip(names(rows), Decision, strict=True))
        assert await journal.decisions([*names(rows), "unknown"]) == expected
        await journal.begin("job", JOB, new=True)
        assert await journal.decisions(names(rows)) == {}


async def test_the_record_of_a_row_holds_digest_target_attempts_and_the_bundle_that_saved_it(
    tmp_path: Path,
) -> None:
    rows = keys(0, 4)
    async with open_journal(url(tmp_path)) as journal:
        await journal.begin("job", JOB)
        await decide(journal, rows)
        await intend(journal, "whole", rows)
        await save(journal, "part", [rows[0], rows[2]])
        await journal.saved("whole", [])
    async with open_journal(url(tmp_path)) as journal:
        await journal.begin("job", JOB)
        await intend(journal, "again", [rows[1], rows[3]])
        await journal.saved("again", [Receipt("k1", "place 1"), Receipt("k3", "elsewhere")])
    query = """SELECT key, status, digest, target, attempts, bundle.id FROM row
        JOIN bundle ON bundle.n = row.bundle ORDER BY row.n"""
    assert written(tmp_path / "journal.db", query) == [
        ("k0", "saved", "digest 0", "place 0", 1, "part"),
        ("k1", "saved", "digest 1", "place 1", 2, "again"),
        ("k2", "saved", "digest 2", "place 2", 1, "part"),
        ("k3", "saved", "digest 3", "elsewhere", 2, "again"),
    ]


async def test_batches_larger_than_one_statement_are_written_whole(tmp_path: Path) -> None:
    rows = keys(0, 2500)
    async with open_journal(url(tmp_path)) as journal:
        run = await journal.begin("job", JOB)
        await decide(journal, rows[:2200])
        await intend(journal, "b", rows[:2200])
        await save(journal, "b", rows[:2200:2])
        await reject(journal, rows[1:2500:2], b"line")
        await journal.settle("would-save", [(row, "d", "t") for row in rows[2200::2]])
        assert await journal.counts(run.id) == {"saved": 1100, "would-save": 150, "rejected": 1250}
        assert [each.key async for each in journal.rejects(run.id)] == names(rows[1::2])


async def test_a_bundle_is_one_commit_before_its_save_and_one_after_it(tmp_path: Path) -> None:
    def commits() -> int:
        # The file change counter of the format: https://www.sqlite.org/fileformat2.html#file_change_counter
        return int.from_bytes((tmp_path / "journal.db").read_bytes()[24:28], "big")

    async with open_journal(url(tmp_path)) as journal:
        await journal.begin("job", JOB)
        rows, before = keys(0, 1000), commits()
        await decide(journal, rows)
        await intend(journal, "b", rows)
        await save(journal, "b", rows)
        assert commits() == before + 3
        assert await pragma(journal, "journal_mode") == "truncate"
        assert await pragma(journal, "synchronous") == 2


async def test_a_write_that_is_under_way_is_not_cut_off_by_a_cancellation(tmp_path: Path) -> None:
    rows = keys(0, 500)
    async with open_journal(url(tmp_path)) as journal:
        run = await journal.begin("job", JOB)
        await decide(journal, rows)
        await intend(journal, "b", rows)
        with anyio.CancelScope() as scope:
            scope.cancel()
            await save(journal, "b", rows)
        assert await journal.counts(run.id) == {"saved": 500}


async def test_two_jobs_can_share_a_journal_at_the_same_time(tmp_path: Path) -> None:
    rows = keys(0, 50)

    async def run(job: str) -> None:
        async with open_journal(url(tmp_path)) as journal:
            record = await journal.begin(job, JOB)
            for at in range(0, 50, 5):
                await decide(journal, rows[at : at + 5])
                await intend(journal, f"{job} {at}", rows[at : at + 5])
                await save(journal, f"{job} {at}", rows[at : at + 5])
            await journal.end("saved")
            assert await journal.counts(record.id) == {"saved": 50}

    async with anyio.create_task_group() as jobs:
        jobs.start_soon(run, "one")
        jobs.start_soon(run, "two")


# ---- rejected rows ------------------------------------------------------------------------------------


async def test_rejected_rows_are_kept_whole_and_can_be_put_back(tmp_path: Path) -> None:
    rows = keys(0, 120)
    async with open_journal(url(tmp_path)) as journal:
        run = await journal.begin("job", JOB)
        await decide(journal, rows[:3])
        await intend(journal, "b", rows[:3])
        for row in rows:
            await reject(journal, [row], f"line {row.ordinal}\0".encode())
        await journal.end("rejected")
    async with open_journal(url(tmp_path)) as journal:
        kept = [each async for each in journal.rejects(run.id)]
        assert [(each.key, each.line) for each in kept] == [
            (row.key, f"line {row.ordinal}\0".encode()) for row in rows
        ]
        assert (kept[7].title, kept[7].stage, kept[7].reason) == ("title 7", "save", "no 7")
        assert await journal.clear_rejects(run.id, ["k7", "k9", "unknown"]) == 2
        again = await journal.begin("job", JOB)
        assert (again.id, again.resumed) == (run.id, True)
        assert await journal.settled(names(rows)) == {*names(rows)} - {"k7", "k9"}
        assert [each.key async for each in journal.rejects(run.id) if each.waiting] == ["k7", "k9"]
        await intend(journal, "c", [rows[7]])
        await save(journal, "c", [rows[7]])
        await reject(journal, [rows[9]], b"new line")
        kept = [each async for each in journal.rejects(run.id)]
        assert [each.key for each in kept] == [row.key for row in rows if row.key != "k7"]
        assert (kept[8].line, kept[8].waiting) == (b"new line", False)
        await journal.end("rejected")
        assert await journal.counts(run.id) == {"saved": 1, "rejected": 119}
        assert await journal.clear_rejects(run.id) == 119
    assert written(tmp_path / "journal.db", "SELECT count(*) FROM reject") == [(119,)]


async def test_a_row_put_back_forgets_only_that_it_was_refused_for_labels_that_were_there(
    tmp_path: Path,
) -> None:
    rows = keys(0, 2)
    async with open_journal(url(tmp_path)) as journal:
        run = await journal.begin("job", JOB)
        await decide(journal, rows[:1], Decision.REFUSE)
        await decide(journal, rows[1:], Decision.WRITE)
        await reject(journal, rows)
        await journal.clear_rejects(run.id)
        assert await journal.decisions(names(rows)) == {"k1": Decision.WRITE}


async def test_only_rows_of_the_last_run_can_be_put_back(tmp_path: Path) -> None:
    async with open_journal(url(tmp_path)) as journal:
        first = await journal.begin("job", JOB)
        await reject(journal, keys(0, 1))
        await journal.end("rejected")
        second = await journal.begin("job", JOB)
        with pytest.raises(UsageError, match=f"run {first.id} of job 'job' is not its last one.*{second.id}"):
            await journal.clear_rejects(first.id)
        with pytest.raises(UsageError, match="has no run 'nonsense'"):
            await journal.counts("nonsense")


async def test_a_step_that_was_begun_is_found_after_a_restart_with_its_first_marker(tmp_path: Path) -> None:
    async with open_journal(url(tmp_path)) as journal:
        await journal.begin("job", JOB)
        assert await journal.step_of("create", "k") is None
        await journal.step_begin("create", "k", "marker 1")
    async with open_journal(url(tmp_path)) as journal:
        await journal.begin("job", JOB)
        await journal.step_begin("create", "k", "marker 2")
        assert await journal.step_of("create", "k") == Step("create", "k", "marker 1")
        await journal.step_done("create", "k", "id 5")
        assert await journal.step_of("create", "k") == Step("create", "k", "marker 1", "id 5")
        await journal.begin("job", JOB, new=True)
        assert await journal.step_of("create", "k") is None


# ---- files --------------------------------------------------------------------------------------------


async def test_the_file_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    async with open_journal(f"sqlite:///{tmp_path}/new/folder/journal.db"):
        made = list((tmp_path / "new/folder").iterdir())
        assert {stat.S_IMODE(path.stat().st_mode) for path in made} == {0o600}


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
        await decide(journal, keys(0, 2000))
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
                await decide(journal, keys(0, 1))
            other.execute("ROLLBACK")
            await decide(journal, keys(0, 1))
            assert await journal.decisions(["k0"]) == {"k0": Decision.WRITE}


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
            await journal.decide([(row, Decision.WRITE, "t") for row in rows])
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
        await decide(journal, keys(0, 10))
        pages = await pragma(journal, "page_count")
        await pragma(journal, f"max_page_count={pages + 1}")
        with pytest.raises(Stopped, match=r"journal\.db: the disk is full; make room there, then resume"):
            await decide(journal, keys(10, 1000))
        assert await journal.counts(run.id) == {"pending": 10}
        await pragma(journal, "max_page_count=100000")
        await decide(journal, keys(10, 1000))
        assert await journal.counts(run.id) == {"pending": 1010}


# ---- one instance ---------------------------------------------------------------------------------------

HOLDER = """
import sys
from pathlib import Path
from pipeline.errors import AlreadyRunning
from pipeline.io.lock import job_lock

sys.stdin.readline()
try:
    with job_lock(Path(sys.argv[1]), "a job: x -> y"):
        print("runs", flush=True)
        sys.stdin.read()
except AlreadyRunning as error:
    print(error.exit_code, error, flush=True)
"""


def holder(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLDER, str(folder)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_of_many_starts_of_one_job_exactly_one_runs(tmp_path: Path) -> None:
    children = [holder(tmp_path) for _ in range(4)]
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    said = [child.stdout.readline() for child in children if child.stdout is not None]
    for child in children:
        child.communicate()
    assert said.count("runs\n") == 1
    refused = [line for line in said if line != "runs\n"]
    assert all(line.startswith("75 job 'a job: x -> y' is already running: ") for line in refused)


def test_the_lock_names_its_process_and_ends_with_it_even_by_kill_9(tmp_path: Path) -> None:
    with holder(tmp_path) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write("go\n")
        child.stdin.flush()
        assert child.stdout.readline() == "runs\n"
        with (
            pytest.raises(AlreadyRunning, match=f"already running: process {child.pid} holds"),
            job_lock(tmp_path, "a job: x -> y"),
        ):
            pass
        with job_lock(tmp_path, "another job"):
            pass
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        with job_lock(tmp_path, "a job: x -> y"):
            assert lock_path(tmp_path, "a job: x -> y").read_text() == f"{os.getpid()}\n"
        assert lock_path(tmp_path, "a job: x -> y").read_text() == ""


def test_a_lock_is_free_again_after_its_block_and_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), job_lock(tmp_path, "job"):
        raise RuntimeError
    with job_lock(tmp_path, "job"), pytest.raises(AlreadyRunning), job_lock(tmp_path, "job"):
        pass


def test_a_folder_where_no_lock_can_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot make the lock file"), job_lock(tmp_path / "file", "job"):
        pass
