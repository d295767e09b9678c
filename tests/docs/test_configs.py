"""Every job in `configs/` runs against a stand-in, as a dry run that writes nothing."""

import json
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
from tests.docs.pages import PROJECT, ROOT

CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))


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
    """A stand-in with three rows, and the files that the jobs read."""

    server: Sandbox
    folder: Path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("configs")
    coco(folder / "instances.json")
    boxes = [{"image_id": n, "category_id": 1, "bbox": [90, 5, 20, 20], "score": 0.9} for n in (1, 2, 3)]
    (folder / "results.json").write_text(json.dumps(boxes))
    made = labelferry("copy", "coco:instances.json", "archive:backup", cwd=folder)
    assert made.code == 0, made.text
    (folder / "backup" / "ontology.json").write_bytes(write_ontology(ontology_for(map(Job.load, CONFIGS))))
    keys = tmp_path_factory.mktemp("keys")
    with sandbox(folder, "--seed", "backup", "--keys", keys) as server:
        filled = labelferry("copy", "archive:backup", server.address, cwd=folder, env=server.env)
        assert filled.code == 0, filled.text
        yield Place(server, folder)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.stem)
def test_every_example_job_has_nothing_to_reject(config: Path, place: Place) -> None:
    project = place.server.address.partition(":")[2].partition("?")[0]
    text = config.read_text(encoding="utf-8").replace(PROJECT, f"{project}, url: '{place.server.url}'")
    text = (
        text.replace("archive, path: backup/", "archive, path: again/") if "backup" in config.stem else text
    )
    before = place.server.control("rows")
    (place.folder / config.name).write_text(text, encoding="utf-8")
    done = labelferry("run", config.name, "--dry-run", cwd=place.folder, env=place.server.env)
    assert done.code == 0, done.text
    assert "3 would-save" in done.out or "3 unchanged" in done.out
    assert place.server.control("rows") == before
