"""`bind` and `unbind` in jobs: on copies, on rows edited in place, from the job file and from Python."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from pipeline import Job, LabelRow, Report, run
from pipeline.core.geometry import Box, Shape
from pipeline.core.labels import Answer, Group, Media, ObjectInstance, Occurrence
from pipeline.core.ontology import AttributeDef, AttributeKind, ClassDef, Ontology
from pipeline.job import parse_address
from pipeline.platforms import discover
from pipeline.ports import Platform
from pipeline.wiring import RunOptions
from tests.conformance.sites import Site, exported, site_of

pytestmark = pytest.mark.anyio

BINDING = [platform for platform in discover().values() if platform.features.groups]
EVERY = pytest.mark.parametrize("platform", BINDING, ids=lambda platform: platform.name)

SIDE = AttributeDef("side", AttributeKind.TEXT)
ONTOLOGY = Ontology((ClassDef("car", Shape.BOX, attributes=(SIDE,)), ClassDef("wheel", Shape.BOX)))


def part(at: int, name: str, side: str | None = None) -> ObjectInstance:
    answers = (Answer("side", AttributeKind.TEXT, side),) if side else ()
    return ObjectInstance(f"o{at}", name, {0: Occurrence(Box(5.0 * at, 3.0, 4.0, 4.0))}, answers)


PARTS = (
    part(0, "car", "left"),
    part(1, "car", "right"),
    part(2, "wheel"),
    part(3, "wheel"),
    part(4, "car", "left"),
)
ROWS = [
    LabelRow(str(n), f"{n}.png", media=(Media(f"{n}.png", width=64, height=48),), objects=PARTS)
    for n in (1, 2)
]


@dataclass
class Moves:
    """Jobs that write to a place, or edit it."""

    site: Site
    folder: Path
    names: Any

    async def __call__(
        self,
        *operations: Any,  # noqa: ANN401 - as in a job, or functions
        source: object = None,
        options: RunOptions | None = None,
        **parts: Any,  # noqa: ANN401 - keys of a job
    ) -> Report:
        from_python = [one for one in operations if callable(one)]
        job = Job(
            name=f"job-{next(self.names)}",
            source=source,
            target=parse_address(self.site.address),
            operations=from_python
            or Job.from_mapping(
                {"name": "-", "target": {"platform": "archive"}, "operations": operations}
            ).operations,
            journal=f"sqlite:///{self.folder}/labelferry.db",
            **parts,
        )
        with exported(self.site.environment):
            return await run(job, options)

    async def groups(self) -> list[set[frozenset[int]]]:
        """Which objects are together in each row, by where they are drawn."""
        return [_partition(row) for row in await self.site.rows()]


def _partition(row: LabelRow) -> set[frozenset[int]]:
    at = {}
    for item in row.objects:
        box = item.occurrences[0].geometry
        assert isinstance(box, Box)
        at[item.id] = round(box.x / 5)
    return {frozenset(at[name] for name in group.objects) for group in row.groups}


def sets(*groups: tuple[int, ...]) -> set[frozenset[int]]:
    return set(map(frozenset, groups))


@asynccontextmanager
async def place(platform: Platform, folder: Path) -> AsyncIterator[Moves]:
    async with site_of(platform, folder, ONTOLOGY, [replace(row, objects=()) for row in ROWS]) as site:
        yield Moves(site, folder, count())


def counted(report: Report) -> tuple[int, int, int]:
    return int(report.groups["saved"]), report.groups_made, report.groups_discarded


@EVERY
@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ({"by": "row"}, sets((0, 1, 2, 3, 4))),
        ({"by": "class"}, sets((0, 1, 4), (2, 3))),
        ({"by": "class", "classes": ["wheel"]}, sets((2, 3))),
        ({"attribute": "side"}, sets((0, 4))),
        ({"by": "track"}, set()),
    ],
)
async def test_a_copy_is_bound_and_taken_apart_in_place(
    platform: Platform, tmp_path: Path, by: dict[str, Any], expected: set[frozenset[int]]
) -> None:
    async with place(platform, tmp_path) as moves:
        report = await moves({"bind": by}, source=ROWS)
        assert counted(report) == (2 * len(expected), 2 * len(expected), 0)
        assert await moves.groups() == [expected] * 2
        # Nothing is left to do: the same groups are not written again.
        again = await moves({"bind": by})
        assert (again.rows, counted(again)) == ({"unchanged": 2}, (0, 0, 0))
        report = await moves({"unbind": {"all": True}})
        assert counted(report) == (0, 0, 2 * len(expected))
        assert await moves.groups() == [set(), set()]
        report = await moves({"bind": by})
        assert counted(report) == (2 * len(expected), 2 * len(expected), 0)
        assert await moves.groups() == [expected] * 2


@EVERY
async def test_unbind_by_class_leaves_the_others_together(platform: Platform, tmp_path: Path) -> None:
    async with place(platform, tmp_path) as moves:
        await moves({"bind": {"by": "row"}}, source=ROWS)
        assert counted(await moves({"unbind": {"classes": ["wheel"]}})) == (2, 0, 0)
        assert await moves.groups() == [sets((0, 1, 4))] * 2
        assert counted(await moves({"unbind": {"classes": ["car"]}})) == (0, 0, 2)
        assert await moves.groups() == [set(), set()]


def bind_pairs(row: LabelRow) -> LabelRow:
    ids = [item.id for item in row.objects]
    return replace(row, groups=(Group("one", tuple(ids[:2])), Group("two", tuple(ids[2:4]))))


def unbind_first(row: LabelRow) -> LabelRow:
    first = {
        item.id
        for item in row.objects
        if _partition(replace(row, groups=(Group("x", (item.id,)),))) == sets((0,))
    }
    return replace(row, groups=tuple(group for group in row.groups if not first & set(group.objects)))


@EVERY
async def test_functions_bind_and_unbind(platform: Platform, tmp_path: Path) -> None:
    async with place(platform, tmp_path) as moves:
        assert counted(await moves(bind_pairs, source=ROWS)) == (4, 4, 0)
        assert await moves.groups() == [sets((0, 1), (2, 3))] * 2
        assert counted(await moves(unbind_first)) == (2, 0, 2)
        assert await moves.groups() == [sets((2, 3))] * 2


@EVERY
async def test_two_groups_of_one_id_reject_their_row(platform: Platform, tmp_path: Path) -> None:
    twice = replace(ROWS[0], groups=(Group("g", ("o0", "o1")), Group("g", ("o2", "o3"))))
    async with place(platform, tmp_path) as moves:
        report = await moves(source=[twice, ROWS[1]])
        assert report.rows == {"saved": 1, "rejected": 1}
        assert "two groups have the id 'g'" in report.rejects[0]["reason"]


@EVERY
async def test_a_dry_run_counts_what_it_would_do(platform: Platform, tmp_path: Path) -> None:
    async with place(platform, tmp_path) as moves:
        report = await moves({"bind": {"by": "class"}}, source=ROWS, options=RunOptions(dry_run=True))
        assert (report.groups, report.groups_made) == ({"would-save": 4}, 4)


@EVERY
async def test_groups_of_a_copy_are_those_of_its_source(platform: Platform, tmp_path: Path) -> None:
    async with place(platform, tmp_path) as moves:
        rows = [bind_pairs(row) for row in ROWS]
        assert counted(await moves(source=rows)) == (4, 0, 0)
        assert (await moves(source=rows, mode="replace")).groups.total() == 4
        assert await moves.groups() == [sets((0, 1), (2, 3))] * 2
