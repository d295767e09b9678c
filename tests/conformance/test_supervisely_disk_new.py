"""Rows of other places into an export on disk: new images, their pictures, names, classes, and restarts."""

import hashlib
from base64 import b64encode
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.core.geometry import Box, Geometry, Node, Point, Polygon, Shape, Skeleton
from pipeline.core.labels import (
    Answer,
    Classification,
    Group,
    LabelRow,
    Media,
    MediaKind,
    ObjectInstance,
    Occurrence,
    Option,
    Raw,
)
from pipeline.core.losses import LossKind
from pipeline.core.masks import AlphaMask, EncodedMask, Mask
from pipeline.core.ontology import AttributeKind, ClassDef, Ontology
from pipeline.core.rows import LabelTask, MediaMode, Mode, RowKey
from pipeline.errors import UsageError
from pipeline.platforms.supervisely.adapter import connect
from pipeline.platforms.supervisely.disk import DiskTarget
from pipeline.platforms.supervisely.settings import Settings
from pipeline.ports import Plan
from tests.conformance.saying import invented, unsaid
from tests.conformance.supervisely_export import (
    CAR,
    META,
    SIZE,
    annotation,
    bring,
    files_in,
    lay,
    load,
    picture,
    read,
    tasks_from,
    tools,
)

pytestmark = pytest.mark.anyio

MEDIA = Media("a.png", width=SIZE[1], height=SIZE[0])


def drawn(name: str, geometry: Geometry, *answers: Answer) -> ObjectInstance:
    return ObjectInstance(f"object-{name}", name, {0: Occurrence(geometry)}, answers)


def row_of(*objects: ObjectInstance, title: str = "a.png", key: str = "1", **more: Any) -> LabelRow:  # noqa: ANN401
    return LabelRow(key, title, objects=objects, **{"media": (MEDIA,), **more})


CAR_BOX = drawn("car", Box(1.0, 2.0, 20.0, 29.0))


# ---- classes ----------------------------------------------------------------------------------------------


async def test_rows_whose_source_tells_no_classes_bring_their_own(tmp_path: Path) -> None:
    square = ((1.5, 1.5), (9.5, 1.5), (9.5, 9.5))
    other = tuple((x + 20, y) for x, y in square)
    soft = AlphaMask(*SIZE, 3, 2, np.arange(12, dtype=np.uint8).reshape(3, 4))
    colour = Answer("colour", AttributeKind.RADIO, Option("red"))
    first = row_of(
        drawn("mask", Mask.from_array(np.eye(*SIZE) > 0)),
        drawn("parts", Polygon(((square,), (other,))), colour),
        drawn("soft", soft),
        drawn("pose", Skeleton((Node("nose", 3.0, 4.0), Node("tail", 9.0, 9.0)))),
        classifications=(Classification("c", Answer("weather", AttributeKind.TEXT, "rain")),),
        groups=(Group("g", ("object-mask", "object-parts")),),
    )
    second = row_of(
        drawn("mask", Box(1.0, 1.0, 4.0, 4.0)),
        drawn("parts", Point(2.0, 3.0), replace(colour, value=Option("blue"))),
        title="b.png",
        key="2",
    )
    folder = tmp_path / "export"
    done = await bring(folder, tasks_from([first, second]), keyed=False)
    assert (done.rejected, [row.losses for row in done.packed]) == ([], [(), ()])
    for row, back in zip((first, second), await read(folder), strict=True):
        assert unsaid(row, back, row_details=False) == []
        assert invented(row, back) == 0
    kinds = [one["geometryType"] for one in load(folder, "dataset/ann/a.png.json")["objects"]]
    assert kinds == ["bitmap", "multipolygon", "alpha_mask", "graph"]
    meta = load(folder, "meta.json")
    assert {item["title"]: item["shape"] for item in meta["classes"]} == dict.fromkeys(
        ("mask", "parts", "soft", "pose"), "any"
    )
    assert {item["name"]: item.get("values") for item in meta["tags"]} == {
        "colour": ["red", "blue"], "weather": None,
    }  # fmt: skip


async def test_classes_are_added_to_those_that_are_there(tmp_path: Path) -> None:
    folder = lay(tmp_path / "export", {"d/ann/x.png.json": annotation(CAR)})
    wanted = Ontology((ClassDef("car", Shape.BOX), ClassDef("lorry", Shape.BOX)))
    done = await bring(folder, tasks_from([row_of(CAR_BOX)]), Plan("run", wanted))
    assert done.rejected == []
    meta = load(folder, "meta.json")
    assert meta["classes"][:3] == META["classes"]
    assert [item["title"] for item in meta["classes"][3:]] == ["lorry"]
    assert load(folder, "d/ann/x.png.json") == annotation(CAR)
    assert "d/ann/a.png.json" in files_in(folder), "the only dataset takes new images"


async def test_a_class_of_another_shape_is_found_before_any_write(tmp_path: Path) -> None:
    folder = lay(tmp_path / "export", {"d/ann/x.png.json": annotation(CAR)})
    wanted = Ontology((ClassDef("car", Shape.POLYGON),))
    with pytest.raises(
        UsageError, match=r"cannot take these classes:\nclass 'car' is there with shape rectangle"
    ):
        await bring(folder, [], Plan("run", wanted))
    assert files_in(folder) == ["d/ann/x.png.json", "meta.json"]
    done = await bring(folder, tasks_from([row_of(drawn("car", Point(1.0, 1.0)))]))
    assert [one.stage for one in done.rejected] == ["pack"]
    assert "class 'car'" in done.rejected[0].reason


# ---- what is there ----------------------------------------------------------------------------------------


async def test_a_row_finds_its_image_by_its_name(tmp_path: Path) -> None:
    files = {"d/img/a.jpg": picture(ending=".jpg"), "d/ann/a.json": annotation(CAR, own=[1])}
    folder = lay(tmp_path / "export", files)
    done = await bring(folder, tasks_from([row_of(CAR_BOX, title="a.jpg")]), Plan("run", mode=Mode.REPLACE))
    assert done.rejected == []
    assert files_in(folder) == ["d/ann/a.json", "d/img/a.jpg", "meta.json"]
    found = load(folder, "d/ann/a.json")
    assert found["own"] == [1]
    assert [one["points"]["exterior"] for one in found["objects"]] == [[[1, 2], [20, 30]]]


async def test_labels_are_added_to_those_that_are_there(tmp_path: Path) -> None:
    folder = lay(tmp_path / "export", {"d/ann/a.png.json": annotation(CAR)})
    new = drawn("car", Box(30.0, 2.0, 5.0, 5.0))
    for _ in range(2):
        done = await bring(folder, tasks_from([row_of(new)]), Plan("run", mode=Mode.APPEND), append=True)
        assert done.rejected == []
        found = load(folder, "d/ann/a.png.json")["objects"]
        assert len(found) == 2
        assert found[0] == CAR
    assert done.packed[0].unchanged


async def test_two_rows_never_become_one_image(tmp_path: Path) -> None:
    rows = [row_of(CAR_BOX, key="1"), row_of(CAR_BOX, key="2")]
    for keyed in (True, False):
        done = await bring(tmp_path / f"{keyed}", tasks_from(rows), keyed=keyed)
        assert {one.stage for one in done.rejected} == {"match"}
    paths = {"1": "x/a.png", "2": "y/a.png"}
    done = await bring(tmp_path / "paths", tasks_from(rows, paths), by="path")
    assert done.rejected == []
    assert files_in(tmp_path / "paths") == ["meta.json", "x/ann/a.png.json", "y/ann/a.png.json"]
    done = await bring(tmp_path / "one", tasks_from(rows, paths), by="path", dataset="all")
    (twice,) = done.rejected
    assert twice.reason.startswith("row 'a.png': it would be all/a.png, as would row '1'; rename one, or set")


async def test_rows_that_share_a_name_in_their_datasets_are_kept_apart_by_their_ids(tmp_path: Path) -> None:
    raws = [Raw("supervisely", {"dataset": name}) for name in ("day", "night", "night")]
    rows = [row_of(CAR_BOX, key=str(at), raw=raw) for at, raw in enumerate(raws)]
    done = await bring(tmp_path / "export", tasks_from(rows), by="external_id")
    assert [one.key.key for one in done.rejected] == ["2"]
    assert files_in(tmp_path / "export") == ["day/ann/a.png.json", "meta.json", "night/ann/a.png.json"]


@pytest.mark.parametrize(
    ("title", "path", "dataset", "found"),
    [
        ("a.png", None, None, "dataset/ann/a.png.json"),
        ("a.png", None, "one/two", "one/datasets/two/ann/a.png.json"),
        ("a.png", "one/two/a.png", None, "one/datasets/two/ann/a.png.json"),
        ("one/a.png", "one/a.png", None, "one/ann/a.png.json"),
        ("one/a.png", None, None, "one/ann/a.png.json"),
        ("a.png", "https://host.example/one/a.png", None, "dataset/ann/a.png.json"),
        ("a.png", "../a.png", None, "dataset/ann/a.png.json"),
        ("a.png", "/etc/a.png", None, "dataset/ann/a.png.json"),
        ("a.png", "img/a.png", None, "dataset/ann/a.png.json"),
        ("no ending", None, None, "dataset/ann/no ending.json"),
    ],
)
async def test_a_new_image_has_its_place(
    title: str, path: str | None, dataset: str | None, found: str, tmp_path: Path
) -> None:
    row = row_of(CAR_BOX, title=title)
    tasks = tasks_from([row], {"1": path} if path else {})
    done = await bring(tmp_path / "export", tasks, dataset=dataset)
    assert done.rejected == []
    assert files_in(tmp_path / "export") == sorted([found, "meta.json"])


@pytest.mark.parametrize(
    ("title", "dataset"),
    [
        ("..", None), (".hidden.png", None), ("a\0.png", None), ("a\\b.png", None), ("x" * 240, None),
        ("a.png", "img"), ("a.png", "one/datasets"), ("a.png", "../up"), ("../a.png", None),
    ],
)  # fmt: skip
async def test_a_name_that_no_file_may_have_rejects_its_row(
    title: str, dataset: str | None, tmp_path: Path
) -> None:
    done = await bring(tmp_path / "export", tasks_from([row_of(CAR_BOX, title=title)]), dataset=dataset)
    assert [one.stage for one in done.rejected] == ["open"]
    assert "rename it" in done.rejected[0].reason
    assert files_in(tmp_path) == ["export/meta.json"]


async def test_what_an_export_cannot_hold_is_named(tmp_path: Path) -> None:
    frames = row_of(CAR_BOX, media_kind=MediaKind.VIDEO, frame_count=3)
    done = await bring(tmp_path / "a", tasks_from([frames]))
    assert LossKind.FRAMES in {loss.what for loss in done.packed[0].losses}
    done = await bring(tmp_path / "b", tasks_from([row_of(CAR_BOX, media=(Media("a.png"),))]))
    assert "nobody says how large its image is" in done.rejected[0].reason


async def test_a_mask_that_came_broken_rejects_its_row_alone(tmp_path: Path) -> None:
    broken = drawn("blob", EncodedMask(*SIZE, "bitmap_png", "broken!"))
    rows = [row_of(broken), row_of(CAR_BOX, key="2", title="b.png")]
    done = await bring(tmp_path / "a", tasks_from(rows), keyed=False)
    assert [row.key.key for row in done.packed] == ["2"]
    assert "a bitmap is no JSON" in done.rejected[0].reason


async def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "photo.jpg").write_bytes(b"")
    with pytest.raises(UsageError, match=r"has files and is no export of a project: it has no meta.json"):
        await bring(folder, tasks_from([row_of(CAR_BOX)]))
    with pytest.raises(UsageError, match=r"no export of a project"):
        await bring(tmp_path / "none", [], Plan("run", mode=Mode.EDIT))
    with pytest.raises(UsageError, match="is a file; an export is a folder"):
        await bring(folder / "photo.jpg", [])
    assert files_in(tmp_path / "export") == ["photo.jpg"]


@pytest.mark.parametrize("name", ["photo.jpg", "album"])
async def test_doctor_refuses_the_folder_that_a_run_would_refuse(name: str, tmp_path: Path) -> None:
    (tmp_path / "album").mkdir()
    for path in (tmp_path / "photo.jpg", tmp_path / "album" / "a.jpg"):
        path.write_bytes(b"")
    settings = Settings.model_validate({"folder": tmp_path / name})
    async with connect(settings, tools(tmp_path / "scratch")) as adapter:
        checks = [check async for check in adapter.checks()]
        target = adapter.target()
        assert isinstance(target, DiskTarget)
        with pytest.raises(UsageError, match=r"is a file|has files and is no export"):
            await target.additions(None)
    assert [check.ok for check in checks] == [name == "album"]
    wanted = "is a file; an export is a folder" if name == "photo.jpg" else "is there"
    assert checks[0].message == f"{tmp_path / name} {wanted}"


async def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    plan = Plan("run", Ontology((ClassDef("car", Shape.BOX),)), dry_run=True, media=MediaMode.COPY)
    done = await bring(tmp_path / "export", tasks_from([row_of(CAR_BOX)]), plan)
    assert [row.unchanged for row in done.packed] == [False]
    assert not (tmp_path / "export").exists()


# ---- metadata and pictures --------------------------------------------------------------------------------


async def test_metadata_are_kept_beside_the_annotation(tmp_path: Path) -> None:
    folder = tmp_path / "export"
    row = row_of(CAR_BOX, metadata={"camera": 3})
    done = await bring(folder, tasks_from([row]))
    assert done.packed[0].notes == ()
    assert [one.metadata for one in await read(folder)] == [{"camera": 3}]
    plan = Plan("next", mode=Mode.REPLACE)
    assert (await bring(folder, tasks_from([row]), plan)).packed[0].unchanged
    await bring(folder, tasks_from([replace(row, metadata={"camera": 4})]), plan)
    assert [one.metadata for one in await read(folder)] == [{"camera": 4}]
    await bring(folder, tasks_from([replace(row, metadata={})]), plan)
    assert [one.metadata for one in await read(folder)] == [{"camera": 4}]


async def test_pictures_are_copied_and_tell_the_size(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "a.png").write_bytes(picture())
    (photos / "b.png").write_bytes(picture((10, 12)))
    rows = [
        row_of(CAR_BOX, media=(Media("a.png", path="a.png"),)),
        row_of(title="b.png", key="2", media=(Media("b.png", path="b.png"),)),
        row_of(title="c.png", key="3", media=(Media("c.png", path="c.png"),)),
        row_of(title="d", key="4", media=(Media("d", path="a.png"),)),
    ]
    folder = tmp_path / "export"
    done = await bring(folder, tasks_from(rows), Plan("run", media=MediaMode.COPY), pictures=photos)
    assert [one.key.key for one in done.rejected] == ["3", "4"]
    assert "c.png" in done.rejected[0].reason
    assert "does not end as a picture does" in done.rejected[1].reason
    assert files_in(folder) == [
        "dataset/ann/a.png.json", "dataset/ann/b.png.json", "dataset/img/a.png", "dataset/img/b.png",
        "meta.json",
    ]  # fmt: skip
    assert (folder / "dataset/img/a.png").read_bytes() == picture()
    assert [row.size_at(0) for row in await read(folder)] == [SIZE, (10, 12)]


@pytest.mark.parametrize("ending", [".png", ".jpg", ".webp", ".tiff"])
async def test_a_picture_that_is_none_rejects_its_row(ending: str, tmp_path: Path) -> None:
    name = f"a{ending}"
    photos = lay(tmp_path / "photos", {name: b"<html>"})
    row = row_of(CAR_BOX, title=name, media=(replace(MEDIA, path=name),))
    folder = tmp_path / "export"
    done = await bring(folder, tasks_from([row]), Plan("run", media=MediaMode.COPY), pictures=photos)
    [problem] = done.rejected
    assert (
        f"its picture {name} cannot be read: found no size in it, expected a whole picture" in problem.reason
    )
    assert files_in(folder) == ["meta.json"]


async def test_a_rejected_row_leaves_no_picture(tmp_path: Path) -> None:
    photos = lay(tmp_path / "photos", {"a.png": picture()})
    folder = lay(tmp_path / "export", {})
    row = row_of(drawn("car", Point(1.0, 1.0)), media=(Media("a.png", path="a.png"),))
    done = await bring(folder, tasks_from([row]), Plan("run", media=MediaMode.COPY), pictures=photos)
    assert [one.stage for one in done.rejected] == ["pack"]
    assert files_in(folder) == ["meta.json"]


async def test_a_picture_that_is_missing_is_added_to_labels_that_are_there(tmp_path: Path) -> None:
    photos = lay(tmp_path / "photos", {"a.png": picture()})
    folder = tmp_path / "export"
    row = row_of(CAR_BOX, media=(replace(MEDIA, path="a.png"),))
    await bring(folder, tasks_from([row]))
    plan = Plan("next", media=MediaMode.COPY, mode=Mode.REPLACE)
    for expected in (False, True):
        done = await bring(folder, tasks_from([row]), plan, pictures=photos)
        assert [one.unchanged for one in done.packed] == [expected]
        assert (folder / "dataset/img/a.png").read_bytes() == picture()


async def test_links_and_hashes_are_kept_beside_the_annotation(tmp_path: Path) -> None:
    digest = hashlib.sha256(b"x").hexdigest()
    link = "https://host.example/a.png"
    row = row_of(CAR_BOX, media=(replace(MEDIA, url=link, sha256=digest),))
    for mode in (MediaMode.LINK, MediaMode.MATCH):
        folder = tmp_path / mode
        await bring(folder, tasks_from([row]), Plan("run", media=mode))
        info = load(folder, "dataset/img_info/a.png.json")
        assert info["hash"] == b64encode(bytes.fromhex(digest)).decode()
        # A URL may be signed: it is written only where the job says so.
        assert info["link"] == (link if mode is MediaMode.LINK else None)
        [back] = await read(folder)
        assert (back.media[0].sha256, back.media[0].url) == (digest, info["link"])
    nowhere = await bring(tmp_path / "none", tasks_from([row_of(CAR_BOX)]), Plan("run", media=MediaMode.LINK))
    assert "gives no URL of its picture; use `media: copy`" in nowhere.rejected[0].reason


# ---- restarts ---------------------------------------------------------------------------------------------


async def test_a_run_that_was_killed_goes_on(tmp_path: Path) -> None:
    rows = [row_of(CAR_BOX, title=f"{n}.png", key=str(n)) for n in range(5)]
    folder = tmp_path / "export"
    # As if a row had been written, and another one half, when the process was killed.
    await bring(folder, tasks_from(rows[:1]))
    (folder / "dataset/ann/.1.png.json.unfinished").write_bytes(b'{"desc')
    assert [row.title for row in await read(folder)] == ["0.png"]
    done = await bring(folder, tasks_from(rows))
    assert [row.unchanged for row in done.packed] == [True, False, False, False, False]
    assert files_in(folder) == sorted(["meta.json", *(f"dataset/ann/{n}.png.json" for n in range(5))])
    assert len(await read(folder)) == 5


async def test_a_row_of_which_nothing_is_known_in_the_export_cannot_be_edited(tmp_path: Path) -> None:
    folder = lay(tmp_path / "export", {"d/ann/a.png.json": annotation(CAR)})
    task = LabelTask(RowKey("d/b.png", 0, "b.png", external_id="d/b.png"), None)
    done = await bring(folder, [task], Plan("run", mode=Mode.EDIT))
    assert [one.stage for one in done.rejected] == ["match"]
