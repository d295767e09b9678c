"""Places and keys that are few enough to be kept in memory, where each key has the place that it asks for."""

from collections.abc import Sequence
from typing import Final, TypeAlias

from pipeline.core.rows import Place, Rejection, RowKey

FEW_BYTES: Final = 4 * 1024 * 1024
"""Of the texts of places and keys that are kept, and of what holds them."""
_HOLDER: Final = 400  # bytes of a row without its texts

PlaceRow: TypeAlias = tuple[str | None, str, str, str | None]
"""What a row of the target is matched by, its id, its title and its details."""
KeyRow: TypeAlias = tuple[str | None, str, int, str, int]
"""What a key is matched by, the key, its number, its title and how many labels the row has."""


class FewPlaces:
    """Finds places in a tenth of the time that a database takes, as long as nothing is in the way.

    What is missing, ambiguous or asked for twice is for the database to judge: all that it has to know of is
    in `places`, `keys` and `used`.
    """

    def __init__(self) -> None:
        self.places: list[PlaceRow] = []
        self.keys: list[KeyRow] = []
        self.used: list[tuple[str, str, str]] = []
        """Keys that were not known before and have a place: what each was matched by, itself, its title."""
        self._by_value: dict[str | None, PlaceRow | None] = {}
        """None where several rows of the target have the value."""
        self._users: dict[str | None, str | None] = {}
        """The key that has the value, None where several have it."""
        self._bytes = 0

    def add_places(self, rows: Sequence[PlaceRow]) -> bool:
        """Add rows of the target, or return False where they are too many."""
        if not self._has_room(rows):
            return False
        self.places += rows
        for row in rows:
            known = self._by_value.setdefault(row[0], row)
            if known is None or known[1] != row[1]:
                self._by_value[row[0]] = None
        return True

    def add_keys(self, rows: Sequence[KeyRow]) -> bool:
        """Add keys of the source, or return False where they are too many."""
        if not self._has_room(rows):
            return False
        self.keys += rows
        for value, key, *_ in rows:
            if self._users.setdefault(value, key) != key:
                self._users[value] = None
        return True

    def _has_room(self, rows: Sequence[PlaceRow] | Sequence[KeyRow]) -> bool:
        self._bytes += sum(_HOLDER + sum(len(text) for text in row if isinstance(text, str)) for row in rows)
        return self._bytes <= FEW_BYTES

    def all_found(self) -> bool:
        """Whether every key has a place of its own."""
        return all(
            value is not None and key and self._by_value.get(value) for value, key in self._users.items()
        )

    def of(self, values: Sequence[str | None], keys: Sequence[RowKey]) -> list[Place | Rejection] | None:
        """Return the place of each key, in the same order; None where one of them has none of its own.

        `values` are what the keys are matched by. Where keys are not known before, the first has the place.
        """
        found: list[Place | Rejection] = []
        users: dict[str | None, str | None] = {}
        for value, key in zip(values, keys, strict=True):
            row = self._by_value.get(value)
            user = self._users.get(value, key.key)
            if value is None or row is None or user != key.key or users.setdefault(value, user) != user:
                return None
            found.append(Place(row[1], row[2], row[3]))
        if not self.keys:
            new = {value: key for value, key in zip(values, keys, strict=True) if value not in self._users}
            self.used += [(value, key.key, key.title) for value, key in new.items() if value is not None]
            self._users |= users
        return found
