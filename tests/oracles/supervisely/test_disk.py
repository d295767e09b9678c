"""Exports on disk: the real SDK reads what labelferry wrote, and labelferry what the SDK wrote."""

import json
import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
import pytest

from pipeline.core.codecs import bitmap_png
from pipeline.core.geometry import (
    Box,
    Cuboid2D,
    Node,
    Point,
    Polygon,
    Polyline,
    RotatedBox,
    Shape,
    Skeleton,
    Visibility,
)
from pipeline.core.labels import (
    Answer,
    Classification,
    Group,
    LabelRow,
    Media,
    ObjectInstance,
    Occurrence,
    Option,
)
from pipeline.core.masks import AlphaMask, Mask
from pipeline.core.ontology import (
    AttributeDef,
    AttributeKind,
    ClassDef,
    ClassificationDef,
    Ontology,
    OptionDef,
    SkeletonTemplate,
    TemplateNode,
)
from pipeline.core.rows import MediaMode, Mode
from pipeline.ports import Plan
from pipeline.sandbox.drawn import drawn_ontology, drawn_rows
from tests.conformance.supervisely_export import bring, copied, picture, read, source_of, tasks_from
from tests.oracles.session import ROOT
from tests.oracles.supervisely.samples import GEOMETRIES, HEIGHT, KINDS, META, WIDTH, annotation, label
from tests.oracles.supervisely.served import PYTHON, Json, needs_sdk

pytestmark = [pytest.mark.anyio, needs_sdk]


Ask: TypeAlias = Callable[..., Any]


@pytest.fixture(scope="module")
def sdk() -> Iterator[Ask]:
    """Does one command of `sdk_disk`; the program is started once."""
    words = [str(PYTHON), "-m", "tests.oracles.supervisely.sdk_disk"]
    with subprocess.Popen(
        words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        into, out = process.stdin, process.stdout

        def ask(command: str, **given: Any) -> Any:  # noqa: ANN401 - JSON in, JSON out
            into.write(json.dumps({"command": command, "given": given}) + "\n")
            into.flush()
            line = out.readline()
            assert line, "the SDK failed: run the command by hand"
            return json.loads(line)

        yield ask


def bound(labels: Iterable[Json]) -> set[frozenset[int]]:
    """The partition into groups, whatever their keys."""
    groups: dict[str, set[int]] = {}
    for at, one in enumerate(labels):
        if one["group"] is not None:
            groups.setdefault(one["group"], set()).add(at)
    return {frozenset(group) for group in groups.values()}


def plain(found: Json) -> Json:
    """What an image says, but the keys of groups and the ids."""
    labels = [{key: one[key] for key in one if key not in {"group", "id"}} for one in found["labels"]]
    return {**found, "labels": labels, "picture": None, "hash": None}


TAGS: list[list[object]] = [
    ["seen", None], ["text", "a word"], ["speed", 2.5], ["colour", "blue"], ["day", "2026-01-02T03:04:05Z"],
]  # fmt: skip
WRITTEN: Json = {
    "first": {
        "all.png": annotation(
            *(
                label(kind, description=f"a {kind}", status="corrected", group=["a", "b", None][at % 3])
                for at, kind in enumerate(KINDS)
            ),
            tags=TAGS,
            description="rain",
            custom={"own": [1, 2.5]},
        ),
        "empty.png": annotation(),
    },
    "first/second": {"any.png": annotation(*(label(kind, "thing", tags=TAGS) for kind in KINDS))},
}


def sdk_export(sdk: Ask, tmp_path: Path) -> Path:
    (tmp_path / "picture.png").write_bytes(picture((HEIGHT, WIDTH)))
    folder = tmp_path / "theirs"
    sdk("write", folder=str(folder), meta=META, datasets=WRITTEN, picture=str(tmp_path / "picture.png"))
    return folder


# ---- what the SDK wrote -----------------------------------------------------------------------------------


async def test_what_the_sdk_wrote_goes_into_a_second_export_as_it_is(sdk: Ask, tmp_path: Path) -> None:
    theirs, ours = sdk_export(sdk, tmp_path), tmp_path / "ours"
    done = await copied(theirs, ours, Plan("run", media=MediaMode.COPY), pictures=theirs)
    assert done.rejected == []
    assert [row.losses for row in done.packed] == [()] * 3
    before, after = sdk("read", folder=str(theirs)), sdk("read", folder=str(ours))
    assert sorted(after["datasets"]) == ["first", "first/second"]
    for kind, key in (("classes", "title"), ("tags", "name")):
        there, here = ({one[key]: one for one in found["meta"][kind]} for found in (before, after))
        assert here == there
    for dataset, images in before["datasets"].items():
        for name, image in images.items():
            found = after["datasets"][dataset][name]
            assert plain(found) == plain(image)
            assert bound(found["labels"]) == bound(image["labels"])
            assert found["picture"]
    assert len(bound(after["datasets"]["first"]["all.png"]["labels"])) == 2


async def test_what_the_sdk_wrote_is_unchanged_in_place(sdk: Ask, tmp_path: Path) -> None:
    theirs = sdk_export(sdk, tmp_path)
    rows = await read(theirs)
    tasks = [replace(task, row=None) for task in tasks_from(rows)]
    plan = Plan("run", await source_of(theirs).ontology(), Mode.EDIT)
    done = await bring(theirs, tasks, plan)
    assert done.rejected == []
    assert all(row.unchanged for row in done.packed)


async def test_what_the_sdk_wrote_is_read_as_it_was_drawn(sdk: Ask, tmp_path: Path) -> None:
    first, empty, _ = await read(sdk_export(sdk, tmp_path))
    found = {item.class_name: item.occurrences[0].geometry for item in first.objects}
    assert set(found) == set(KINDS)
    assert empty.objects == ()
    assert found["rectangle"] == Box(1, 2, 63, 46)
    assert found["point"] == Point(7.5, 5.5)
    assert found["line"] == Polyline(((0.5, 0.5), (7.5, 5.5), (63.5, 47.5)))
    assert {len(group.objects) for group in first.groups} == {3, 4}
    assert first.media[0].path == "first/img/all.png"


# ---- what labelferry wrote --------------------------------------------------------------------------------

SQUARE = ((4.5, 4.5), (40.5, 4.5), (40.5, 30.5), (4.5, 30.5))
HOLE = ((10.5, 10.5), (20.5, 10.5), (20.5, 20.5))
OTHER = ((50.5, 30.5), (60.5, 30.5), (55.5, 44.5))
NODES = (Node("nose", 2.5, 1.5), Node("tail", 40.5, 30.5, Visibility.OCCLUDED))
SOFT = np.array([[0, 255, 7], [128, 1, 0]], np.uint8)


def mask() -> Mask:
    array = np.zeros((HEIGHT, WIDTH), np.bool_)
    array[2:13, 3:23] = True
    return Mask.from_array(array)


def face(start: float) -> tuple[tuple[float, float], ...]:
    """A face of the cuboid, from its top left corner on."""
    return tuple((start + x, start + y) for x, y in ((0, 0), (20, 0), (20, 20), (0, 20)))


DRAWN: dict[str, Any] = {
    "rectangle": Box(1.0, 2.0, 63.0, 46.0),
    "oriented_bbox": RotatedBox(5.0, 6.0, 16.0, 11.0, float(np.degrees(0.5))),
    "polygon": Polygon(((SQUARE, HOLE),)),
    "multipolygon": Polygon(((SQUARE, HOLE), (OTHER,))),
    "line": Polyline(((0.5, 0.5), (7.5, 5.5), (63.5, 47.5))),
    "point": Point(7.5, 5.5),
    "bitmap": mask(),
    "alpha_mask": AlphaMask(HEIGHT, WIDTH, 9, 8, SOFT),
    "graph": Skeleton(NODES),
    "cuboid_2d": Cuboid2D(face(14.0), face(18.0)),
}
"""The labels of `samples`, in continuous pixels."""


def ontology(*, several: bool) -> Ontology:
    """A class for each geometry, or one for all."""
    template = SkeletonTemplate((TemplateNode("nose"), TemplateNode("tail")), (("nose", "tail"),))
    colour = AttributeDef("colour", AttributeKind.RADIO, options=(OptionDef("red"), OptionDef("blue")))
    shapes = {
        "rectangle": Shape.BOX, "oriented_bbox": Shape.ROTATED_BOX, "polygon": Shape.POLYGON,
        "line": Shape.POLYLINE, "point": Shape.POINT, "bitmap": Shape.MASK, "alpha_mask": Shape.ALPHA_MASK,
        "graph": Shape.SKELETON, "cuboid_2d": Shape.CUBOID_2D,
    }  # fmt: skip
    classes = [
        ClassDef(name if several else "thing", shape, attributes=(colour,),
                 skeleton=template if shape is Shape.SKELETON else None)
        for name, shape in shapes.items()
    ]  # fmt: skip
    weather = AttributeDef("weather", AttributeKind.TEXT)
    return Ontology(tuple(classes), (ClassificationDef(weather, whole_row=True),))


def row(*, several: bool) -> LabelRow:
    red = (Answer("colour", AttributeKind.RADIO, Option("red")),)
    drawn = {name: geometry for name, geometry in DRAWN.items() if not several or name != "multipolygon"}
    objects = tuple(
        ObjectInstance(name, name if several else "thing", {0: Occurrence(geometry)}, red)
        for name, geometry in drawn.items()
    )
    ids = [item.id for item in objects]
    return LabelRow(
        "1",
        "a.png",
        media=(Media("a.png", width=WIDTH, height=HEIGHT, sha256="ab" * 32),),
        objects=objects,
        classifications=(Classification("w", Answer("weather", AttributeKind.TEXT, "rain")),),
        groups=(Group("g", (ids[0], ids[2])), Group("h", (ids[1], ids[-1]))),
    )


@pytest.mark.parametrize("several", [True, False], ids=["a class each", "one class"])
async def test_the_sdk_reads_every_geometry_to_the_pixel(sdk: Ask, tmp_path: Path, *, several: bool) -> None:
    given = row(several=several)
    done = await bring(tmp_path / "ours", tasks_from([given]), Plan("run", ontology(several=several)))
    assert (done.rejected, done.packed[0].losses) == ([], ())
    found = sdk("read", folder=str(tmp_path / "ours"))["datasets"]["dataset"]["a.png"]
    assert found["size"] == [HEIGHT, WIDTH]
    assert found["tags"] == [["weather", "rain"]]
    assert [one["tags"] for one in found["labels"]] == [[["colour", "red"]]] * len(given.objects)
    assert [one["kind"] for one in found["labels"]] == [item.id for item in given.objects]
    for one in found["labels"]:
        expected = dict(GEOMETRIES[one["kind"]])
        if one["kind"] == "graph":
            expected = {
                "geometry": {"nodes": {"nose": {"loc": [2, 1]}, "tail": {"loc": [40, 30], "disabled": True}}}
            }
        if one["kind"] == "alpha_mask":
            assert (one["values"], one["origin"]) == (SOFT.tolist(), [9, 8])
            continue
        assert {key: one[key] for key in expected} == expected
    last = len(given.objects) - 1
    assert bound(found["labels"]) == {frozenset({0, 2}), frozenset({1, last})}
    assert found["hash"] == "q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s="


async def test_the_sdk_reads_drawn_rows_and_their_pictures(sdk: Ask, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    rows = []
    for number, drawn in enumerate(drawn_rows(4)):
        height, width = drawn.size_at(0) or (0, 0)
        (photos / f"{number}.png").write_bytes(picture((height, width)))
        media = Media(f"{number}.png", path=f"{number}.png", width=width, height=height)
        rows.append(replace(drawn, title=f"{number}.png", media=(media,)))
    plan = Plan("run", drawn_ontology(), media=MediaMode.COPY)
    done = await bring(tmp_path / "ours", tasks_from(rows), plan, pictures=photos, dataset="day/one")
    assert done.rejected == []
    images = sdk("read", folder=str(tmp_path / "ours"))["datasets"]["day/one"]
    for given, packed in zip(rows, done.packed, strict=True):
        found = images[given.title]
        lost = {loss.object for loss in packed.losses if str(loss.what) == "shape"}
        assert len(found["labels"]) == len(given.objects) - len(lost)
        assert found["picture"]
        pixels = [one["mask"] for one in found["labels"] if one["kind"] == "bitmap"]
        drawn_masks = [item.occurrences[0].geometry for item in given.objects if item.shape is Shape.MASK]
        for runs, geometry in zip(pixels, drawn_masks, strict=True):
            assert isinstance(geometry, Mask)
            assert runs == geometry.toggles.tolist()


# ---- bitmaps ----------------------------------------------------------------------------------------------


def arrays() -> list[np.ndarray[Any, np.dtype[np.uint8]]]:
    random = np.random.default_rng(5)
    found = [np.ones((1, 1), np.uint8), np.ones((9, 8), np.uint8), np.eye(33, 17, dtype=np.uint8)]
    for height, width in ((7, 13), (40, 64), (65, 127), (200, 300)):
        found.append((random.random((height, width)) > 0.7).astype(np.uint8))
        blurred = cv2.GaussianBlur(random.random((height, width)), (9, 9), 0)
        found.append((blurred > 0.5).astype(np.uint8))
    return found


def test_both_read_the_bitmaps_of_the_other_to_the_pixel(sdk: Ask) -> None:
    given = [array for array in arrays() if array.any()]
    texts = [json.loads(bitmap_png.encode(Mask.from_array(array))) for array in given]
    for array, text, rows in zip(
        given, texts, sdk("bitmaps", data=[text["data"] for text in texts]), strict=True
    ):
        x, y = text["origin"]
        crop = np.array(rows, np.uint8)
        whole = np.zeros_like(array)
        whole[y : y + crop.shape[0], x : x + crop.shape[1]] = crop
        assert np.array_equal(whole, array)
    theirs = sdk("encoded", arrays=[array.tolist() for array in given], alpha=False)
    for array, data, text in zip(given, theirs, texts, strict=True):
        said = json.dumps({"origin": [0, 0], "data": data})
        assert bitmap_png.decode(said, *array.shape) == Mask.from_array(array)
        assert len(text["data"]) <= max(1.75 * len(data), len(data) + 40)


def test_the_sdks_alpha_masks_are_read_to_the_value(sdk: Ask) -> None:
    random = np.random.default_rng(6)
    given = [random.integers(0, 256, size, np.uint8) for size in ((1, 1), (7, 13), (40, 64))]
    given[0][0, 0] = 9
    for array, data in zip(
        given, sdk("encoded", arrays=[one.tolist() for one in given], alpha=True), strict=True
    ):
        said = json.dumps({"origin": [0, 0], "data": data})
        assert np.array_equal(bitmap_png.decode_alpha(said, *array.shape).crop, array)
