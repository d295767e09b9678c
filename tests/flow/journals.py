"""What the tests of the journal share."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from pipeline.core.rows import Decision, Receipt, Rejection, RowKey
from pipeline.io.journal import SqlJournal

JOB = {"target": "t", "operations": "o"}


def keys(first: int, rows: int) -> list[RowKey]:
    return [RowKey(f"k{number}", number, f"title {number}") for number in range(first, first + rows)]


def names(rows: Sequence[RowKey]) -> list[str]:
    return [row.key for row in rows]


def target(row: RowKey) -> str:
    return f"place {row.ordinal}"


def decide(journal: SqlJournal, rows: Sequence[RowKey], decision: Decision = Decision.WRITE) -> None:
    journal.decide([(row, decision, target(row)) for row in rows])


async def intend(journal: SqlJournal, bundle: str, rows: Sequence[RowKey]) -> None:
    await journal.intent(bundle, [(row, f"digest {row.ordinal}", target(row)) for row in rows])


async def save(journal: SqlJournal, bundle: str, rows: Sequence[RowKey]) -> None:
    await journal.saved(bundle, [Receipt(row.key, target(row)) for row in rows])


async def reject(journal: SqlJournal, rows: Sequence[RowKey], line: bytes | None = None) -> None:
    await journal.reject([(Rejection(row, "save", f"no {row.ordinal}"), line) for row in rows])


async def pragma(journal: SqlJournal, text: str) -> Any:  # noqa: ANN401 - text or a number
    return await journal._store.write(lambda to: to.exec_driver_sql(f"PRAGMA {text}").scalar())


def written(path: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as file:
        return file.execute(query).fetchall()


def url(folder: Path) -> str:
    return f"sqlite:///{folder}/journal.db"
