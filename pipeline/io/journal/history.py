"""Runs: how one begins and ends, what the journal tells of it, and its rejected rows."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa

from pipeline.errors import UsageError
from pipeline.io.journal.sqlite import BEGIN, listed
from pipeline.io.journal.store import Store, as_list
from pipeline.io.journal.tables import ROWS, SETTLED, Status, of_run, reject, row, run
from pipeline.ports import RejectedRow, RunRecord

ABANDONED = "abandoned"
REJECTS_AT_ONCE = 50
"""Rejected rows that are read in one step; each is kept whole and may be large."""

_ELSEWHERE = frozenset({"source", "target", "rows"})
"""Parts of a job that say which rows go where: with others, a retry would be another run."""

# Made once: to put a statement together takes longer than to execute it.
_LAST = sa.select(run).order_by(run.c.run.desc()).limit(1)
_LAST_OF_JOB = _LAST.where(run.c.job == sa.bindparam("job"))
_LATEST = sa.select(sa.func.max(run.c.id))
_COUNTS = (
    sa.select(row.c.status, sa.func.count().label("rows"))
    .join_from(run, row, row.c.n.between(run.c.run * ROWS, (run.c.run + 1) * ROWS - 1))
    .where(run.c.id == sa.bindparam("id"))
    .group_by(row.c.status)
)
_number = sa.bindparam("number", type_=sa.Integer)
_END = run.update().where(run.c.run == _number).values(ended=sa.bindparam("now"), outcome=sa.bindparam("how"))
_KEPT = (Status.REJECTED, Status.PENDING, Status.INTENT)
_DROP = reject.delete().where(
    of_run(reject.c.n, _number),
    ~sa.select(row.c.n).where(row.c.n == reject.c.n, row.c.status.in_(_KEPT)).exists(),
)

_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"


def run_id(now: datetime) -> str:
    """Return date, time and microseconds as 20 characters that sort by time."""
    rest, letters = now.microsecond, ""
    for _ in range(4):
        rest, digit = divmod(rest, len(_DIGITS))
        letters = _DIGITS[digit] + letters
    return f"{now:%Y%m%d-%H%M%S}-{letters}"


def begin(
    connection: sa.Connection, now: datetime, job: str, fingerprint: Mapping[str, str], *, new: bool
) -> tuple[RunRecord, int]:
    """Continue the job's unfinished run or start one; return it and its number. Raises UsageError."""
    connection.exec_driver_sql(BEGIN)
    last = connection.execute(_LAST_OF_JOB, {"job": job}).first()
    unfinished = last is not None and last.ended is None
    if last is not None and unfinished and not new:
        changed = _changed(last, fingerprint)
        if not changed:
            return _record(last, resumed=True), last.run
        # A run that stopped before its first row has nothing to go on with.
        begun = sa.select(row.c.n).where(of_run(row.c.n, last.run)).limit(1)
        if connection.scalar(begun) is not None:
            raise UsageError(_refusal(last, job, changed))
    if last is not None and unfinished:
        ended = run.update().where(run.c.run == last.run).values(ended=now.isoformat(), outcome=ABANDONED)
        connection.execute(ended)
    latest = connection.scalar(_LATEST)
    started = now
    while latest is not None and run_id(started) <= latest:
        # The clock was set back, or stands still.
        started = _time_of(latest) + timedelta(microseconds=1)
    values = {
        "id": run_id(started),
        "job": job,
        "fingerprint": _written(fingerprint),
        "started": now.isoformat(),
    }
    made = connection.execute(run.insert().values(values).returning(run)).one()
    return _record(made), made.run


def _written(fingerprint: Mapping[str, str]) -> str:
    return msgspec.json.encode(dict(fingerprint), order="sorted").decode()


def _time_of(id_: str) -> datetime:
    day, letters = id_.rsplit("-", 1)
    microsecond = 0
    for letter in letters:
        microsecond = microsecond * len(_DIGITS) + _DIGITS.index(letter)
    return datetime.strptime(day, "%Y%m%d-%H%M%S").replace(tzinfo=UTC, microsecond=microsecond)


def _changed(last: sa.Row[Any], fingerprint: Mapping[str, str]) -> list[str]:
    before = msgspec.json.decode(last.fingerprint, type=dict[str, str])
    return sorted(name for name in before.keys() | fingerprint if before.get(name) != fingerprint.get(name))


def _refusal(last: sa.Row[Any], job: str, changed: Sequence[str]) -> str:
    return (
        f"job {job!r} has an unfinished run {last.id}, and these parts of the job have changed since: "
        f"{', '.join(changed)}; put them back to finish that run, or leave it and start another with --new"
    )


def end(connection: sa.Connection, number: int, now: datetime, outcome: str) -> None:
    """Finish a run. Lines of rows that are rejected no more are dropped.

    A row that was to be tried again and did not come again is in no other place, so its line stays.
    """
    connection.execute(_END, {"number": number, "now": now.isoformat(), "how": outcome})
    connection.execute(_DROP, {"number": number})


async def runs(store: Store) -> list[RunRecord]:
    """Return all runs, the oldest first."""
    return [_record(each) for each in await store.read(sa.select(run).order_by(run.c.run))]


async def last_run(store: Store, job: str | None) -> RunRecord | None:
    """Return the last run, of one job or of any."""
    found = await (store.read(_LAST) if job is None else store.read(_LAST_OF_JOB, job=job))
    return _record(found[0]) if found else None


async def counts(store: Store, id_: str) -> dict[str, int]:
    """Return how many rows of a run have each status; a status that none has is left out. UsageError."""
    read = await store.read(_COUNTS, id=id_)
    if not read:
        await _run(store, id_)
    found = {each.status: each.rows for each in read}
    return {status.value: found[status] for status in Status if status in found}


async def rejects(store: Store, id_: str) -> AsyncIterator[RejectedRow]:
    """Give the rejected rows of a run in the order in which they came."""
    number = (await _run(store, id_)).run
    kept = (
        sa.select(reject, row.c.key, row.c.status, row.c.error)
        .join(row, row.c.n == reject.c.n)
        .where(of_run(reject.c.n, number), reject.c.n > sa.bindparam("after"))
        .where(row.c.status.not_in(sorted(SETTLED - {Status.REJECTED})))
        .order_by(reject.c.n)
        .limit(REJECTS_AT_ONCE)
    )
    after = 0
    while found := await store.read(kept, after=after):
        for each in found:
            waiting = each.status != Status.REJECTED
            yield RejectedRow(each.key, each.title, each.stage, each.error or "", each.line, waiting)
        after = found[-1].n


async def clear_rejects(
    store: Store, id_: str, keys: Sequence[str] | None, fingerprint: Mapping[str, str] | None
) -> int:
    """Put rejected rows back to pending and their run to unfinished; return how many rows. Raises UsageError.

    A refusal because of labels that were there is forgotten, so that it is decided anew. Any other decision
    stays: labels that are there now may be our own. A run that had ended goes on with the job as it is now.
    """
    found = await _reopenable(store, id_, fingerprint)
    rejected = sa.and_(of_run(row.c.n, found.run), row.c.status == Status.REJECTED)
    if keys is not None:
        wanted = listed("wanted")
        rejected = sa.and_(rejected, row.c.key.in_(sa.select(wanted.c.value)))
    decision = sa.case((row.c.decision == "refuse", None), else_=row.c.decision)
    values = {"wanted": as_list(keys)} if keys is not None else {}

    def clear(connection: sa.Connection) -> int:
        cleared = connection.execute(
            row.update().where(rejected).values(status=Status.PENDING, decision=decision), values
        )
        if cleared.rowcount:
            reopened = run.update().where(run.c.run == found.run).values(ended=None, outcome=None)
            if fingerprint is not None:
                reopened = reopened.values(fingerprint=_written(fingerprint))
            connection.execute(reopened)
        return cleared.rowcount

    return await store.write(clear)


async def _reopenable(store: Store, id_: str, fingerprint: Mapping[str, str] | None) -> sa.Row[Any]:
    """Return a run whose rejected rows can be tried again. Raises UsageError."""
    found = await _run(store, id_)
    changed = [] if fingerprint is None else _changed(found, fingerprint)
    if found.ended is None and changed:
        raise UsageError(_refusal(found, found.job, changed))
    if elsewhere := _ELSEWHERE.intersection(changed):
        raise UsageError(
            f"the {' and '.join(sorted(elsewhere))} of job {found.job!r} changed since run {id_}, so its "
            "rejected rows are not tried again; put that back, or start another run with `labelferry run`"
        )
    last = await last_run(store, found.job)
    if last is not None and last.id != id_:
        raise UsageError(
            f"run {id_} of job {found.job!r} is not its last one, which is {last.id}; "
            "only rows of the last run can be tried again"
        )
    return found


async def _run(store: Store, id_: str) -> sa.Row[Any]:
    found = await store.read(sa.select(run).where(run.c.id == id_))
    if not found:
        raise UsageError(f"the journal {store.path} has no run {id_!r}; `labelferry status` names them")
    return found[0]


def _record(each: sa.Row[Any], *, resumed: bool = False) -> RunRecord:
    ended = each.ended and datetime.fromisoformat(each.ended)
    return RunRecord(each.id, each.job, datetime.fromisoformat(each.started), ended, each.outcome, resumed)
