"""Clients in processes of their own, spoken to in lines of JSON; and what a stand-in can be asked."""

import json
import os
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import psutil

ROOT = Path(__file__).resolve().parents[2]


class Client:
    """One client process. `startup` is the seconds from its start until it was ready."""

    def __init__(self, python: Path, module: str, task: Mapping[str, Any]) -> None:
        began = time.perf_counter()
        self._process = subprocess.Popen(
            [python, "-m", module, json.dumps(task)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            env=_environment(),
        )
        self._answer()
        self.startup = time.perf_counter() - began

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def run(self, order: object) -> dict[str, Any]:
        """Have the client do its work once, and return what it measured."""
        assert self._process.stdin is not None  # noqa: S101 - for the type checker
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None  # noqa: S101 - for the type checker
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"the client ended with status {self._process.wait()}")
        found: dict[str, Any] = json.loads(line)
        return found


def _environment() -> dict[str, str]:
    """Return the environment of a client; Python may keep what it compiled, as it does for users."""
    return {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}


class Memory:
    """Samples the resident memory, in bytes, of a process and its children."""

    def __init__(self, pid: int, every: float = 0.1) -> None:
        self._process = psutil.Process(pid)
        self._every = every
        self._done = threading.Event()
        self.samples: list[tuple[float, int]] = []
        """(seconds of the monotonic clock, bytes)."""

    @contextmanager
    def watched(self) -> Iterator[Self]:
        """Sample until the block ends."""
        thread = threading.Thread(target=self._watch)
        thread.start()
        try:
            yield self
        finally:
            self._done.set()
            thread.join()

    def _watch(self) -> None:
        while not self._done.wait(self._every):
            total = 0
            for process in (self._process, *self._process.children(recursive=True)):
                with suppress(psutil.NoSuchProcess):
                    total += process.memory_info().rss
            self.samples.append((time.monotonic(), total))


class Control:
    """The control endpoints of a stand-in."""

    def __init__(self, url: str) -> None:
        self._base = url + "/_sandbox/"

    def cpu(self) -> float:
        """Return the CPU seconds of its process so far."""
        return float(self._ask("cpu")["seconds"])

    def reset(self) -> None:
        """Take all labels away."""
        self._ask("reset", b"")

    def order(self, faults: Mapping[str, Any]) -> None:
        """Replace its faults."""
        self._ask("faults", json.dumps(faults).encode())

    def log(self) -> dict[str, Any]:
        """Return its counters."""
        found: dict[str, Any] = self._ask("log")
        return found

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows that it holds."""
        found: list[dict[str, Any]] = self._ask("rows")
        return found

    def _ask(self, name: str, body: bytes | None = None) -> Any:  # noqa: ANN401 - any JSON
        with urllib.request.urlopen(self._base + name, body) as answer:  # noqa: S310 - our own local server
            return json.load(answer)
