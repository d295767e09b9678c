"""The vendor's SDK at work: initialise in a bundle, build, save in a bundle. Runs in its own environment.

Takes its task as JSON in the first argument. Prints a line of JSON when ready, and one for each line on its
standard input, which is the number of rows in a bundle.
"""

import json
import logging
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

BEGAN = time.perf_counter()

import numpy as np  # noqa: E402
from encord import EncordUserClient, Project  # noqa: E402
from encord.objects import LabelRowV2, Object  # noqa: E402
from encord.objects.coordinates import BitmaskCoordinates, BoundingBoxCoordinates  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from scripts.benchmarks.drawing import BOX_CLASS, MASK_CLASS, SIDE, boxes, number_of, rasters  # noqa: E402

DRAWN_BOXES = boxes()
Rasters = Sequence[NDArray[np.bool_]]


def main() -> None:
    """Be ready, then run once for each line that comes in."""
    logging.disable(logging.WARNING)
    task = json.loads(sys.argv[1])
    drawn = rasters() if task["masks"] else []
    say({"startup": time.perf_counter() - BEGAN})
    for line in sys.stdin:
        began, cpu = time.perf_counter(), cpu_seconds()
        rows = run(task, drawn, int(line))
        seconds, cpu = time.perf_counter() - began, cpu_seconds() - cpu
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        say({"rows": rows, "seconds": seconds, "cpu": cpu, "memory": memory})


def run(task: dict[str, Any], drawn: Rasters, bundle_size: int) -> int:
    """Label every row of the project, as the vendor's guide shows it."""
    client = EncordUserClient.create_with_ssh_private_key(
        ssh_private_key_path=task["key_file"], domain=task["url"]
    )
    project = client.get_project(task["project"])
    rows = project.list_label_rows_v2()
    with bundled(project, bundle_size) as bundle:
        for row in rows:
            row.initialise_labels(bundle=bundle)
    ontology = project.ontology_structure
    box_class = ontology.get_child_by_title(BOX_CLASS, Object)
    mask_class = ontology.get_child_by_title(MASK_CLASS, Object)
    for row in rows:
        label(row, box_class, mask_class, drawn)
    with bundled(project, bundle_size) as bundle:
        for row in rows:
            row.save(bundle=bundle)
    return len(rows)


@contextmanager
def bundled(project: Project, size: int) -> Iterator[Any]:
    """Give a bundle of the SDK."""
    with project.create_bundle(bundle_size=size) as bundle:
        yield bundle


def label(row: LabelRowV2, box_class: Object, mask_class: Object, drawn: Rasters) -> None:
    """Draw the boxes and the mask of one row."""
    number = number_of(row.data_title)
    for x, y, width, height in DRAWN_BOXES[number % len(DRAWN_BOXES)]:
        box = box_class.create_instance()
        box.set_for_frames(
            BoundingBoxCoordinates(
                height=height / SIDE, width=width / SIDE, top_left_x=x / SIDE, top_left_y=y / SIDE
            ),
            frames=0,
        )
        row.add_object_instance(box)
    if drawn:
        mask = mask_class.create_instance()
        mask.set_for_frames(BitmaskCoordinates(drawn[number % len(drawn)]), frames=0)
        row.add_object_instance(mask)


def cpu_seconds() -> float:
    """Return the CPU time of this process so far."""
    return time.process_time()


def say(line: dict[str, Any]) -> None:
    """Print one line."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
