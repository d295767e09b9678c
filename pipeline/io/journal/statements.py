"""What the journal writes for many rows at once, and what it asks about many keys at once.

Rows are written with one statement for all of them, not one for each: the thread that talks to the database
then waits for the interpreter once and not a thousand times, and half the work is saved besides.
"""

from dataclasses import dataclass
from functools import lru_cache

import sqlalchemy as sa

from pipeline.io.journal.sqlite import listed
from pipeline.io.journal.tables import SETTLED, Status, number, row

AT_ONCE = 1000
"""Rows of one statement; it stays far below the 32,766 parameters that SQLite takes."""


@dataclass(frozen=True, slots=True)
class Many:
    """A statement for many rows. `{}` stands for the rows, of `width` values each."""

    sql: str
    width: int

    @lru_cache(maxsize=16)  # noqa: B019 - the statements live as long as the program
    def of(self, rows: int) -> str:
        """Return the statement for so many rows."""
        one = f"({', '.join('?' * self.width)})"
        return self.sql.format(", ".join([one] * rows))


NEW_BUNDLE = "INSERT INTO bundle (run, n, id, rows) VALUES (?, ?, ?, ?)"
NEW_NUMBERS = Many("INSERT INTO number (key, n) VALUES {}", 2)
RECORDED = Many(
    """INSERT INTO "row" (n, key, status, decision, target, digest, bundle, attempts, error) VALUES {}
    ON CONFLICT (n) DO UPDATE SET status = excluded.status,
    decision = coalesce(excluded.decision, decision), target = coalesce(excluded.target, target),
    digest = coalesce(excluded.digest, digest), bundle = coalesce(excluded.bundle, bundle),
    attempts = attempts + excluded.attempts, error = excluded.error""",
    9,
)
"""What became of rows, known ones and new ones alike. What is NULL here stays as it was."""
INTENDED = Many(
    """INSERT INTO "row" (n, key, status, decision, target, digest, bundle, attempts)
    SELECT column1, column2, 'intent', column3, column4, column5, column6, 1 FROM (VALUES {}) WHERE true
    ON CONFLICT (n) DO UPDATE SET status = 'intent', decision = coalesce(excluded.decision, decision),
    target = excluded.target, digest = excluded.digest, bundle = excluded.bundle, attempts = attempts + 1""",
    6,
)
"""The same for rows that are about to be sent, with less to hand over; their last error stays for now."""
AIMED = Many(
    'UPDATE "row" SET target = given.column2 FROM (VALUES {}) AS given WHERE "row".n = given.column1', 2
)
REJECTS = Many(
    """INSERT INTO reject (n, title, stage, line) VALUES {} ON CONFLICT (n)
    DO UPDATE SET title = excluded.title, stage = excluded.stage, line = excluded.line""",
    4,
)
SAVED = """UPDATE "row" SET status = 'saved', bundle = ?, error = NULL WHERE n BETWEEN ? AND ?"""
"""For rows whose numbers follow each other, as those of a bundle mostly do."""

_keys = listed("keys")
_known = sa.join(_keys, number, number.c.key == _keys.c.value)
_rows = _known.join(row, row.c.n == number.c.n)

NUMBERS = sa.select(number.c.key, number.c.n).select_from(_known)
"""Of the keys that have one."""
SETTLED_KEYS = sa.select(number.c.key).select_from(_rows).where(row.c.status.in_(sorted(SETTLED)))
DECISIONS = sa.select(number.c.key, row.c.decision).select_from(_rows).where(row.c.decision.is_not(None))
IN_INTENT = sa.select(number.c.key, row.c.digest).select_from(_rows).where(row.c.status == Status.INTENT)
