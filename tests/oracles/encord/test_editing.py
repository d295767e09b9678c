"""Rows that the vendor's client wrote are edited where they are, and nothing but the edit changes in them."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import pytest

from tests.oracles.encord.planting import plant, without
from tests.oracles.encord.project import TARGET, Json, Project, Sdk, differences, needs_sdk, orchard
from tests.oracles.session import ROOT

pytestmark = [pytest.mark.anyio, needs_sdk]

Change = Callable[[str, Json], set[str]]
"""Makes an edit in the SDK's view of a row, given after its title; returns the hashes of what it touches."""


def labelled(part: Json, name: str) -> dict[str, Json]:
    return {key: item for key, item in part.items() if item["name"] == name}


def described(_: str, row: Json) -> set[str]:
    whales = labelled(row["objects"], "Whale")
    for whale in whales.values():
        whale["answers"]["Description"] = "This is a picture of a whale"
    return set(whales)


def coloured(_: str, row: Json) -> set[str]:
    whales = labelled(row["objects"], "Whale")
    for whale in whales.values():
        whale["answers"]["Colour"] = {"Other": {"Any Other Colours?": {"Pink": {}}}}
    return set(whales)


def related(_: str, row: Json) -> set[str]:
    whales = labelled(row["objects"], "Whale")
    for whale in whales.values():
        whale["answers"]["Description #relation"] = "swims with Moby"
    return set(whales)


def stood(title: str, row: Json) -> set[str]:
    people = labelled(row["objects"], "Person")
    for person in people.values():
        position: list[object] = [["Standing", [[0, 0]]]]
        if title in {"video.mp4", "sequence"}:
            position.append(["Walking", [[1, 3]]])
        person["dynamic"]["Position"] = position
    return set(people)


def walked(title: str, row: Json) -> set[str]:
    if title not in {"video.mp4", "sequence"}:
        return set()
    people = labelled(row["objects"], "Person")
    for person in people.values():
        person["dynamic"]["Position"] = [["Walking", [[0, 0], [2, 5]]], ["Standing", [[1, 1]]]]
    return set(people)


def unbranched(_: str, row: Json) -> set[str]:
    gone = set(labelled(row["objects"], "Branch"))
    row["objects"] = {key: item for key, item in row["objects"].items() if key not in gone}
    return gone


def ripened(_: str, row: Json) -> set[str]:
    ripe = labelled(row["classifications"], "Ripeness")
    for item in ripe.values():
        item["answers"]["Ripeness"] = 0.75
        item["frames"] = [[0, row["frames"] - 1]]
    return set(ripe)


def moved(_: str, row: Json) -> set[str]:
    cherries = labelled(row["objects"], "Cherry")
    for cherry in cherries.values():
        for frame in cherry["frames"].values():
            x, y, width, height = frame["drawn"]["box"]
            frame["drawn"]["box"] = [x + 1.25, y + 0.5, width, height]
    return set(cherries)


GUIDE: dict[str, Change] = {
    "encord-text-attribute": described,
    "encord-nested-radio": coloured,
    "encord-relation-attribute": related,
    "encord-dynamic-attribute": stood,
    "edit-encord": lambda title, row: ripened(title, row) | unbranched(title, row),
}
"""Example jobs: each section of the vendor's guide, and an edit of two operations."""
EDITS: dict[str, tuple[str, Change]] = {
    "a dynamic attribute": (
        "set: {attribute: Position, value: Walking, kind: radio, classes: [Person], frames: [2, 9]}",
        walked,
    ),
    "boxes moved by a function": ("call: my_operations:moved", moved),
}
FUNCTION = """\
from dataclasses import replace

def moved(row):
    return replace(row, objects=tuple(shifted(item) for item in row.objects))

def shifted(item):
    if item.class_name != "Cherry":
        return item
    frames = {
        frame: replace(one, geometry=replace(one.geometry, x=one.geometry.x + 1.25, y=one.geometry.y + 0.5))
        for frame, one in item.occurrences.items()
    }
    return replace(item, occurrences=frames)
"""


async def edited(project: Project, name: str, job: str, change: Change) -> list[str]:
    """Run one edit, and return what is not as it should be afterwards."""
    before, raw_before = await project.seen(), await project.raw()
    await project.job(job, name=name)
    seen, raw = await project.seen(), await project.raw()
    wrong = []
    for title, row in before.items():
        expected = deepcopy(row)
        touched = change(title, expected)
        wrong += differences(expected, seen[title], f"{name}: {title}")
        kept, left = without(raw_before[title], touched), without(raw[title], touched)
        wrong += differences(kept, left, f"{name}: raw {title}")
    return wrong


async def test_the_examples_do_what_the_sections_of_the_vendors_guide_do_and_nothing_else(
    sdk: Sdk, tmp_path: Path
) -> None:
    async with orchard(sdk, tmp_path) as project:
        await project.sdk("sdk_bulk_import", bundle_size=100)
        await project.plant(plant)
        wrong = {}
        for name, change in GUIDE.items():
            job = (ROOT / "configs" / f"{name}.yaml").read_text(encoding="utf-8")
            raw = await project.raw()
            await project.job(job, "--dry-run", name=name)
            assert await project.raw() == raw
            wrong[name] = await edited(project, name, job, change)
    assert wrong == {name: [] for name in GUIDE}


async def test_the_sdk_sees_the_edit_and_nothing_else_changed_and_no_key_is_lost(
    sdk: Sdk, tmp_path: Path
) -> None:
    (tmp_path / "my_operations.py").write_text(FUNCTION, encoding="utf-8")
    async with orchard(sdk, tmp_path) as project:
        await project.sdk("sdk_bulk_import", bundle_size=100)
        await project.plant(plant)
        wrong = {}
        for name, (operation, change) in EDITS.items():
            wrong[name] = await edited(project, name, f"{TARGET}operations:\n  - {operation}\n", change)
    assert wrong == {name: [] for name in EDITS}


async def test_a_job_that_changes_nothing_saves_nothing(sdk: Sdk, tmp_path: Path) -> None:
    async with orchard(sdk, tmp_path) as project:
        await project.sdk("sdk_bulk_import", bundle_size=100)
        await project.plant(plant)
        before = await project.raw()
        await project.job(f"{TARGET}operations:\n  - rename: {{classes: {{No such class: Cherry}}}}\n")
        assert await project.raw() == before
