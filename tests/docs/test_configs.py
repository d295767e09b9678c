"""Every job in `configs/` runs against a stand-in, as a dry run that writes nothing."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.core.geometry import Shape
from pipeline.core.ontology import ClassDef, Ontology
from pipeline.core.operations import Set
from pipeline.job import Job
from pipeline.platforms.archive.ontology import write_ontology
from tests.cli.command import Sandbox, coco, labelferry, sandbox
from tests.docs.pages import PROJECT, ROOT, SUPERVISELY, TEAM, WORKSPACE
from tests.docs.tutorial import tutorial

CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
ROWS = {"supervisely-tutorial": 1}
"""The rows of a job that are not the three of all others."""


def ontology_for(jobs: Iterable[Job]) -> Ontology:
    """Classes of boxes, with every question that a job answers by `set`."""
    ontology = Ontology((ClassDef("car", Shape.BOX), ClassDef("person", Shape.BOX)))
    for job in jobs:
        for operation in job.operations:
            if isinstance(operation, Set):
                ontology = operation.revise(ontology)
    return ontology


@dataclass(frozen=True)
class Place:
    """Stand-ins with three rows each, and the files that the jobs read."""

    encord: Sandbox
    segments: Sandbox
    supervisely: Sandbox
    folder: Path

    @property
    def env(self) -> dict[str, str]:
        """Return the credentials for all of them."""
        return {**self.encord.env, **self.segments.env, **self.supervisely.env}

    def mine(self, job: str) -> str:
        """Return a job with these stand-ins in place of the examples' project and datasets."""
        project = self.encord.address.partition(":")[2].partition("?")[0]
        text = job.replace(PROJECT, f"{project}, url: '{self.encord.url}'")
        mine = self.supervisely.address.partition(":")[2].partition("/")[0]
        text = text.replace(SUPERVISELY, f"{mine}, url: '{self.supervisely.url}'")
        text = text.replace(
            f"workspace: {WORKSPACE}", f"workspace: {WORKSPACE}, url: '{self.supervisely.url}'"
        )
        text = re.sub(rf"{TEAM}(/[\w-]+)", rf"sandbox\1, url: '{self.segments.url}'", text)
        # The pictures of another example are in the folder of the tutorial's.
        return text.replace("platform: masks, path: images/", "platform: masks, path: tutorial/")

    def rows(self) -> object:
        """Return all rows of all."""
        return [one.control("rows") for one in (self.encord, self.segments, self.supervisely)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("configs")
    coco(folder / "instances.json")
    boxes = [{"image_id": n, "category_id": 1, "bbox": [90, 5, 20, 20], "score": 0.9} for n in (1, 2, 3)]
    (folder / "results.json").write_text(json.dumps(boxes))
    whole = json.loads((folder / "instances.json").read_text())
    for one in whole["annotations"]:
        del one["bbox"]
        one.update(iscrowd=1, segmentation={"size": [80, 100], "counts": [800, 1000, 6200]})
    (folder / "masks.json").write_text(json.dumps(whole))
    (folder / "images").mkdir()
    for one in whole["images"]:
        (folder / "images" / one["file_name"]).write_bytes(b"a picture")
    tutorial(folder / "tutorial")
    made = labelferry("copy", "coco:instances.json", "archive:backup", cwd=folder)
    assert made.code == 0, made.text
    (folder / "backup" / "ontology.json").write_bytes(write_ontology(ontology_for(map(Job.load, CONFIGS))))
    keys = tmp_path_factory.mktemp("keys")
    named = ("--option", "title=street")
    with (
        sandbox(folder, "--seed", "backup", "--keys", keys) as encord,
        sandbox(folder, "--seed", "coco:instances.json", *named, platform="segments") as segments,
        sandbox(folder, "--seed", "coco:instances.json", *named, platform="supervisely") as supervisely,
    ):
        boxed = "coco:instances.json"
        for server, source in ((encord, "archive:backup"), (segments, boxed), (supervisely, boxed)):
            filled = labelferry("copy", source, server.address, cwd=folder, env=server.env)
            assert filled.code == 0, filled.text
        yield Place(encord, segments, supervisely, folder)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.stem)
def test_every_example_job_has_nothing_to_reject(config: Path, place: Place) -> None:
    text = place.mine(config.read_text(encoding="utf-8"))
    text = (
        text.replace("archive, path: backup/", "archive, path: again/") if "backup" in config.stem else text
    )
    before = place.rows()
    (place.folder / config.name).write_text(text, encoding="utf-8")
    done = labelferry("run", config.name, "--dry-run", cwd=place.folder, env=place.env)
    assert done.code == 0, done.text
    rows = ROWS.get(config.stem, 3)
    assert f"{rows} would-save" in done.out or f"{rows} unchanged" in done.out
    assert place.rows() == before
