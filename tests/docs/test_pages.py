"""What the pages say is true: links lead somewhere, examples load and run, scripts are there."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pipeline.core.losses import LossKind
from pipeline.core.operations import OPERATIONS
from pipeline.errors import Exit
from pipeline.job import Engine, Job
from pipeline.job.steps import operations_of
from pipeline.platforms import discover
from pipeline.sandbox import Faults
from pipeline.wiring.ends import sides_of
from tests.cli.command import environment, labelferry, sandbox
from tests.docs.pages import (
    PAGES,
    PROJECT,
    ROOT,
    SUPERVISELY,
    TEAM,
    anchors,
    blocks,
    links,
    name_of,
    scripts,
    verbs,
)

YAML = blocks("yaml")
# One that needs a project is run by the test that has one, in tests/oracles.
PYTHON = [
    (name, text)
    for name, text in blocks("python")
    if not any(one in text for one in (PROJECT, TEAM, SUPERVISELY))
]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    for path, anchor in links(page):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{path} is not there"
        if anchor:
            assert anchor in anchors(target), f"{path}#{anchor} is not there"


def test_every_page_below_docs_is_linked() -> None:
    linked = {(page.parent / path).resolve() for page in PAGES for path, _ in links(page) if path}
    assert [
        name_of(page) for page in PAGES if page.is_relative_to(ROOT / "docs") and page not in linked
    ] == []


def test_every_script_that_is_named_is_there_and_can_be_run() -> None:
    for name in scripts():
        assert (ROOT / name).is_file(), name
        assert name.endswith((".py", ".sh")) or os.access(ROOT / name, os.X_OK), name


def test_every_verb_that_is_named_is_there(tmp_path: Path) -> None:
    shown = labelferry("--help", cwd=tmp_path).out.partition("Commands:")[2]
    assert verbs() <= set(re.findall(r"^  ([a-z]+)", shown, re.MULTILINE))


@pytest.mark.parametrize("text", [text for _, text in YAML], ids=[name for name, _ in YAML])
def test_every_example_in_yaml_is_a_job_or_a_list_of_operations(text: str, tmp_path: Path) -> None:
    found = yaml.safe_load(text)
    if isinstance(found, list):
        assert len(operations_of(found, "example")) == len(found)
        return
    (tmp_path / "job.yaml").write_text(text, encoding="utf-8")
    sides = list(sides_of(Job.load(tmp_path / "job.yaml")))
    assert sides


@pytest.mark.parametrize("text", [text for _, text in PYTHON], ids=[name for name, _ in PYTHON])
def test_every_example_in_python_runs(text: str, tmp_path: Path) -> None:
    (tmp_path / "example.py").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "example.py"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_example_of_segments_saves_its_numbers(tmp_path: Path) -> None:
    (text,) = (text for _, text in blocks("python") if TEAM in text)
    classes = [{"id": 1, "name": "car"}, {"id": 2, "name": "person"}]
    image = {"id": 1, "file_name": "street.jpg", "width": 640, "height": 480}
    whole = {"size": [480, 640], "counts": [0, 480 * 640]}
    mask = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": whole, "iscrowd": 1}
    both = [mask, {**mask, "id": 2, "category_id": 2}]
    seed = tmp_path / "seed.json"
    seed.write_text(json.dumps({"images": [image], "annotations": both, "categories": classes}))
    with sandbox(tmp_path, "--seed", seed, "--option", "title=street", platform="segments") as server:
        mine = text.replace(f'"{TEAM}/street"', f'"sandbox/street", "url": "{server.url}"')
        (tmp_path / "example.py").write_text(mine, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "example.py"],
            cwd=tmp_path,
            env=environment(server.env),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout == "saved\n", done.stderr
        (row,) = server.control("rows")
    label = row["labels"]["model-v3"]["attributes"]
    assert [(one["id"], one["category_id"]) for one in label["annotations"]] == [(7, 1), (8, 2)]


def test_the_example_of_supervisely_binds_and_unbinds(tmp_path: Path) -> None:
    (text,) = (text for _, text in blocks("python") if SUPERVISELY in text)
    image = {"id": 1, "file_name": "street.jpg", "width": 640, "height": 480}
    whole = {"size": [480, 640], "counts": [0, 480 * 640]}
    mask = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": whole, "iscrowd": 1}
    seed = tmp_path / "seed.json"
    seed.write_text(
        json.dumps({"images": [image], "annotations": [mask], "categories": [{"id": 1, "name": "car"}]})
    )
    with sandbox(tmp_path, "--seed", seed, platform="supervisely") as server:
        project = server.address.partition(":")[2].partition("/")[0]
        # The second time the groups are there already, and nothing is saved until they are discarded.
        bound = re.sub(r'\n    report = run_sync\(Job\(name="unbind".*', "", text, flags=re.DOTALL)
        for words, said, groups in ((bound, ["saved 1"], 1), (text, ["saved 0", "saved 1"], 0)):
            mine = words.replace(SUPERVISELY, f'{project}, "url": "{server.url}"')
            (tmp_path / "example.py").write_text(mine, encoding="utf-8")
            done = subprocess.run(
                [sys.executable, "example.py"],
                cwd=tmp_path,
                env=environment(server.env),
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.stdout.splitlines() == said, done.stderr
            (row,) = server.control("rows")
            keys = [item.get("instance") for item in row["annotation"]["objects"]]
            assert (len(keys), len({key for key in keys if key is not None})) == (3, groups)


@pytest.mark.parametrize("name", ["encord", "segments", "supervisely"])
def test_every_recipe_of_a_page_is_a_job_and_every_job_a_recipe(name: str) -> None:
    page = (ROOT / "docs" / "platforms" / f"{name}.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([\w-]+\.yaml)`", page))
    there = {path.name for path in (ROOT / "configs").glob("*.yaml")}
    assert named <= there
    assert named >= {one for one in there if name in one and not one.startswith("segments-to-")}


def test_the_picture_in_the_readme_shows_what_is_said_below_it() -> None:
    said = re.search(r"!\[[^]]*: (.*) rows and (.*) labels saved\]\((.*)\)", (ROOT / "README.md").read_text())
    assert said is not None
    picture = (ROOT / said[3]).read_text(encoding="utf-8").replace("&#160;", " ")
    assert f"{said[1]} saved" in picture
    assert f"{said[2]} saved" in picture


def test_the_guide_names_every_operation_loss_fault_exit_code_and_key_of_a_job() -> None:
    guide = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")
    assert [name for name in OPERATIONS if f"`{name}`" not in guide] == []
    assert [name for name in Engine.model_fields if f"`{name}`" not in guide] == []
    assert [name for name in Job.model_fields if f"`{name}`" not in guide] == []
    assert [kind for kind in LossKind if f"`{kind}`" not in guide] == []
    assert [name for name in Faults.__struct_fields__ if f"`{name}`" not in guide] == []
    codes = set(map(int, re.findall(r"\d+", " ".join(re.findall(r"^\| ([\d, ]+) \|", guide, re.MULTILINE)))))
    assert codes == {code.value for code in Exit} - {Exit.DIFFERENT}


def test_the_readme_lists_every_platform() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [name for name in discover() if f"| [{name}](docs/platforms/{name}.md) |" not in readme] == []
