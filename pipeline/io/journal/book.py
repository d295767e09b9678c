"""The journal of one database: what became of every row of every run."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from pipeline.core.rows import Decision, Receipt, Rejection, RowKey
from pipeline.errors import UsageError
from pipeline.io.journal import history
from pipeline.io.journal import statements as to
from pipeline.io.journal.store import Rows, Store, as_list, many
from pipeline.io.journal.tables import ROWS, SETTLED, Status, bundle, number, of_run, row, step
from pipeline.ports import RejectedRow, RunRecord, Step


@dataclass(slots=True)
class _Moving:
    """A row on its way: its number (None: it has no record yet), and what its record says or will say."""

    n: int | None = None
    decision: str | None = None
    target: str | None = None
    bundle: str | None = None
    bundle_n: int | None = None


_NEW = _Moving()
_Record: TypeAlias = tuple[int, str, str, str | None, str | None, str | None, int | None, int, str | None]
"""One row as `RECORDED` takes it."""


class SqlJournal:
    """Writes one run and reads all of them. The contract is that of `pipeline.ports.Journal`.

    What a commit holds runs in the store's thread, and looks at the rows of its own call only: others may be
    decided meanwhile.
    """

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock
        self._run: int | None = None
        self._next_row = 1
        self._next_bundle = 1
        self._moving: dict[str, _Moving] = {}
        self._indexed = False

    # ---- the run ----------------------------------------------------------------------------------

    async def begin(self, job: str, fingerprint: Mapping[str, str], *, new: bool = False) -> RunRecord:
        """Continue the job's unfinished run, or start one."""
        begin = partial(self._begin, job=job, fingerprint=fingerprint, new=new)
        return await self._store.write(begin, busy=UsageError)

    def _begin(
        self, connection: sa.Connection, job: str, fingerprint: Mapping[str, str], *, new: bool
    ) -> RunRecord:
        record, self._run = history.begin(connection, self._clock(), job, fingerprint, new=new)
        self._moving.clear()
        self._indexed = record.resumed
        self._next_row, self._next_bundle = self._run * ROWS + 1, 1
        connection.execute(number.delete())
        if record.resumed:
            self._index(connection)
            last_row = sa.select(sa.func.max(row.c.n)).where(of_run(row.c.n, self._run))
            self._next_row = (connection.scalar(last_row) or self._run * ROWS) + 1
            last_bundle = sa.select(sa.func.max(bundle.c.n)).where(bundle.c.run == self._run)
            self._next_bundle = (connection.scalar(last_bundle) or 0) + 1
        return record

    async def end(self, outcome: str) -> None:
        """Finish the run."""
        ending = partial(history.end, number=self._now, now=self._clock(), outcome=outcome)
        await self._store.write(ending)

    @property
    def _now(self) -> int:
        if self._run is None:
            raise RuntimeError("a run must begin before its rows are recorded")
        return self._run

    # ---- rows ---------------------------------------------------------------------------------------

    async def settled(self, keys: Sequence[str]) -> set[str]:
        """Return those of the keys that need nothing more in this run."""
        return {each.key for each in await self._of_keys(to.SETTLED_KEYS, keys)}

    async def decisions(self, keys: Sequence[str]) -> dict[str, Decision]:
        """Return what was decided before the first save or end of each row."""
        return {each.key: Decision(each.decision) for each in await self._of_keys(to.DECISIONS, keys)}

    async def in_intent(self, keys: Sequence[str]) -> dict[str, str]:
        """Return the digest of each key whose save was about to be sent and has no known end."""
        return {each.key: each.digest for each in await self._of_keys(to.IN_INTENT, keys)}

    def decide(self, rows: Sequence[tuple[RowKey, Decision, str]]) -> None:
        """Keep the decision and the target id of rows, to be written with what becomes of them first."""
        moving = self._moving
        for key, decision, target in rows:
            each = moving.get(key.key)
            if each is None:
                moving[key.key] = _Moving(None, str(decision), target)
            else:
                each.decision, each.target = str(decision), target

    async def intent(self, bundle_id: str, rows: Sequence[tuple[RowKey, str, str]]) -> None:
        """Record, before the request, that rows are about to be saved."""
        keys = [key.key for key, _, _ in rows]
        moving = [self._moving.get(key) or _Moving() for key in keys]

        def intend(connection: sa.Connection) -> tuple[list[int], int]:
            numbers = self._numbers(connection, keys)
            bundle_n = self._new_bundle(connection, bundle_id, len(rows))
            records = [
                (n, key, each.decision, target, digest, bundle_n)
                for n, each, key, (_, digest, target) in zip(numbers, moving, keys, rows, strict=True)
            ]
            many(connection, to.INTENDED, records)
            return numbers, bundle_n

        numbers, bundle_n = await self._store.write(intend)
        for n, each, key, (_, _, target) in zip(numbers, moving, keys, rows, strict=True):
            each.n, each.target, each.bundle, each.bundle_n = n, target, bundle_id, bundle_n
            self._moving[key] = each

    async def saved(self, bundle_id: str, receipts: Sequence[Receipt]) -> None:
        """Record that rows were saved, in a bundle that may be a part of the intended one."""
        if not receipts:
            return
        moving = [self._moving.get(receipt.key, _NEW) for receipt in receipts]

        def save(connection: sa.Connection) -> None:
            numbers = self._numbers(connection, [receipt.key for receipt in receipts])
            bundle_n = moving[0].bundle_n
            if bundle_n is None or any(each.bundle != bundle_id for each in moving):
                bundle_n = self._new_bundle(connection, bundle_id, len(receipts))
            ranges = [(bundle_n, first, last) for first, last in _ranges(numbers)]
            connection.exec_driver_sql(to.SAVED, ranges)
            moved = [
                (n, receipt.target_id)
                for n, each, receipt in zip(numbers, moving, receipts, strict=True)
                if each.target != receipt.target_id
            ]
            many(connection, to.AIMED, moved)

        await self._store.write(save)
        self._leave(receipt.key for receipt in receipts)

    async def settle(self, outcome: str, rows: Sequence[tuple[RowKey, str, str]]) -> None:
        """Record that rows end without a save. Raises ValueError for an outcome that is none."""
        status = Status(outcome)
        if status not in SETTLED - {Status.SAVED, Status.REJECTED}:
            raise ValueError(f"{outcome!r} is not how a row ends without a save")

        def settle(connection: sa.Connection) -> None:
            numbers = self._numbers(connection, [key.key for key, _, _ in rows])
            records: list[_Record] = []
            for n, (key, digest, target) in zip(numbers, rows, strict=True):
                decision = self._moving.get(key.key, _NEW).decision
                records.append((n, key.key, status.value, decision, target, digest or None, None, 0, None))
            many(connection, to.RECORDED, records)

        await self._store.write(settle)
        self._leave(key.key for key, _, _ in rows)

    async def reject(self, rows: Sequence[tuple[Rejection, bytes | None]]) -> None:
        """Record rejected rows, each with the line in which it is kept whole."""
        rejected = Status.REJECTED.value

        def reject(connection: sa.Connection) -> None:
            numbers = self._numbers(connection, [rejection.key.key for rejection, _ in rows])
            records: list[_Record] = []
            for n, (rejection, _) in zip(numbers, rows, strict=True):
                key, reason = rejection.key.key, rejection.reason
                known = self._moving.get(key, _NEW)
                records.append((n, key, rejected, known.decision, known.target, None, None, 0, reason))
            many(connection, to.RECORDED, records)
            kept = [
                (n, rejection.key.title, rejection.stage, line)
                for n, (rejection, line) in zip(numbers, rows, strict=True)
            ]
            many(connection, to.REJECTS, kept)

        await self._store.write(reject)
        self._leave(rejection.key.key for rejection, _ in rows)

    # ---- steps --------------------------------------------------------------------------------------

    async def step_begin(self, name: str, key: str, marker: str) -> None:
        """Record that a step is about to be taken; the marker of its first beginning stays."""
        begun = insert(step).values(run=self._now, name=name, key=key, marker=marker)
        await self._store.write(partial(_execute, begun.on_conflict_do_nothing()))

    async def step_done(self, name: str, key: str, result: str) -> None:
        """Record what a step gave."""
        done = step.update().where(*self._step(name, key)).values(result=result)
        await self._store.write(partial(_execute, done))

    async def step_of(self, name: str, key: str) -> Step | None:
        """Return a step that was begun in this run."""
        columns = sa.select(step.c.marker, step.c.result)
        found = await self._store.read(columns.where(*self._step(name, key)))
        return Step(name, key, *found[0]) if found else None

    def _step(self, name: str, key: str) -> tuple[sa.ColumnElement[bool], ...]:
        return step.c.run == self._now, step.c.name == name, step.c.key == key

    # ---- all runs -----------------------------------------------------------------------------------

    async def runs(self) -> list[RunRecord]:
        """Return all runs, the oldest first."""
        return await history.runs(self._store)

    async def last_run(self, job: str | None = None) -> RunRecord | None:
        """Return the last run, of one job or of any."""
        return await history.last_run(self._store, job)

    async def counts(self, run: str) -> dict[str, int]:
        """Return how many rows of a run have each status."""
        return await history.counts(self._store, run)

    def rejects(self, run: str) -> AsyncIterator[RejectedRow]:
        """Give the rejected rows of a run."""
        return history.rejects(self._store, run)

    async def clear_rejects(
        self, run: str, keys: Sequence[str] | None = None, fingerprint: Mapping[str, str] | None = None
    ) -> int:
        """Put rejected rows back to pending, and the run back to unfinished."""
        return await history.clear_rejects(self._store, run, keys, fingerprint)

    # ---- inside a transaction -------------------------------------------------------------------------

    def _numbers(self, connection: sa.Connection, keys: Sequence[str]) -> list[int]:
        """Return the number of each key; one without a number gets the next."""
        known = [self._moving.get(key, _NEW).n for key in keys]
        whole = [n for n in known if n is not None]
        if len(whole) == len(keys):
            return whole
        if not whole and not self._indexed:  # all of them are new
            first = self._next_row
            self._next_row += len(keys)
            return list(range(first, self._next_row))
        numbers = {key: n for key, n in zip(keys, known, strict=True) if n is not None}
        new = [key for key in keys if key not in numbers]
        if new and self._indexed:
            found = connection.execute(to.NUMBERS, {"keys": as_list(new)})
            numbers |= {each.key: each.n for each in found}
            new = [key for key in new if key not in numbers]
        if new:
            first = self._next_row
            self._next_row += len(new)
            added = dict(zip(new, range(first, self._next_row), strict=True))
            numbers |= added
            if self._indexed:
                many(connection, to.NEW_NUMBERS, list(added.items()))
        return [numbers[key] for key in keys]

    async def _of_keys(self, query: sa.Select[Any], keys: Sequence[str]) -> Rows:
        if not self._indexed:
            await self._store.write(self._index)
            self._indexed = True
        return await self._store.read(query, keys=as_list(keys))

    def _index(self, connection: sa.Connection) -> None:
        """Find rows by their keys from now on. A new run whose rows all come once never needs it."""
        known = sa.select(row.c.key, row.c.n).where(of_run(row.c.n, self._now)).order_by(row.c.key)
        connection.execute(insert(number).from_select(["key", "n"], known).on_conflict_do_nothing())

    def _new_bundle(self, connection: sa.Connection, bundle_id: str, rows: int) -> int:
        bundle_n = self._next_bundle
        self._next_bundle += 1
        connection.exec_driver_sql(to.NEW_BUNDLE, (self._now, bundle_n, bundle_id, rows))
        return bundle_n

    def _leave(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._moving.pop(key, None)


def _execute(statement: sa.Executable, connection: sa.Connection) -> None:
    connection.execute(statement)


def _ranges(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Give the first and last of each run of neighbours: one for most bundles."""
    ordered = sorted(set(numbers))
    first = last = ordered[0]
    if ordered[-1] - first == len(ordered) - 1:
        yield first, ordered[-1]
        return
    for n in ordered[1:]:
        if n > last + 1:
            yield first, last
            first = n
        last = n
    yield first, last
