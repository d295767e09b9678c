"""The recipes of the documentation that bring labels into a project, judged by the vendor's client."""

import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import anyio
import numpy as np
import pytest
from pycocotools import mask as coco_masks

from pipeline.core.geometry import Shape
from pipeline.core.labels import LabelRow, Media
from pipeline.core.masks import Mask
from pipeline.core.ontology import ClassDef, Ontology
from pipeline.ports import Seed
from tests.cli.command import environment
from tests.oracles.encord import meant
from tests.oracles.encord.labels import blot
from tests.oracles.encord.project import IMAGE, VIDEO, Json, Sdk, differences, needs_sdk, orchard, served
from tests.oracles.session import ROOT

pytestmark = [
    pytest.mark.anyio,
    needs_sdk,
    # pycocotools gives arrays of an age before numpy 2.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

BUNDLED = ROOT / "configs" / "encord-bulk-import.yaml"
PAGE = ROOT / "docs" / "platforms" / "encord.md"
SIDE = (40, 30)
CLASSES = {1: "Cherry", 2: "Persimmon", 3: "Blueberry"}


def instances(count: int) -> Json:
    """A COCO file: a box, a polygon of two parts and a mask for each image."""
    width, height = SIDE
    images = [{"id": n, "file_name": f"{n:04}.png", "width": width, "height": height} for n in range(count)]
    annotations: list[Json] = []
    for n in range(count):
        at = n % 7
        parts = [[at, 1.5, at + 9.25, 1.5, at + 9.25, 8], [20, 20, 25.5, 20, 25.5, 27]]
        rle = coco_masks.encode(np.asfortranarray(blot(width, height, n).astype(np.uint8)))
        drawn: list[Json] = [
            {"category_id": 1, "bbox": [at + 0.25, 2.5, 10.1, 9.9]},
            {"category_id": 2, "segmentation": parts},
            {"category_id": 3, "segmentation": {"size": rle["size"], "counts": rle["counts"].decode()}},
        ]
        annotations += [{**one, "image_id": n, "id": len(annotations) + k} for k, one in enumerate(drawn)]
    categories = [{"id": number, "name": name} for number, name in CLASSES.items()]
    return {"images": images, "annotations": annotations, "categories": categories}


def seen_as(annotation: Json) -> Json:
    """What the SDK should see of an annotation of that file."""
    if "bbox" in annotation:
        return {"box": [float(number) for number in annotation["bbox"]]}
    said = annotation["segmentation"]
    if isinstance(said, dict):
        return {"mask": meant.mask(Mask.from_array(coco_masks.decode(said).astype(bool)))}
    rings = [
        [[float(x), float(y)] for x, y in zip(ring[::2], ring[1::2], strict=True)]
        for ring in annotation["segmentation"]
    ]
    return {"polygon": [[ring] for ring in rings]}


async def test_labels_of_many_images_are_imported_in_bundles(sdk: Sdk, tmp_path: Path) -> None:
    file = instances(250)
    (tmp_path / "instances.json").write_text(json.dumps(file), encoding="utf-8")
    rows = [replace(IMAGE, key=image["file_name"], title=image["file_name"]) for image in file["images"]]
    sized = [replace(row, media=(replace(row.media[0], width=SIDE[0], height=SIDE[1]),)) for row in rows]
    async with orchard(sdk, tmp_path, sized) as project:
        await project.job(BUNDLED.read_text(encoding="utf-8"))
        asked = (await project.log())["kinds"]
        seen = await project.seen()
    assert (asked["labelrow.PUT"], asked["labelrow.POST"]) == (3, 3)
    expected: Json = {image["file_name"]: {} for image in file["images"]}
    for annotation in file["annotations"]:
        title = file["images"][annotation["image_id"]]["file_name"]
        expected[title][CLASSES[annotation["category_id"]]] = seen_as(annotation)
    found = {
        title: {item["name"]: item["frames"]["0"]["drawn"] for item in row["objects"].values()}
        for title, row in seen.items()
    }
    assert differences(expected, found) == []


async def test_the_detections_of_a_model_are_cleaned_on_their_way_in(sdk: Sdk, tmp_path: Path) -> None:
    width, height = SIDE
    file: Json = {
        "images": [{"id": 7, "file_name": "a.png", "width": width, "height": height}],
        "annotations": [],
        "categories": [{"id": 1, "name": "vehicle"}, {"id": 2, "name": "person"}, {"id": 3, "name": "dog"}],
    }
    found = [
        {"category_id": 1, "bbox": [30.5, 20.25, 20, 5], "score": 0.875},
        {"category_id": 2, "bbox": [1, 1, 9, 9], "score": 0.25},
        {"category_id": 2, "bbox": [1, 1, 3, 5], "score": 0.75},
        {"category_id": 3, "bbox": [1, 1, 9, 9], "score": 0.75},
        {"category_id": 2, "bbox": [2, 3, 9.5, 9], "score": 0.5},
    ]
    (tmp_path / "instances.json").write_text(json.dumps(file), encoding="utf-8")
    results = [{**detection, "image_id": 7} for detection in found]
    (tmp_path / "results.json").write_text(json.dumps(results), encoding="utf-8")
    row = LabelRow(key="a", title="a.png", media=(Media(width=width, height=height),))
    classes = Ontology((ClassDef("car", Shape.BOX), ClassDef("person", Shape.BOX)))
    async with served(sdk, tmp_path, Seed(classes, [row])) as project:
        job = (ROOT / "configs" / "predictions-to-encord.yaml").read_text(encoding="utf-8")
        await project.job(job, "--dry-run")
        assert await project.raw() == {}
        for _ in range(2):
            await project.job(job)
        seen = await project.seen()
    told = [
        (item["name"], frame["drawn"]["box"], frame["confidence"], frame["manual"])
        for item in seen["a.png"]["objects"].values()
        for frame in item["frames"].values()
    ]
    assert sorted(told) == [
        ("car", [30.5, 20.25, 9.5, 5.0], 0.875, False),
        ("person", [2.0, 3.0, 9.5, 9.0], 0.5, False),
    ]


async def test_the_python_recipe_of_the_documentation_draws_a_person_through_a_video(
    sdk: Sdk, tmp_path: Path
) -> None:
    [recipe] = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    video = replace(VIDEO, media=(replace(VIDEO.media[0], width=320, height=240),))
    async with orchard(sdk, tmp_path, [video]) as project:
        text = recipe.replace("7d4ead9c-4087-4832-a301-eb2545e7d43b", project.hash)
        text = text.replace('"platform": "encord"', f'"platform": "encord", "url": "{project.running.url}"')
        (tmp_path / "walk.py").write_text(text, encoding="utf-8")
        await anyio.run_process(
            [sys.executable, "walk.py"], cwd=tmp_path, env=environment(project.running.environment)
        )
        seen = await project.seen()
    [person] = seen["video.mp4"]["objects"].values()
    drawn = {frame: found["drawn"]["box"] for frame, found in person["frames"].items()}
    expected = {"3": [20.0, 12.0, 50.0, 30.0], "4": [30.0, 18.0, 50.0, 30.0], "5": [40.0, 24.0, 50.0, 30.0]}
    assert differences(expected, drawn) == []
    assert person["name"] == "Person"
    assert person["dynamic"]["Position"] == [["Standing", [[3, 3]]], ["Walking", [[4, 5]]]]


async def test_every_example_that_the_documentation_names_exists() -> None:
    named = set(re.findall(r"`([a-z-]+\.yaml)`", PAGE.read_text(encoding="utf-8")))
    assert {name for name in named if not (ROOT / "configs" / name).exists()} == set()
    assert {path.name for path in (ROOT / "configs").glob("*encord*")} <= named
