"""Jobs of labelferry whose sides are datasets of a running stand-in, folders and files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline import Job, Report, run
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


def archive(path: Path) -> Json:
    """A folder as one side of a job."""
    return {"platform": "archive", "path": str(path)}


def coco(path: Path, **settings: Any) -> Json:  # noqa: ANN401 - further settings
    """A file as one side of a job."""
    return {"platform": "coco", "annotations": str(path), **settings}


async def tried(folder: Path, source: Any, target: Json, **parts: Any) -> Report:  # noqa: ANN401 - parts of a job
    """Run a job to its end, however it ends."""
    name = parts.pop("name", "job")
    given = {"engine": {"workers": 0}, "journal": f"sqlite:///{folder}/{name}.db", **parts}
    if source is not None:
        given["source"] = source
    return await run(Job.from_mapping({"name": name, "target": target, **given}))


async def ferried(folder: Path, source: Any, target: Json, **parts: Any) -> Report:  # noqa: ANN401 - parts of a job
    """Run a job that must bring every row over."""
    report = await tried(folder, source, target, **parts)
    assert (report.exit_code, report.rejects) == (0, []), (report.rejects, report.losses, report.message)
    return report


async def edited(server: Served, folder: Path, *operations: Json, **parts: Any) -> Report:  # noqa: ANN401
    """Run operations on the labels of the first dataset where they are."""
    steps: Sequence[Json] = operations
    return await ferried(folder, None, labels(server), operations=list(steps), **parts)


async def uploads(server: Served) -> int:
    """How many files were uploaded so far."""
    log: Json = await server.ask("GET", "/_sandbox/log")
    return int(log["rows"].get("asset", 0))
