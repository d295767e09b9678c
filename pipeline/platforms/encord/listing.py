"""The project's rows as Encord lists them: one answer for the whole project, decoded piece by piece.

The answer is spooled to a file first: reading it can break off, and nothing may have been told by then.
"""

import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import ijson
import msgspec
from anyio import lowlevel

from pipeline.errors import TransientError
from pipeline.io.temporary import temporary_file
from pipeline.platforms.encord.wire import Json

PIECE = 64 * 1024
SMALL = 64 * 1024
"""Bytes up to which an answer may be an error instead of a listing."""
SUPPORTED = frozenset({"IMAGE", "IMG_GROUP", "VIDEO"})
"""Kinds of rows whose labels can be read and written; an image sequence is listed as a video."""


class Node(msgspec.Struct, frozen=True):
    """Where a row is in the project's workflow."""

    title: str | None = None


class Listed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One row of the listing, as far as it is used. Without `label_hash` it was never initialised."""

    data_hash: str
    data_title: str = ""
    data_type: str = ""
    label_hash: str | None = None
    label_status: str | None = None
    workflow_graph_node: Node | None = None
    number_of_frames: int | None = None
    frames_per_second: float | None = None
    width: int | None = None
    height: int | None = None
    priority: float | None = None
    data_link: str | None = None
    client_metadata: dict[str, Any] | None = None
    images_data: list[dict[str, Any]] | None = None

    @property
    def supported(self) -> bool:
        """Whether labels of this kind of row can be read and written."""
        return self.data_type.upper() in SUPPORTED

    @property
    def states(self) -> frozenset[str]:
        """The names that a job may choose the row by: its label status and its workflow stage."""
        stage = None if self.workflow_graph_node is None else self.workflow_graph_node.title
        return frozenset(name for name in (self.label_status, stage) if name is not None)


class Answered(msgspec.Struct):
    """The listing of a few rows, decoded at once."""

    response: list[Listed]


def blank_row(listed: Listed) -> Json:
    """Return the label row that a row would have if it were initialised, without hashes of its own."""
    kind = listed.data_type.lower()
    pictures: Sequence[Mapping[str, Any]] = [
        {
            "image_hash": listed.data_hash,
            "title": listed.data_title,
            "width": listed.width,
            "height": listed.height,
        }
    ]
    if kind == "img_group":
        pictures = listed.images_data or []
    units: Json = {}
    for number, picture in enumerate(pictures):
        name = picture.get("image_hash") or picture.get("data_hash") or f"{listed.data_hash}/{number}"
        units[name] = {
            "data_hash": name,
            "data_title": picture.get("title") or "",
            "data_sequence": number,
            "width": picture.get("width"),
            "height": picture.get("height"),
            "labels": {} if kind == "video" else {"objects": [], "classifications": []},
        }
        if listed.frames_per_second is not None:
            units[name]["data_fps"] = listed.frames_per_second
    return {
        "label_hash": listed.label_hash,
        "data_hash": listed.data_hash,
        "data_title": listed.data_title,
        "data_type": kind,
        "data_units": units,
        "object_answers": {},
        "object_actions": {},
        "classification_answers": {},
    }


class Spool:
    """A listing in a file without a name, which goes when the file is closed."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.size = 0

    def clear(self) -> None:
        """Forget what was written."""
        self._file.seek(0)
        self._file.truncate()
        self.size = 0

    def write(self, piece: bytes) -> None:
        """Add a piece."""
        self._file.write(piece)
        self.size += len(piece)

    def head(self) -> bytes:
        """Return the beginning: the whole of it when it is small."""
        self._file.seek(0)
        return self._file.read(SMALL)

    async def rows(self) -> AsyncIterator[list[Listed]]:
        """Give the rows in the order of the listing, some at a time. May be read again.

        Raises:
            TransientError: what was spooled is not a whole listing.
        """
        start = _START.match(self.head())
        try:
            for rows in self._any_form() if start is None else self._usual_form(start.end()):
                if rows:
                    yield rows
                await lowlevel.checkpoint()
        except (ijson.JSONError, msgspec.DecodeError) as error:
            raise TransientError(f"the listing of the project's rows is not valid: {error}") from error

    def _pieces(self, offset: int) -> Iterator[bytes]:
        """Give the file from there on, piece by piece; others may read it meanwhile."""
        while True:
            self._file.seek(offset)
            piece = self._file.read(PIECE)
            if not piece:
                return
            offset += len(piece)
            yield piece

    def _usual_form(self, offset: int) -> Iterator[list[Listed]]:
        """Decode the rows from there on: many at once, which is ten times as quick as one after the other."""
        left = b""
        for piece in self._pieces(offset):
            rows, left = _whole_rows(left + piece)
            yield rows
        yield msgspec.json.decode(b'{"response":[' + left, type=Answered).response

    def _any_form(self) -> Iterator[list[Listed]]:
        found = ijson.sendable_list()
        parser = ijson.items_coro(found, "response.item", use_float=True)
        for piece in self._pieces(0):
            parser.send(piece)
            yield msgspec.convert(list(found), list[Listed])
            del found[:]
        parser.close()


_START = re.compile(rb'\s*\{\s*"status"\s*:\s*200\s*,\s*"response"\s*:\s*\[')
_BETWEEN = re.compile(rb"\}\s*,\s*\{")
_TRIES = 4


def _whole_rows(text: bytes) -> tuple[list[Listed], bytes]:
    """Return the rows that are complete in the beginning of a list, and the text after them.

    The place between two objects may also lie inside of a row or of a string. What comes before such a place
    is no list of rows, so decoding it tells.
    """
    for between in list(_BETWEEN.finditer(text))[: -_TRIES - 1 : -1]:
        try:
            rows = msgspec.json.decode(b"[" + text[: between.start() + 1] + b"]", type=list[Listed])
        except msgspec.DecodeError:
            continue
        return rows, text[between.end() - 1 :]
    return [], text


@contextmanager
def spool(scratch: Path) -> Iterator[Spool]:
    """Open a file for a listing below the job's folder."""
    with temporary_file(scratch) as file:
        yield Spool(file)
