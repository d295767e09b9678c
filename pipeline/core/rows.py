"""What a row is at each stage of the line; every stage takes one type and gives the next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b
from typing import Any, Final

from pipeline.core.geometry import Shape
from pipeline.core.instances import OnTop
from pipeline.core.labels import LabelRow
from pipeline.core.losses import Loss, LossKind, Note
from pipeline.core.quick import quick


@quick
@dataclass(frozen=True, slots=True)
class RowKey:
    """What matching needs to know of a source row.

    `key` is unique in the source and the same in every run; `ordinal` is its place in it, from 0.
    `pairs` are the classes (name, shape) that the row uses, or None where reading them would cost a
    request. `labels` counts them and `mask_pixels` sums the areas H x W of its masks, where known.
    """

    key: str
    ordinal: int
    title: str = ""
    path: str | None = None
    external_id: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    pairs: frozenset[tuple[str, Shape]] | None = None
    labels: int = 0
    mask_pixels: int = 0


@quick
@dataclass(frozen=True, slots=True)
class Place:
    """Where a row goes in the target. `id` is unique there; `details` is the adapter's own.

    Without an `id`, the row is still to be created; the adapter opens it with a place that has one.
    """

    id: str
    title: str = ""
    details: Any = None

    @property
    def is_new(self) -> bool:
        """Whether the target has no row there yet."""
        return not self.id


@quick
@dataclass(frozen=True, slots=True)
class LabelTask:
    """One row to bring over. `row` is None when the target's own row is edited in place."""

    key: RowKey
    row: LabelRow | None
    size: int = 0
    """Bytes that the row took in its source, as far as known."""


class Mode(StrEnum):
    """What to do with a row that already has labels."""

    REPLACE = "replace"
    APPEND = "append"
    SKIP = "skip-existing"
    EDIT = "edit"
    """The job has no source: the target's own rows are edited."""


class MediaMode(StrEnum):
    """Where the pictures of rows come from that the target does not have yet."""

    MATCH = "match"
    """From nowhere: every row must be there."""
    LINK = "link"
    """From where they are: the target is told their URLs."""
    COPY = "copy"
    """From where they are, byte by byte."""


class Decision(StrEnum):
    """What was decided for one row when it was first opened; kept in the journal."""

    WRITE = "write"
    APPEND = "append"
    SKIP = "skip"
    REFUSE = "refuse"


@quick
@dataclass(frozen=True, slots=True)
class OpenRow:
    """A row initialised in the target. `existing` holds its labels there (None: the target keeps none)."""

    task: LabelTask
    place: Place
    existing: LabelRow | None = None
    decision: Decision = Decision.WRITE


@dataclass(frozen=True, slots=True)
class Layers:
    """How the masks of a row become one picture per frame: each object's number, and who is on top.

    The order of `numbers` is that of drawing. `by_frame` has frames on which an object has another number.
    """

    numbers: Mapping[str, int]
    on_top: OnTop = OnTop.LAST
    by_frame: Mapping[str, Mapping[int, int]] = field(default_factory=dict)

    def at(self, name: str, frame: int) -> int:
        """Return the number of an object on a frame."""
        own = self.by_frame.get(name)
        return self.numbers[name] if own is None else own.get(frame, self.numbers[name])


@quick
@dataclass(frozen=True, slots=True)
class EditedRow:
    """A row with all label operations applied. `existing` is the target's own row as opened."""

    key: RowKey
    place: Place
    row: LabelRow
    existing: LabelRow | None = None
    append: bool = False
    """Keep what the target row holds, and add the labels of `row` whose id is not there."""
    layers: Layers | None = None
    """Set where the target keeps all masks of a frame in one picture."""


@quick
@dataclass(frozen=True, slots=True)
class PackedRow:
    """A row in the target's own bytes, ready to travel. `labels` counts objects and classifications."""

    key: RowKey
    place: Place
    payload: bytes
    labels: int
    digest: str
    """blake2 of what is written or of what it means, the same in every run. For a row edited in place it is
    the latter, without times and authors: it is compared with what the target holds."""
    unchanged: bool = False
    """The target holds exactly this already; it is not sent."""
    losses: tuple[Loss, ...] = ()
    notes: tuple[Note, ...] = ()
    row: LabelRow | None = None
    """The edited row, kept until it is saved, so that a rejected one can be kept whole."""
    assets: tuple[bytes, ...] = ()
    """Files that have to be in place before the payload is sent."""

    @property
    def size(self) -> int:
        """Bytes that travel."""
        return len(self.payload) + sum(map(len, self.assets))

    @property
    def groups(self) -> int:
        """Groups that arrive: those of the row that are not among the losses, whole or object by object."""
        if self.row is None or not self.row.groups:
            return 0
        gone = {loss.object for loss in self.losses if loss.what in _UNBOUND}
        held = sum(1 for group in self.row.groups if not gone.issuperset(group.objects))
        whole = sum(1 for loss in self.losses if loss.what is LossKind.GROUP and loss.object is None)
        return max(min(held, len(self.row.groups) - whole), 0)


_UNBOUND: Final = frozenset({LossKind.GROUP, LossKind.SHAPE})
"""Losses of an object after which it is in no group: one without its shape is not there at all."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """Rows that travel in one save. `id` is derived from its rows and the same after a restart."""

    id: str
    rows: tuple[PackedRow, ...]
    tries: int | None = None
    """How often its request is tried at most (None: as the channel does)."""

    @classmethod
    def of(cls, rows: Sequence[PackedRow], tries: int | None = None) -> "Bundle":
        """Make the bundle of these rows; its id is a hash of their keys."""
        digest = blake2b(digest_size=8)
        for row in rows:
            digest.update(row.key.key.encode())
            digest.update(b"\0")
        return cls(digest.hexdigest(), tuple(rows), tries)

    @property
    def size(self) -> int:
        """Payload bytes of all rows."""
        return sum(row.size for row in self.rows)


@quick
@dataclass(frozen=True, slots=True)
class Receipt:
    """One saved row."""

    key: str
    target_id: str


@dataclass(frozen=True, slots=True)
class Rejection:
    """One row that was not saved, and why. `stage` is read, match, open, apply, pack or save."""

    key: RowKey
    stage: str
    reason: str
    row: LabelRow | None = None


@dataclass(frozen=True, slots=True)
class SaveReport:
    """What became of each row of a bundle."""

    saved: tuple[Receipt, ...]
    rejected: tuple[Rejection, ...] = ()
