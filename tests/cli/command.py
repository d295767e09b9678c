"""Runs the real command as a process."""

import json
import os
import shlex
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Ended:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """All that was written to the screen."""
        return self.out + self.err


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a command: the repository's package, and nobody's credentials."""
    hidden = ("ENCORD_", "SEGMENTS_", "LABEL_STUDIO_", "API_TOKEN", "SERVER_ADDRESS")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(hidden)}
    return {**kept, "PYTHONPATH": str(ROOT), "COLUMNS": "120", "NO_COLOR": "1", **(extra or {})}


def command(arguments: Sequence[str | Path]) -> list[str]:
    """Return the words that start labelferry."""
    return [sys.executable, "-m", "pipeline", *map(str, arguments)]


def labelferry(*arguments: str | Path, cwd: Path, env: Mapping[str, str] | None = None) -> Ended:
    """Run labelferry to its end in a folder."""
    done = subprocess.run(
        command(arguments), cwd=cwd, env=environment(env), capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    return Ended(done.returncode, done.stdout, done.stderr)


@dataclass(frozen=True)
class Sandbox:
    """A stand-in that `labelferry sandbox` serves: its address for `copy`, and what it says to export."""

    address: str
    url: str
    env: Mapping[str, str]

    @property
    def target(self) -> str:
        """The line of a job file that names the stand-in's project as the target."""
        project = self.address.partition(":")[2].partition("?")[0]
        return f"target: {{platform: encord, project: {project}, url: {self.url}}}\n"

    def control(self, what: str, body: object = None) -> Any:  # noqa: ANN401 - any JSON
        """Use a control endpoint of the stand-in."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/_sandbox/{what}", data)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)


@contextmanager
def sandbox(cwd: Path, *arguments: str | Path, platform: str = "encord") -> Iterator[Sandbox]:
    """Serve until the context ends, which ends it as Ctrl-C does."""
    process = subprocess.Popen(
        command(["sandbox", platform, *arguments]),
        cwd=cwd,
        env=environment({"PYTHONUNBUFFERED": "1"}),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        head = process.stdout.readline()
        env = {}
        while (line := process.stdout.readline()).startswith("export "):
            name, _, value = line.removeprefix("export ").strip().partition("=")
            env[name] = value
        address = shlex.split(line.removeprefix("# "))[-1]
        url = next(word for word in head.replace(",", " ").split() if word.startswith("http"))
        yield Sandbox(address, url, env)
    finally:
        process.send_signal(signal.SIGINT)
        process.stdout.close()
        assert process.wait() == 0


def coco(path: Path, images: int = 3, *, name: str = "car", **extra: object) -> Path:
    """Write a COCO file with one box of one class on each of some images of 100 x 80 pixels."""
    numbers = range(1, images + 1)
    content = {
        "images": [{"id": n, "file_name": f"{n}.jpg", "width": 100, "height": 80} for n in numbers],
        "annotations": [
            {"id": n, "image_id": n, "category_id": 1, "bbox": [1, 2, 30, 40], "area": 1200, "iscrowd": 0}
            for n in numbers
        ],
        "categories": [{"id": 1, "name": name}],
        **extra,
    }
    path.write_text(json.dumps(content))
    return path
