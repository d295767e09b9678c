"""Supervisely as its users meet it: through the command, with what they get wrong and what servers do."""

import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.cli.command import Ended, Sandbox, coco, labelferry, sandbox

WORKSPACE = 619


@dataclass(frozen=True)
class Place:
    """A stand-in with three images, and a folder with the file that they come from."""

    server: Sandbox
    folder: Path

    @property
    def project(self) -> str:
        """The id of the first project."""
        return self.server.address.removeprefix("supervisely:").partition("/")[0]

    def at(self, **more: str) -> str:
        """The address of its dataset with more settings."""
        return "&".join((self.server.address, *(f"{name}={value}" for name, value in more.items())))

    def run(self, *words: str | Path, **env: str) -> Ended:
        """Run the command with the stand-in's token."""
        return labelferry(*words, cwd=self.folder, env={**self.server.env, **env})

    def job(self, text: str) -> Path:
        """Write a job file in which URL is the stand-in's."""
        path = self.folder / "job.yaml"
        path.write_text(text.replace("URL", f"'{self.server.url}'").replace("PROJECT", self.project))
        return path

    def call(self, method: str, body: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
        """Call a method of the API."""
        url = f"{self.server.url}/public/api/v3/{method}"
        headers = {"x-api-key": self.server.env["API_TOKEN"]}
        with urllib.request.urlopen(
            urllib.request.Request(url, json.dumps(body).encode(), headers)
        ) as answer:
            return json.load(answer)

    def images(self, project: str) -> dict[str, int]:
        """How many labels the images of a project have, by dataset and name."""
        rows = [row for row in self.server.control("rows") if row["project"] == project]
        return {f"{row['dataset']}/{row['name']}": len(row["annotation"]["objects"]) for row in rows}

    def projects(self) -> set[str]:
        found = self.call("projects.list", {"workspaceId": WORKSPACE, "filter": []})
        return {one["name"] for one in found["entities"]}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    folder = tmp_path_factory.mktemp("sandbox")
    with sandbox(folder, "--seed", coco(folder / "seed.json"), platform="supervisely") as running:
        yield running


@pytest.fixture
def place(shared: Sandbox, tmp_path: Path) -> Place:
    shared.control("reset", {})
    coco(tmp_path / "instances.json")
    images = tmp_path / "images"
    images.mkdir()
    for n in (1, 2, 3):
        cv2.imwrite(str(images / f"{n}.jpg"), np.full((80, 100), 40 * n, np.uint8))
    return Place(shared, tmp_path)


def test_labels_go_there_and_back_and_a_second_copy_changes_nothing(place: Place) -> None:
    ended = place.run("copy", "coco:instances.json", place.server.address)
    assert ended.code == 0, ended.text
    assert "3 saved" in ended.out
    again = place.run("copy", "coco:instances.json", place.server.address, "--mode", "replace")
    assert again.code == 0, again.text
    assert "3 unchanged" in again.out
    back = place.run("copy", place.server.address, "coco:back.json")
    assert back.code == 0, back.text
    boxes = [one["bbox"] for one in json.loads((place.folder / "back.json").read_text())["annotations"]]
    assert boxes == [[1, 2, 30, 40]] * 3


def test_a_job_without_a_url_goes_to_the_sandbox_whose_exports_are_set(place: Place) -> None:
    assert set(place.server.env) == {"SERVER_ADDRESS", "API_TOKEN"}
    source = "source: {platform: coco, annotations: instances.json}\n"
    ended = place.run("run", place.job(source + "target: {platform: supervisely, project: PROJECT}\n"))
    assert ended.code == 0, ended.text
    assert set(place.images("sandbox").values()) == {1}


def test_a_backup_goes_to_an_archive_and_into_a_project_of_its_own(place: Place) -> None:
    assert place.run("copy", "coco:instances.json", place.server.address).code == 0
    assert place.run("copy", place.server.address, "archive:backup/").code == 0
    job = place.job(
        "source: {platform: archive, path: backup}\n"
        "target: {platform: supervisely, project: restored, workspace: 619, url: URL, create: true}\n"
        "media: copy\n"
    )
    ended = place.run("run", job)
    assert ended.code == 0, ended.text
    assert "created   project restored" in ended.out
    assert place.images("restored") == {f"dataset/{n}.jpg": 1 for n in (1, 2, 3)}


def test_a_job_makes_a_project_of_its_own_each_time_it_is_run(place: Place) -> None:
    job = place.job(
        "name: fresh\n"
        "source: {platform: coco, annotations: instances.json, folder: images/}\n"
        "target:\n"
        "  {platform: supervisely, workspace: 619, project: fresh, dataset: dataset-01, url: URL,\n"
        "   create: true, if_taken: new-name}\n"
        "media: copy\n"
    )
    rehearsal = place.run("run", job, "--dry-run", "--report", "r.json")
    assert rehearsal.code == 0, rehearsal.text
    assert "to create project fresh" in rehearsal.out
    report = json.loads((place.folder / "r.json").read_text())
    assert report["rows"] == {"would-save": 3}
    assert report["would_create"][:2] == ["project fresh", "dataset dataset-01"]
    assert any("car" in line for line in report["would_create"])
    assert "fresh" not in place.projects()
    for name in ("fresh", "fresh_001"):
        ended = place.run("run", job)
        assert ended.code == 0, ended.text
        assert place.images(name) == {f"dataset-01/{n}.jpg": 1 for n in (1, 2, 3)}


def test_doctor_says_what_there_is_and_what_would_be_made(place: Place) -> None:
    job = place.job(
        "source: {platform: coco, annotations: instances.json}\n"
        "target: {platform: supervisely, project: PROJECT, dataset: more, url: URL, create: true}\n"
        "operations: [{rename: {classes: {car: lorry}}}]\n"
        "media: copy\n"
    )
    ended = place.run("doctor", job)
    assert ended.code == 0, ended.text
    assert "supervisely: credentials: the API token is accepted" in ended.out
    assert "no dataset 'more'" in ended.out
    assert "would create dataset more" in ended.out
    assert "lorry" in ended.out
    refused = labelferry("doctor", job, cwd=place.folder, env={"API_TOKEN": "wrong-token"})
    assert refused.code == 4, refused.text
    assert "check API_TOKEN" in refused.out
    assert "wrong-token" not in refused.text


def test_doctor_says_where_no_server_answers(place: Place) -> None:
    job = place.job(
        "source: {platform: coco, annotations: instances.json}\n"
        "target: {platform: supervisely, project: PROJECT, url: 'http://127.0.0.1:9'}\n"
    )
    ended = place.run("doctor", job)
    assert ended.code == 2, ended.text
    assert "FAIL  supervisely: reachable: http://127.0.0.1:9 does not answer" in ended.out
    assert "check `url` or SERVER_ADDRESS" in ended.out


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"if_taken": "maybe"}, "if_taken: found 'maybe', expected 'new-name', 'use' or 'fail'"),
        ({"creat": "true"}, "unknown key 'creat'; did you mean 'create'"),
        ({"workspace": "none"}, "workspace"),
        ({"folder": "x"}, "an export on disk has no server"),
    ],
)
def test_a_wrong_setting_ends_with_2_before_any_write(
    settings: dict[str, str], says: str, place: Place
) -> None:
    ended = place.run("copy", "coco:instances.json", place.at(**settings))
    assert ended.code == 2, ended.text
    assert says in ended.err
    assert set(place.images("sandbox").values()) == {0}


@pytest.mark.parametrize(
    ("place_", "says"),
    [
        ("supervisely:99?url=URL", "no project 99, or the token may not see it"),
        ("supervisely:PROJECT/absent?url=URL", "no dataset 'absent'; it has dataset"),
        ("supervisely:PROJECT//x?url=URL", "expected the name of a dataset"),
        ("supervisely:PROJECT?url=http://[::1", "no valid address"),
        ("supervisely:PROJECT?url=http://app.supervisely.com", "http is not encrypted"),
        ("supervisely:nowhere", "nowhere"),
    ],
)
def test_a_place_that_is_not_there_is_named(place_: str, says: str, place: Place) -> None:
    address = place_.replace("URL", place.server.url).replace("PROJECT", place.project)
    ended = place.run("copy", address, "archive:out")
    assert ended.code == 2, ended.text
    assert says in ended.err
    assert not (place.folder / "out").exists()


def test_a_class_that_is_not_there_is_said_before_any_write(place: Place) -> None:
    coco(place.folder / "instances.json", name="unicorn")
    ended = place.run("copy", "coco:instances.json", place.server.address)
    assert ended.code == 2, ended.text
    assert "no class 'unicorn' of shape box" in ended.err
    assert set(place.images("sandbox").values()) == {0}
    made = place.run("copy", "coco:instances.json", place.at(create="true"))
    assert made.code == 0, made.text
    assert "unicorn" in made.out


def test_a_refused_token_ends_with_4_and_is_not_told(place: Place) -> None:
    ended = place.run("copy", "coco:instances.json", place.server.address, API_TOKEN="canary-token")
    assert ended.code == 4, ended.text
    assert "canary-token" not in ended.text


def test_groups_are_bound_and_discarded_from_the_command_line(place: Place) -> None:
    boxes = [
        {"id": n, "image_id": 1, "category_id": 1, "bbox": [n, 2, 30, 40], "area": 1200, "iscrowd": 0}
        for n in (1, 2)
    ]
    coco(place.folder / "instances.json", annotations=boxes)
    assert place.run("copy", "coco:instances.json", place.server.address).code == 0
    target = "target: {platform: supervisely, project: PROJECT, dataset: dataset, url: URL}\n"
    for operation, keys in (("bind: {by: class}", {True}), ("unbind: {all: true}", {False})):
        ended = place.run("run", place.job(f"{target}operations: [{{{operation}}}]\n"))
        assert ended.code == 0, ended.text
        rows = [row for row in place.server.control("rows") if row["project"] == "sandbox"]
        found = {"instance" in label for row in rows for label in row["annotation"]["objects"]}
        assert found == keys


def test_the_platform_is_listed(place: Place) -> None:
    ended = place.run("platforms")
    assert ended.code == 0
    assert "Supervisely" in ended.out
