"""One row on its way to the wire, and what is found while it is packed."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.core.labels import LabelRow
from pipeline.core.losses import Loss, LossKind, Note
from pipeline.core.rows import EditedRow
from pipeline.errors import RowError
from pipeline.platforms.encord.convert.flatten import Flat, unanswered
from pipeline.platforms.encord.convert.index import Index, Label
from pipeline.platforms.encord.convert.layout import Layout
from pipeline.platforms.encord.convert.objects import Author


@dataclass(frozen=True, slots=True)
class Rules:
    """How a row is packed. `group_attribute` names the text attribute that holds groups, if any does."""

    require_answers: bool = False
    group_attribute: str | None = None


@dataclass(slots=True)
class Packing:
    """One row on its way to the wire, and what was found while packing it."""

    edited: EditedRow
    index: Index
    layout: Layout
    author: Author
    rules: Rules
    hashes: Mapping[str, str]
    losses: list[Loss] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    _sizes: dict[int, tuple[int, int] | None] = field(default_factory=dict)

    @property
    def row(self) -> LabelRow:
        """The row with all operations applied."""
        return self.edited.row

    @property
    def key(self) -> str:
        """The key of the row in its source, under which losses and notes are reported."""
        return self.edited.key.key

    def size_at(self, frame: int) -> tuple[int, int] | None:
        """Return (height, width) of a frame in pixels: of the opened row, else of the source."""
        if frame not in self._sizes:
            self._sizes[frame] = self.layout.size_at(frame) or self.row.size_at(frame)
        return self._sizes[frame]

    @property
    def frame_count(self) -> int | None:
        """The number of frames: of the opened row, else of the source, else None."""
        return self.layout.frame_count or self.row.frame_count

    def lose(self, item: str | None, what: LossKind, why: str) -> None:
        """Report something that Encord will not hold."""
        self.losses.append(Loss(self.key, item, what, why))

    def refuse(self, what: str, why: object) -> RowError:
        """Return the error that rejects this row."""
        return RowError(f"row {self.row.title or self.key!r}, {what}: {why}")

    def judge(
        self, identity: str, what: str, label: Label, flat: Flat, kind: LossKind = LossKind.ATTRIBUTE
    ) -> None:
        """Report answers without a place, as losses of this kind, and missing required ones.

        Raises RowError where the job wants those.
        """
        for why in flat.homeless:
            self.lose(identity, kind, why)
        for name in unanswered(label, flat):
            why = f"required attribute {name!r} is not answered"
            if self.rules.require_answers:
                raise self.refuse(what, f"{why}; answer it, for example with `set`")
            self.notes.append(Note(self.key, identity, "required answer", why))
