"""Reads a JSON file of any size piece by piece, with memory for one window of it.

The window is decoded as Latin-1, one character for each byte, so that positions in it are positions in the
file. What has meaning in JSON is ASCII in both; a piece's own text is decoded as UTF-8 from its bytes.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import msgspec

from pipeline.errors import UsageError

WINDOW = 4 * 1024 * 1024
MAX_PIECE = 256 * 1024 * 1024
"""Bytes of one element; a larger one is no annotation."""

STREAMED = frozenset({"images", "annotations"})
"""Arrays of which every element is a piece; any other value is one piece."""

_decoder = json.JSONDecoder()
_space = re.compile(r"[ \t\r\n]*")


@dataclass(frozen=True, slots=True)
class Piece:
    """An element of an array (`element`), or a whole value.

    `section` is the key it stands under ("" for a list at the top). `value` has its numbers right, but its
    text only where it is ASCII; `data` are its bytes, from `start` of the file on.
    """

    section: str
    element: bool
    value: Any
    start: int
    data: bytes


class Scanner:
    """Gives the pieces of one file, in order. Raises UsageError, with the position, for anything but JSON."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path = path
        self._file = file
        self._text = ""
        self._base = 0
        self._at = 0
        self.is_list = False
        """Whether the file holds a list, known from the first piece on."""
        self.sections: set[str] = set()
        """The keys met so far, of those with an empty array too."""

    def pieces(self) -> Iterator[Piece]:
        """Give every piece."""
        if self._file.read(3) != b"\xef\xbb\xbf":
            self._file.seek(0)
        else:
            self._base = 3
        first = self._next()
        if first == "[":
            self.is_list = True
            yield from self._elements("")
        elif first == "{":
            yield from self._members()
        else:
            self._fail("it is neither an object nor a list")
        self._skip()
        if self._at < len(self._text):
            self._fail("something follows the end of the JSON")

    def _members(self) -> Iterator[Piece]:
        self._at += 1
        if self._next() == "}":
            self._at += 1
            return
        while True:
            if self._next() != '"':
                self._fail("a key in double quotes is expected")
            key = msgspec.json.decode(self._piece("", element=False).data, type=str)
            self.sections.add(key)
            if self._next() != ":":
                self._fail("':' is expected")
            self._at += 1
            if self._next() == "[" and key in STREAMED:
                yield from self._elements(key)
            else:
                yield self._piece(key, element=False)
            if self._ends("}"):
                return

    def _elements(self, section: str) -> Iterator[Piece]:
        self._at += 1
        if self._next() == "]":
            self._at += 1
            return
        while True:
            self._next()
            yield self._piece(section, element=True)
            if self._ends("]"):
                return

    def _ends(self, closing: str) -> bool:
        found = self._next()
        if found not in (",", closing):
            self._fail(f"',' or {closing!r} is expected")
        self._at += 1
        return found == closing

    def _piece(self, section: str, *, element: bool) -> Piece:
        while True:
            try:
                value, end = _decoder.raw_decode(self._text, self._at)
            except (json.JSONDecodeError, RecursionError) as error:
                if isinstance(error, RecursionError) or not self._more():
                    self._fail(
                        f"{error.msg}" if isinstance(error, ValueError) else "it is nested too deeply", error
                    )
                continue
            # A number that ends with the window may go on behind it.
            if end == len(self._text) and self._more():
                continue
            piece = Piece(
                section, element, value, self._base + self._at, self._text[self._at : end].encode("latin-1")
            )
            self._at = end
            return piece

    def _next(self) -> str:
        self._skip()
        if self._at == len(self._text):
            self._fail("it ends in the middle")
        return self._text[self._at]

    def _skip(self) -> None:
        while True:
            found = _space.match(self._text, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._text) or not self._more():
                return

    def _more(self) -> bool:
        if len(self._text) - self._at > MAX_PIECE:
            return False
        chunk = self._file.read(max(WINDOW, len(self._text) - self._at))
        if chunk:
            self._text = self._text[self._at :] + chunk.decode("latin-1")
            self._base += self._at
            self._at = 0
        return bool(chunk)

    def _fail(self, why: str, error: Exception | None = None) -> NoReturn:
        place = error.pos if isinstance(error, json.JSONDecodeError) else self._at
        size = self._path.stat().st_size
        message = (
            f"{self._path} is truncated or not valid JSON: {why}, at byte {self._base + place} of {size}; "
            "copy or export it again"
        )
        raise UsageError(message) from error
