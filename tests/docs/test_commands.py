"""Every command of the pages, run as it stands there, against a stand-in where it names a project."""

import json
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.job import parse_address
from tests.cli.command import Sandbox, coco, command, environment, labelferry, sandbox
from tests.docs.pages import PROJECT, SUPERVISELY, blocks, commands
from tests.docs.tutorial import tutorial

COMMANDS = commands()

BEFORE = {
    "resume": ({"refuse_keys": True}, 4),
    "rejects": ({"poison": ["3.jpg"]}, 3),
    "status": ({"poison": ["3.jpg"]}, 3),
}
"""Verbs that need a run before them: what the stand-in does wrong in it, and how it ends."""


@dataclass(frozen=True)
class World:
    """Stand-ins, and a folder with the files that the pages speak of."""

    server: Sandbox
    segments: Sandbox
    supervisely: Sandbox
    folder: Path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("docs")
    coco(folder / "instances.json")
    boxes = [{"image_id": n, "category_id": 1, "bbox": [5, 5, 20, 20], "score": 0.9} for n in (1, 2, 3)]
    (folder / "results.json").write_text(json.dumps(boxes))
    assert labelferry("copy", "coco:instances.json", "archive:backup", cwd=folder).code == 0
    tutorial(folder / "images")
    (folder / "photos" / "street").mkdir(parents=True)
    shutil.copy(folder / "images" / "image.jpg", folder / "photos" / "street.jpg")
    shutil.copy(folder / "images" / "car_masks" / "car_01.png", folder / "photos" / "street" / "car_1.png")
    keys = tmp_path_factory.mktemp("keys")
    layers = ("--option", 'labelsets=["model-v2"]')
    with (
        sandbox(folder, "--seed", "instances.json", "--keys", keys) as server,
        sandbox(folder, "--seed", "instances.json", *layers, platform="segments") as segments,
        sandbox(folder, "--seed", "instances.json", platform="supervisely") as supervisely,
    ):
        export = "supervisely:export"
        assert labelferry("copy", supervisely.address, export, cwd=folder, env=supervisely.env).code == 0
        (folder / "labelferry.db").unlink()
        key = server.env["ENCORD_SSH_KEY_FILE"]
        project = server.address.partition(":")[2].partition("?")[0]
        job = next(text for name, text in blocks("yaml") if name.startswith("docs/guide.md"))
        mine = job.replace(PROJECT, project).replace("~/.ssh/encord", f"{key}, url: '{server.url}'")
        for name in ("nightly.yaml", "job.yaml"):
            (folder / name).write_text(mine)
        yield World(server, segments, supervisely, folder)


def ran(world: World, folder: Path, verb: str) -> None:
    """Run the job of the pages before a verb that looks back at a run."""
    fault, code = BEFORE[verb]
    world.server.control("faults", fault)
    done = labelferry("run", "nightly.yaml", cwd=folder, env=world.server.env)
    world.server.control("faults", {})
    assert done.code == code, done.text


def in_this_world(words: list[str], world: World) -> list[str]:
    """The words with these stand-ins' places in place of the examples', and no more drawn than is needed."""
    server = world.server
    project = server.address.partition(":")[2].partition("?")[0]
    found = []
    for word in words:
        if word.startswith("encord:"):
            query = word.partition("?")[2].replace("~/.ssh/encord", server.env["ENCORD_SSH_KEY_FILE"])
            found.append(f"encord:{project}?url={server.url}" + (f"&{query}" if query else ""))
        elif word.startswith("segments:"):
            layer = word.partition("#")[2]
            found.append(world.segments.address + (f"#{layer}" if layer else ""))
        elif word.startswith("supervisely:") and SUPERVISELY in word:
            place, _, query = world.supervisely.address.partition("?")
            found.append(f"{place}?{query}" if "/" in word else f"{place.partition('/')[0]}?{query}")
        elif word.startswith("supervisely:?"):
            found.append(f"{word}&url={world.supervisely.url}")
        else:
            found.append({"8700": "0", "8701": "0", "8702": "0", "VERB": "copy"}.get(word, word))
    return [*found, "--rows", "5", "--latency", "0"] if words[0] == "demo" else found


def cleared(folder: Path, words: list[str]) -> None:
    """Make room where a copy writes a file."""
    target = parse_address(words[2])
    if target.platform == "archive":
        shutil.rmtree(folder / target.rest)
    elif target.platform == "supervisely" and target.rest and SUPERVISELY not in words[2]:
        shutil.rmtree(folder / target.rest, ignore_errors=True)
    elif target.platform == "coco":
        (folder / target.rest).unlink()


def serve_and_end(words: list[str], folder: Path) -> None:
    """Start a sandbox, read what it says to export, and end it as Ctrl-C does."""
    process = subprocess.Popen(
        command(words),
        cwd=folder,
        env=environment({"PYTHONUNBUFFERED": "1"}),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    said: list[str] = []
    for line in process.stdout:
        said.append(line)
        if line.startswith("# labelferry copy "):
            break
    process.send_signal(signal.SIGINT)
    process.stdout.close()
    assert process.wait() == 0
    assert any(line.startswith("export ") for line in said), said


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_of_the_pages_works(line: str, world: World, tmp_path: Path) -> None:
    words = shlex.split(line)[1:]
    folder = tmp_path / "here"
    shutil.copytree(world.folder, folder)
    world.server.control("reset", {})
    world.segments.control("reset", {})
    world.supervisely.control("reset", {})
    if words[0] == "sandbox":
        serve_and_end(in_this_world(words, world), folder)
        return
    if words[0] == "copy":
        cleared(folder, words)
    if words[0] in BEFORE:
        ran(world, folder, words[0])
    env = {**world.server.env, **world.segments.env, **world.supervisely.env}
    done = labelferry(*in_this_world(words, world), cwd=folder, env=env)
    assert done.code == 0, done.text


def test_the_pages_have_commands_of_every_verb() -> None:
    tried = {shlex.split(line)[1] for line in COMMANDS}
    wanted = {"demo", "copy", "run", "resume", "status", "doctor", "platforms", "sandbox", "rejects"}
    assert tried >= wanted
