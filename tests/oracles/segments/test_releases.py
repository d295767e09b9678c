"""The real SDK exports our stand-in's datasets as releases, and reads them as its users do."""

import json
from pathlib import Path

import pytest

from pipeline.core.labels import LabelRow, Media
from tests.oracles.jobs import ferried
from tests.oracles.segments.jobs import coco, labels
from tests.oracles.segments.published import SAMPLES, TASK_ATTRIBUTES, label
from tests.oracles.segments.served import DATASET, Sdk, load, needs_sdk, served
from tests.oracles.segments.test_bitmaps import ANNOTATIONS, IDS
from tests.oracles.segments.test_labels import ELSEWHERE, sample_of

pytestmark = [pytest.mark.anyio, needs_sdk]

ROWS = [LabelRow(key=str(n), title=f"{n}.png", media=(Media(width=4, height=3),)) for n in range(2)]
ITEMS = [
    "bboxes",
    "vector",
    "keypoints",
    "image-vector-sequence",
    "pointcloud-cuboid",
    "pointcloud-segmentation",
]
"""Types that `SegmentsDataset` reads, besides those of bitmaps."""


async def test_a_release_holds_every_sample_and_label(sdk: Sdk) -> None:
    async with served(sdk, ROWS, task_type="vector", task_attributes=TASK_ATTRIBUTES) as server:
        await server.sdk("add_labelset", dataset=DATASET, name="model", description="of a model")
        attributes = label("vector", ELSEWHERE)
        await server.sdk("write_label", sample=server.uuids["1.png"], labelset="model", attributes=attributes)
        found = await server.sdk("release", dataset=DATASET, name="v1")
        dataset = found["dataset"]
        assert (found["name"], dataset["owner"], dataset["task_type"]) == ("v1", "sandbox", "vector")
        assert dataset["task_attributes"] == TASK_ATTRIBUTES
        assert [one["name"] for one in dataset["labelsets"]] == ["ground-truth", "model"]
        assert [one["labels"] for one in dataset["samples"]] == [
            {"ground-truth": None, "model": None},
            {"ground-truth": None, "model": {"label_status": "PRELABELED", "attributes": attributes}},
        ]
        (listed,) = await server.sdk("releases", dataset=DATASET)
        assert (listed["status"], listed["samples_count"]) == ("SUCCEEDED", 2)
        assert (await server.refused("release", dataset=DATASET, name="v1"))[0] == "AlreadyExistsError"
        await server.sdk("delete_release", dataset=DATASET, name="v1")
        assert await server.sdk("releases", dataset=DATASET) == []


async def test_a_release_keeps_the_categories_that_it_was_made_with(sdk: Sdk, tmp_path: Path) -> None:
    async with served(sdk, ROWS, task_type="bboxes", task_attributes=TASK_ATTRIBUTES) as server:
        attributes = label("bboxes", ELSEWHERE)
        await server.sdk("write_label", sample=server.uuids["1.png"], attributes=attributes)
        made = await server.sdk("release", dataset=DATASET, name="v1")
        names = [one["name"] for one in made["dataset"]["task_attributes"]["categories"]]
        turned = [
            {**one, "name": name}
            for one, name in zip(TASK_ATTRIBUTES["categories"], reversed(names), strict=True)
        ]
        await server.sdk(
            "update_dataset", dataset=DATASET, task_attributes={**TASK_ATTRIBUTES, "categories": turned}
        )
        found = {}
        for release in ("v1", None):
            path = tmp_path / f"{release}.json"
            await ferried(
                tmp_path,
                labels(server, release=release),
                coco(path),
                name=str(release),
                allow_losses=["attribute", "classification"],
            )
            content = json.loads(path.read_text())
            classes = {one["id"]: one["name"] for one in content["categories"]}
            found[release] = [classes[one["category_id"]] for one in content["annotations"]]
    assert found["v1"] == [names[one["category_id"] - 1] for one in attributes["annotations"]]
    assert found[None] != found["v1"]


@pytest.mark.parametrize("task_type", ["segmentation-bitmap", "segmentation-bitmap-highres"])
async def test_a_released_bitmap_dataset_gives_pictures_and_ids(sdk: Sdk, task_type: str) -> None:
    async with served(sdk, ROWS, task_type=task_type, task_attributes=TASK_ATTRIBUTES) as server:
        uuid = server.uuids["1.png"]
        await server.sdk("write_bitmap", sample=uuid, ids=IDS, annotations=ANNOTATIONS)
        empty, drawn = await server.sdk("items", dataset=DATASET)
        assert (empty["image"], empty["segmentation_bitmap"]) == ([4, 3], None)
        assert (drawn["uuid"], drawn["image"]) == (uuid, [4, 3])
        assert load(drawn["segmentation_bitmap"]).tolist() == IDS
        assert drawn["annotations"] == ANNOTATIONS


@pytest.mark.parametrize("task_type", ITEMS)
async def test_a_released_dataset_of_other_labels_gives_them(sdk: Sdk, task_type: str) -> None:
    attributes = label(task_type, ELSEWHERE)
    flat = SAMPLES[task_type].keys() == {"image"}
    async with served(
        sdk, ROWS[:1] if flat else (), task_type=task_type, task_attributes=TASK_ATTRIBUTES
    ) as server:
        uuid = server.uuids["0.png"] if flat else await sample_of(server, task_type)
        await server.sdk("write_label", sample=uuid, attributes=attributes)
        (found,) = await server.sdk("items", dataset=DATASET)
        if flat:
            assert (found["image"], found["annotations"]) == ([4, 3], attributes["annotations"])
        else:
            assert found["labels"]["ground-truth"]["attributes"] == attributes
