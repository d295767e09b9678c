"""What labelferry writes is what the vendor's own client reads."""

from pathlib import Path

import pytest

from pipeline import Job, run
from tests.oracles.encord import meant
from tests.oracles.encord.labels import full_rows
from tests.oracles.encord.project import Project, Sdk, needs_sdk, orchard

pytestmark = [pytest.mark.anyio, needs_sdk]


def job_into(project: Project, **parts: object) -> Job:
    target = {
        "platform": "encord",
        "project": project.hash,
        "url": project.running.url,
        "ssh_key_file": project.running.environment["ENCORD_SSH_KEY_FILE"],
    }
    journal = f"sqlite:///{project.folder}/labelferry.db"
    return Job(name="job", target=target, journal=journal, engine={"workers": 1}, **parts)


async def test_rows_made_in_python_are_read_by_the_sdk_as_they_were_meant(sdk: Sdk, tmp_path: Path) -> None:
    rows = full_rows()
    async with orchard(sdk, tmp_path) as project:
        report = await run(job_into(project, source=rows))
        seen = await project.seen()
    assert report.exit_code == 0
    assert {title: len(row["objects"]) for title, row in seen.items()} == {
        row.title: len(row.objects) for row in rows
    }
    assert {row.title: meant.disagreements(row, seen[row.title]) for row in rows} == {
        row.title: [] for row in rows
    }
