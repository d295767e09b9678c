"""Takes the compression off an answer in small pieces, so that a small body cannot fill the memory."""

import zlib
from collections.abc import Iterator
from typing import Final

PIECE: Final = 64 * 1024
"""Bytes, decompressed, that are made at once."""

_GZIP: Final = 16 + zlib.MAX_WBITS
_DEFLATE_METHOD: Final = 8  # the low half of the first byte of a zlib stream


class Inflater:
    """One body with this `Content-Encoding`: none, gzip or deflate. ValueError for any other."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding.strip().lower()
        if self._encoding not in {"", "identity", "gzip", "x-gzip", "deflate"}:
            raise ValueError("it is compressed in a way that was not asked for")
        self._plain = self._encoding in {"", "identity"}
        self._stream = zlib.decompressobj(_GZIP)
        self._began = False

    @property
    def whole(self) -> bool:
        """Whether the body may end here."""
        return self._plain or not self._began or self._stream.eof

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Give what these bytes stand for, in pieces of at most `PIECE` bytes. ValueError for broken ones."""
        if self._plain:
            yield data
            return
        try:
            yield from self._inflated(data)
        except zlib.error:
            raise ValueError("its compression is broken") from None

    def _inflated(self, data: bytes) -> Iterator[bytes]:
        while data:
            if not self._began or self._stream.eof:
                self._start(data)
            yield from self._some(data)
            data = self._stream.unused_data

    def _start(self, data: bytes) -> None:
        """Begin a stream. What calls itself deflate comes with the frame of zlib (RFC 9110), or without."""
        bits = _GZIP
        if self._encoding == "deflate":
            bits = zlib.MAX_WBITS if data[0] & 0x0F == _DEFLATE_METHOD else -zlib.MAX_WBITS
        self._stream = zlib.decompressobj(bits)
        self._began = True

    def _some(self, data: bytes) -> Iterator[bytes]:
        while True:
            piece = self._stream.decompress(data, PIECE)
            data = self._stream.unconsumed_tail
            if piece:
                yield piece
            if self._stream.eof or not (data or len(piece) == PIECE):
                return
