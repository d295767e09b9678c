"""Jobs of labelferry whose sides are projects of a running stand-in, and folders."""

from pathlib import Path
from typing import Any

from pipeline import Report
from tests.oracles.jobs import ferried
from tests.oracles.supervisely.served import Json, Served


def project(server: Served, project: int | str | None = None, **settings: Any) -> Json:  # noqa: ANN401 - JSON
    """A project as one side of a job: that of the seed where none is named."""
    token = server.running.environment["API_TOKEN"]
    place = {"platform": "supervisely", "project": server.project if project is None else project}
    return {**place, "url": server.running.url, "api_token": token, **settings}


async def edited(server: Served, folder: Path, *operations: Json, **parts: Any) -> Report:  # noqa: ANN401
    """Run operations on the labels of the first project where they are."""
    return await ferried(folder, None, project(server), operations=list(operations), **parts)


async def saves(server: Served) -> int:
    """How many annotations were written so far."""
    return int((await server.log())["rows"].get("save", 0))
