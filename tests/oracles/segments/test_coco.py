"""COCO files go into datasets, are seen there by the SDK as they were meant, and come back."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pycocotools import mask as coco_masks

from pipeline.core.geometry import Shape
from pipeline.core.labels import LabelRow, Media, ObjectInstance, Occurrence
from pipeline.core.masks import Raster
from pipeline.core.ontology import ClassDef, Ontology
from pipeline.errors import UsageError
from pipeline.wiring import seed_from
from tests.oracles.jobs import ferried, tried
from tests.oracles.segments.jobs import coco, labels
from tests.oracles.segments.served import DATASET, Json, Sdk, Served, load, needs_sdk, served
from tests.oracles.session import ROOT

pytestmark = [
    # pycocotools gives arrays of an age before numpy 2.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.anyio,
    needs_sdk,
]

DATA = ROOT.parent / "shared" / "data"
RESULTS = DATA / "coco" / "instances_val2014_fakesegm100_results.json"
CAR = DATA / "car"

Ids = NDArray[np.uint32]
WIDTH, HEIGHT = 40, 30
NAMES = {1: "cherry", 5: "plum", 9: "quince"}
ONTOLOGY = {
    "categories": [{"id": 20 + number, "name": name} for number, name in NAMES.items()],
    "format_version": "0.1",
}


def dust(seed: int) -> NDArray[np.uint8]:
    found = np.zeros((HEIGHT, WIDTH), np.uint8)
    found[:, 20:] = np.random.default_rng(seed).random((HEIGHT, 20)) < 0.3
    return found


def rle(mask: NDArray[np.uint8]) -> Json:
    found = coco_masks.encode(np.asfortranarray(mask))
    return {"size": found["size"], "counts": found["counts"].decode()}


def square(x: int, y: int, side: int) -> list[int]:
    return [x, y, x + side, y, x + side, y + side, x, y + side]


def file_of(*kinds: str, count: int = 3) -> Json:
    """Some images with a mask, a polygon of two parts, or a box, by what is asked for."""
    images = [{"id": n, "file_name": f"{n}.png", "width": WIDTH, "height": HEIGHT} for n in range(count)]
    annotations: list[Json] = []
    for n in range(count):
        made = {
            "mask": {"category_id": 9, "segmentation": rle(dust(n))},
            "parts": {"category_id": 5, "segmentation": [square(1 + n, 2, 6), square(10, 12, 3)]},
            "polygon": {"category_id": 5, "segmentation": [[1.5, 2.25, 9.75, 3, 6, 8 + n]]},
            "box": {"category_id": 1, "bbox": [n + 0.25, 2.5, 10.1, 9.9]},
        }
        annotations += [{**made[kind], "image_id": n, "id": 10 * n + k} for k, kind in enumerate(kinds)]
    categories = [{"id": number, "name": name} for number, name in NAMES.items()]
    return {"images": images, "annotations": annotations, "categories": categories}


def saved(path: Path, found: Any) -> Path:  # noqa: ANN401 - any JSON
    path.write_text(json.dumps(found), encoding="utf-8")
    return path


def rows(count: int = 3) -> list[LabelRow]:
    media = (Media(width=WIDTH, height=HEIGHT),)
    return [LabelRow(key=f"{n}.png", title=f"{n}.png", media=media) for n in range(count)]


async def seen(server: Served) -> dict[str, Json]:
    """The labels that the SDK reads, by the names of samples."""
    found = await server.sdk("read_all", dataset=DATASET)
    return {name: label["attributes"] for name, label in found.items() if label}


async def ids_of(server: Served, label: Json) -> Ids:
    return await server.ids("bitmap", url=label["segmentation_bitmap"]["url"])


async def test_masks_and_polygons_are_drawn_into_bitmaps(sdk: Sdk, tmp_path: Path) -> None:
    source = coco(saved(tmp_path / "instances.json", file_of("mask", "parts")))
    options: Json = {"task_type": "segmentation-bitmap", "task_attributes": ONTOLOGY}
    async with served(sdk, rows(), **options) as server:
        report = await ferried(tmp_path, source, labels(server))
        assert (report.rows, report.notes["precision"]) == ({"saved": 3}, 3)
        found = await seen(server)
        for n in range(3):
            label = found[f"{n}.png"]
            numbers = {one["category_id"]: one["id"] for one in label["annotations"]}
            expected = np.zeros((HEIGHT, WIDTH), np.uint32)
            expected[dust(n) > 0] = numbers[29]
            expected[2:8, 1 + n : 7 + n] = expected[12:15, 10:13] = numbers[25]
            assert np.array_equal(await ids_of(server, label), expected)
        again = await ferried(tmp_path, source, labels(server), mode="append")
        assert (again.rows, again.requests["assets.POST"]) == ({"unchanged": 3}, 0)


async def test_boxes_and_polygons_are_the_same_in_a_vector_dataset(sdk: Sdk, tmp_path: Path) -> None:
    source = coco(saved(tmp_path / "instances.json", file_of("box", "polygon")))
    options: Json = {"task_type": "vector", "task_attributes": ONTOLOGY}
    async with served(sdk, rows(), **options) as server:
        await ferried(tmp_path, source, labels(server))
        found = await seen(server)
        await ferried(tmp_path, labels(server, sizes=True), coco(tmp_path / "back.json"), name="back")
    for n in range(3):
        box, polygon = found[f"{n}.png"]["annotations"]
        assert (box["category_id"], box["type"]) == (21, "bbox")
        assert np.allclose(box["points"], [[n + 0.25, 2.5], [n + 10.35, 12.4]], atol=1e-9)
        assert (polygon["category_id"], polygon["type"]) == (25, "polygon")
        assert polygon["points"] == [[1.5, 2.25], [9.75, 3], [6, 8 + n]]
    given, back = file_of("box", "polygon"), json.loads((tmp_path / "back.json").read_text())
    assert told(back) == told(given)


def told(found: Json) -> Counter[str]:
    """What a file says, whatever its numbers are."""
    names = {one["id"]: one["name"] for one in found["categories"]}
    images = {one["id"]: (one["file_name"], one["width"], one["height"]) for one in found["images"]}
    said: Counter[str] = Counter()
    for one in found["annotations"]:
        drawn = one.get("segmentation") or one["bbox"]
        if isinstance(drawn, list):
            drawn = np.round(np.array(drawn, np.float64), 6).tolist()
        said[json.dumps([images[one["image_id"]], names[one["category_id"]], drawn])] += 1
    return said


@pytest.mark.parametrize(
    ("kind", "loss", "reason"),
    [("mask", "shape", "has no mask"), ("parts", "parts", "a polygon of Segments.ai has one part")],
)
async def test_a_loss_that_is_not_allowed_rejects_the_row_and_says_why(
    sdk: Sdk, tmp_path: Path, kind: str, loss: str, reason: str
) -> None:
    found = file_of("polygon", kind, count=2)
    found["annotations"].pop()
    source = coco(saved(tmp_path / "instances.json", found))
    async with served(sdk, rows(2), task_type="vector", task_attributes=ONTOLOGY) as server:
        report = await tried(tmp_path, source, labels(server))
        assert (report.exit_code, report.rows) == (3, {"saved": 1, "rejected": 1})
        (rejected,) = report.rejects
        assert (rejected["title"], rejected["stage"]) == ("0.png", "pack")
        assert reason in rejected["reason"]
        assert loss in rejected["reason"]
        assert set(await seen(server)) == {"1.png"}
        allowed: Json = {"mode": "replace", "allow_losses": [loss]}
        report = await ferried(tmp_path, source, labels(server), name="allowed", **allowed)
        assert (report.rows, report.losses) == ({"saved": 1, "unchanged": 1}, {loss: 1})
        drawn = (await seen(server))["0.png"]["annotations"]
        assert len(drawn) == (2 if loss == "parts" else 1)
        if loss == "parts":
            assert drawn[1]["points"] == [[1, 2], [7, 2], [7, 8], [1, 8]]


async def test_a_shape_that_no_class_of_the_dataset_has_stops_the_job_before_it_writes(
    sdk: Sdk, tmp_path: Path
) -> None:
    source = coco(saved(tmp_path / "instances.json", file_of("box", "mask")))
    options: Json = {"task_type": "segmentation-bitmap", "task_attributes": ONTOLOGY}
    async with served(sdk, rows(), **options) as server:
        with pytest.raises(UsageError, match=r"nothing was written:\n.*'cherry'.*convert: \{to: mask\}"):
            await tried(tmp_path, source, labels(server))
        assert await seen(server) == {}
        operations = [{"convert": {"to": "mask", "classes": ["cherry"]}}, {"drop": {"classes": ["quince"]}}]
        await ferried(tmp_path, source, labels(server), name="drawn", operations=operations)
        label = (await seen(server))["1.png"]
        (one,) = label["annotations"]
        ids = await ids_of(server, label)
    expected = np.zeros((HEIGHT, WIDTH), np.bool_)
    expected[2:12, 1:11] = True  # pixels whose centre is in the box
    assert np.array_equal(ids, np.where(expected, one["id"], 0))


async def test_bitmaps_of_the_sdk_become_masks_of_a_file(sdk: Sdk, tmp_path: Path) -> None:
    ids = np.zeros((HEIGHT, WIDTH), np.uint32)
    ids[dust(1) > 0], ids[3:9, 2:12], ids[5:7, 4:8] = 70000, 3, 0
    annotations = [{"id": 70000, "category_id": 21}, {"id": 3, "category_id": 29}]
    options: Json = {"task_type": "segmentation-bitmap", "task_attributes": ONTOLOGY}
    async with served(sdk, rows(1), **options) as server:
        given = {"sample": server.uuids["0.png"], "ids": ids.tolist(), "annotations": annotations}
        await server.sdk("write_bitmap", **given)
        await ferried(tmp_path, labels(server), coco(tmp_path / "back.json"))
        found = json.loads((tmp_path / "back.json").read_text())
        names = {one["id"]: one["name"] for one in found["categories"]}
        masks = {
            names[one["category_id"]]: coco_masks.decode(one["segmentation"]) for one in found["annotations"]
        }
        assert np.array_equal(masks["cherry"], ids == 70000)
        assert np.array_equal(masks["quince"], ids == 3)
        (image,) = found["images"]
        assert (image["file_name"], image["width"], image["height"]) == ("0.png", WIDTH, HEIGHT)
        again = labels(server, labelset="again")
        await ferried(tmp_path, coco(tmp_path / "back.json"), again, name="again")
        read = await server.sdk("read_label", sample=server.uuids["0.png"], labelset="again")
        new = await ids_of(server, read["attributes"])
        numbers = {one["category_id"]: one["id"] for one in read["attributes"]["annotations"]}
    assert np.array_equal(new == numbers[21], ids == 70000)
    assert np.array_equal(new == numbers[29], ids == 3)


async def test_a_dataset_with_pictures_and_labels_is_made_of_a_file_and_a_folder(
    sdk: Sdk, tmp_path: Path
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    pictures = {f"{n}.png": np.full((HEIGHT, WIDTH, 3), 50 + n, np.uint8) for n in range(3)}
    for name, pixels in pictures.items():
        cv2.imwrite(str(folder / name), pixels)
    source = coco(saved(tmp_path / "instances.json", file_of("mask", "parts")), folder=str(folder))
    async with served(sdk) as server:
        target = labels(server, "sandbox/fruit", create=True)
        report = await ferried(tmp_path, source, target, media="copy")
        assert report.rows == {"saved": 3}
        made = await server.sdk("get_dataset", dataset="sandbox/fruit")
        assert (made["task_type"], int(made["samples_count"])) == ("segmentation-bitmap", 3)
        names = {one["id"]: one["name"] for one in made["task_attributes"]["categories"]}
        items = await server.sdk("items", dataset="sandbox/fruit")
        assert [item["name"] for item in items] == list(pictures)
        for n, item in enumerate(items):
            assert item["image"] == [WIDTH, HEIGHT]
            ids = load(item["segmentation_bitmap"])
            numbers = {names[one["category_id"]]: one["id"] for one in item["annotations"]}
            assert np.array_equal(ids == numbers["quince"], dust(n) > 0)
            assert (ids[2:8, 1 + n : 7 + n] == numbers["plum"]).all()


def uncovered(layers: list[NDArray[np.bool_]]) -> Iterator[NDArray[np.bool_]]:
    """Of each mask what no later one covers."""
    for at, mask in enumerate(layers):
        yield mask & ~np.logical_or.reduce([np.zeros_like(mask), *layers[at + 1 :]])


# ---- real data ----------------------------------------------------------------------------------------


@pytest.mark.skipif(not RESULTS.exists(), reason=f"the real detections are not in {RESULTS.parent}")
async def test_734_real_masks_are_seen_by_the_sdk_as_they_lie_on_each_other(sdk: Sdk, tmp_path: Path) -> None:
    given = json.loads(RESULTS.read_text())
    seed = await seed_from([f"coco:{RESULTS}"])
    async with served(sdk, list(seed.rows), seed.ontology, task_type="segmentation-bitmap") as server:
        allowed = ["overlap", "confidence"]
        await ferried(tmp_path, coco(RESULTS), labels(server), allow_losses=allowed)
        categories = (await server.sdk("get_dataset", dataset=DATASET))["task_attributes"]["categories"]
        names = {one["id"]: one["name"] for one in categories}
        found = await seen(server)
        pictures = {name: await ids_of(server, label) for name, label in found.items()}
        back = coco(tmp_path / "back.json", style="results")
        await ferried(tmp_path, labels(server), back, name="back")
    assert len(given) == sum(len(label["annotations"]) for label in found.values()) == 734
    visible: dict[str, list[tuple[str, bytes]]] = {}
    for image in {one["image_id"] for one in given}:
        detections = [one for one in given if one["image_id"] == image]
        layers = [coco_masks.decode(one["segmentation"]) > 0 for one in detections]
        ids, label = pictures[str(image)], found[str(image)]
        assert ids.shape == layers[0].shape
        assert np.array_equal(ids > 0, np.logical_or.reduce(layers))
        left = list(uncovered(layers))
        expected = [
            (str(one["category_id"]), mask.tobytes()) for one, mask in zip(detections, left, strict=True)
        ]
        says = [(names[one["category_id"]], (ids == one["id"]).tobytes()) for one in label["annotations"]]
        assert sorted(says) == sorted(expected)
        visible[str(image)] = sorted(one for one in expected if any(one[1]))
    returned: dict[str, list[tuple[str, bytes]]] = {image: [] for image in visible}
    for one in json.loads((tmp_path / "back.json").read_text()):
        pixels = coco_masks.decode(one["segmentation"]) > 0
        if pixels.any():
            returned[str(one["image_id"])].append((str(one["category_id"]), pixels.tobytes()))
    assert {image: sorted(held) for image, held in returned.items()} == visible


@pytest.mark.skipif(not CAR.exists(), reason=f"the photo with its masks is not in {CAR}")
async def test_a_real_photo_is_created_with_its_three_masks(sdk: Sdk, tmp_path: Path) -> None:
    paths = sorted(CAR.glob("car_*.png"))
    masks = [np.asarray(cv2.imread(str(path), cv2.IMREAD_UNCHANGED)) > 0 for path in paths]
    height, width = masks[0].shape
    items = [
        ObjectInstance(path.stem, "car", {0: Occurrence(Raster(mask))})
        for path, mask in zip(paths, masks, strict=True)
    ]
    media = Media(name="image.jpg", path=str(CAR / "image.jpg"), width=width, height=height)
    row = LabelRow("image.jpg", "image.jpg", media=(media,), objects=tuple(items))
    ontology = Ontology((ClassDef("car", Shape.MASK),))
    async with served(sdk, (), ontology, task_type="segmentation-bitmap") as server:
        parts: Json = {"media": "copy", "allow_losses": ["overlap"]}
        report = await ferried(tmp_path, [row], labels(server), **parts)
        assert report.rows == {"saved": 1}
        (item,) = await server.sdk("items", dataset=DATASET)
        ids = load(item["segmentation_bitmap"])
    assert (item["name"], item["image"]) == ("image.jpg", [width, height])
    numbers = [one["id"] for one in item["annotations"]]
    expected = np.zeros((height, width), np.uint32)
    for number, mask in zip(numbers, masks, strict=True):
        expected[mask] = number
    assert np.array_equal(ids, expected)
