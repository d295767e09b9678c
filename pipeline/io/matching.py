"""Matches the keys of a source with the rows that a target lists, in flat memory: many of them on disk."""

from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping, Sequence
from enum import Enum
from functools import lru_cache
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from pipeline.core.rows import Place, Rejection, RowKey
from pipeline.io.few_places import FewPlaces
from pipeline.io.streams import batched
from pipeline.io.temporary import Result, TemporaryDatabase
from pipeline.ports import MatchRule

AT_ONCE = 1000
"""Keys of one question, and problems of one answer."""
NAMED = 3
"""Target ids or source rows that a message names at most."""

_TABLES = """
    PRAGMA cache_size=-16384;
    CREATE TABLE place (value TEXT, id TEXT NOT NULL, title TEXT NOT NULL, details TEXT);
    CREATE TABLE source (
        n INTEGER PRIMARY KEY, value TEXT, key TEXT NOT NULL, ordinal INTEGER NOT NULL, title TEXT NOT NULL,
        labels INTEGER NOT NULL
    );
    CREATE TABLE used (value TEXT PRIMARY KEY, key TEXT NOT NULL, title TEXT NOT NULL) WITHOUT ROWID;
"""
_INDEXES = """
    CREATE INDEX IF NOT EXISTS place_value ON place (value);
    CREATE INDEX IF NOT EXISTS source_value ON source (value);
"""
_TITLE_INDEXES = """
    CREATE INDEX IF NOT EXISTS place_title ON place (title);
    CREATE INDEX IF NOT EXISTS source_title ON source (title);
    CREATE INDEX IF NOT EXISTS used_title ON used (title);
"""
_NO_INDEXES = """
    DROP INDEX IF EXISTS place_value; DROP INDEX IF EXISTS source_value;
    DROP INDEX IF EXISTS place_title; DROP INDEX IF EXISTS source_title;
"""
_PROBLEMS = """
    SELECT n, key, ordinal, title, labels, value,
        (SELECT count(DISTINCT id) FROM place WHERE place.value = asked.value) AS places,
        (SELECT count(DISTINCT key) FROM source AS other WHERE other.value = asked.value) AS uses
    FROM source AS asked WHERE n > ? AND (uses <> 1 OR places > 1 OR (places = 0 AND NOT ({new})))
    ORDER BY n LIMIT ?
"""
# One row for all places, and one statement for many rows: at each row of its own, this thread would let go of
# the interpreter and wait until the event loop's thread gives it back.
_PLACES = """
    SELECT json_group_array(json_array(asked.column1, place.id, place.title, place.details))
    FROM (VALUES {asked}) AS asked
    JOIN place ON place.rowid = (SELECT min(rowid) FROM place WHERE value = asked.column2)
    WHERE NOT EXISTS (SELECT 1 FROM place AS other WHERE other.value = asked.column2 AND other.id <> place.id)
    AND NOT EXISTS (
        SELECT 1 FROM {users} AS other WHERE other.value = asked.column2 AND other.key <> asked.column3
    )
"""
# The keys, of those that have no place, that may have a new one.
_NEW = """
    SELECT json_group_array(asked.n)
    FROM (
        SELECT column1 AS n, column2 AS value, column3 AS key, column4 AS title FROM (VALUES {asked})
    ) AS asked
    WHERE asked.value IS NOT NULL AND NOT EXISTS (SELECT 1 FROM place WHERE place.value = asked.value)
    AND NOT EXISTS (SELECT 1 FROM {users} AS other WHERE other.value = asked.value AND other.key <> asked.key)
    AND {new}
"""
# A new row is called by its title, so it needs one of its own, also where rows are matched by something else.
_AMONG_PLACES = "NOT EXISTS (SELECT 1 FROM place WHERE place.title = asked.title)"
_AMONG_SOURCE = """
    NOT EXISTS (SELECT 1 FROM {users} AS other WHERE other.title = asked.title AND other.key <> asked.key)
"""
_PLACE = "INSERT INTO place VALUES", 4
_SOURCE = "INSERT INTO source (value, key, ordinal, title, labels) VALUES", 5
_USED = "INSERT OR IGNORE INTO used VALUES", 3


class OwnTitle(Enum):
    """Among which rows a new one must be the only one of its title, where it is matched by something else."""

    AMONG_ALL = "all"
    AMONG_SOURCE = "source"
    """A row of the target may have it: the adapter knows what to do then."""
    NEED_NOT = "none"
    """The adapter tells rows of one title apart, or finds new titles for them."""


class Candidate(NamedTuple):
    """One row that the target lists. `details` is the adapter's own text; `Place.details` gives it back."""

    id: str
    title: str = ""
    path: str | None = None
    external_id: str | None = None
    metadata: Mapping[str, Any] = MappingProxyType({})
    details: str | None = None


class Matching(TemporaryDatabase):
    """Places of source rows, found by one rule.

    Where `add_keys` was called, every key is known before the first place is asked for, and a place with two
    keys is refused to both. Without it (a one-shot source), the first key that asks for a place has it.

    With `creates`, a key that the target has no row for is no problem: its place has no id (`is_new`), and
    the adapter opens the row that it created with a place that has one. Two such keys must differ in what
    they are matched by, and in their titles, unless `own_title` says otherwise.
    """

    def __init__(
        self,
        folder: Path,
        rule: MatchRule,
        *,
        creates: bool = False,
        own_title: OwnTitle = OwnTitle.AMONG_ALL,
    ) -> None:
        super().__init__(folder, "matching.db", _TABLES)
        self._rule = rule
        self._creates = creates
        self._own_title = own_title
        self._titled = creates and rule.by != "title" and own_title is not OwnTitle.NEED_NOT
        self._indexed = False
        self._keyed = False
        self._few: FewPlaces | None = FewPlaces()
        self._left: FewPlaces | None = None

    async def add_places(self, batch: Sequence[Candidate]) -> None:
        """Add rows of the target's listing. An id that is listed twice counts once."""
        rows = [(_value(self._rule, place), place.id, place.title, place.details) for place in batch]
        if self._few is None or not self._few.add_places(rows):
            await self._ask(self._insert, _PLACE, rows)

    async def add_keys(self, batch: Sequence[RowKey]) -> None:
        """Add keys of the source, in source order."""
        self._keyed = True
        rows = [(_value(self._rule, key), key.key, key.ordinal, key.title, key.labels) for key in batch]
        if self._few is None or not self._few.add_keys(rows):
            await self._ask(self._insert, _SOURCE, rows)

    async def add_source(self, keys: AsyncIterable[RowKey]) -> None:
        """Add all keys of a source, some at a time."""
        self._keyed = True
        async for batch in batched(keys, AT_ONCE):
            await self.add_keys(batch)

    async def of(self, keys: Sequence[RowKey]) -> list[Place | Rejection]:
        """Return the place of each key, in the same order."""
        if self._few is not None:
            values = [_value(self._rule, key) for key in keys]
            if found := self._few.of(values, keys):
                return found
        return await self._ask(self._places, keys)

    async def problems(self) -> AsyncIterator[Rejection]:
        """Give the keys that were added and are missing, ambiguous or twice used, in source order."""
        if self._few is not None and self._few.all_found():
            return
        last = 0
        while True:
            last, found = await self._ask(self._some_problems, last)
            if not found:
                return
            for problem in found:
                yield problem

    async def _ask(self, work: Callable[..., Result], *given: object) -> Result:
        """Do this in the file, for which memory is left: who asks first is answered first."""
        if self._few is not None:
            self._left, self._few = self._few, None
        return await self._run(self._there, work, *given)

    def _there(self, work: Callable[..., Result], *given: object) -> Result:
        few, self._left = self._left, None
        if few is not None:
            for statement, rows in ((_PLACE, few.places), (_SOURCE, few.keys), (_USED, few.used)):
                self._insert(statement, rows)
        return work(*given)

    def _insert(self, statement: tuple[str, int], rows: Sequence[tuple[object, ...]]) -> None:
        # Sorting once is far quicker than keeping an index in order for every row.
        if self._indexed:
            self._file.executescript(_NO_INDEXES)
            self._indexed = False
        self._file.execute("BEGIN")
        self._put(statement, rows)
        self._file.execute("COMMIT")

    def _put(self, statement: tuple[str, int], rows: Sequence[tuple[object, ...]]) -> None:
        """Run an INSERT, of so many columns, for all rows."""
        sql, width = statement
        for start in range(0, len(rows), AT_ONCE):
            some = rows[start : start + AT_ONCE]
            self._file.execute(f"{sql} {_marks(len(some), width)}", tuple(chain.from_iterable(some)))

    def _index(self) -> None:
        if not self._indexed:
            self._file.executescript(_INDEXES + (_TITLE_INDEXES if self._titled else ""))
            self._indexed = True

    def _places(self, keys: Sequence[RowKey]) -> list[Place | Rejection]:
        self._index()
        self._file.execute("BEGIN")
        try:
            found: list[Place | Rejection] = []
            for start in range(0, len(keys), AT_ONCE):
                found += self._some_places(keys[start : start + AT_ONCE])
            return found
        finally:
            self._file.execute("COMMIT")

    def _some_places(self, keys: Sequence[RowKey]) -> list[Place | Rejection]:
        values = [_value(self._rule, key) for key in keys]
        asked = chain.from_iterable((n, value, keys[n].key) for n, value in enumerate(values))
        query = _PLACES.format(asked=_marks(len(keys), 3), users="source" if self._keyed else "used")
        ((found,),) = self._file.execute(query, tuple(asked))
        places = {n: Place(id_, title, details) for n, id_, title, details in _found.decode(found)}
        if self._creates and len(places) < len(keys):
            left = [n for n in range(len(keys)) if n not in places]
            places |= {n: Place("", keys[n].title) for n in self._new(left, keys, values)}
        if not self._keyed:
            places = self._taken(places, keys, values)
        return [places.get(n) or self._problem(key, values[n]) for n, key in enumerate(keys)]

    def _new(self, left: Sequence[int], keys: Sequence[RowKey], values: Sequence[str | None]) -> list[int]:
        """Return which of the keys that have no place may have a new one."""
        users = "source" if self._keyed else "used"
        asked = chain.from_iterable((n, values[n], keys[n].key, keys[n].title) for n in left)
        query = _NEW.format(asked=_marks(len(left), 4), users=users, new=self._may_be_new(users))
        ((found,),) = self._file.execute(query, tuple(asked))
        return msgspec.json.decode(found, type=list[int])

    def _may_be_new(self, users: str) -> str:
        if not self._titled:
            return str(int(self._creates))
        conditions = ["asked.title <> ''", _AMONG_SOURCE.format(users=users)]
        if self._own_title is OwnTitle.AMONG_ALL:
            conditions.append(_AMONG_PLACES)
        return f"({' AND '.join(conditions)})"

    def _taken(
        self, places: Mapping[int, Place], keys: Sequence[RowKey], values: Sequence[str | None]
    ) -> dict[int, Place]:
        """Give each place to the first of the keys that ask for it, and remember them."""
        takers: dict[str | None, str] = {}
        titles: dict[str, str] = {}
        taken: dict[int, Place] = {}
        for n, row in enumerate(keys):
            place = places.get(n)
            if place is None or takers.get(values[n], row.key) != row.key:
                continue
            if self._titled and titles.setdefault(row.title, row.key) != row.key and place.is_new:
                continue
            takers[values[n]] = row.key
            taken[n] = place
        self._put(_USED, [(values[n], keys[n].key, keys[n].title) for n in taken])
        return taken

    def _other_users(self, key: RowKey, value: str, column: str = "value") -> list[str]:
        table = "source" if self._keyed else "used"
        others = self._file.execute(
            f"SELECT DISTINCT key FROM {table} WHERE {column} = ? AND key <> ? LIMIT ?",  # noqa: S608 - fixed names
            (value, key.key, NAMED + 1),
        )
        return [other for (other,) in others]

    def _some_problems(self, after: int) -> tuple[int, list[Rejection]]:
        self._index()
        query = _PROBLEMS.format(new=self._may_be_new("source"))
        rows = self._file.execute(query, (after, AT_ONCE)).fetchall()
        found = [
            self._problem(RowKey(key, ordinal, title, labels=labels), value)
            for _, key, ordinal, title, labels, value, _, _ in rows
        ]
        return (rows[-1][0] if rows else after), found

    def _problem(self, key: RowKey, value: str | None) -> Rejection:
        return Rejection(key, "match", f"row {key.key!r}: {self._reason(key, value)}")

    def _reason(self, key: RowKey, value: str | None) -> str:
        by = self._rule.by
        if value is None:
            return f"it has no {by}, and rows are matched by {by}; give it one, or choose another `match`"
        ids = self._file.execute(
            "SELECT DISTINCT id FROM place WHERE value = ? ORDER BY id LIMIT ?", (value, NAMED + 1)
        )
        places = [id_ for (id_,) in ids]
        if not places:
            return self._reason_of_none(key, value)
        if len(places) > 1:
            return (
                f"the target has several rows with the {by} {value!r}: ids {_some(places)}; "
                "make it unique there, or choose another `match`"
            )
        others = self._other_users(key, value)
        return (
            f"it has the {by} {value!r}, as has {_some(others)}, and both would go to the one target row "
            f"{places[0]!r}; leave one out, or choose another `match`"
        )

    def _reason_of_none(self, key: RowKey, value: str) -> str:
        """Say why a key without a row has no place: it may not get a new one."""
        by, title = self._rule.by, key.title
        if not self._creates:
            return (
                f"the target has no row with the {by} {value!r}; add it there, choose another `match`, or "
                "set `media: copy` where the target takes pictures"
            )
        if others := self._other_users(key, value):
            return (
                f"it has the {by} {value!r}, as has {_some(others)}, and both would become one new row; "
                "leave one out, or choose another `match`"
            )
        if not title:
            return "it has no title, and a new row is called by its title; give it one"
        if others := self._other_users(key, title, "title"):
            return (
                f"it has the title {title!r}, as has {_some(others)}, and a new row needs a title of its "
                "own; rename one, or leave one out"
            )
        return (
            f"it is to be a new row, as the target has none with the {by} {value!r}, but one with the title "
            f"{title!r}; rename it, or choose another `match`"
        )


_found = msgspec.json.Decoder(list[tuple[int, str, str, str | None]])


@lru_cache(maxsize=16)
def _marks(rows: int, width: int) -> str:
    """The parameters of so many rows of VALUES."""
    return ", ".join([f"({', '.join('?' * width)})"] * rows)


def _some(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:NAMED])) + (", ..." if len(names) > NAMED else "")


def _value(rule: MatchRule, row: RowKey | Candidate) -> str | None:
    """Return what is compared. Numbers of metadata equal their text; what is empty matches nothing."""
    by = rule.by
    found = row.metadata.get(by) if by not in ("title", "path", "external_id") else getattr(row, by)
    if found is None or found == "":
        return None
    return found if isinstance(found, str) else msgspec.json.encode(found).decode()
