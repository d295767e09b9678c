"""The last stage: what became of each row goes into the journal, and is told to whoever listens."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from time import perf_counter

from pipeline.core.labels import LabelRow
from pipeline.core.merging import decide, refusal
from pipeline.core.rows import (
    Bundle,
    Decision,
    EditedRow,
    Mode,
    OpenRow,
    PackedRow,
    Rejection,
    RowKey,
    SaveReport,
)
from pipeline.errors import RowError, Stopped
from pipeline.events import (
    BundleDone,
    BundleSent,
    Event,
    GroupsChanged,
    LossSeen,
    NoteSeen,
    RowRejected,
    RowsSettled,
    StageTime,
)
from pipeline.ports import Journal


@dataclass(slots=True)
class Record:
    """Writes outcomes. `keep` turns a rejected row into the bytes that are kept for a later retry."""

    journal: Journal
    emit: Callable[[Event], None]
    keep: Callable[[LabelRow], bytes]
    allowed: frozenset[str] = frozenset()
    max_rejects: int | None = None
    dry_run: bool = False
    redact: Callable[[str], str] = str
    """Takes secrets out of a reason: it may quote a server's answer or a user's function."""
    fresh: bool = False
    """No row of the run was settled before its rows are read, so the journal needs not be asked for each."""
    rejects: int = 0
    """Rows rejected so far, in this process."""

    def tell(self, event: Event) -> None:
        """Pass an event on."""
        self.emit(event)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Tell how long the block took."""
        start = perf_counter()
        try:
            yield
        finally:
            self.emit(StageTime(stage, perf_counter() - start))

    async def wanted(self, keys: Sequence[RowKey]) -> set[str]:
        """Return those keys whose rows are not settled yet."""
        if self.fresh:
            return {key.key for key in keys}
        with self.timed("journal"):
            done = await self.journal.settled([key.key for key in keys])
        return {key.key for key in keys} - done

    async def decided(self, opened: Sequence[OpenRow | Rejection], mode: Mode | None) -> list[OpenRow]:
        """Take or recall the decision for each opened row, settle those that end here, return the others."""
        rejected = [row for row in opened if isinstance(row, Rejection)]
        rows = [row for row in opened if isinstance(row, OpenRow)]
        known: Mapping[str, Decision] = {}
        if not self.fresh:
            with self.timed("journal"):
                known = await self.journal.decisions([row.task.key.key for row in rows])
        going, skipped, new = [], [], []
        for row in rows:
            key = row.task.key
            decision = known.get(key.key)
            if decision is None:
                decision = decide(mode, row.existing)
                new.append((key, decision, row.place.id))
            if decision is Decision.REFUSE and row.existing is not None:
                rejected.append(Rejection(key, "open", refusal(row.existing), row.task.row))
            elif decision is Decision.SKIP:
                skipped.append(row)
            else:
                going.append(row if row.decision is decision else replace(row, decision=decision))
        self.journal.decide(new)
        await self.rejected(rejected)
        await self.skipped(skipped)
        return going

    async def rejected(self, rows: Sequence[Rejection]) -> None:
        """Reject rows; each is kept whole. Raises Stopped when the job allows no more."""
        if not rows:
            return
        rows = [replace(row, reason=self.redact(row.reason)) for row in rows]
        with self.timed("journal"):
            await self.journal.reject([(row, self._kept(row)) for row in rows])
        for row in rows:
            labels = row.row.label_count if row.row else row.key.labels
            groups = len(row.row.groups) if row.row else 0
            self.emit(RowRejected(row.key.key, row.key.title, row.stage, row.reason, labels, groups))
        self.rejects += len(rows)
        if self.max_rejects is not None and self.rejects > self.max_rejects:
            message = (
                f"{self.rejects} rows were rejected, more than --max-rejects {self.max_rejects}; "
                "the run stops here and can be resumed"
            )
            raise Stopped(message)

    async def rejected_anew(self, rows: Sequence[Rejection]) -> None:
        """Reject, before the rows are read, those that are not settled yet."""
        left = await self.wanted([row.key for row in rows]) if rows else set()
        self.fresh = self.fresh and not rows
        await self.rejected([row for row in rows if row.key.key in left])

    def _kept(self, rejection: Rejection) -> bytes | None:
        """Return the row as it is kept; None where there is none, or it holds what no archive can (NaN)."""
        try:
            return self.keep(rejection.row) if rejection.row is not None else None
        except RowError:
            return None

    async def edited(
        self, opened: Sequence[OpenRow], rows: Sequence[EditedRow | Rejection]
    ) -> list[EditedRow]:
        """Reject the rows that an operation failed on, and return the others.

        Tells how many groups operations made, and of how many they left nothing.
        """
        await self.rejected([row for row in rows if isinstance(row, Rejection)])
        made = discarded = 0
        for given, row in zip(opened, rows, strict=True):
            before = given.task.row or given.existing
            if isinstance(row, EditedRow) and before is not None and row.row.groups is not before.groups:
                old, new = ({group.id for group in one.groups} for one in (before, row.row))
                made, discarded = made + len(new - old), discarded + len(old - new)
        if made or discarded:
            self.emit(GroupsChanged(made, discarded))
        return [row for row in rows if isinstance(row, EditedRow)]

    async def skipped(self, rows: Sequence[OpenRow]) -> None:
        """Settle rows that already had labels and are left alone."""
        if rows:
            with self.timed("journal"):
                await self.journal.settle("skipped", [(row.task.key, "", row.place.id) for row in rows])
            labels = sum(row.task.row.label_count if row.task.row else row.task.key.labels for row in rows)
            groups = sum(len(row.task.row.groups) for row in rows if row.task.row)
            self.emit(RowsSettled("skipped", len(rows), labels, groups))

    async def judged(self, rows: Sequence[PackedRow | Rejection]) -> list[PackedRow]:
        """Settle packed rows that end here (rejected, lossy, unchanged, or a dry run); return the others."""
        rejected = [row for row in rows if isinstance(row, Rejection)]
        whole = []
        for row in rows:
            if isinstance(row, PackedRow):
                forbidden = self._losses(row) if row.notes or row.losses else None
                if forbidden is None:
                    whole.append(row)
                else:
                    rejected.append(forbidden)
        await self.rejected(rejected)
        ending = [row for row in whole if row.unchanged]
        await self._settled("unchanged", ending)
        going = [row for row in whole if not row.unchanged]
        if self.dry_run:
            await self._settled("would-save", going)
            return []
        return going

    def _losses(self, row: PackedRow) -> Rejection | None:
        for note in row.notes:
            self.emit(NoteSeen(note.row, note.object, note.what, note.why))
        for loss in row.losses:
            allowed = loss.what in self.allowed
            self.emit(LossSeen(loss.row, loss.object, loss.what.value, loss.why, allowed))
        first = next((loss for loss in row.losses if loss.what not in self.allowed), None)
        if first is None:
            return None
        more = len({loss.what for loss in row.losses if loss.what not in self.allowed}) - 1
        reason = (
            f"the target cannot hold {first.what.value}"
            + (f" of object {first.object!r}" if first.object else "")
            + f": {first.why}; allow it with `allow_losses: [{first.what.value}]`"
            + (f" (and {more} more kinds of loss)" if more else "")
        )
        return Rejection(row.key, "pack", reason, row.row)

    async def _settled(self, outcome: str, rows: Sequence[PackedRow]) -> None:
        if rows:
            with self.timed("journal"):
                await self.journal.settle(outcome, [(row.key, row.digest, row.place.id) for row in rows])
            labels, groups = sum(row.labels for row in rows), sum(row.groups for row in rows)
            self.emit(RowsSettled(outcome, len(rows), labels, groups))

    async def arrived(self, rows: Sequence[OpenRow], pack: Callable[[EditedRow], PackedRow]) -> list[OpenRow]:
        """Settle rows edited in place whose save had no known end and did arrive; return the others.

        Their operations must not run twice: the target's row is what they made of it already.
        """
        own = [row for row in rows if row.task.row is None and row.existing is not None]
        if self.fresh or not own:
            return list(rows)
        with self.timed("journal"):
            digests = await self.journal.in_intent([row.task.key.key for row in own])
        there = [_as_it_is(row, pack) for row in own if row.task.key.key in digests]
        done = [row for row in there if row.digest == digests[row.key.key]]
        await self._settled("unchanged", done)
        gone = {row.key.key for row in done}
        return [row for row in rows if row.task.key.key not in gone]

    async def intended(self, bundle: Bundle) -> None:
        """Record that a bundle is about to be sent."""
        with self.timed("journal"):
            await self.journal.intent(bundle.id, [(row.key, row.digest, row.place.id) for row in bundle.rows])
        self.emit(BundleSent(bundle.id, len(bundle.rows), bundle.size))

    async def saved(self, bundle: Bundle, report: SaveReport) -> None:
        """Record what the target said of a bundle's rows."""
        with self.timed("journal"):
            await self.journal.saved(bundle.id, report.saved)
        saved = {receipt.key for receipt in report.saved}
        rows = [row for row in bundle.rows if row.key.key in saved]
        labels, groups = sum(row.labels for row in rows), sum(row.groups for row in rows)
        self.emit(BundleDone(bundle.id, len(saved), len(report.rejected), labels, groups))
        await self.rejected(report.rejected)


def _as_it_is(row: OpenRow, pack: Callable[[EditedRow], PackedRow]) -> PackedRow:
    """Pack what the target holds. A row that cannot be packed did not arrive from here."""
    nothing = PackedRow(row.task.key, row.place, b"", 0, "")
    try:
        existing = row.existing
        return pack(EditedRow(row.task.key, row.place, existing, existing)) if existing else nothing
    except RowError:
        return nothing
