"""Segments.ai as its users meet it: through the command, with what they get wrong and what servers do."""

import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Ended, Sandbox, coco, labelferry, sandbox

POLYGON = {"segmentation": [[1, 2, 31, 2, 31, 42]]}


@dataclass(frozen=True)
class Place:
    """A stand-in with three samples, and a folder with the file that they come from."""

    server: Sandbox
    folder: Path

    def at(self, **more: str) -> str:
        """The address of its dataset with more settings."""
        return "&".join((self.server.address, *(f"{name}={value}" for name, value in more.items())))

    def run(self, *words: str | Path) -> Ended:
        """Run the command with the stand-in's key."""
        return labelferry(*words, cwd=self.folder, env=self.server.env)

    def job(self, text: str) -> Path:
        """Write a job file in which URL is the stand-in's."""
        path = self.folder / "job.yaml"
        path.write_text(text.replace("URL", f"'{self.server.url}'"))
        return path

    def say(self, sample: dict[str, Any], attributes: object) -> None:
        """Write a label as the service takes it."""
        request = urllib.request.Request(
            f"{self.server.url}/labels/{sample['uuid']}/ground-truth/",
            json.dumps({"label_status": "LABELED", "attributes": attributes}).encode(),
            {"Authorization": f"APIKey {self.server.env['SEGMENTS_API_KEY']}"},
            method="PUT",
        )
        with urllib.request.urlopen(request):
            pass


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    folder = tmp_path_factory.mktemp("sandbox")
    path = polygons(folder / "seed.json")
    options = ("--option", "task_type=segmentation-bitmap", "--option", "check_labels=false")
    with sandbox(folder, "--seed", path, *options, platform="segments") as running:
        yield running


@pytest.fixture
def place(shared: Sandbox, tmp_path: Path) -> Place:
    shared.control("reset", {})
    polygons(tmp_path / "instances.json")
    return Place(shared, tmp_path)


def polygons(path: Path) -> Path:
    """A COCO file with a polygon on each of three images."""
    content = json.loads(coco(path).read_text())
    for one in content["annotations"]:
        del one["bbox"]
        one.update(POLYGON)
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"task_type": "bbox"}, "task_type: found 'bbox', expected one of segmentation-bitmap"),
        ({"label_status": "DONE"}, "label_status: found 'DONE', expected one of LABELED"),
        ({"on_top": "biggest"}, "on_top: found 'biggest', expected 'last', 'first' or 'smallest'"),
        ({"release": "v1"}, "release 'v1' cannot be written"),
        ({"creat": "true"}, "unknown key 'creat'; did you mean 'create'"),
        ({"groups": "links", "group_attribute": "g"}, "one of them is enough"),
    ],
)
def test_a_wrong_setting_ends_with_2_before_any_write(
    settings: dict[str, str], says: str, place: Place
) -> None:
    ended = place.run("copy", "coco:instances.json", place.at(**settings))
    assert ended.code == 2, ended.text
    assert says in ended.err
    assert all(not row["labels"] for row in place.server.control("rows"))


@pytest.mark.parametrize(
    ("place_", "says"),
    [
        ("segments:street?url=URL", "found 'street', expected OWNER/NAME"),
        ("segments:a/b/c?url=URL", "found 'a/b/c', expected OWNER/NAME"),
        (
            "segments:sandbox/absent?url=URL",
            "no dataset 'sandbox/absent', or the key may not see it",
        ),
        ("segments:sandbox/dataset?url=URL#absent", "has no labelset 'absent'; it has ground-truth"),
        ("segments:sandbox/dataset?url=URL&release=v9", "'sandbox/dataset' has no release 'v9'"),
        ("segments:sandbox/dataset?url=http://[::1", "no valid address"),
        ("segments:sandbox/dataset?url=http://127.0.0.1:99999", "no valid address (Port out of range"),
        ("segments:sandbox/dataset?url=ftp://127.0.0.1", "not an http or https address"),
        ("segments:sandbox/dataset?url=http://api.segments.ai", "http is not encrypted"),
    ],
)
def test_a_place_that_is_not_there_is_named(place_: str, says: str, place: Place) -> None:
    ended = place.run("copy", place_.replace("URL", place.server.url), "archive:out")
    assert ended.code == 2, ended.text
    assert says in ended.err
    assert not (place.folder / "out").exists()


def test_doctor_says_that_the_key_is_accepted(place: Place) -> None:
    job = place.job(
        "source: {platform: coco, annotations: instances.json}\n"
        "target: {platform: segments, dataset: sandbox/dataset, labelset: mine, url: URL}\n"
    )
    ended = place.run("doctor", job)
    assert ended.code == 0, ended.text
    assert "segments: credentials: the API key is accepted" in ended.out
    assert "labelset 'mine' is not there yet" in ended.out
    refused = labelferry("doctor", job, cwd=place.folder, env={"SEGMENTS_API_KEY": "wrong-key"})
    assert refused.code == 4, refused.text
    assert "check SEGMENTS_API_KEY" in refused.out
    assert "wrong-key" not in refused.text


def test_a_rehearsal_finds_pictures_that_cannot_be_copied(place: Place) -> None:
    images = place.folder / "images"
    images.mkdir()
    (images / "1.jpg").write_bytes(b"a picture")
    (images / "2.jpg").symlink_to(place.folder / "instances.json")
    job = place.job(
        "source: {platform: coco, annotations: instances.json, folder: images/}\n"
        "target: {platform: segments, dataset: sandbox/new, url: URL, create: true}\n"
        "media: copy\n"
    )
    ended = place.run("run", job, "--dry-run", "--report", "r.json")
    assert ended.code == 3, ended.text
    report = json.loads((place.folder / "r.json").read_text())
    assert report["rows"] == {"would-save": 1, "rejected": 2}
    assert "2.jpg' is outside of the folder" in ended.out
    assert "3.jpg: No such file or directory" in ended.out
    assert {row["dataset"] for row in place.server.control("rows")} == {"sandbox/dataset"}


def test_masks_come_back_as_coco_without_a_loss(place: Place) -> None:
    assert place.run("copy", "coco:instances.json", place.server.address).code == 0
    ended = place.run("copy", place.server.address, "coco:back.json")
    assert ended.code == 0, ended.text
    assert len(json.loads((place.folder / "back.json").read_text())["annotations"]) == 3


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/a.png",
        "http://[::1]:9/a.png",
        "file:///etc/passwd",
        "http://no-such-host.invalid/a.png",
    ],
)
def test_a_bitmap_elsewhere_in_the_network_rejects_its_row(url: str, place: Place) -> None:
    sample, *_ = place.server.control("rows")
    place.say(
        sample, {"annotations": [{"id": 1, "category_id": 1}], "segmentation_bitmap": {"url": f"{url}?s=1"}}
    )
    ended = place.run("copy", place.server.address, "archive:out", "--report", "r.json")
    assert ended.code == 3, ended.text
    report = json.loads((place.folder / "r.json").read_text())
    assert report["rows"] == {"saved": 2, "rejected": 1}
    (reject,) = report["rejects"]
    assert reject["title"] == sample["name"]
    assert "its bitmap cannot be read" in reject["reason"]
    assert "?s=1" not in ended.text + json.dumps(report)


def test_a_label_of_another_type_rejects_its_row_and_is_not_written_over(place: Place) -> None:
    sample, *_ = place.server.control("rows")
    place.say(sample, {"frames": [{"annotations": [{"id": 1, "category_id": 1}]}]})
    job = place.job(
        "target: {platform: segments, dataset: sandbox/dataset, url: URL}\n"
        "operations: [{remove: {ids: [x]}}]\n"
    )
    ended = place.run("run", job)
    assert ended.code == 3, ended.text
    assert "its label has frames, expected annotations" in ended.out
    kept = next(row for row in place.server.control("rows") if row["uuid"] == sample["uuid"])
    assert "frames" in kept["labels"]["ground-truth"]["attributes"]
