"""A vendor's SDK in a process of its own, in the environment that it needs."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def python_of(vendor: str) -> Path:
    """The interpreter that has the SDK."""
    return ROOT / ".venv-oracles" / vendor / "bin" / "python"


class Session:
    """Runs `sdk_session` of a vendor's folder, which is started at the first task."""

    def __init__(self, vendor: str, environment: Mapping[str, str] | None = None) -> None:
        self._vendor = vendor
        self._environment = dict(environment or {})
        self._process: subprocess.Popen[str] | None = None

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.communicate()

    def say(self, task: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
        """Give the process a task, and return what it says."""
        if self._process is None:
            self._process = subprocess.Popen(
                [str(python_of(self._vendor)), "-m", f"tests.oracles.{self._vendor}.sdk_session"],
                cwd=ROOT,
                env=os.environ | self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                encoding="utf-8",
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(task) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())
