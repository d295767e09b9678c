"""Runs the real command as a process."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

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
