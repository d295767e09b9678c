"""Labels of a row that this model does not draw, and what operations want of them.

A platform may carry them in the `raw` of a row under `CARRIED`, as they came. What they say only that
platform knows: an operation leaves word in the `raw` of the row, which the platform heeds when it writes it.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final

from pipeline.core.labels import LabelRow, Raw

CARRIED: Final = "others"
"""The key of a row's `raw` under which such labels are."""
_UNBOUND: Final = "unbound"
"""The key of the word on their groups: a list of the classes that leave them, or True for all labels."""
_DROPPED: Final = "dropped"
"""The key of the word on the classes whose labels go."""
_KEPT: Final = "kept"
"""The key of the word on the only classes whose labels stay; without it all do."""


@dataclass(frozen=True, slots=True)
class Freed:
    """The carried labels of a row that leave their groups: those of some classes, or `everything`."""

    classes: frozenset[str] = frozenset()
    everything: bool = False

    def __bool__(self) -> bool:
        """Whether any label may leave its group."""
        return self.everything or bool(self.classes)

    def has(self, class_name: str) -> bool:
        """Whether labels of this class leave their groups."""
        return self.everything or class_name in self.classes


def freed(row: LabelRow) -> Freed:
    """Return the word that operations left on the groups of carried labels."""
    said = row.raw.data.get(_UNBOUND) if row.raw is not None else None
    if said is None:
        return _NOBODY
    if said is True:
        return Freed(everything=True)
    return Freed(frozenset(map(str, said)) if isinstance(said, list) else frozenset())


_NOBODY: Final = Freed()


def with_freed(row: LabelRow, classes: Collection[str] | None) -> LabelRow:
    """Return the row with word that its carried labels of these classes (None: all) leave their groups.

    A row that carries no labels, or says so already, is returned as it is.
    """
    raw = row.raw
    if raw is None or not raw.data.get(CARRIED) or (classes is not None and not classes):
        return row
    before = freed(row)
    said: bool | list[str] = True
    if classes is not None and not before.everything:
        said = sorted({*before.classes, *classes})
    if raw.data.get(_UNBOUND) == said:
        return row
    return replace(row, raw=Raw(raw.platform, {**raw.data, _UNBOUND: said}))


@dataclass(frozen=True, slots=True)
class Chosen:
    """The carried labels that stay: those not `dropped`, and of the classes `kept`, where it names any."""

    dropped: frozenset[str] = frozenset()
    kept: frozenset[str] | None = None

    def has(self, class_name: str) -> bool:
        """Whether labels of this class stay."""
        return class_name not in self.dropped and (self.kept is None or class_name in self.kept)


def chosen(row: LabelRow) -> Chosen:
    """Return the word that operations left on which carried labels stay."""
    data = row.raw.data if row.raw is not None else {}
    dropped, kept = data.get(_DROPPED), data.get(_KEPT)
    return Chosen(
        frozenset(map(str, dropped)) if isinstance(dropped, list) else frozenset(),
        frozenset(map(str, kept)) if isinstance(kept, list) else None,
    )


def with_dropped(row: LabelRow, classes: Collection[str]) -> LabelRow:
    """Return the row with word that its carried labels of these classes go."""
    return _saying(row, _DROPPED, chosen(row).dropped.union(classes))


def with_kept(row: LabelRow, classes: Collection[str]) -> LabelRow:
    """Return the row with word that of its carried labels only those of these classes stay."""
    before = chosen(row).kept
    return _saying(row, _KEPT, set(classes) if before is None else before.intersection(classes))


def _saying(row: LabelRow, key: str, classes: Collection[str]) -> LabelRow:
    raw, said = row.raw, sorted(classes)
    if raw is None or not raw.data.get(CARRIED) or raw.data.get(key) == said:
        return row
    return replace(row, raw=Raw(raw.platform, {**raw.data, key: said}))
