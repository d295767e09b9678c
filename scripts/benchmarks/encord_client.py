"""labelferry at work, through its Python API. Runs in a process of its own.

Takes its task as JSON in the first argument. Prints a line of JSON when ready, and one for each line on its
standard input, which is a JSON object: `rows`, and the `engine` of the job.
"""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

BEGAN = time.perf_counter()

from pipeline import Job  # noqa: E402
from pipeline.core.geometry import Box  # noqa: E402
from pipeline.core.labels import LabelRow, Media, ObjectInstance, Occurrence  # noqa: E402
from pipeline.core.masks import Raster  # noqa: E402
from pipeline.core.rows import Mode  # noqa: E402
from pipeline.platforms import discover  # noqa: E402
from scripts.benchmarks.drawing import BOX_CLASS, MASK_CLASS, SIDE, boxes, rasters, title_of  # noqa: E402
from scripts.benchmarks.watching import ran, say  # noqa: E402

DRAWN_BOXES = boxes()


def main() -> None:
    """Be ready, then run once for each line that comes in."""
    task = json.loads(sys.argv[1])
    drawn = [Raster(raster) for raster in rasters()] if task["masks"] else []
    discover()
    say({"startup": time.perf_counter() - BEGAN})
    for line in sys.stdin:
        with TemporaryDirectory(prefix="labelferry-bench-") as folder:
            say(measured(task, drawn, json.loads(line), Path(folder)))


def measured(
    task: dict[str, Any], drawn: list[Raster], order: dict[str, Any], folder: Path
) -> dict[str, Any]:
    """Run one job."""
    job = Job(
        name="bench",
        source=rows(order["rows"], drawn),
        target={k: task[k] for k in ("url", "project")}
        | {"platform": "encord", "ssh_key_file": task["key_file"]},
        mode=Mode.REPLACE,
        engine=order["engine"],
        journal=f"sqlite:///{folder}/labelferry.db",
    )
    return ran(job)


def rows(count: int, drawn: list[Raster]) -> Iterator[LabelRow]:
    """Give the rows, each built when it is asked for."""
    for number in range(count):
        title = title_of(number)
        objects = [
            ObjectInstance(f"box-{at}", BOX_CLASS, {0: Occurrence(Box(*box))})
            for at, box in enumerate(DRAWN_BOXES[number % len(DRAWN_BOXES)])
        ]
        if drawn:
            mask = drawn[number % len(drawn)]
            objects.append(ObjectInstance("mask", MASK_CLASS, {0: Occurrence(mask)}))
        yield LabelRow(title, title, media=(Media(title, width=SIDE, height=SIDE),), objects=tuple(objects))


if __name__ == "__main__":
    main()
