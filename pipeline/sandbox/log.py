"""What arrived at a stand-in: counters in memory, and one JSON line for each row written."""

import os
import time
from collections import Counter
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec


class Written(msgspec.Struct, frozen=True):
    """One row that a request wrote. `action` is what was done to it: create, save."""

    time: float
    request: int
    action: str
    row: str
    title: str
    digest: str
    labels: int


class WriteLog:
    """Counts requests by kind and status, and rows by what was done to them."""

    def __init__(self, path: str | None) -> None:
        self.requests = 0
        self.kinds: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()
        self.rows: Counter[str] = Counter()
        self.received = 0
        self._file = (
            None if path is None else os.open(Path(path), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        )

    def begin(self) -> int:
        """Count one request and return its number, from 1."""
        self.requests += 1
        return self.requests

    def end(self, kind: str, status: str, received: int) -> None:
        """Count how a request ended: an HTTP status, or `dropped`."""
        self.kinds[kind] += 1
        self.statuses[status] += 1
        self.received += received

    def digest(self, content: bytes) -> str:
        """Return what the lines know content by; nothing where no lines are written."""
        return "" if self._file is None else blake2b(content, digest_size=16).hexdigest()

    def write(self, request: int, action: str, rows: Iterable[tuple[str, str, str, int]]) -> None:
        """Record rows (id, title, digest, labels) that are being written, before the answer leaves."""
        now = time.time()
        lines = [Written(now, request, action, *row) for row in rows]
        self.rows[action] += len(lines)
        if self._file is not None and lines:
            os.write(self._file, msgspec.json.Encoder().encode_lines(lines))

    def summary(self) -> dict[str, Any]:
        """Return all counters."""
        return {
            "requests": self.requests,
            "kinds": dict(self.kinds),
            "statuses": dict(self.statuses),
            "rows": dict(self.rows),
            "received": self.received,
        }

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
