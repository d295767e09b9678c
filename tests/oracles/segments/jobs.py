"""Jobs of labelferry whose sides are datasets of a running stand-in, folders and files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline import Report
from tests.oracles.jobs import ferried
from tests.oracles.segments.served import DATASET, Json, Served

GROUND_TRUTH = "ground-truth"


def labels(
    server: Served,
    dataset: str = DATASET,
    labelset: str = GROUND_TRUTH,
    **settings: Any,  # noqa: ANN401 - further settings
) -> Json:
    """A labelset as one side of a job."""
    key = server.running.environment["SEGMENTS_API_KEY"]
    place = {"platform": "segments", "dataset": dataset, "labelset": labelset}
    return {**place, "url": server.running.url, "api_key": key, **settings}


def coco(path: Path, **settings: Any) -> Json:  # noqa: ANN401 - further settings
    """A file as one side of a job."""
    return {"platform": "coco", "annotations": str(path), **settings}


async def edited(server: Served, folder: Path, *operations: Json, **parts: Any) -> Report:  # noqa: ANN401
    """Run operations on the labels of the first dataset where they are."""
    steps: Sequence[Json] = operations
    return await ferried(folder, None, labels(server), operations=list(steps), **parts)


async def uploads(server: Served) -> int:
    """How many files were uploaded so far."""
    log: Json = await server.ask("GET", "/_sandbox/log")
    return int(log["rows"].get("asset", 0))
