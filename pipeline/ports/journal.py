"""The seam to the journal: what became of every row of every run."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pipeline.core.rows import Decision, Receipt, Rejection, RowKey


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run of a job. `id` is short and sorts by time; `resumed` is true when it goes on now.

    `outcome` is saved, rejected or abandoned; it and `ended` are None while the run is unfinished.
    """

    id: str
    job: str
    started: datetime
    ended: datetime | None = None
    outcome: str | None = None
    resumed: bool = False


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """One rejected row. `line` is the whole row as it was kept, where there was one.

    `waiting` is true once the row was put back to be tried again, until it is settled.
    """

    key: str
    title: str
    stage: str
    reason: str
    line: bytes | None
    waiting: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One step that must not be taken twice: `marker` is how to find what it made, `result` what it gave.

    `result` is None as long as it is not known whether the step was carried out.
    """

    name: str
    key: str
    marker: str
    result: str | None = None


class Journal(Protocol):
    """What became of every row, kept through any end. A method that writes has committed when it returns.

    Every method raises Stopped when the disk is full, and UsageError for a damaged journal or an unknown run.
    """

    async def begin(self, job: str, fingerprint: Mapping[str, str], *, new: bool = False) -> RunRecord:
        """Continue the job's unfinished run, or start one.

        `fingerprint` maps parts of the job to hashes. Where one differs from the unfinished run's, UsageError
        names it; `new` abandons that run instead.
        """
        ...

    async def settled(self, keys: Sequence[str]) -> set[str]:
        """Return those of the keys that need nothing more in this run."""
        ...

    async def decisions(self, keys: Sequence[str]) -> dict[str, Decision]:
        """Return what was decided when the rows were first opened; undecided ones are left out."""
        ...

    def decide(self, rows: Sequence[tuple[RowKey, Decision, str]]) -> None:
        """Keep the decision and the target id of rows, and write them with what becomes of the rows first.

        That is their intent or their end. Before it nothing of ours is in the target row, and a run that goes
        on may decide anew.
        """
        ...

    async def in_intent(self, keys: Sequence[str]) -> dict[str, str]:
        """Return what each key was to become (its digest), where its save has no known end."""
        ...

    async def intent(self, bundle_id: str, rows: Sequence[tuple[RowKey, str, str]]) -> None:
        """Record, before the request, rows about to be saved: key, digest, target id."""
        ...

    async def saved(self, bundle_id: str, receipts: Sequence[Receipt]) -> None:
        """Record that rows were saved, in a bundle that may be a part of the intended one."""
        ...

    async def settle(self, outcome: str, rows: Sequence[tuple[RowKey, str, str]]) -> None:
        """Record rows that end without a save (unchanged, skipped, would-save): key, digest, target id."""
        ...

    async def reject(self, rows: Sequence[tuple[Rejection, bytes | None]]) -> None:
        """Record rejected rows, each with the bytes in which it is kept whole."""
        ...

    def rejects(self, run: str) -> AsyncIterator[RejectedRow]:
        """Give the rejected rows of a run in the order in which they came."""
        ...

    async def clear_rejects(
        self, run: str, keys: Sequence[str] | None = None, fingerprint: Mapping[str, str] | None = None
    ) -> int:
        """Put rejected rows (None: all) back to pending and their run to unfinished; return how many rows.

        `fingerprint` is that of the job as it is now, with which the rows are tried again. Raises UsageError,
        and changes nothing, where another source, target or choice of rows makes it another run.
        """
        ...

    async def step_begin(self, name: str, key: str, marker: str) -> None:
        """Record that a step is about to be taken. The marker of its first beginning stays."""
        ...

    async def step_done(self, name: str, key: str, result: str) -> None:
        """Record what a step gave."""
        ...

    async def step_of(self, name: str, key: str) -> Step | None:
        """Return a step that was begun in this run."""
        ...

    async def end(self, outcome: str) -> None:
        """Finish the run."""
        ...

    async def runs(self) -> list[RunRecord]:
        """Return all runs, the oldest first."""
        ...

    async def last_run(self, job: str | None = None) -> RunRecord | None:
        """Return the last run, of one job or of any."""
        ...

    async def counts(self, run: str) -> dict[str, int]:
        """Return how many rows of a run have each status; a status that none has is left out."""
        ...
