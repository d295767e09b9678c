"""What the chaos tests share: rows that say their number, a real stand-in, and jobs in real processes."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import psutil

from pipeline import Job, run_sync
from pipeline.core.codecs import decode
from pipeline.core.geometry import Box
from pipeline.core.labels import LabelRow, Media, ObjectInstance, Occurrence
from pipeline.core.masks import Mask
from tests.cli.command import Ended, Sandbox, command, environment, sandbox

SIZE = 1200
"""Pixels of height and width: so many that 2,000 masks are worth worker processes."""
BITS = 12
BOXES = 2
LABELS = BOXES + 1
ENGINE = {"bundle_rows": 100, "concurrency": 4, "requests_per_second": 500, "linger": "1s", "workers": 1}


def title_of(number: int) -> str:
    return f"row-{number:05}"


def mask_of(number: int) -> Mask:
    """A mask of 12 bars, one for each bit of the number: 20 pixels long where it is set, else 10."""
    toggles = [
        edge
        for bit in range(BITS)
        for edge in (bit * SIZE + 5, bit * SIZE + 5 + (20 if number >> bit & 1 else 10))
    ]
    return Mask(SIZE, SIZE, np.array(toggles, np.uint32))


def row_of(number: int) -> LabelRow:
    """Two boxes and a mask, all of which say which row they belong to."""
    boxes = tuple(
        ObjectInstance(f"{number}-{at}", "car", {0: Occurrence(Box(float(at), number % 1000, 10.0, 5.0))})
        for at in range(BOXES)
    )
    mask = ObjectInstance(f"{number}-mask", "blob", {0: Occurrence(mask_of(number))})
    title = title_of(number)
    return LabelRow(title, title, media=(Media(width=SIZE, height=SIZE),), objects=(*boxes, mask))


def archive(folder: Path, count: int, row: Callable[[int], LabelRow] = row_of) -> Path:
    """Write an archive of `count` rows."""
    parts = {"source": map(row, range(count)), "target": {"platform": "archive", "path": str(folder)}}
    report = run_sync(Job(name="drawn", journal=f"sqlite:///{folder}.db", **parts))
    assert report.exit_code == 0
    return folder


@dataclass(frozen=True)
class Write:
    """One row that one request wrote, as the stand-in logged it."""

    request: int
    action: str
    title: str
    labels: int


@dataclass
class Rehearsal:
    """A project on a stand-in that logs every write, an archive of labels for its rows, a folder for jobs."""

    folder: Path
    source: Path
    count: int
    server: Sandbox
    log: Path

    # ---- the job ------------------------------------------------------------------------------------

    def target(self) -> Mapping[str, object]:
        """The target of a job."""
        return {
            "platform": "encord",
            "project": self.server.address.removeprefix("encord:").partition("?")[0],
            "url": self.server.url,
            "ssh_key_file": self.server.env["ENCORD_SSH_KEY_FILE"],
        }

    def job(self, folder: str = "job", **changes: object) -> Path:
        """Write a job file into a new folder, where its journal will be too."""
        source = {"platform": "archive", "path": str(self.source)}
        parts = {"name": folder, "source": source, "target": self.target(), "engine": ENGINE, **changes}
        path = self.folder / folder / "job.yaml"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(parts))
        return path

    def start(self, job: Path, *arguments: str) -> subprocess.Popen[str]:
        """Start a job in a process group of its own; what it says goes into `said.txt` beside the job."""
        with (job.parent / "said.txt").open("a") as said:
            return subprocess.Popen(
                command(["run", job.name, *arguments]),
                cwd=job.parent,
                env=environment({"PYTHONUNBUFFERED": "1"}),
                stdout=said,
                stderr=said,
                text=True,
                start_new_session=True,
            )

    def finish(self, job: Path, *arguments: str) -> int:
        """Run a job to its end, and return its exit code."""
        return self.start(job, *arguments).wait()

    def said(self, job: Path) -> str:
        """What the processes of a job have said so far."""
        text = (job.parent / "said.txt").read_text()
        assert "Traceback" not in text, text
        assert "this is a bug" not in text, text
        assert "[error" not in text, text
        return text

    def labelferry(self, job: Path, *arguments: str) -> Ended:
        """Run another verb beside a job."""
        done = subprocess.run(
            command(arguments),
            cwd=job.parent,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in done.stdout + done.stderr, done.stderr
        return Ended(done.returncode, done.stdout, done.stderr)

    # ---- the stand-in -------------------------------------------------------------------------------

    def faults(self, **faults: object) -> None:
        """Order these faults and no others."""
        self.server.control("faults", faults)

    def reset(self) -> None:
        """Take all labels, faults and logged writes away."""
        self.faults()
        self.server.control("reset", {})
        os.truncate(self.log, 0)

    def writes(self, action: str = "save") -> list[Write]:
        """What was written, in order; the log's last line may not be whole yet."""
        found = (json.loads(line) for line in self.log.read_bytes().split(b"\n")[:-1])
        names = ("request", "action", "title", "labels")
        return [Write(*(line[name] for name in names)) for line in found if line["action"] == action]

    def wait_for_saves(self, process: subprocess.Popen[str], rows: int) -> None:
        """Wait until so many rows were saved; the process must not end before."""
        wait_until(process, lambda: len(self.writes()) >= rows)

    def rows(self) -> dict[str, Mapping[str, Any]]:
        """The label rows that the project holds, by title; those that were never initialised are left out."""
        rows = self.server.control("rows")
        return {row["data_title"]: row["label_row"] for row in rows if row["label_row"] is not None}

    def check(self, *, but: Sequence[str] = ()) -> None:
        """Every row (but those) holds its own labels, was initialised once, and was never saved in part."""
        self.check_labels(but=but)
        created = Counter(write.title for write in self.writes("create"))
        assert set(created.values()) == {1}
        assert {write.labels for write in self.writes()} == {LABELS}

    def check_labels(self, *, but: Sequence[str] = ()) -> None:
        """Every row (but those) holds its own labels, each once."""
        rows = self.rows()
        wrong = {}
        for number in range(self.count):
            title = title_of(number)
            if title in but:
                continue
            seen = labels_of(rows[title]) if title in rows else None
            if seen != meant(number):
                wrong[title] = seen
        assert wrong == {}
        for title in but:
            assert labels_of(rows[title]) == Counter()


def meant(number: int) -> Counter[tuple[object, ...]]:
    """The labels that a row must hold."""
    boxes = [("box", at, number % 1000, 10, 5) for at in range(BOXES)]
    return Counter([*boxes, ("mask", number)])


def labels_of(row: Mapping[str, Any]) -> Counter[tuple[object, ...]]:
    """The labels of a label row of Encord, read without the code that wrote them."""
    [unit] = row["data_units"].values()
    return Counter(map(_seen, unit["labels"]["objects"]))


def _seen(item: Mapping[str, Any]) -> tuple[object, ...]:
    if box := item.get("boundingBox"):
        return ("box", *(round(box[side] * SIZE) for side in ("x", "y", "w", "h")))
    bits = item["bitmask"]
    assert (bits["top"], bits["left"], bits["height"], bits["width"]) == (0, 0, SIZE, SIZE)
    edges = decode("encord_rle", bits["rleString"], SIZE, SIZE).toggles.tolist()
    lengths = [end - start for start, end in zip(edges[::2], edges[1::2], strict=True)]
    assert len(lengths) == BITS
    return ("mask", sum((length == 20) << bit for bit, length in enumerate(lengths)))


@contextmanager
def rehearsal(folder: Path, count: int, *arguments: str) -> Iterator[Rehearsal]:
    """Serve a project of `count` rows on a stand-in that logs every write."""
    source, log = archive(folder / "drawn", count), folder / "writes.jsonl"
    log.touch()
    options = ("--keys", str(folder / "keys"), "--option", f"log={log}", "--latency", "0.01", *arguments)
    with sandbox(folder, "--seed", source, *options) as server:
        yield Rehearsal(folder, source, count, server, log)


@dataclass(frozen=True)
class Book:
    """What a journal says after a kill: which rows are saved or were found whole; whether the run ended."""

    saved: frozenset[str] = frozenset()
    ended: bool = False

    @classmethod
    def of(cls, job: Path, copy: Path) -> Self:
        """Read it from a copy, so that its recovery is left to the product."""
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        for file in job.parent.glob("labelferry.db*"):
            shutil.copy(file, copy / file.name)
        with closing(sqlite3.connect(copy / "labelferry.db")) as book:
            if not book.execute("SELECT 1 FROM sqlite_master WHERE name = 'run'").fetchall():
                return cls()
            found = book.execute("SELECT key FROM row WHERE status IN ('saved', 'unchanged')")
            saved = frozenset(key for (key,) in found)
            ended = book.execute("SELECT 1 FROM run WHERE ended IS NOT NULL").fetchall()
            return cls(saved, bool(ended))


# ---- processes ----------------------------------------------------------------------------------------


def members(group: int) -> list[psutil.Process]:
    """The processes of a process group that are alive."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found


def workers_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The worker processes of a job."""
    found = []
    for child in members(process.pid):
        try:
            if "spawn_main" in " ".join(child.cmdline()):
                found.append(child)
        except psutil.NoSuchProcess:
            continue
    return found


def assert_nothing_left(group: int) -> None:
    """Every process of the group ends by itself."""
    while left := members(group):
        _gone, alive = psutil.wait_procs(left, timeout=60)
        assert alive == []


def wait_until(process: subprocess.Popen[str], done: Callable[[], bool]) -> None:
    """Look again and again while the process runs; it must not end before."""
    while not done():
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.02)
            assert done(), "the process ended too early"


def interrupt(process: subprocess.Popen[str], number: signal.Signals = signal.SIGINT) -> None:
    """Send a signal to the whole group of a job, as a terminal does."""
    os.killpg(process.pid, number)
