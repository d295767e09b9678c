"""A project on a real stand-in in a process of its own, and jobs that bring rows from Python to it."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from pipeline import Job, Report, run_sync
from pipeline.core.geometry import Box
from pipeline.core.labels import LabelRow, Media, ObjectInstance, Occurrence
from pipeline.wiring import Listener, RunOptions
from tests.cli.command import Sandbox

UNITS = 2000
ENGINE = {"bundle_rows": 100, "concurrency": 2, "requests_per_second": 1000, "linger": "1s", "workers": 1}


def row_of(number: int, boxes: int = 2) -> LabelRow:
    objects = tuple(
        ObjectInstance(f"{number}-{at}", "car", {0: Occurrence(Box(float(at), 0.0, 10.0, 5.0))})
        for at in range(boxes)
    )
    title = f"row-{number:04}"
    return LabelRow(title, title, media=(Media(width=64, height=48),), objects=objects)


def rows_of(count: int) -> list[LabelRow]:
    return [row_of(number) for number in range(count)]


@dataclass
class Project:
    """A project on a stand-in that logs every write, and a folder for journals."""

    folder: Path
    server: Sandbox
    log: Path

    def job(self, source: object, name: str = "job", **changes: Any) -> Job:  # noqa: ANN401 - keys of a job
        parts = {
            "target": {
                "platform": "encord",
                "project": self.server.address.removeprefix("encord:").partition("?")[0],
                "url": self.server.url,
                "ssh_key_file": self.server.env["ENCORD_SSH_KEY_FILE"],
            },
            "engine": ENGINE,
            "journal": f"sqlite:///{self.folder / 'labelferry.db'}",
        }
        return Job.from_mapping({"name": name, "source": source, **parts, **changes})

    def run(
        self,
        source: object,
        options: RunOptions | None = None,
        listeners: Sequence[Listener] = (),
        **changes: Any,  # noqa: ANN401 - the keys of a job
    ) -> Report:
        return run_sync(self.job(source, **changes), options, listeners)

    def faults(self, **faults: object) -> None:
        """Order these faults and no others."""
        self.server.control("faults", faults)

    def writes(self, action: str = "save") -> list[dict[str, Any]]:
        """The rows that were written, in order."""
        found = map(json.loads, self.log.read_bytes().splitlines())
        return [line for line in found if line["action"] == action]

    def bundles(self) -> list[int]:
        """The number of rows of each request that saved some."""
        return [len(list(rows)) for _, rows in groupby(self.writes(), key=lambda line: line["request"])]

    def kinds(self) -> Counter[str]:
        """The requests so far, by kind."""
        return Counter(self.server.control("log")["kinds"])

    def labels(self) -> dict[str, int]:
        """The number of labels of each row that was initialised."""
        rows: list[Mapping[str, Any]] = self.server.control("rows")
        return {
            row["data_title"]: len(row["label_row"]["object_answers"]) for row in rows if row["label_row"]
        }
