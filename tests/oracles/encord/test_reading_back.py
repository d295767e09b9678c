"""What labelferry writes is what the vendor's own client reads."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline import Job, run
from pipeline.core.geometry import Box
from pipeline.core.labels import ObjectInstance, Occurrence, Relation
from tests.oracles.encord import meant
from tests.oracles.encord.labels import WHALES, full_rows
from tests.oracles.encord.project import IMAGE, Project, Sdk, needs_sdk, orchard

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


async def test_a_relation_is_read_by_the_sdk_as_the_hash_of_the_object_that_it_points_at(
    sdk: Sdk, tmp_path: Path
) -> None:
    row = replace(IMAGE, objects=(bare(WHALES[0]), bare(WHALES[1])))
    row = replace(row, relations=(Relation("Description", "whale 2", "whale 1"),))
    async with orchard(sdk, tmp_path, [IMAGE]) as project:
        await run(job_into(project, source=[row]))
        seen = await project.seen()
    objects = seen[IMAGE.title]["objects"]
    ends = {item["frames"]["0"]["drawn"]["box"][0]: key for key, item in objects.items()}
    first, second = ends[min(ends)], ends[max(ends)]
    assert objects[first]["answers"] == {}
    assert objects[second]["answers"] == {"Description #relation": first}


def bare(item: ObjectInstance) -> ObjectInstance:
    return replace(item, answers=())


async def test_rows_that_are_brought_again_are_not_saved_again(sdk: Sdk, tmp_path: Path) -> None:
    rows = full_rows()
    async with orchard(sdk, tmp_path) as project:
        await run(job_into(project, source=rows))
        first = await project.raw()
        for mode in ("append", "replace"):
            report = await run(job_into(project, source=rows, mode=mode))
            assert report.exit_code == 0
            assert await project.raw() == first


async def test_a_wrong_number_would_be_noticed(sdk: Sdk, tmp_path: Path) -> None:
    right = replace(IMAGE, objects=(ObjectInstance("a", "Cherry", {0: Occurrence(Box(3.0, 4.0, 5.0, 6.0))}),))
    wrong = replace(
        IMAGE, objects=(ObjectInstance("a", "Cherry", {0: Occurrence(Box(3.00001, 4.0, 5.0, 6.0))}),)
    )
    async with orchard(sdk, tmp_path, [IMAGE]) as project:
        await run(job_into(project, source=[right]))
        seen = (await project.seen())[IMAGE.title]
    assert meant.disagreements(right, seen) == []
    assert len(meant.disagreements(wrong, seen)) == 1
