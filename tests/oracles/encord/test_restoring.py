"""Rows that the vendor's client wrote survive a trip through an archive."""

from pathlib import Path

import pytest

from tests.oracles.encord.planting import plant, without
from tests.oracles.encord.project import Project, Sdk, differences, needs_sdk, orchard
from tests.oracles.session import ROOT

pytestmark = [pytest.mark.anyio, needs_sdk]


async def brought_back(project: Project) -> None:
    """Archive the project, take all its labels away, and bring the archive back, by the examples."""
    await project.job(example("backup-encord"), name="backup")
    await project.reset()
    assert await project.seen() == {}
    await project.job(example("restore-encord"), "--dry-run", name="restore")
    assert await project.seen() == {}
    await project.job(example("restore-encord"), name="restore")


def example(name: str) -> str:
    return (ROOT / "configs" / f"{name}.yaml").read_text(encoding="utf-8")


async def test_archived_rows_come_back_into_the_emptied_project_as_the_sdk_saw_them(
    sdk: Sdk, tmp_path: Path
) -> None:
    async with orchard(sdk, tmp_path) as project:
        await project.sdk("sdk_bulk_import", bundle_size=100)
        await project.plant(plant)
        before, raw_before = await project.seen(), await project.raw()
        await brought_back(project)
        seen, raw = await project.seen(), await project.raw()
    for title, row in before.items():
        assert row.pop("label_hash") != seen[title].pop("label_hash")
    assert differences(before, seen) == []
    for title, row in raw_before.items():
        for key in ("label_hash", "created_at"):
            row.pop(key), raw[title].pop(key)
        assert differences(without(row, set()), without(raw[title], set()), title) == []


async def test_rows_that_were_edited_in_the_archive_come_back_as_edited(sdk: Sdk, tmp_path: Path) -> None:
    async with orchard(sdk, tmp_path) as project:
        await project.sdk("sdk_bulk_import", bundle_size=100)
        before = await project.seen()
        await project.job(example("backup-encord"), name="backup")
        edit = "operations:\n  - drop: {classes: [Blueberry, Crate]}\n"
        await project.job(example("restore-encord") + edit)
        seen = await project.seen()
    for row in before.values():
        row["objects"] = {
            key: item for key, item in row["objects"].items() if item["name"] not in {"Blueberry", "Crate"}
        }
    assert differences(before, seen) == []
