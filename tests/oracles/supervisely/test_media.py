"""Images that labelferry brings are those that the vendor's SDK lists and downloads."""

import hashlib
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.core.labels import LabelRow, Media
from tests.oracles.jobs import archive, ferried, tried
from tests.oracles.supervisely.jobs import project
from tests.oracles.supervisely.rows import GEOMETRIES, labelled, row
from tests.oracles.supervisely.samples import HEIGHT, META, WIDTH
from tests.oracles.supervisely.served import WORKSPACE, Json, Sdk, Served, needs_sdk, pictures, served

pytestmark = [pytest.mark.anyio, needs_sdk]


def photos(folder: Path, *names: str) -> dict[str, str]:
    """Write pictures of the usual size, all different but for the last, which is the first one again."""
    made: dict[str, str] = {}
    for number, name in enumerate(names):
        shade = 0 if number == len(names) - 1 else 20 * number
        cv2.imwrite(str(folder / name), np.full((HEIGHT, WIDTH, 3), shade, np.uint8))
        made[name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    return made


async def downloaded(server: Served, dataset: int, folder: Path) -> dict[str, str]:
    """Download all images of a dataset with the SDK, and return the SHA-256 of each by name."""
    listed: list[Json] = await server.sdk("images", dataset=dataset)
    ids = [one["id"] for one in listed]
    found = await server.sdk("downloaded", dataset=dataset, ids=ids, folder=str(folder), by="bulk")
    return {one["name"]: digest for one, digest in zip(listed, found, strict=True)}


def rows_of(folder: Path, names: list[str]) -> list[LabelRow]:
    """Rows with a box each, whose pictures are files."""
    return [
        replace(
            row(name, labelled("rectangle", GEOMETRIES["rectangle"]), metadata={"number": number}),
            media=(Media(name=name, path=str(folder / name), width=WIDTH, height=HEIGHT),),
        )
        for number, name in enumerate(names)
    ]


async def test_files_are_uploaded_once_and_come_back_whole(sdk: Sdk, tmp_path: Path) -> None:
    (tmp_path / "back").mkdir()
    made = photos(tmp_path, "a.png", "b.png", "c.png", "again.png")
    async with served(sdk, meta=META) as server:
        target = project(server, dataset="dataset", create=True)
        report = await ferried(tmp_path, rows_of(tmp_path, list(made)), target, media="copy")
        assert report.losses == {}
        assert await downloaded(server, server.dataset, tmp_path / "back") == made
        listed = await server.sdk("images", dataset=server.dataset)
        assert {one["name"]: one["meta"] for one in listed} == {
            name: {"number": number} for number, name in enumerate(made)
        }
        assert {one["labels_count"] for one in listed} == {1}
        assert (await server.log())["rows"]["upload"] == 3


async def test_links_are_links(sdk: Sdk, tmp_path: Path) -> None:
    link = "https://pictures.example/a.png"
    async with served(sdk, meta=META, link_sizes={link: (WIDTH, HEIGHT)}) as server:
        media = (Media(name="a.png", url=link, width=WIDTH, height=HEIGHT),)
        source = [replace(row("a.png", labelled("point", GEOMETRIES["point"])), media=media)]
        target = project(server, dataset="dataset", create=True)
        await ferried(tmp_path, source, target, media="link")
        (found,) = await server.sdk("images", dataset=server.dataset)
        assert (found["link"], found["hash"], found["labels_count"]) == (link, None, 1)
        assert "upload" not in (await server.log())["rows"]


async def test_a_name_that_is_taken_is_handled_as_the_job_chooses(sdk: Sdk, tmp_path: Path) -> None:
    made = photos(tmp_path, "image-0.png", "new.png", "last.png")
    for choice, names in (
        ("fail", ["image-0.png", "last.png", "new.png"]),
        ("use", ["image-0.png", "last.png", "new.png"]),
        ("new-name", ["image-0.png", "image-0_001.png", "last.png", "new.png"]),
    ):
        async with served(sdk, pictures(1), meta=META) as server:
            target = project(server, dataset="dataset", create=True, if_image_taken=choice)
            report = await tried(
                tmp_path,
                rows_of(tmp_path, list(made)),
                target,
                media="copy",
                name=choice,
                match={"by": "path"},
            )
            listed = await server.sdk("images", dataset=server.dataset, sort="name")
            assert [one["name"] for one in listed] == names, report.message
            assert report.rows == ({"rejected": 1, "saved": 2} if choice == "fail" else {"saved": 3})


async def test_a_second_server_gets_the_pictures_of_the_first(sdk: Sdk, tmp_path: Path) -> None:
    for name in ("in", "back"):
        (tmp_path / name).mkdir()
    made = photos(tmp_path / "in", "a.png", "b.png", "c.png")
    async with served(sdk, meta=META) as first, served(sdk, token="another") as second:
        target = project(first, dataset="dataset", create=True)
        await ferried(tmp_path, rows_of(tmp_path / "in", list(made)), target, media="copy", name="in")
        there = project(second, "moved", workspace=WORKSPACE, create=True)
        report = await ferried(tmp_path, project(first), there, media="copy", name="over")
        assert (report.rows, report.losses) == ({"saved": 3}, {})
        moved = next(
            one for one in await second.sdk("projects", workspace=WORKSPACE) if one["name"] == "moved"
        )
        (dataset,) = await second.sdk("datasets", project=moved["id"])
        assert await downloaded(second, dataset["id"], tmp_path / "back") == made


async def test_an_archive_of_a_project_needs_no_pictures(sdk: Sdk, tmp_path: Path) -> None:
    async with served(sdk, pictures(2), meta=META) as server:
        report = await ferried(tmp_path, project(server), archive(tmp_path / "backup"))
        assert report.rows == {"saved": 2}
        kinds = (await server.log())["kinds"]
        assert {"images.download", "images.bulk.download"}.isdisjoint(kinds)
