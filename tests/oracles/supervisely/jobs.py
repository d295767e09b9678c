"""Jobs of labelferry whose sides are projects of a running stand-in, and folders."""

from pathlib import Path
from typing import Any

from pipeline import Job, Report, run
from tests.oracles.supervisely.served import Json, Served


def project(server: Served, project: int | str | None = None, **settings: Any) -> Json:  # noqa: ANN401 - JSON
    """A project as one side of a job: that of the seed where none is named."""
    token = server.running.environment["API_TOKEN"]
    place = {"platform": "supervisely", "project": server.project if project is None else project}
    return {**place, "url": server.running.url, "api_token": token, **settings}


def archive(path: Path) -> Json:
    """A folder as one side of a job."""
    return {"platform": "archive", "path": str(path)}


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
    """Run operations on the labels of the first project where they are."""
    return await ferried(folder, None, project(server), operations=list(operations), **parts)


async def saves(server: Served) -> int:
    """How many annotations were written so far."""
    return int((await server.log())["rows"].get("save", 0))
