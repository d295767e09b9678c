"""labelferry at work on Segments.ai, through its Python API. Runs in a process of its own.

Takes its task as JSON in the first argument. Prints a line of JSON when ready, and one for each line on its
standard input, which is a JSON object: `work` (bitmap, vector or read), `rows`, and the `engine` of the job.
"""

import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

BEGAN = time.perf_counter()

import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from pipeline import Job  # noqa: E402
from pipeline.core.geometry import Box  # noqa: E402
from pipeline.core.instances import instances_of  # noqa: E402
from pipeline.core.labels import LabelRow, ObjectInstance, Occurrence  # noqa: E402
from pipeline.core.rows import Mode  # noqa: E402
from pipeline.platforms import discover  # noqa: E402
from scripts.benchmarks.drawing import BOX_CLASS, MASK_CLASS, boxes, instance_rasters, title_of  # noqa: E402
from scripts.benchmarks.reading import read  # noqa: E402
from scripts.benchmarks.watching import ran, say  # noqa: E402

Drawn = Sequence[NDArray[np.uint32]]
DRAWN_BOXES = boxes()


def main() -> None:
    """Be ready, then run once for each line that comes in."""
    task = json.loads(sys.argv[1])
    os.environ["SEGMENTS_API_KEY"] = task["key"]
    drawn = instance_rasters() if task["bitmaps"] else []
    discover()
    say({"startup": time.perf_counter() - BEGAN})
    for line in sys.stdin:
        order = json.loads(line)
        with TemporaryDirectory(prefix="labelferry-bench-") as folder:
            work = reading if order["work"] == "read" else writing
            say(work(task, drawn, order, Path(folder)))


def writing(task: dict[str, Any], drawn: Drawn, order: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Run one job."""
    made = bitmaps(order["rows"], drawn) if order["work"] == "bitmap" else vectors(order["rows"])
    job = Job(
        name="bench",
        source=made,
        target={"platform": "segments", "dataset": task["dataset"], "url": task["url"]},
        mode=Mode.REPLACE,
        engine=order["engine"],
        journal=f"sqlite:///{folder}/labelferry.db",
    )
    return ran(job)


def reading(task: dict[str, Any], _: Drawn, order: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Read every row of the dataset."""
    source = {"platform": "segments", "dataset": task["dataset"], "url": task["url"]}
    return {**order, **read(source, folder, order["engine"])}


def bitmaps(count: int, drawn: Drawn) -> Iterator[LabelRow]:
    """Give rows of 20 instances, each taken from its picture when it is asked for."""
    for number in range(count):
        found = instances_of(drawn[number % len(drawn)])
        objects = [
            ObjectInstance(str(at), MASK_CLASS, {0: Occurrence(instance)}) for at, instance in found.items()
        ]
        yield LabelRow(title_of(number), title_of(number), objects=tuple(objects))


def vectors(count: int) -> Iterator[LabelRow]:
    """Give rows of five boxes, each built when it is asked for."""
    for number in range(count):
        objects = [
            ObjectInstance(f"box-{at}", BOX_CLASS, {0: Occurrence(Box(*box))})
            for at, box in enumerate(DRAWN_BOXES[number % len(DRAWN_BOXES)])
        ]
        yield LabelRow(title_of(number), title_of(number), objects=tuple(objects))
