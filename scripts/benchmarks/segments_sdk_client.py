"""The vendor's SDK at work: a loop over samples, alone or in threads. Runs in its own environment.

Takes its task as JSON in the first argument. Prints a line of JSON when ready, and one for each line on its
standard input, which is a JSON object: `work` (bitmap, vector, read, or decode), `rows`, `threads`.
"""

import json
import resource
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

BEGAN = time.perf_counter()

import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from PIL import Image  # noqa: E402
from segments import SegmentsClient  # noqa: E402
from segments.typing import Sample  # noqa: E402
from segments.utils import bitmap2file  # noqa: E402

from scripts.benchmarks.drawing import INSTANCES, boxes, instance_rasters, number_of  # noqa: E402

Drawn = Sequence[NDArray[np.uint32]]
DRAWN_BOXES = boxes()
LABELSET = "ground-truth"
PAGE = 1000
OPAQUE = 255


def main() -> None:
    """Be ready, then run once for each line that comes in."""
    task = json.loads(sys.argv[1])
    drawn = instance_rasters() if task["bitmaps"] else []
    client = SegmentsClient(task["key"], api_url=task["url"])
    say({"startup": time.perf_counter() - BEGAN})
    for line in sys.stdin:
        order = json.loads(line)
        began, cpu = time.perf_counter(), time.process_time()
        found = run(client, task, drawn, order)
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        say({"seconds": seconds, "cpu": cpu, "memory": memory, **found})


def run(client: SegmentsClient, task: dict[str, Any], drawn: Drawn, order: dict[str, Any]) -> dict[str, Any]:
    """Do one piece of work."""
    if order["work"] == "read":
        return read(client, task["dataset"], order["rows"])
    if order["work"] == "decode":
        return decode(drawn, order["files"])
    samples = client.get_samples(task["dataset"], per_page=order["rows"])
    work = partial(bitmap, client, drawn) if order["work"] == "bitmap" else partial(vector, client)
    if order["threads"] == 1:
        for sample in samples:
            work(sample)
    else:
        with ThreadPoolExecutor(order["threads"]) as threads:
            list(threads.map(work, samples))
    return {"rows": len(samples)}


def bitmap(client: SegmentsClient, drawn: Drawn, sample: Sample) -> None:
    """Upload a bitmap of 20 instances, and write the label."""
    asset = client.upload_asset(bitmap2file(drawn[number_of(sample.name) % len(drawn)]), "label.png")
    attributes = {
        "format_version": "0.1",
        "annotations": [{"id": number, "category_id": 2} for number in range(1, INSTANCES + 1)],
        "segmentation_bitmap": {"url": asset.url},
    }
    client.add_label(sample.uuid, LABELSET, attributes)


def vector(client: SegmentsClient, sample: Sample) -> None:
    """Write a label of five boxes."""
    drawn = DRAWN_BOXES[number_of(sample.name) % len(DRAWN_BOXES)]
    annotations = [
        {"id": at, "category_id": 1, "type": "bbox", "points": [[x, y], [x + width, y + height]]}
        for at, (x, y, width, height) in enumerate(drawn, 1)
    ]
    client.add_label(sample.uuid, LABELSET, {"format_version": "0.1", "annotations": annotations})


def read(client: SegmentsClient, dataset: str, rows: int) -> dict[str, Any]:
    """Read all labels, page by page."""
    found = labels = 0
    for page in range(1, -(-rows // PAGE) + 1):
        samples = client.get_samples(
            dataset, labelset=LABELSET, include_full_label=True, per_page=PAGE, page=page
        )
        found += len(samples)
        labels += sum(len(sample.label.attributes.annotations) for sample in samples)
    return {"rows": found, "labels": labels}


def decode(drawn: Drawn, files: dict[str, str]) -> dict[str, Any]:
    """Decode files, by the number of their picture, with Pillow; count those that are right."""
    good = 0
    for number, path in files.items():
        picture = np.array(Image.open(path))
        red, green, blue = (picture[..., at].astype(np.uint32) for at in range(3))
        right = drawn[int(number) % len(drawn)]
        good += bool(((red | green << 8 | blue << 16) == right).all() and picture[..., 3].min() == OPAQUE)
    return {"good": good}


def say(line: dict[str, Any]) -> None:
    """Print one line."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
