"""labelferry at work on Supervisely, through its Python API. Runs in a process of its own.

Takes its task as JSON in the first argument. Prints a line of JSON when ready, and one for each line on its
standard input, which is a JSON object: `work` (write or read), `rows`, the `engine` of the job, and whether
images without labels are read before they are written (`read_unlabelled`).
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

from pipeline import Job  # noqa: E402
from pipeline.core.geometry import Box  # noqa: E402
from pipeline.core.labels import Group, LabelRow, Media, ObjectInstance, Occurrence  # noqa: E402
from pipeline.core.masks import Raster  # noqa: E402
from pipeline.core.rows import Mode  # noqa: E402
from pipeline.platforms import discover  # noqa: E402
from scripts.benchmarks.drawing import BOX_CLASS, MASK_CLASS, SIDE, rasters, title_of  # noqa: E402
from scripts.benchmarks.reading import read  # noqa: E402
from scripts.benchmarks.supervisely_drawing import GROUPS, MASK, PIXEL_BOXES  # noqa: E402
from scripts.benchmarks.watching import ran, say  # noqa: E402

NAMED_GROUPS = [(f"group-{at}", tuple(map(str, members))) for at, members in enumerate(GROUPS)]


def main() -> None:
    """Be ready, then run once for each line that comes in."""
    task = json.loads(sys.argv[1])
    os.environ["API_TOKEN"] = task["token"]
    place = {"platform": "supervisely"} | {key: task[key] for key in ("project", "dataset", "url")}
    drawn = [Raster(raster) for raster in rasters()]
    discover()
    say({"startup": time.perf_counter() - BEGAN})
    for line in sys.stdin:
        order = json.loads(line)
        with TemporaryDirectory(prefix="labelferry-bench-") as folder:
            reading = order["work"] == "read"
            where = Path(folder)
            say(read(place, where, order["engine"]) if reading else write(place, drawn, order, folder))


def write(
    place: dict[str, Any], drawn: Sequence[Raster], order: dict[str, Any], folder: str
) -> dict[str, Any]:
    """Run one job."""
    job = Job(
        name="bench",
        source=rows(order["rows"], drawn),
        target={**place, "read_unlabelled": order["read_unlabelled"]},
        mode=Mode.REPLACE,
        engine=order["engine"],
        journal=f"sqlite:///{folder}/labelferry.db",
    )
    return ran(job)


def rows(count: int, drawn: Sequence[Raster]) -> Iterator[LabelRow]:
    """Give rows of five boxes and a mask in two groups, each built when it is asked for."""
    for number in range(count):
        title = title_of(number)
        objects = [
            ObjectInstance(str(at), BOX_CLASS, {0: Occurrence(Box(x, y, width, height))})
            for at, (x, y, width, height) in enumerate(PIXEL_BOXES[number % len(PIXEL_BOXES)])
        ]
        mask = Occurrence(drawn[number % len(drawn)])
        objects.append(ObjectInstance(str(MASK), MASK_CLASS, {0: mask}))
        groups = tuple(Group(name, members) for name, members in NAMED_GROUPS)
        media = (Media(title, width=SIDE, height=SIDE),)
        yield LabelRow(title, title, media=media, objects=tuple(objects), groups=groups)
