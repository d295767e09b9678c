"""A run can go on after any end: what was acknowledged is there, once."""

from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import anyio
import pytest

from pipeline.core.rows import Decision, Receipt
from pipeline.errors import UsageError
from pipeline.io.journal import open_journal
from pipeline.ports import Step
from tests.flow.journals import JOB, decide, intend, keys, names, pragma, reject, save, target, url, written

pytestmark = pytest.mark.anyio


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
        await intend(journal, "b", keys(0, 1))
        with pytest.raises(UsageError, match=r"job 'job'.*changed since: mapping, operations; .*--new"):
            await journal.begin("job", {"target": "t", "operations": "other", "mapping": "m"})
        second = await journal.begin("job", {"target": "t", "operations": "other"}, new=True)
        assert second.id > first.id
        assert [run.outcome for run in await journal.runs()] == ["abandoned", None]


async def test_a_run_that_stopped_before_its_first_row_is_in_nobodys_way(tmp_path: Path) -> None:
    async with open_journal(url(tmp_path)) as journal:
        first = await journal.begin("job", JOB)
        second = await journal.begin("job", {"target": "another"})
        assert (second.id > first.id, second.resumed) == (True, False)
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
        decide(journal, rows[5:50])
        await intend(journal, "b1", rows[10:40])
        await save(journal, "b1", rows[10:30])
        await journal.settle("unchanged", [(row, "d", target(row)) for row in rows[40:45]])
        await journal.settle("skipped", [(row, "", target(row)) for row in rows[45:48]])
        settled = {*names(rows[:5]), *names(rows[10:30]), *names(rows[40:48])}
        assert await journal.settled(names(rows)) == settled
    async with open_journal(url(tmp_path)) as journal:
        await journal.begin("job", JOB)
        assert await journal.settled(names(rows)) == settled
        intended = {row.key: f"digest {row.ordinal}" for row in rows[30:40]}
        assert await journal.in_intent(names(rows)) == intended
        assert await journal.counts(run.id) == {
            "intent": 10, "saved": 20, "unchanged": 5, "skipped": 3, "rejected": 5
        }  # fmt: skip


async def test_the_decision_of_the_first_open_is_kept_with_what_became_of_the_row(tmp_path: Path) -> None:
    rows = keys(0, 5)
    async with open_journal(url(tmp_path)) as journal:
        await journal.begin("job", JOB)
        assert await journal.decisions(names(rows)) == {}
        for row, decision in zip(rows, [*Decision, Decision.APPEND], strict=True):
            decide(journal, [row], decision)
        await intend(journal, "b", rows[:2])
        await journal.settle("skipped", [(rows[2], "", target(rows[2]))])
        await reject(journal, rows[3:4])
    async with open_journal(url(tmp_path)) as journal:
        await journal.begin("job", JOB)
        expected = dict(zip(names(rows), Decision, strict=False))
        assert await journal.decisions([*names(rows), "unknown"]) == expected
        decide(journal, rows[4:], Decision.WRITE)
        await intend(journal, "c", rows)
        assert await journal.decisions(names(rows)) == expected | {"k4": Decision.WRITE}
        await journal.begin("job", JOB, new=True)
        assert await journal.decisions(names(rows)) == {}


async def test_the_record_of_a_row_holds_digest_target_attempts_and_the_bundle_that_saved_it(
    tmp_path: Path,
) -> None:
    rows = keys(0, 4)
    async with open_journal(url(tmp_path)) as journal:
        await journal.begin("job", JOB)
        decide(journal, rows)
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
        decide(journal, rows[:2200])
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
        decide(journal, rows)
        await intend(journal, "b", rows)
        await save(journal, "b", rows)
        assert commits() == before + 2
        assert await pragma(journal, "journal_mode") == "truncate"
        assert await pragma(journal, "synchronous") == 2


async def test_a_write_that_is_under_way_is_not_cut_off_by_a_cancellation(tmp_path: Path) -> None:
    rows = keys(0, 500)
    async with open_journal(url(tmp_path)) as journal:
        run = await journal.begin("job", JOB)
        decide(journal, rows)
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
                decide(journal, rows[at : at + 5])
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
        decide(journal, rows[:3])
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
        decide(journal, rows[:1], Decision.REFUSE)
        decide(journal, rows[1:], Decision.WRITE)
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
