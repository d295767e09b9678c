"""What is met while one row is read, and the errors that reject it."""

from dataclasses import dataclass, field

from pipeline.core.losses import Note
from pipeline.errors import RowError
from pipeline.platforms.segments.convert.numeric import whole
from pipeline.platforms.segments.convert.project import Project
from pipeline.platforms.segments.wire import JsonValue


@dataclass(slots=True)
class Reading:
    """One row on its way from the wire. `key` and `title` are those of the sample."""

    key: str
    title: str
    project: Project
    notes: list[Note] = field(default_factory=list)

    def note(self, item: str | None, what: str, why: str) -> None:
        """Say something about an object, or about the row."""
        self.notes.append(Note(self.key, item, what, why))

    def refuse(self, where: str, why: object) -> RowError:
        """Return the error that rejects this row."""
        shown = f"row {self.title or self.key!r}" if not where else f"row {self.title or self.key!r}, {where}"
        return RowError(f"{shown}: {why}; correct it in Segments.ai")

    def number(self, value: JsonValue, where: str, name: str) -> int:
        """Return a whole number of the wire. RowError for what is none; one in other clothes is a note."""
        found = whole(value)
        if found is None:
            raise self.refuse(where, f"{name}: found {value!r}, expected a whole number")
        if not found[1]:
            self.note(None, name, f"{where}: {name} {value!r} was read as {found[0]}")
        return found[0]
