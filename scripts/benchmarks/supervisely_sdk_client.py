"""The vendor's SDK at work: building annotations and uploading them. Runs in its own environment.

Takes its task as JSON in the first argument. Prints a line of JSON when ready, and one for each line on its
standard input, which is a JSON object: `work` (find, upload_anns, upload_anns_async, read, or check) and
`rows`.
"""

import json
import os
import resource
import sys
import time
import uuid
from collections.abc import Sequence
from typing import Any

BEGAN = time.perf_counter()
os.environ["SUPERVISELY_SKIP_HTTPS_USER_HELPER_CHECK"] = "1"
os.environ["LOG_LEVEL"] = "ERROR"

import numpy as np  # noqa: E402
import supervisely as sly  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from scripts.benchmarks.drawing import BOX_CLASS, MASK_CLASS, SIDE, rasters  # noqa: E402
from scripts.benchmarks.supervisely_drawing import DATASET, GROUPS, MASK, PIXEL_BOXES  # noqa: E402

Drawn = Sequence[NDArray[np.bool_]]
BULK = 100
"""Images of one bulk read: the most that the service gives."""


class Work:
    """A project, with the ids of its images by name: what is known before the clock of writing."""

    def __init__(self, task: dict[str, Any]) -> None:
        self.drawn = rasters()
        os.environ["SUPERVISELY_ASYNC_SEMAPHORE"] = str(task["at_once"])
        self.api = sly.Api(task["url"], task["token"])
        self.project = task["project"]
        self.find()

    def run(self, order: dict[str, Any]) -> dict[str, Any]:
        """Do one piece of work."""
        if order["work"] == "find":
            return self.find()
        images = self.images[: order["rows"]]
        if order["work"] == "read":
            return self.read()
        if order["work"] == "check":
            return self.check(images)
        built = [self.built(number) for number in range(len(images))]
        if order["work"] == "upload_anns":
            self.api.annotation.upload_anns(images, built)
        else:
            upload = self.api.annotation.upload_anns_async(images, built, self.dataset, log_progress=False)
            sly.run_coroutine(upload)
        return {"rows": len(images)}

    def find(self) -> dict[str, Any]:
        """Ask for classes and tags, and for the ids of the images, by name."""
        self.dataset = self.api.dataset.get_info_by_name(self.project, DATASET).id
        images = self.api.image.get_list(self.dataset)
        self.images = [image.id for image in sorted(images, key=lambda image: image.name)]
        self.meta = sly.ProjectMeta.from_json(self.api.project.get_meta(self.project))
        return {"rows": len(self.images)}

    def built(self, number: int) -> sly.Annotation:
        """Build the labels of an image, and bind those that belong together."""
        box_class, mask_class = self.meta.get_obj_class(BOX_CLASS), self.meta.get_obj_class(MASK_CLASS)
        labels = [
            sly.Label(sly.Rectangle(y, x, y + height - 1, x + width - 1), box_class)
            for x, y, width, height in PIXEL_BOXES[number % len(PIXEL_BOXES)]
        ]
        labels.append(sly.Label(sly.Bitmap(self.drawn[number % len(self.drawn)]), mask_class))
        for group in GROUPS:
            key = uuid.uuid4().hex
            for at in group:
                labels[at].binding_key = key
        return sly.Annotation((SIDE, SIDE), labels)

    def read(self) -> dict[str, Any]:
        """Download classes and tags, the list of images, and all annotations, as JSON."""
        self.api.project.get_meta(self.project)
        images = [image.id for image in self.api.image.get_list(self.dataset)]
        download = self.api.annotation.download_bulk_async(self.dataset, images, batch_size=BULK)
        found = sly.run_coroutine(download)
        return {"rows": len(found), "labels": sum(len(one.annotation["objects"]) for one in found)}

    # ---- what a client has written ----------------------------------------------------------------------

    def check(self, images: Sequence[int]) -> dict[str, Any]:
        """Count the images on which the SDK finds all labels, boxes, pixels and groups that were drawn."""
        found = self.api.annotation.download_json_batch(self.dataset, images)
        right = {"labels": 0, "boxes": 0, "pixels": 0, "groups": 0}
        for number, said in enumerate(found):
            labels = sly.Annotation.from_json(said, self.meta).labels
            right["labels"] += len(labels) == MASK + 1
            at = self._numbers(labels, number)
            right["boxes"] += set(range(MASK)) <= set(at)
            right["pixels"] += MASK in at
            right["groups"] += _groups(labels, at) == {frozenset(group) for group in GROUPS}
        return {"rows": len(found), "right": right}

    def _numbers(self, labels: Sequence[sly.Label], number: int) -> list[int | None]:
        """Return which of the drawn labels each one is; None for one that was drawn nowhere."""
        boxes = {tuple(box): at for at, box in enumerate(PIXEL_BOXES[number % len(PIXEL_BOXES)])}
        raster = self.drawn[number % len(self.drawn)]
        found: list[int | None] = []
        for label in labels:
            shape = label.geometry
            if isinstance(shape, sly.Rectangle):
                found.append(boxes.get((shape.left, shape.top, shape.width, shape.height)))
            else:
                whole = np.zeros((SIDE, SIDE), np.bool_)
                top, left = shape.origin.row, shape.origin.col
                whole[top : top + shape.data.shape[0], left : left + shape.data.shape[1]] = shape.data
                found.append(MASK if np.array_equal(whole, raster) else None)
        return found


def _groups(labels: Sequence[sly.Label], at: Sequence[int | None]) -> set[frozenset[int | None]]:
    groups: dict[str, set[int | None]] = {}
    for place, label in enumerate(labels):
        if label.binding_key is not None:
            # A label that is not where it was drawn still has its number in the order of writing.
            groups.setdefault(str(label.binding_key), set()).add(
                at[place] if at[place] is not None else place
            )
    return {frozenset(group) for group in groups.values()}


def main() -> None:
    """Be ready, then run once for each line that comes in."""
    work = Work(json.loads(sys.argv[1]))
    say({"startup": time.perf_counter() - BEGAN})
    for line in sys.stdin:
        order = json.loads(line)
        began, cpu = time.perf_counter(), time.process_time()
        found = work.run(order)
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        say({"seconds": seconds, "cpu": cpu, "memory": memory, **found})


def say(line: dict[str, Any]) -> None:
    """Print one line."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
