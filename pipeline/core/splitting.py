"""What to do with a bundle that was refused: decided here, done by the flow."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from pipeline.errors import BundleRefused, TransientError

Row = TypeVar("Row")

REQUESTS_PER_ROW = 4
"""Looking for bad rows may cost this many requests per row of the bundle; beyond it nobody is blamed."""


@dataclass(frozen=True, slots=True)
class Blame(Generic[Row]):
    """These rows are to blame, with reasons; the rest is sent again."""

    rows: tuple[tuple[Row, str], ...]
    rest: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Split(Generic[Row]):
    """Nobody is blamed yet: send these parts. `search` is true when they look for a bad row."""

    parts: tuple[tuple[Row, ...], ...]
    search: bool


@dataclass(frozen=True, slots=True)
class Outage:
    """The target does not answer at all; stop, and blame no row."""

    reason: str


Step: TypeAlias = Blame[Row] | Split[Row] | Outage


def next_step(
    rows: Sequence[Row], ids: Sequence[str], refusal: BundleRefused | TransientError, *, alive: bool
) -> Step[Row]:
    """Decide what follows a refusal.

    `ids` are the rows' target ids. `alive` says whether the host answers other requests; it matters only
    when all tries of this one are used up.
    """
    if isinstance(refusal, TransientError):
        if not alive:
            return Outage(str(refusal))
        return _search(rows, str(refusal))
    named = [(row, refusal.rows[id_]) for row, id_ in zip(rows, ids, strict=True) if id_ in refusal.rows]
    if named:
        rest = tuple(row for row, id_ in zip(rows, ids, strict=True) if id_ not in refusal.rows)
        return Blame(tuple(named), rest)
    if refusal.too_large:
        return _shrink(rows, refusal)
    return _search(rows, str(refusal))


def _shrink(rows: Sequence[Row], refusal: BundleRefused) -> Step[Row]:
    if len(rows) == 1:
        return Blame(((rows[0], f"too large for one request of its own: {refusal}"),), ())
    size = (len(rows) + 1) // 2
    if refusal.at_most is not None:
        size = max(1, min(size, refusal.at_most))
    parts = tuple(tuple(rows[start : start + size]) for start in range(0, len(rows), size))
    return Split(parts, search=False)


def _search(rows: Sequence[Row], reason: str) -> Step[Row]:
    if len(rows) == 1:
        return Blame(((rows[0], reason),), ())
    middle = len(rows) // 2
    return Split((tuple(rows[:middle]), tuple(rows[middle:])), search=True)
