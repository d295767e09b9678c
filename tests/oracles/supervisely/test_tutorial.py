"""The vendor's tutorial on object binding, done on our stand-in by the real SDK, and by labelferry.

On the tutorial's own photo and masks where they are at hand, and always on a small drawn copy of the case.
"""

import base64
import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from tests.oracles.jobs import ferried
from tests.oracles.session import ROOT
from tests.oracles.supervisely.served import WORKSPACE, Json, Sdk, needs_sdk, served

pytestmark = [pytest.mark.anyio, needs_sdk]

CAR = ROOT.parent / "shared" / "data" / "car"
BINDINGS = [("str", "last"), ("str", "first"), ("int", "last"), ("int", "first")]


def drawn(folder: Path, within: str = ".") -> tuple[str, list[str]]:
    """Draw a photo of a car, and masks of three of its parts: black and white, one file each."""
    height, width = 90, 120
    photo = np.full((height, width, 3), 90, np.uint8)
    parts = [((20, 30), (60, 50)), ((61, 30), (100, 50))]
    masks = [cv2.rectangle(np.zeros((height, width), np.uint8), *corners, 255, -1) for corners in parts]
    masks.append(cv2.circle(np.zeros((height, width), np.uint8), (40, 60), 9, 255, -1))
    for mask, colour in zip(masks, ((200, 30, 30), (30, 200, 30), (20, 20, 20)), strict=True):
        photo[mask > 0] = colour
    image = folder / "image.png"
    cv2.imwrite(str(image), photo)
    (folder / within).mkdir(exist_ok=True)
    paths = [folder / within / f"car_{number:02}.png" for number in (1, 2, 3)]
    for path, mask in zip(paths, masks, strict=True):
        cv2.imwrite(str(path), mask)
    return str(image), [str(path) for path in paths]


def toggles(path: str) -> list[int]:
    """Where the pixels of a mask's file turn on and off."""
    mask = cv2.imread(path, cv2.IMREAD_UNCHANGED)
    assert mask is not None
    flat = np.concatenate(([False], mask.ravel() != 0, [False]))
    found: list[int] = np.flatnonzero(flat[1:] != flat[:-1]).tolist()
    return found


def digest(path: str) -> str:
    """The hash of a file as the service has it."""
    return base64.b64encode(hashlib.sha256(Path(path).read_bytes()).digest()).decode()


async def tutorial(sdk: Sdk, image: str, masks: list[str], binding: str, group_id: str) -> None:
    """Do both parts, and compare what is there with the files."""
    async with served(sdk, binding=binding, group_id=group_id, title="tutorial-bindings") as server:
        given: Json = {"workspace": WORKSPACE, "image": image, "masks": masks, "project": "tutorial-bindings"}
        made = await server.sdk("make_bound", **given)
        assert made["name"] == "tutorial-bindings_001"
        assert made["masks"] == [toggles(path) for path in masks]
        assert (await server.sdk("make_bound", **given))["name"] == "tutorial-bindings_002"

        place = {"project": made["project"], "image": made["image"]}
        found = await server.sdk("read_bound", **place)
        assert [label["mask"] for label in found["labels"]] == made["masks"]
        (key,) = {label["group"] for label in found["labels"]}
        ids = [label["id"] for label in found["labels"]]
        number = ids[-1 if group_id == "last" else 0]
        assert key == (number if binding == "int" else str(number))
        assert found["groups"] == [[key, 3]]

        await server.sdk("discard_bound", **place, class_name="car")
        discarded = await server.sdk("read_bound", **place)
        assert discarded["groups"] == [[None, 3]]
        assert [label["mask"] for label in discarded["labels"]] == made["masks"]
        await server.sdk("discard_bound", **place)
        assert (await server.sdk("read_bound", **place))["groups"] == [[None, 3]]

        stored = (await server.rows())[f"tutorial-bindings_001:dataset-01/{Path(image).name}"]
        assert stored["id"] == made["image"]
        log = await server.log()
        assert log["rows"] == {"project": 2, "dataset": 2, "meta": 2, "upload": 1, "image": 2, "save": 4}
        assert stored["hash"] == digest(image)


@pytest.mark.parametrize(("binding", "group_id"), BINDINGS)
async def test_the_tutorial_on_a_drawn_car(sdk: Sdk, tmp_path: Path, binding: str, group_id: str) -> None:
    await tutorial(sdk, *drawn(tmp_path), binding, group_id)


@pytest.mark.skipif(not CAR.is_dir(), reason=f"the tutorial's photo and masks are not in {CAR}")
async def test_the_tutorial_on_its_own_photo(sdk: Sdk) -> None:
    await tutorial(
        sdk, str(CAR / "image.jpg"), [str(CAR / f"car_0{n}.png") for n in (1, 2, 3)], "str", "last"
    )


# ---- the same by labelferry -------------------------------------------------------------------------------


async def bound(sdk: Sdk, folder: Path, image: str, masks: list[str], pattern: str) -> None:
    """Do the tutorial with the job file that is published for it, and see with the SDK what came of it."""
    part = yaml.safe_load((ROOT / "configs" / "supervisely-tutorial.yaml").read_text())
    other = yaml.safe_load((ROOT / "configs" / "supervisely-unbind.yaml").read_text())
    async with served(sdk, title="tutorial-bindings") as server:
        place = {"url": server.running.url, "api_token": server.running.environment["API_TOKEN"]}
        source = {**part.pop("source"), "path": str(Path(image).parent), "pattern": pattern}
        target = {**part.pop("target"), **place}
        report = await ferried(folder, source, target, **part)
        assert (report.rows, report.labels, report.groups["saved"]) == ({"saved": 1}, {"saved": 3}, 1)

        rows = await server.rows()
        stored = rows[f"tutorial-bindings_001:dataset-01/{Path(image).name}"]
        assert stored["hash"] == digest(image)
        given = {"project": stored["projectId"], "image": stored["id"]}
        found = await server.sdk("read_bound", **given)
        assert [label["mask"] for label in found["labels"]] == [toggles(path) for path in masks]
        assert {label["class"] for label in found["labels"]} == {"car"}
        ((key, size),) = found["groups"]
        assert (key is None, size) == (False, 3)

        target = {**other.pop("target"), **place, "project": stored["projectId"]}
        await ferried(folder, None, target, name="unbind", **other)
        found = await server.sdk("read_bound", **given)
        assert [label["mask"] for label in found["labels"]] == [toggles(path) for path in masks]
        assert found["groups"] == [[None, 3]]


async def test_the_job_of_the_tutorial_on_a_drawn_car(sdk: Sdk, tmp_path: Path) -> None:
    image, masks = drawn(tmp_path, "car_masks")
    await bound(sdk, tmp_path, image, masks, "car_masks/{class}_{n}.png")


@pytest.mark.skipif(not CAR.is_dir(), reason=f"the tutorial's photo and masks are not in {CAR}")
async def test_the_job_of_the_tutorial_on_its_own_photo(sdk: Sdk, tmp_path: Path) -> None:
    masks = [str(CAR / f"car_0{number}.png") for number in (1, 2, 3)]
    await bound(sdk, tmp_path, str(CAR / "image.jpg"), masks, "{class}_{n}.png")
