"""Real COCO results go into Encord, are seen there by the SDK as they are, and come back identical."""

import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_masks

from pipeline.wiring import seed_from
from tests.oracles.encord.project import Json, Project, Sdk, needs_sdk, served
from tests.oracles.session import ROOT

COCO = ROOT.parent / "shared" / "data" / "coco"
MASKS = COCO / "instances_val2014_fakesegm100_results.json"
KEYPOINTS = COCO / "person_keypoints_val2014_fakekeypoints100_results.json"
SEEN = {0: "invisible", 1: "occluded", 2: "visible"}

pytestmark = [
    # pycocotools gives arrays of an age before numpy 2.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.anyio,
    needs_sdk,
    pytest.mark.skipif(not MASKS.exists(), reason=f"the real detections are not in {COCO}"),
]


@asynccontextmanager
async def validation_set(sdk: Sdk, folder: Path) -> AsyncIterator[Project]:
    """A project with the images of both files, and an ontology drafted from them."""
    seed = await seed_from([f"coco:{MASKS}", f"coco:{KEYPOINTS}?images={MASKS}"])
    async with served(sdk, folder, seed) as project:
        yield project


def content(path: Path) -> list[Json]:
    found: list[Json] = json.loads(path.read_text(encoding="utf-8"))
    return found


def of_mask(found: Json) -> tuple[Any, ...]:
    """What identifies a detection with a mask: image, class, score, and where its pixels change."""
    rle = found["segmentation"]
    pixels = coco_masks.decode(rle).astype(bool)
    flat = np.concatenate(([False], pixels.reshape(-1), [False])).astype(np.int8)
    toggles = tuple(np.flatnonzero(np.diff(flat)).tolist())
    return str(found["image_id"]), str(found["category_id"]), found["score"], tuple(rle["size"]), toggles


def masks_in(seen: Json) -> Counter[tuple[Any, ...]]:
    """The same of what the SDK sees."""
    return Counter(
        (title, item["name"], item["frames"]["0"]["confidence"], (height, width), tuple(toggles))
        for title, row in seen.items()
        for item in row["objects"].values()
        if item["shape"] == "bitmask"
        for height, width, toggles in [item["frames"]["0"]["drawn"]["mask"]]
    )


async def test_734_real_masks_are_seen_by_the_sdk_and_come_back_identical_to_the_pixel(
    sdk: Sdk, tmp_path: Path
) -> None:
    given = Counter(of_mask(found) for found in content(MASKS))
    async with validation_set(sdk, tmp_path) as project:
        await project.labelferry("copy", f"coco:{MASKS}", project.address)
        seen = masks_in(await project.seen())
        await project.labelferry("copy", project.address, "coco:back.json?style=results")
    back = Counter(of_mask(found) for found in content(tmp_path / "back.json"))
    assert given.total() == 734
    assert seen == given
    assert back == given


async def test_real_keypoints_are_seen_by_the_sdk_node_by_node_beside_the_masks(
    sdk: Sdk, tmp_path: Path
) -> None:
    given = content(KEYPOINTS)
    async with validation_set(sdk, tmp_path) as project:
        await project.labelferry("copy", f"coco:{MASKS}", project.address)
        source = f"coco:{KEYPOINTS}?images={MASKS}"
        await project.labelferry("copy", source, project.address, "--mode", "append")
        seen = await project.seen()
    people = [
        (title, item["frames"]["0"])
        for title, row in seen.items()
        for item in row["objects"].values()
        if item["shape"] == "skeleton"
    ]
    assert masks_in(seen).total() == 734
    assert sorted(map(drawn_person, people)) == sorted(map(given_person, given))


def drawn_person(found: tuple[str, Json]) -> tuple[Any, ...]:
    title, frame = found
    nodes = [
        (name, round(x, 5), round(y, 5), visibility) for name, x, y, visibility in frame["drawn"]["skeleton"]
    ]
    return title, frame["confidence"], nodes


def given_person(found: Json) -> tuple[Any, ...]:
    numbers = found["keypoints"]
    nodes = [
        (NAMES[at // 3], round(numbers[at], 5), round(numbers[at + 1], 5), SEEN[numbers[at + 2]])
        for at in range(0, len(numbers), 3)
    ]
    return str(found["image_id"]), found["score"], nodes


NAMES = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee",
    "left_ankle", "right_ankle",
)  # fmt: skip
"""COCO's keypoints of a person, in their order."""
