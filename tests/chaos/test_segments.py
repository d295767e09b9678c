"""Jobs to Segments.ai that are killed or lose their server: samples are made once, labels end as meant."""

import random
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from pipeline.core.codecs import instance_png
from pipeline.core.labels import LabelRow, Media
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
MOMENTS = (("create", 1), ("asset", 10), ("save", 5), ("save", 50), ("save", 100))
"""Whenever so much was done, the job is killed."""
SLOWLY = {**ENGINE, "bundle_rows": 20, "requests_per_second": 200}
"""A row is three requests; so a job is at work for some seconds."""


def pictured(number: int) -> LabelRow:
    """A row with a mask that says its number, and a picture that a sample can be made of."""
    row = row_of(number)
    media = Media(url=f"https://pictures.example/{number}.png", width=SIZE, height=SIZE)
    return replace(row, media=(media,), objects=row.objects[-1:])


class Datasets(Rehearsal):
    """A stand-in on which each job creates a dataset of its own, with a sample for each row."""

    name = "job"

    def target(self) -> Mapping[str, object]:
        """The target of a job."""
        return {
            "platform": "segments",
            "dataset": f"sandbox/{self.name}",
            "url": self.server.url,
            "api_key": self.server.env["SEGMENTS_API_KEY"],
            "create": True,
        }

    def job(self, folder: str = "job", **changes: object) -> Path:
        """Write a job file into a new folder, where its journal will be too."""
        self.name = folder
        return super().job(folder, media="link", engine=SLOWLY, **changes)

    def rows(self) -> dict[str, Mapping[str, Any]]:
        """The labels of the job's dataset, by the names of their samples."""
        rows = [row for row in self.server.control("rows") if row["dataset"] == f"sandbox/{self.name}"]
        assert len({row["name"] for row in rows}) == len(rows)
        return {row["name"]: row["labels"]["ground-truth"] for row in rows if row["labels"]}

    def has_done(self, action: str, count: int) -> bool:
        """Whether so many rows were written by this action."""
        return len(self.writes(action)) >= count

    def check_all(self) -> None:
        """Every row has its own sample, made once, and its own label with its own bitmap."""
        made = Counter(write.title for write in self.writes("create"))
        assert made == Counter(title_of(number) for number in range(self.count))
        rows = self.rows()
        assert len(rows) == self.count
        for number in range(self.count):
            attributes = rows[title_of(number)]["attributes"]
            with urlopen(attributes["segmentation_bitmap"]["url"]) as answer:
                found = instance_png.decode(answer.read()).masks()
            assert found == {attributes["annotations"][0]["id"]: mask_of(number)}
            assert len(attributes["annotations"]) == 1
        assert len(self.writes("asset")) >= self.count
        assert self.writes("astray") == []


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Datasets]:
    folder = tmp_path_factory.mktemp("segments")
    source, log = archive(folder / "drawn", ROWS, pictured), folder / "writes.jsonl"
    log.touch()
    options = ("--seed", source, "--option", f"log={log}", "--latency", "0.01")
    with sandbox(folder, *options, platform="segments") as server:
        yield Datasets(folder, source, ROWS, server, log)


@pytest.fixture
def project(served: Datasets, tmp_path: Path) -> Datasets:
    """The stand-in without faults and logged writes, and a folder for this test's jobs."""
    served.reset()
    served.folder = tmp_path
    return served


def test_a_job_that_is_killed_makes_every_sample_once_and_ends_with_every_label(
    project: Datasets, tmp_path: Path
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
        assert book.saved <= {write.title for write in project.writes()}
        assert not book.ended
    assert book.saved
    assert project.finish(job) == 0, project.said(job)
    assert book.saved.isdisjoint(write.title for write in project.writes()[seen:])
    project.check_all()


def test_an_outage_stops_the_run_blames_no_row_and_can_be_resumed(project: Datasets) -> None:
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
