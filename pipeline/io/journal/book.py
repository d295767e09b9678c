"""The journal of one database: what became of every row of every run."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from pipeline.core.rows import Decision, Receipt, Rejection, RowKey
from pipeline.io.journal import history
from pipeline.io.journal import statements as to
from pipeline.io.journal.store import Store, as_list
from pipeline.io.journal.tables import ROWS, SETTLED, Status, bundle, number, of_run, row, step
from pipeline.ports import RejectedRow, RunRecord, Step


@dataclass(slots=True)
class _Moving:
    """A row on its way: its number, and what its record says."""

    n: int
    target: str | None = None
    bundle: str | None = None
    bundle_n: int | None = None


class SqlJournal:
    """Writes one run and reads all of them. The contract is that of `pipeline.ports.Journal`."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock
        self._run: int | None = None
        self._next_row = 1
        self._next_bundle = 1
        self._moving: dict[str, _Moving] = {}

    # ---- the run ----------------------------------------------------------------------------------

    async def begin(self, job: str, fingerprint: Mapping[str, str], *, new: bool = False) -> RunRecord:
        """Continue the job's unfinished run, or start one."""
        record, self._run = await history.begin(self._store, self._clock(), job, fingerprint, new=new)
        self._moving.clear()
        async with self._store.transaction() as connection:
            await connection.execute(number.delete())
            if record.resumed:
                known = sa.select(row.c.key, row.c.n).where(of_run(row.c.n, self._run)).order_by(row.c.key)
                await connection.execute(number.insert().from_select(["key", "n"], known))
            last_row = sa.select(sa.func.max(row.c.n)).where(of_run(row.c.n, self._run))
            self._next_row = (await connection.scalar(last_row) or self._run * ROWS) + 1
            last_bundle = sa.select(sa.func.max(bundle.c.n)).where(bundle.c.run == self._run)
            self._next_bundle = (await connection.scalar(last_bundle) or 0) + 1
        return record

    async def end(self, outcome: str) -> None:
        """Finish the run."""
        await history.end(self._store, self._now, self._clock(), outcome)

    @property
    def _now(self) -> int:
        if self._run is None:
            raise RuntimeError("a run must begin before its rows are recorded")
        return self._run

    # ---- rows ---------------------------------------------------------------------------------------

    async def settled(self, keys: Sequence[str]) -> set[str]:
        """Return those of the keys that need nothing more in this run."""
        found = await self._store.read(to.SETTLED_KEYS, keys=as_list(keys))
        return {each.key for each in found}

    async def decisions(self, keys: Sequence[str]) -> dict[str, Decision]:
        """Return what was decided when the rows were first opened."""
        found = await self._store.read(to.DECISIONS, keys=as_list(keys))
        return {each.key: Decision(each.decision) for each in found}

    async def in_intent(self, keys: Sequence[str]) -> dict[str, str]:
        """Return the digest of each key whose save was about to be sent and has no known end."""
        found = await self._store.read(to.IN_INTENT, keys=as_list(keys))
        return {each.key: each.digest for each in found}

    async def decide(self, rows: Sequence[tuple[RowKey, Decision, str]]) -> None:
        """Keep the decision and the target id of rows."""
        given = {key.key: (str(decision), target) for key, decision, target in rows}
        async with self._store.transaction() as connection:
            moving = await self._known(connection, list(given))
            again = [(each.n, *given[key]) for key, each in moving.items()]
            await self._store.many(to.DECIDED, again)
            moving |= await self._add({key: each for key, each in given.items() if key not in moving})
        for key, each in moving.items():
            each.target = given[key][1]
        self._moving.update(moving)

    async def intent(self, bundle_id: str, rows: Sequence[tuple[RowKey, str, str]]) -> None:
        """Record, before the request, that rows are about to be saved."""
        async with self._store.transaction() as connection:
            moving = await self._found(connection, [key.key for key, _, _ in rows])
            bundle_n = await self._new_bundle(connection, bundle_id, len(rows))
            digests = [(each.n, digest, bundle_n) for each, (_, digest, _) in zip(moving, rows, strict=True)]
            await self._store.many(to.INTENDED, digests)
            await self._aim(moving, [target for _, _, target in rows])
        for (key, _, target), each in zip(rows, moving, strict=True):
            each.target, each.bundle, each.bundle_n = target, bundle_id, bundle_n
            self._moving[key.key] = each

    async def saved(self, bundle_id: str, receipts: Sequence[Receipt]) -> None:
        """Record that rows were saved, in a bundle that may be a part of the intended one."""
        if not receipts:
            return
        async with self._store.transaction() as connection:
            moving = await self._found(connection, [receipt.key for receipt in receipts])
            bundle_n = moving[0].bundle_n
            if any(each.bundle != bundle_id for each in moving):
                bundle_n = await self._new_bundle(connection, bundle_id, len(receipts))
            ranges = [(bundle_n, first, last) for first, last in _ranges(each.n for each in moving)]
            await connection.exec_driver_sql(to.SAVED, ranges)
            await self._aim(moving, [receipt.target_id for receipt in receipts])
        self._leave(receipt.key for receipt in receipts)

    async def settle(self, outcome: str, rows: Sequence[tuple[RowKey, str, str]]) -> None:
        """Record that rows end without a save. Raises ValueError for an outcome that is none."""
        status = Status(outcome)
        if status not in SETTLED - {Status.SAVED, Status.REJECTED}:
            raise ValueError(f"{outcome!r} is not how a row ends without a save")
        async with self._store.transaction() as connection:
            moving = await self._found(connection, [key.key for key, _, _ in rows])
            ends = [
                (each.n, status.value, digest or None, target)
                for each, (_, digest, target) in zip(moving, rows, strict=True)
            ]
            await self._store.many(to.ENDED, ends)
        self._leave(key.key for key, _, _ in rows)

    async def reject(self, rows: Sequence[tuple[Rejection, bytes | None]]) -> None:
        """Record rejected rows, each with the line in which it is kept whole."""
        async with self._store.transaction() as connection:
            moving = await self._found(connection, [rejection.key.key for rejection, _ in rows])
            numbered = [(each.n, *given) for each, given in zip(moving, rows, strict=True)]
            reasons = [(n, rejection.reason) for n, rejection, _ in numbered]
            await self._store.many(to.REJECTED, reasons)
            kept = [(n, rejection.key.title, rejection.stage, line) for n, rejection, line in numbered]
            await self._store.many(to.REJECTS, kept)
        self._leave(rejection.key.key for rejection, _ in rows)

    # ---- steps --------------------------------------------------------------------------------------

    async def step_begin(self, name: str, key: str, marker: str) -> None:
        """Record that a step is about to be taken; the marker of its first beginning stays."""
        async with self._store.transaction() as connection:
            begun = insert(step).values(run=self._now, name=name, key=key, marker=marker)
            await connection.execute(begun.on_conflict_do_nothing())

    async def step_done(self, name: str, key: str, result: str) -> None:
        """Record what a step gave."""
        async with self._store.transaction() as connection:
            await connection.execute(step.update().where(*self._step(name, key)).values(result=result))

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

    async def _known(self, connection: AsyncConnection, keys: Sequence[str]) -> dict[str, _Moving]:
        """Return the keys that have a number."""
        known = {key: self._moving[key] for key in keys if key in self._moving}
        if others := [key for key in keys if key not in known]:
            found = await connection.execute(to.NUMBERS, {"keys": as_list(others)})
            known |= {each.key: _Moving(each.n) for each in found}
        return known

    async def _found(self, connection: AsyncConnection, keys: Sequence[str]) -> list[_Moving]:
        """Return what is known of each key; one without a number gets one."""
        known = await self._known(connection, keys)
        known |= await self._add({key: (None, None) for key in keys if key not in known})
        return [known[key] for key in keys]

    async def _add(self, rows: Mapping[str, tuple[str | None, str | None]]) -> dict[str, _Moving]:
        """Give rows (key to decision and target) their numbers."""
        first, pending = self._next_row, str(Status.PENDING)
        self._next_row += len(rows)
        await self._store.many(to.NEW_NUMBERS, [(key, n) for n, key in enumerate(rows, first)])
        new = [
            (n, key, decision, target, pending, 0)
            for n, (key, (decision, target)) in enumerate(rows.items(), first)
        ]
        await self._store.many(to.NEW_ROWS, new)
        return {key: _Moving(n) for n, key in enumerate(rows, first)}

    async def _new_bundle(self, connection: AsyncConnection, bundle_id: str, rows: int) -> int:
        bundle_n = self._next_bundle
        self._next_bundle += 1
        values = {"run": self._now, "n": bundle_n, "id": bundle_id, "rows": rows}
        await connection.execute(bundle.insert().values(values))
        return bundle_n

    async def _aim(self, moving: Sequence[_Moving], targets: Sequence[str]) -> None:
        """Write the target ids that are not the known ones."""
        aimed = zip(moving, targets, strict=True)
        changed = [(each.n, target) for each, target in aimed if each.target != target]
        await self._store.many(to.AIMED, changed)

    def _leave(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._moving.pop(key, None)


def _ranges(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Give the first and last of each run of neighbours: one for most bundles."""
    ordered = sorted(numbers)
    first = last = ordered[0]
    for n in ordered[1:]:
        if n > last + 1:
            yield first, last
            first = n
        last = n
    yield first, last
