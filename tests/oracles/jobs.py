"""Jobs of labelferry that are run in process, and what every oracle needs of their sides."""

from pathlib import Path
from typing import Any

from pipeline import Job, Report, run

Json = dict[str, Any]


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
