"""labelferry reading all rows of a project, as the flow does: the keys first, then the rows."""

import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import anyio

from pipeline import Job
from pipeline.core.rows import LabelTask, RowKey
from pipeline.io.channel import Channels
from pipeline.io.collecting import rare_collections
from pipeline.wiring.ends import source_of, tools_for
from scripts.benchmarks.watching import cpu_seconds


def read(source: Mapping[str, Any], folder: Path, engine: Mapping[str, Any]) -> dict[str, Any]:
    """Read every row of a platform with its settings; return how many there are, and what it took.

    `engine` is that of a job: requests per second, and at once.
    """
    began, cpu = time.perf_counter(), cpu_seconds()
    rows, labels, groups = anyio.run(_counted, source, folder, engine)
    seconds = time.perf_counter() - began
    return {
        "rows": rows,
        "labels": labels,
        "groups": groups,
        "seconds": seconds,
        "cpu": cpu_seconds() - cpu,
    }


async def _counted(
    source: Mapping[str, Any], folder: Path, engine: Mapping[str, Any]
) -> tuple[int, int, int]:
    job = Job(name="read", source=source, target={"platform": "archive", "path": str(folder / "out")})
    rows = labels = groups = 0
    async with AsyncExitStack() as stack:
        stack.enter_context(rare_collections())  # as in a run
        channels = await stack.enter_async_context(Channels(lambda _: None, **engine))
        adapter = await source_of(job, tools_for(job, channels, folder, lambda _: None), stack)
        reader = adapter.source()
        async for _ in reader.keys():
            rows += 1
        async for found in reader.tasks(_every):
            if isinstance(found, LabelTask) and found.row is not None:
                labels += len(found.row.objects)
                groups += len(found.row.groups)
    return rows, labels, groups


async def _every(keys: Sequence[RowKey]) -> set[str]:
    return {key.key for key in keys}
