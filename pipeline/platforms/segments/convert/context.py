"""One row on its way to the wire, and what is found while it is packed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.core.labels import LabelRow, ObjectInstance
from pipeline.core.losses import Loss, LossKind, Note
from pipeline.core.rows import EditedRow
from pipeline.errors import RowError, UsageError
from pipeline.platforms.segments.convert.arranging import opened_of, own_sample
from pipeline.platforms.segments.convert.kinds import Kind, kind_of
from pipeline.platforms.segments.convert.layout import LayoutError, Part, parts_of
from pipeline.platforms.segments.convert.project import Numbered, Numbers, Opened, Project, json_of
from pipeline.platforms.segments.wire import PLATFORM, JsonValue


@dataclass(slots=True)
class Packing:
    """One row, arranged, on its way to the wire, and what was found while packing it."""

    edited: EditedRow
    project: Project
    losses: dict[Loss, None] = field(default_factory=dict)
    """Each once, in the order met."""
    notes: list[Note] = field(default_factory=list)
    written: dict[str, Numbered] = field(default_factory=dict)
    """The objects that are written, with their numbers."""
    opened: Opened = field(init=False)
    """The sample that the row goes to."""
    numbers: Numbers = field(init=False)
    """The numbers that objects were given when the row was arranged."""

    def __post_init__(self) -> None:
        self.opened = opened_of(self.edited)
        self.numbers = self.opened.numbers or Numbers({})

    @property
    def row(self) -> LabelRow:
        """The row as it will be in the target."""
        return self.edited.row

    @property
    def key(self) -> str:
        """The key of the row in its source, under which losses and notes are reported."""
        return self.edited.key.key

    @property
    def own(self) -> bool:
        """Whether the row came from the very sample that it goes to."""
        return own_sample(self.row, self.opened)

    def lose(self, item: str | None, what: LossKind, why: str) -> None:
        """Report something that the dataset will not hold."""
        self.losses[Loss(self.key, item, what, why)] = None

    def note(self, item: str | None, what: str, why: str) -> None:
        """Say something about an object or the row."""
        self.notes.append(Note(self.key, item, what, why))

    def refuse(self, what: str, why: object) -> RowError:
        """Return the error that rejects this row."""
        shown = f"row {self.row.title or self.key!r}"
        return RowError(f"{shown}, {what}: {why}" if what else f"{shown}: {why}")


def named(item: ObjectInstance, part: Part | None = None, frame: int | None = None) -> str:
    """Return what messages call an object, on a frame where one is given."""
    shown = f"object {item.id!r} ({item.class_name})"
    if part is not None and part.sensor is not None:
        shown += f", sensor {part.sensor!r}"
    return shown if frame is None or part is None or not part.kind.sequence else f"{shown}, frame {frame}"


@dataclass(frozen=True, slots=True)
class Before:
    """What a row kept of the label that it came with: nothing where it is of another build or platform."""

    raw: Mapping[str, Any]
    label: JsonValue
    same_drawing: bool
    """Whether it was drawn as the dataset draws: both in bitmaps, both in clouds, or neither."""

    def kept(self, name: str, key: str) -> Mapping[str, Any]:
        """Return what is kept of a frame under a name."""
        return json_of(json_of(self.raw.get(name)).get(key))


_NOTHING = Before({}, None, same_drawing=False)


def before(row: LabelRow | None, kind: Kind) -> Before:
    """Return what a row kept of its label, for a label of this kind."""
    if row is None or row.raw is None or row.raw.platform != PLATFORM:
        return _NOTHING
    try:
        old = kind_of(str(row.raw.data.get("task_type")))
    except UsageError:
        return _NOTHING
    if (old.sequence, old.sensors, old.solid) != (kind.sequence, kind.sensors, kind.solid):
        return _NOTHING
    same = (old.bitmaps, old.points) == (kind.bitmaps, kind.points)
    return Before(row.raw.data, row.raw.data.get("label"), same)


def target_parts(packing: Packing, kept: Before) -> list[Part]:
    """Return the parts of the label to be written, with what was kept of each.

    Sensors come in the order of the sample. Those that it has not are left out, unless the label came from
    this very sample.
    """
    sample = packing.opened.sample.attributes
    try:
        parts = parts_of(sample, kept.label, packing.project.kind)
        known = {part.sensor for part in parts_of(sample, None, packing.project.kind)}
    except LayoutError as error:
        raise packing.refuse("", error) from error
    return [part for part in parts if packing.own or part.sensor in known]
