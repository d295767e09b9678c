"""The tutorial on binding, done with the two jobs in `configs/`: on a drawn car, and on the real photo."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from pipeline.core.codecs import bitmap_png
from tests.cli.command import Sandbox, coco, labelferry, sandbox
from tests.docs.pages import ROOT, SUPERVISELY, WORKSPACE
from tests.docs.tutorial import tutorial

REAL = ROOT.parent / "shared" / "data" / "car"


def real(folder: Path) -> None:
    """Lay the photo and its masks out as the tutorial has them."""
    if not REAL.is_dir():
        pytest.skip("the tutorial's own photo is not on this machine")
    (folder / "car_masks").mkdir(parents=True)
    shutil.copy(REAL / "image.jpg", folder)
    for path in REAL.glob("car_*.png"):
        shutil.copy(path, folder / "car_masks")


def tutorials(server: Sandbox) -> dict[str, Any]:
    """The rows of the tutorial's projects, by the project; the first project of the server is another."""
    rows = {str(row["project"]): row for row in server.control("rows")}
    return {name: row for name, row in sorted(rows.items()) if name.startswith("tutorial")}


def labels(row: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - JSON
    found: list[dict[str, Any]] = row["annotation"]["objects"]
    return found


@pytest.mark.parametrize(("images", "binding"), [(tutorial, "int"), (real, "str")], ids=["drawn", "real"])
def test_the_tutorial_is_two_jobs(images: Callable[[Path], None], binding: str, tmp_path: Path) -> None:
    images(tmp_path / "images")
    coco(tmp_path / "seed.json", 1)
    first, second = (
        (ROOT / "configs" / f"supervisely-{name}.yaml").read_text() for name in ("tutorial", "unbind")
    )
    option = f"binding={binding}"
    with sandbox(tmp_path, "--seed", "seed.json", "--option", option, platform="supervisely") as server:
        url = f", url: '{server.url}'"
        (tmp_path / "bind.yaml").write_text(first.replace(WORKSPACE, WORKSPACE + url))
        for _ in range(2):  # the second time, the name is taken
            done = labelferry("run", "bind.yaml", "--new", cwd=tmp_path, env=server.env)
            assert done.code == 0, done.text
            assert "groups    1 saved, 1 made" in done.out
        rows = tutorials(server)
        assert list(rows) == ["tutorial-bindings", "tutorial-bindings_001"]
        one, other = rows.values()
        assert [(row["dataset"], row["name"]) for row in (one, other)] == [("dataset-01", "image.jpg")] * 2
        for row in (one, other):
            keys = {label["instance"] for label in labels(row)}
            assert (len(labels(row)), len(keys)) == (3, 1)
            check_pixels(row, tmp_path / "images")
        mine = second.replace(SUPERVISELY, f"{one['projectId']}{url}")
        (tmp_path / "unbind.yaml").write_text(mine)
        done = labelferry("run", "unbind.yaml", cwd=tmp_path, env=server.env)
        assert done.code == 0, done.text
        assert "groups    1 discarded" in done.out
        rows = tutorials(server)
        assert [label.get("instance") for label in labels(rows["tutorial-bindings"])] == [None] * 3
        assert labels(rows["tutorial-bindings_001"]) == labels(other)
        check_pixels(rows["tutorial-bindings"], tmp_path / "images")


def check_pixels(row: Any, images: Path) -> None:  # noqa: ANN401 - JSON
    """Raise AssertionError unless the labels are the masks, in order."""
    for label, path in zip(labels(row), sorted((images / "car_masks").iterdir()), strict=True):
        picture = cv2.imread(str(path))
        assert picture is not None
        drawn = picture[:, :, 0] > 0
        text = json.dumps(label["bitmap"])
        assert np.array_equal(bitmap_png.decode(text, *drawn.shape).to_array(), drawn)
