"""`call`: a user's own function on each row."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from pipeline.core.labels import LabelRow
from pipeline.core.ontology import Ontology
from pipeline.core.operations.edits import failure, linked
from pipeline.errors import RowError


@dataclass(frozen=True, slots=True)
class Call:
    """Run `function` on each row. `name` is what messages call it."""

    function: Callable[[LabelRow], object]
    name: str
    heavy: ClassVar[bool] = False
    foreign: ClassVar[bool] = True

    def __call__(self, row: LabelRow) -> LabelRow:
        """Return what the function makes of the row; groups and relations lose objects that it took away.

        RowError where it raises, returns anything but a LabelRow, changes the row's key, gives two objects
        or two groups one id, or leaves an object without an occurrence.
        """
        try:
            made = self.function(row)
        except RowError:
            raise
        except Exception as error:
            raise failure(row, None, f"{self.name} raised {type(error).__name__}: {error}") from error
        if made is row:
            return row
        if not isinstance(made, LabelRow):
            raise failure(row, None, f"{self.name} returned {type(made).__name__}, expected a LabelRow")
        return self._checked(row, made)

    def revise(self, ontology: Ontology) -> Ontology | None:  # noqa: ARG002 - the protocol's signature
        """Nobody can tell."""
        return None

    def _checked(self, row: LabelRow, made: LabelRow) -> LabelRow:
        if made.key != row.key:
            raise failure(row, None, f"{self.name} changed the key to {made.key!r}; it must stay {row.key!r}")
        if len({group.id for group in made.groups}) < len(made.groups):
            raise failure(row, None, f"{self.name} gave two groups one id; every group needs its own")
        ids = {item.id for item in made.objects}
        if len(ids) < len(made.objects):
            raise failure(row, None, f"{self.name} gave two objects one id; every object needs its own")
        for item in made.objects:
            if not item.occurrences:
                raise failure(
                    row, item, f"{self.name} left it without an occurrence; leave the object out instead"
                )
        return linked(made)
