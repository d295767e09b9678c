"""Keeps a project in a file, so that a stand-in goes on where an earlier one ended, also after a kill.

The file has one line of JSON for the ontology, and one for each row whenever it changes; the last one holds.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from pipeline.errors import UsageError
from pipeline.platforms.encord.stand_in.project import Project, Row


class Start(msgspec.Struct, frozen=True):
    """The first line."""

    editor: dict[str, Any]


class Kept(msgspec.Struct, frozen=True):
    """One row as it stood."""

    data_hash: str
    label_hash: str | None
    body: msgspec.Raw
    status: str
    created_at: str | None
    edited_at: str | None
    priority: float | None


class State:
    """The file of one project.

    Raises:
        UsageError: the file is not one that a stand-in wrote.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None
        # What a killed stand-in was writing ends without a line break, and was never answered.
        lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
        try:
            self.editor = msgspec.json.decode(lines[0], type=Start).editor if lines else None
            self._rows = [msgspec.json.decode(line, type=Kept) for line in lines[1:]]
        except msgspec.DecodeError as error:
            raise UsageError(
                f"{path} holds no state of a stand-in: {error}; remove it or name another"
            ) from error
        self._whole = sum(len(line) + 1 for line in lines)

    def serve(self, project: Project) -> None:
        """Put the rows back into the project, and keep its changes from now on."""
        project.restore(
            (row.data_hash, Row(project.rows[row.data_hash].unit, *_values(row)))
            for row in self._rows
            if row.data_hash in project.rows
        )
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.ftruncate(self._file, self._whole)
        if not self._whole:
            self._write([msgspec.json.encode(Start(dict(project.editor)))])
        project.changed = self.keep

    def keep(self, rows: Iterable[Row]) -> None:
        """Write rows that have changed."""
        self._write([msgspec.json.encode(_kept(row)) for row in rows])

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _write(self, lines: list[bytes]) -> None:
        if self._file is not None and lines:
            left = memoryview(b"\n".join(lines) + b"\n")
            while left:
                left = left[os.write(self._file, left) :]


def _kept(row: Row) -> Kept:
    body = msgspec.Raw(row.body or b"null")
    return Kept(
        row.unit.data_hash, row.label_hash, body, row.status, row.created_at, row.edited_at, row.priority
    )


def _values(row: Kept) -> tuple[str | None, bytes, str, str | None, str | None, float | None]:
    body = bytes(row.body)
    return (
        row.label_hash,
        b"" if body == b"null" else body,
        row.status,
        row.created_at,
        row.edited_at,
        row.priority,
    )
