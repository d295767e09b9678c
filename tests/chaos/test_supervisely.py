"""Jobs to Supervisely that are killed or lose their server: all is made once, and labels end as meant."""

import random
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pipeline.core.codecs import decode
from pipeline.core.geometry import Box, Polygon
from pipeline.core.labels import Group, LabelRow, Media, ObjectInstance, Occurrence
from tests.chaos.rehearsal import (
    ENGINE,
    SIZE,
    Book,
    Rehearsal,
    archive,
    assert_nothing_left,
    mask_of,
    row_of,
    title_of,
    wait_until,
)
from tests.cli.command import sandbox

ROWS = 160
LABELS = 3
MOMENTS = (("project", 1), ("image", 20), ("save", 20), ("figures", 60), ("save", 110))
"""Whenever so much was done, the job is killed."""
SLOWLY = {**ENGINE, "bundle_rows": 10, "requests_per_second": 50}
WORKSPACE = 619


def pictured(number: int) -> LabelRow:
    """A row with a mask that says its number, bound to a box and to a polygon of two parts.

    The polygon travels as a figure of its own. The picture is one that an image can be made of.
    """
    row = row_of(number)
    media = Media(url=f"https://pictures.example/{number}.png", width=SIZE, height=SIZE)
    corner = float(number)
    rings = tuple(((x, 5.0), (x + 4.0, 5.0), (x + 4.0, 9.0)) for x in (corner, corner + 10.0))
    islands = Occurrence(Polygon(tuple((ring,) for ring in rings)))
    box = Occurrence(Box(corner, 1.0, 10.0, 5.0))
    objects = (
        row.objects[-1],
        ObjectInstance(f"{number}-box", "car", {0: box}),
        ObjectInstance(f"{number}-islands", "car", {0: islands}),
    )
    groups = (Group("whole", tuple(item.id for item in objects)),)
    return replace(row, media=(media,), objects=objects, groups=groups)


class Projects(Rehearsal):
    """A stand-in on which each job creates a project of its own, with an image for each row."""

    name = "job"

    def target(self) -> Mapping[str, object]:
        """The target of a job."""
        return {
            "platform": "supervisely",
            "project": self.name,
            "workspace": WORKSPACE,
            "dataset": "day/front",
            "url": self.server.url,
            "api_token": self.server.env["API_TOKEN"],
            "create": True,
            "if_taken": "new-name",
        }

    def job(self, folder: str = "job", **changes: object) -> Path:
        """Write a job file into a new folder, where its journal will be too."""
        self.name = folder
        return super().job(folder, media="link", engine=SLOWLY, **changes)

    def has_done(self, action: str, count: int) -> bool:
        """Whether so many rows were written by this action."""
        return len(self.writes(action)) >= count

    def rows(self) -> dict[str, Mapping[str, Any]]:
        """The images of the job's project, by name."""
        found = [row for row in self.server.control("rows") if row["project"] == self.name]
        assert len({row["name"] for row in found}) == len(found)
        return {row["name"]: row for row in found}

    def check_all(self) -> None:
        """Every row has its own image, made once, and its three labels in one group."""
        for action in ("project", "image"):
            made = Counter(write.title for write in self.writes(action))
            assert set(made.values()) == {1}, action
        assert Counter(write.title for write in self.writes("dataset")) == {"day": 1, "day/front": 1}
        rows = self.rows()
        assert sorted(rows) == [title_of(number) for number in range(self.count)]
        for number in range(self.count):
            labels = rows[title_of(number)]["annotation"]["objects"]
            kinds = {label["geometryType"]: label for label in labels}
            assert sorted(kinds) == ["bitmap", "multipolygon", "rectangle"]
            assert len(labels) == LABELS
            assert len({label["instance"] for label in labels}) == 1
            data = msgspec.json.encode(kinds["bitmap"]["bitmap"]).decode()
            assert decode("bitmap_png", data, SIZE, SIZE) == mask_of(number)
            assert kinds["rectangle"]["points"]["exterior"] == [[number, 1], [number + 10, 6]]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Projects]:
    folder = tmp_path_factory.mktemp("supervisely")
    source, log = archive(folder / "drawn", ROWS, pictured), folder / "writes.jsonl"
    log.touch()
    sizes = {f"https://pictures.example/{number}.png": (SIZE, SIZE) for number in range(ROWS)}
    options = ("--option", f"log={log}", "--option", f"link_sizes={msgspec.json.encode(sizes).decode()}")
    with sandbox(folder, "--seed", source, *options, "--latency", "0.01", platform="supervisely") as server:
        yield Projects(folder, source, ROWS, server, log)


@pytest.fixture
def project(served: Projects, tmp_path: Path) -> Projects:
    """The stand-in without faults and logged writes, and a folder for this test's jobs."""
    served.reset()
    served.folder = tmp_path
    return served


def test_a_job_that_is_killed_makes_everything_once_and_ends_with_every_label(
    project: Projects, tmp_path: Path
) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")  # noqa: T201 - pytest shows it when the test fails
    draw = random.Random(seed)
    job = project.job()
    book, seen = Book(), 0
    for action, count in MOMENTS:
        process = project.start(job)
        wait_until(process, partial(project.has_done, action, count))
        time.sleep(draw.uniform(0, 0.1))
        process.kill()
        process.wait()
        assert_nothing_left(process.pid)
        # What the journal had as saved was not sent again, and what it has now did arrive.
        assert book.saved.isdisjoint(write.title for write in project.writes()[seen:])
        book, seen = Book.of(job, tmp_path / "copy"), len(project.writes())
        assert book.saved <= {write.title for write in project.writes("figures")}
        assert not book.ended
    assert book.saved
    assert project.finish(job) == 0, project.said(job)
    assert book.saved.isdisjoint(write.title for write in project.writes()[seen:])
    project.check_all()


def test_an_outage_stops_the_run_blames_no_row_and_can_be_resumed(project: Projects) -> None:
    job = project.job("outage")
    process = project.start(job)
    project.wait_for_saves(process, 40)
    project.faults(outage=True)
    assert process.wait() == 1, project.said(job)
    assert_nothing_left(process.pid)
    assert "labelferry resume" in project.said(job)
    assert project.labelferry(job, "rejects", "list").out == ""
    assert 40 <= len(project.writes()) < ROWS
    project.faults()
    assert project.labelferry(job, "resume").code == 0
    project.check_all()
