"""What a job may create in Segments.ai: datasets by the source's classes, and samples with their pictures."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from pipeline import Job, run
from pipeline.core.geometry import Cuboid, Shape
from pipeline.core.labels import Group, LabelRow, Media, MediaKind, ObjectInstance, Occurrence
from pipeline.core.ontology import AttributeDef, AttributeKind, ClassDef, Ontology
from pipeline.core.rows import Bundle, MediaMode
from pipeline.errors import BundleRefused, Stopped, UsageError
from pipeline.platforms.archive.ontology import write_ontology
from pipeline.platforms.segments.client import Client
from pipeline.platforms.segments.wire import Json, Sample
from pipeline.ports import Plan
from pipeline.sandbox.pictures import black_png
from pipeline.wiring import RunOptions
from tests.conformance.opening import listed, placed, tasks_for
from tests.conformance.segments_project import boxes, local, masks, packed

pytestmark = pytest.mark.anyio

LINK = Plan("run", media=MediaMode.LINK)


def linked(number: int) -> LabelRow:
    """A row whose picture is on another host."""
    row = boxes(f"{number}.png", 1)
    media = replace(row.media[0], url=f"https://pictures.example/{number}.png")
    return replace(row, media=(media,), metadata={"asset": number}, priority=number)


ROWS = [linked(number) for number in range(12)]
NEW: dict[str, Any] = {"dataset": "sandbox/new", "create": True}


async def archive(folder: Path, rows: Sequence[LabelRow]) -> dict[str, str]:
    """Write an archive, and return it as the source of a job."""
    parts = {"target": {"platform": "archive", "path": str(folder)}, "journal": f"sqlite:///{folder}.db"}
    assert (await run(Job.from_mapping({"name": folder.name, "source": rows, **parts}))).exit_code == 0
    return {"platform": "archive", "path": str(folder)}


def coco(folder: Path, count: int = 3) -> dict[str, str]:
    """Write a COCO file of boxes with its pictures beside it, and return it as the source of a job."""
    numbers = range(1, count + 1)
    (folder / "pictures").mkdir()
    for number in numbers:
        (folder / "pictures" / f"{number}.png").write_bytes(black_png(40, 50 + number))
    content = {
        "images": [{"id": n, "file_name": f"{n}.png", "width": 50 + n, "height": 40} for n in numbers],
        "annotations": [
            {"id": n, "image_id": n, "category_id": 5, "bbox": [1, 2, 30, 20], "area": 600, "iscrowd": 0}
            for n in numbers
        ],
        "categories": [{"id": 5, "name": "car"}],
    }
    path = folder / "instances.json"
    path.write_text(json.dumps(content))
    return {"platform": "coco", "annotations": str(path), "folder": str(folder / "pictures")}


def url_of(row: Json) -> str:
    return str(row["attributes"]["image"]["url"])


# ---- samples ------------------------------------------------------------------------------------------


async def test_samples_that_are_not_there_are_made_of_the_urls_of_their_pictures(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS[:2]) as server:
        report = await server.run(ROWS, media="link")
        rows, log = await server.rows(), await server.log()
        again = await server.run(ROWS, media="link", mode="replace")
        assert await server.counts() == {row.title: 1 for row in ROWS}
        assert (await server.log())["rows"] == log["rows"]
    assert report.rows == {"saved": 12}
    assert again.rows == {"unchanged": 12}
    assert log["rows"] == {"create": 10, "save": 12}
    assert "assets.POST" not in log["kinds"]
    assert rows["7.png"]["attributes"] == {"image": {"url": "https://pictures.example/7.png"}}
    assert (rows["7.png"]["metadata"], rows["7.png"]["priority"]) == ({"asset": 7}, 7)


async def test_pictures_of_a_folder_are_copied_byte_for_byte(tmp_path: Path) -> None:
    async with local(tmp_path, []) as server:
        await server.ask("DELETE", "/datasets/sandbox/dataset/")
        source = coco(tmp_path)
        report = await server.run(source, media="copy", target={"create": True})
        rows, log = await server.rows(), await server.log()
        pictures = {name: await server.fetch(url_of(row)) for name, row in rows.items()}
        assert await server.counts() == {"1.png": 1, "2.png": 1, "3.png": 1}
    assert report.rows == {"saved": 3}
    assert pictures == {f"{n}.png": black_png(40, 50 + n) for n in (1, 2, 3)}
    assert log["rows"] == {"asset": 3, "create": 3, "save": 3}


async def test_a_dataset_that_is_created_has_the_attribute_that_holds_groups(tmp_path: Path) -> None:
    bound = [replace(row, groups=(Group("62245779", (f"{row.title}-0",)),)) for row in ROWS[:2]]
    held = AttributeDef("side", AttributeKind.NUMBER)
    async with local(tmp_path, []) as server:
        source = await archive(tmp_path / "rows", bound)
        ontology = Ontology((ClassDef("car", Shape.BOX), ClassDef("man", Shape.BOX, attributes=(held,))))
        (tmp_path / "rows" / "ontology.json").write_bytes(write_ontology(ontology))
        for name, losses in (("group", 0), ("side", 0), (None, 2)):
            target = {**NEW, "dataset": f"sandbox/{name}"} | ({"group_attribute": name} if name else {})
            report = await server.run(source, media="link", target=target, name=str(name))
            assert report.losses["group"] == losses
            made = await server.ask("GET", f"/datasets/sandbox/{name}/")
            classes = made["task_attributes"]["categories"]
            asked = [
                [(one["name"], one["input_type"]) for one in item.get("attributes") or ()] for item in classes
            ]
            man = [("side", "number")]
            assert asked == [
                [(name, "text")] if name else [],
                man if name != "group" else [*man, ("group", "text")],
            ]
            if name:
                labels = (await server.labels(dataset=f"sandbox/{name}")).values()
                said = [one["attributes"] for label in labels for one in label["attributes"]["annotations"]]
                assert said == [{name: "62245779"}] * 2


async def test_pictures_of_another_dataset_are_linked_or_copied(tmp_path: Path) -> None:
    rows = [masks(f"{number}.png", 2) for number in range(3)]
    async with local(tmp_path, rows, shape=Shape.MASK) as server:
        await server.run(rows)
        source = {"platform": "segments", "dataset": "sandbox/dataset", "url": server.running.url}
        for media in ("link", "copy"):
            target = {"dataset": f"sandbox/{media}", "create": True}
            report = await server.run(source, media=media, target=target, name=media)
            assert report.rows == {"saved": 3}
        old, linked, copied = [await server.rows(f"sandbox/{name}") for name in ("dataset", "link", "copy")]
        counts = [await server.counts(dataset=f"sandbox/{name}") for name in ("dataset", "link", "copy")]
        assert await server.fetch(url_of(old["1.png"])) == await server.fetch(url_of(copied["1.png"]))
        log = await server.log()
    assert counts == [{"0.png": 2, "1.png": 2, "2.png": 2}] * 3
    assert url_of(old["1.png"]) == url_of(linked["1.png"]) != url_of(copied["1.png"])
    # Three bitmaps of the first job, which stay, and three pictures.
    assert log["rows"]["asset"] == 6


async def test_pictures_of_an_archive_are_copied_from_their_urls(tmp_path: Path) -> None:
    async with local(tmp_path, [boxes("seed.png")]) as server:
        there = url_of((await server.rows())["seed.png"])
        rows = [replace(boxes(f"{n}.png", 1), media=(Media("a.png", url=there),)) for n in range(3)]
        source = await archive(tmp_path / "archive", rows)
        report = await server.run(source, media="copy")
        found = await server.rows()
        assert await server.fetch(url_of(found["2.png"])) == black_png(48, 64)
    assert report.rows == {"saved": 3}
    assert len({url_of(row) for row in found.values()}) == 4


async def test_a_picture_that_cannot_be_had_rejects_its_row_and_the_others_are_made(tmp_path: Path) -> None:
    bare = [
        replace(row, media=(Media(width=64, height=48),)) if n == 3 else row for n, row in enumerate(ROWS)
    ]
    (tmp_path / "5.png").write_bytes(b"bytes")
    files = [replace(boxes(f"c{n}.png"), media=(Media(path=str(tmp_path / f"{n}.png")),)) for n in (4, 5)]
    async with local(tmp_path, []) as server:
        report = await server.run(bare, media="link")
        assert report.rows == {"saved": 11, "rejected": 1}
        assert "row '3.png': the source gives no URL of its picture" in report.rejects[0]["reason"]
        copied = await server.run(
            [replace(row, title=f"c{row.title}") for row in files], media="copy", name="c"
        )
        assert copied.rows == {"saved": 1, "rejected": 1}
        assert "cannot be read" in copied.rejects[0]["reason"]
        assert len(await server.rows()) == 12


async def test_a_sample_that_the_server_refuses_rejects_its_row_and_the_others_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Client.add_samples

    async def picky(self: Client, samples: Sequence[Json]) -> list[Sample]:
        if any(sample["name"] == "5.png" for sample in samples):
            raise BundleRefused("Segments.ai answered 400: one of them is wrong")
        return await whole(self, samples)

    monkeypatch.setattr(Client, "add_samples", picky)
    async with local(tmp_path, []) as server:
        report = await server.run(ROWS, media="link")
        assert set(await server.counts()) == {row.title for row in ROWS} - {"5.png"}
    assert report.rows == {"saved": 11, "rejected": 1}
    assert "one of them is wrong" in report.rejects[0]["reason"]


async def test_a_server_that_makes_few_samples_at_once_is_given_few(tmp_path: Path) -> None:
    async with local(tmp_path, []) as server:
        await server.faults(max_rows=2)
        report = await server.run(ROWS, media="link")
        log = await server.log()
    assert report.rows == {"saved": 12}
    assert log["rows"]["create"] == 12
    assert log["statuses"]["413"] > 0


@pytest.mark.parametrize("fault", ["drop_after", "fail_after"])
async def test_samples_whose_answer_is_lost_are_made_once(tmp_path: Path, fault: str) -> None:
    async with local(tmp_path, []) as server, server.adapter() as adapter:
        await server.faults(seed=1, **{fault: 0.5}, kinds=["samples_bulk.POST"])
        for start in range(0, 12, 3):
            report = await adapter.target().save(
                Bundle.of(await packed(adapter.target(), ROWS[start : start + 3], LINK))
            )
            assert len(report.saved) == 3
        log = await server.log()
        assert await server.counts() == {row.title: 1 for row in ROWS}
    assert log["rows"] == {"create": 12, "save": 12}
    assert log["kinds"]["samples_bulk.POST"] > 4


async def test_samples_that_a_run_made_before_it_died_are_found_by_the_next(tmp_path: Path) -> None:
    async with local(tmp_path, []) as server:
        async with server.adapter() as adapter:
            await packed(adapter.target(), ROWS, LINK)
        async with server.adapter() as adapter:
            report = await adapter.target().save(Bundle.of(await packed(adapter.target(), ROWS, LINK)))
        log = await server.log()
    assert len(report.saved) == 12
    assert log["rows"] == {"create": 12, "save": 12}
    assert log["kinds"]["samples_bulk.POST"] == 1


async def test_a_video_is_no_sample_and_its_frames_are(tmp_path: Path) -> None:
    moving = replace(
        boxes("v", 1), media_kind=MediaKind.VIDEO, media=(Media("v.mp4", url="https://v.example/v.mp4"),)
    )
    frames = tuple(Media(f"{n}.png", url=f"https://v.example/{n}.png", width=64, height=48) for n in range(3))
    group = replace(boxes("g", 1), media_kind=MediaKind.IMAGE_GROUP, media=frames, frame_count=3)
    async with local(tmp_path, [], task_type="image-vector-sequence") as server:
        report = await server.run([replace(moving, frame_count=30), group], media="link")
        rows = await server.rows()
    assert report.rows == {"saved": 1, "rejected": 1}
    assert "split it into its frames" in report.rejects[0]["reason"]
    assert [frame["name"] for frame in rows["g"]["attributes"]["frames"]] == ["0.png", "1.png", "2.png"]


# ---- datasets -----------------------------------------------------------------------------------------


def cuboid(title: str) -> LabelRow:
    shape = Cuboid((1.0, 2.0, 0.0), (4.0, 2.0, 1.5), (0.0, 0.0, 0.0, 1.0))
    cloud = Media(f"{title}.pcd", url=f"https://clouds.example/{title}.pcd")
    item = ObjectInstance("1", "car", {0: Occurrence(shape)})
    return LabelRow(title, title, MediaKind.POINT_CLOUD, (cloud,), objects=(item,))


def pictured(row: LabelRow) -> LabelRow:
    return replace(row, media=(replace(row.media[0], url=f"https://pictures.example/{row.title}"),))


@pytest.mark.parametrize(
    ("rows", "task_type"),
    [
        ([linked(1)], "bboxes"),
        ([pictured(masks("a.png", 2))], "segmentation-bitmap"),
        ([cuboid("a")], "pointcloud-cuboid"),
    ],
)
async def test_a_new_dataset_has_the_type_that_holds_the_classes(
    tmp_path: Path, rows: list[LabelRow], task_type: str
) -> None:
    async with local(tmp_path, []) as server:
        report = await server.run(await archive(tmp_path / "archive", rows), media="link", target=NEW)
        found = await server.ask("GET", "/datasets/sandbox/new/")
        counts = await server.counts(dataset="sandbox/new")
    assert report.rows == {"saved": 1}
    assert found["task_type"] == task_type
    assert found["public"] is False
    assert [one["name"] for one in found["task_attributes"]["categories"]] == ["car"]
    assert counts == {rows[0].title: rows[0].label_count}


async def test_the_job_may_say_the_type_of_a_new_dataset_and_its_labelset(tmp_path: Path) -> None:
    async with local(tmp_path, []) as server:
        source = await archive(tmp_path / "archive", ROWS)
        target = {**NEW, "task_type": "vector", "labelset": "model"}
        report = await server.run(source, media="link", target=target)
        again = await server.run(source, media="link", target=target, mode="replace")
        found = await server.ask("GET", "/datasets/sandbox/new/")
        log = await server.log()
        assert await server.counts("model", "sandbox/new") == {row.title: 1 for row in ROWS}
    assert (report.rows, again.rows) == ({"saved": 12}, {"unchanged": 12})
    assert found["task_type"] == "vector"
    assert [one["name"] for one in found["labelsets"]] == ["ground-truth", "model"]
    assert (log["kinds"]["datasets.POST"], log["kinds"]["labelsets.POST"]) == (1, 1)


async def test_a_dataset_of_an_organisation_is_made_there(tmp_path: Path) -> None:
    async with local(tmp_path, []) as server:
        source = await archive(tmp_path / "archive", ROWS)
        await server.run(source, media="link", target={"dataset": "our-team/new", "create": True})
        assert len(await server.counts(dataset="our-team/new")) == 12


async def test_two_jobs_at_once_make_one_dataset(tmp_path: Path) -> None:
    async with local(tmp_path, [], latency=0.05) as server:
        source = await archive(tmp_path / "archive", ROWS)
        ended: list[Any] = []

        async def job(name: str, titles: list[str]) -> None:
            where = f"sqlite:///{tmp_path}/{name}.db"
            some = {"titles": titles}
            ended.append(
                await server.run(source, name=name, media="link", target=NEW, rows=some, journal=where)
            )

        async with anyio.create_task_group() as group:
            group.start_soon(job, "one", [row.title for row in ROWS[:6]])
            group.start_soon(job, "two", [row.title for row in ROWS[6:]])
        log = await server.log()
        assert await server.counts(dataset="sandbox/new") == {row.title: 1 for row in ROWS}
    assert [report.rows for report in ended] == [{"saved": 6}] * 2
    assert log["kinds"]["datasets.POST"] == 2
    assert log["rows"]["create"] == 12


@pytest.mark.parametrize("fault", [{"drop_after": 0.5}, {"fail_after": 0.5}])
async def test_a_dataset_whose_answer_is_lost_is_made_once(tmp_path: Path, fault: dict[str, Any]) -> None:
    async with local(tmp_path, []) as server:
        source = await archive(tmp_path / "archive", ROWS)
        await server.faults(seed=1, **fault, kinds=["datasets.POST", "labelsets.POST"])
        report = await server.run(source, media="link", target={**NEW, "labelset": "model"})
        assert len(await server.counts("model", "sandbox/new")) == 12
        kinds = (await server.log())["kinds"]
    assert report.rows == {"saved": 12}
    assert kinds["datasets.POST"] + kinds["labelsets.POST"] > 2


async def test_a_dry_run_makes_nothing_and_says_what_would_be(tmp_path: Path) -> None:
    dry = RunOptions(dry_run=True)
    async with local(tmp_path, []) as server:
        source = await archive(tmp_path / "archive", ROWS)
        linking = await server.run(source, dry, media="link", target={**NEW, "labelset": "model"})
        copying = await server.run(coco(tmp_path), dry, media="copy", target=NEW, name="copying")
        there = await server.run(source, dry, media="link", target={"labelset": "model"}, name="there")
        kinds = (await server.log())["kinds"]
    assert linking.rows == there.rows == {"would-save": 12}
    assert copying.rows == {"would-save": 3}
    assert set(kinds) == {"datasets.GET", "samples.GET"}


async def test_nothing_is_made_for_a_job_that_turns_out_to_be_wrong(tmp_path: Path) -> None:
    async with local(tmp_path, []) as server:
        source = await archive(tmp_path / "archive", [linked(1), pictured(masks("a.png", 2))])
        with pytest.raises(UsageError, match="nothing was written"):
            await server.run(source, media="link", target={**NEW, "task_type": "bboxes"})
        unmatched = await server.run(await archive(tmp_path / "some", ROWS), target=NEW, name="unmatched")
        with pytest.raises(UsageError, match="'boxes'"):
            await server.run(source, media="link", target={**NEW, "task_type": "boxes"}, name="boxes")
        with pytest.raises(UsageError, match="does not tell its classes"):
            await server.run(ROWS, media="link", target=NEW, name="python")
        kinds = (await server.log())["kinds"]
    assert unmatched.rows == {"rejected": 12}
    assert set(kinds) == {"datasets.GET"}


async def test_a_dataset_that_the_service_will_not_make_ends_the_run(tmp_path: Path) -> None:
    async with local(tmp_path, []) as server, server.adapter(**NEW) as adapter:
        source = await archive(tmp_path / "archive", ROWS)
        await server.faults(fail_before=1.0, fail_status=400, kinds=["datasets.POST"])
        with pytest.raises(UsageError, match="sandbox/new: the dataset or its labelset was not created"):
            await server.run(source, media="link", target=NEW)
        await server.faults(drop_before=1.0, kinds=["datasets.POST"])
        target, tasks = adapter.target(), tasks_for(ROWS[:1])
        plan = replace(LINK, ontology=Ontology((ClassDef("car", Shape.BOX),)))
        places = await placed(await target.prepare(plan, listed(ROWS[:1])), tasks)
        with pytest.raises(Stopped, match="could not be created"):
            await target.open(tasks, places)
        await server.faults()
        assert len(await target.open(tasks, places)) == 1
