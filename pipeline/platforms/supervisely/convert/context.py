"""One row on its way to the wire, and what is found while it is packed."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.core.labels import LabelRow, ObjectInstance
from pipeline.core.losses import Loss, LossKind, Note
from pipeline.core.rows import EditedRow
from pipeline.errors import RowError, UsageError
from pipeline.platforms.supervisely.convert.geometry import NO_NODES, Drawn, Nodes
from pipeline.platforms.supervisely.convert.project import Opened, Project, json_of
from pipeline.platforms.supervisely.wire import PLATFORM, Image, Json, is_size


@dataclass(slots=True)
class Packing:
    """One row on its way to the wire. `row` is the row as it will be in the target."""

    edited: EditedRow
    project: Project
    row: LabelRow = field(init=False)
    opened: Opened = field(init=False)
    there: Mapping[str, ObjectInstance] = field(init=False)
    """The objects of the opened row by id."""
    size: tuple[int, int] | None = field(init=False)
    """Height and width of the image."""
    picture: Drawn = field(init=False)
    """The image, for what has no nodes."""
    homes: Mapping[str, str] = field(default_factory=dict)
    """What groups of a row that is appended are called in the whole, those of undrawn labels too."""
    losses: dict[Loss, None] = field(default_factory=dict)
    """Each once, in the order met."""
    notes: list[Note] = field(default_factory=list)

    def __post_init__(self) -> None:
        opened = self.edited.place.details
        if not isinstance(opened, Opened):
            raise UsageError(f"row {self.edited.row.title!r} is not open: its place holds no image")
        self.opened = opened
        self.row = self.edited.row
        existing = self.edited.existing
        self.there = {item.id: item for item in existing.objects} if existing is not None else {}
        self.size = self._size()
        self.picture = Drawn(*(self.size or (0, 0)))

    @property
    def image(self) -> Image:
        """The image that the row goes to."""
        return self.opened.image

    @property
    def key(self) -> str:
        """The key that losses and notes name the row by."""
        return self.edited.key.key

    def place(self, nodes: Nodes = NO_NODES) -> Drawn:
        """Return what drawing needs to know of the image, and of a class."""
        return self.picture if nodes is NO_NODES else self.picture._replace(nodes=nodes)

    def _size(self) -> tuple[int, int] | None:
        image = self.opened.image
        if image.height and image.width:
            return image.height, image.width
        size = json_of((self.opened.annotation or {}).get("size"))
        height, width = size.get("height"), size.get("width")
        if is_size(height) and is_size(width):
            return height, width
        return self.row.size_at(0)

    def lose(self, item: str | None, what: LossKind, why: str) -> None:
        """Record that something would not be in the target."""
        self.losses.setdefault(Loss(self.key, item, what, why))

    def note(self, item: str | None, what: str, why: str) -> None:
        """Say something that is no loss."""
        self.notes.append(Note(self.key, item, what, why))

    def refuse(self, what: str, why: object) -> RowError:
        """Return the error that rejects this row."""
        shown = f"row {self.row.title or self.key!r}"
        return RowError(f"{shown}, {what}: {why}" if what else f"{shown}: {why}")


def named(item: ObjectInstance) -> str:
    """Return what messages call an object."""
    return f"object {item.id!r} ({item.class_name})"


def own_raw(item: ObjectInstance) -> Json | None:
    """Return the label that an object came with, if it came from Supervisely."""
    raw = item.raw
    return dict(raw.data) if raw is not None and raw.platform == PLATFORM else None
