"""Rows that the vendor's client wrote are edited where they are, and nothing but the edit changes in them."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import pytest

from tests.oracles.encord.planting import plant, without
from tests.oracles.encord.project import Json, Project, Sdk, differences, needs_sdk, orchard

pytestmark = [pytest.mark.anyio, needs_sdk]

JOB = """\
target: {PROJECT}
operations:
"""
Change = Callable[[str, Json], set[str]]
"""Makes an edit in the SDK's view of a row, by title, and returns the hashes of the labels that it touches."""


def labelled(part: Json, name: str) -> dict[str, Json]:
    return {key: item for key, item in part.items() if item["name"] == name}


def described(_: str, row: Json) -> set[str]:
    whales = labelled(row["objects"], "Whale")
    for whale in whales.values():
        whale["answers"]["Description"] = "a whale"
    return set(whales)


def coloured(_: str, row: Json) -> set[str]:
    whales = labelled(row["objects"], "Whale")
    for whale in whales.values():
        whale["answers"]["Colour"] = {"Other": {"Any Other Colours?": {"White": {}}}}
    return set(whales)


def related(_: str, row: Json) -> set[str]:
    whales = labelled(row["objects"], "Whale")
    for whale in whales.values():
        whale["answers"]["Description #relation"] = "swims with Moby"
    return set(whales)


def stood(title: str, row: Json) -> set[str]:
    people = labelled(row["objects"], "Person")
    for person in people.values():
        if title in {"video.mp4", "sequence"}:
            person["dynamic"]["Position"] = [["Walking", [[1, 1]]], ["Standing", [[0, 0], [2, 5]]]]
            person["dynamic"]["Position"].sort(key=lambda pair: pair[1])
        else:
            return set()
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


EDITS: dict[str, tuple[str, Change]] = {
    "a text attribute": ("- set: {attribute: Description, value: a whale, classes: [Whale]}", described),
    "a nested radio": (
        "- set: {attribute: Colour, classes: [Whale], value: {Other: {'Any Other Colours?': {White: {}}}}}",
        coloured,
    ),
    "a relation attribute": (
        "- set: {attribute: 'Description #relation', value: swims with Moby, classes: [Whale], relation: true}",
        related,
    ),
    "a dynamic attribute": (
        "- set: {attribute: Position, value: Standing, kind: radio, classes: [Person], frames: [[2, 9]]}",
        stood,
    ),
    "objects taken away": ("- remove: {classes: [Branch]}", unbranched),
    "a classification": ("- set: {classification: Ripeness, value: 0.75}", ripened),
    "boxes moved by a function": ("- call: my_operations:moved", moved),
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


async def edited(project: Project, name: str) -> list[str]:
    """Run one edit, and return what is not as it should be afterwards."""
    operation, change = EDITS[name]
    before, raw_before = await project.seen(), await project.raw()
    await project.job(f"{JOB}  {operation}\n", name=name.replace(" ", "-"))
    seen, raw = await project.seen(), await project.raw()
    wrong = []
    for title, row in before.items():
        expected = deepcopy(row)
        touched = change(title, expected)
        wrong += differences(expected, seen[title], f"{name}: {title}")
        kept, left = without(raw_before[title], touched), without(raw[title], touched)
        wrong += differences(kept, left, f"{name}: raw {title}")
    return wrong


async def test_the_sdk_sees_the_edit_and_nothing_else_changed_and_no_key_is_lost(
    sdk: Sdk, tmp_path: Path
) -> None:
    (tmp_path / "my_operations.py").write_text(FUNCTION, encoding="utf-8")
    async with orchard(sdk, tmp_path) as project:
        await project.sdk("sdk_bulk_import", bundle_size=100)
        await project.plant(plant)
        wrong = {name: await edited(project, name) for name in EDITS}
    assert wrong == {name: [] for name in EDITS}


async def test_a_job_that_changes_nothing_saves_nothing(sdk: Sdk, tmp_path: Path) -> None:
    async with orchard(sdk, tmp_path) as project:
        await project.sdk("sdk_bulk_import", bundle_size=100)
        await project.plant(plant)
        before = await project.raw()
        await project.job(f"{JOB}  - rename: {{classes: {{No such class: Cherry}}}}\n")
        assert await project.raw() == before
