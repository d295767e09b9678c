"""The pictures of rows: below the job's folder, or behind URLs; and who takes them."""

import os
import socket
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import cv2
import numpy as np
import pytest
from aiohttp import web

from pipeline import Job, LabelRow, run_sync
from pipeline.core.labels import Media
from pipeline.errors import RowError, UsageError
from pipeline.io.assets import Storage
from pipeline.io.channel import Channels
from pipeline.io.media import HEADS, PictureReader
from pipeline.job import parse_address
from pipeline.ports import Gallery
from pipeline.wiring.ends import settings_of, tools_for
from tests.flow.server import CANARY, LIMITS, Server, channels, serving

pytestmark = pytest.mark.anyio

PICTURE: bytes = cv2.imencode(".png", np.arange(200 * 300 * 3, dtype=np.uint8).reshape(200, 300, 3))[
    1
].tobytes()
NOISE = os.urandom(300_000)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a picture, and beside it what nobody may read."""
    pictures = tmp_path / "pictures"
    (pictures / "deep").mkdir(parents=True)
    (pictures / "a.png").write_bytes(PICTURE)
    (pictures / "deep" / "b.png").write_bytes(PICTURE + NOISE)
    (tmp_path / "secret.png").write_bytes(PICTURE)
    (pictures / "out.png").symlink_to(tmp_path / "secret.png")
    (pictures / "away").symlink_to(tmp_path)
    (pictures / "in.png").symlink_to(pictures / "a.png")
    return pictures


def reader(folder: Path | None = None, *, trusted: bool = False) -> PictureReader:
    return PictureReader(Storage(Channels(lambda _: None)), folder, trusted=trusted)


# ---- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["a.png", "deep/../a.png", "./a.png", "in.png"])
async def test_a_picture_below_the_folder_is_read(folder: Path, path: str) -> None:
    pictures = reader(folder)
    assert await pictures.read(Media(path=path)) == PICTURE
    assert await pictures.read(Media(path=str(folder / path))) == PICTURE
    assert await pictures.size_of(Media(path=path)) == (300, 200)


@pytest.mark.parametrize("path", ["../secret.png", "out.png", "away/secret.png", "deep/../../secret.png"])
async def test_a_path_that_leads_out_of_the_folder_is_refused(folder: Path, path: str) -> None:
    for asked in (path, str(folder / path)):
        with pytest.raises(RowError, match="outside of the folder"):
            await reader(folder).read(Media(path=asked))
        with pytest.raises(RowError, match="outside of the folder"):
            await reader(folder).size_of(Media(path=asked))


async def test_a_folder_may_be_a_link_itself(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    assert await reader(tmp_path / "link").read(Media(path="a.png")) == PICTURE


async def test_what_cannot_be_read_is_told_with_its_name(folder: Path) -> None:
    os.mkfifo(folder / "pipe.png")
    (folder / "loop.png").symlink_to(folder / "loop.png")
    with socket.socket(socket.AF_UNIX) as taken:
        taken.bind(str(folder / "socket.png"))
    for path, why in {
        "no.png": "No such file",
        "a.png/b": "Not a directory",
        "deep": "Is a directory",
        "pipe.png": "is no file",
        "socket.png": "cannot be read",
        "a\0.png": "leads nowhere",
        "a\ud800.png": "leads nowhere",
        "loop.png": "leads nowhere",
        "x" * 300: "too long",
    }.items():
        with pytest.raises(RowError, match=why) as caught:
            await reader(folder).read(Media("the picture", path))
        assert "picture 'the picture'" in str(caught.value)


async def test_a_picture_is_no_longer_than_the_target_takes(folder: Path) -> None:
    assert await reader(folder).read(Media(path="a.png"), most=len(PICTURE)) == PICTURE
    with pytest.raises(RowError, match=f"longer than {len(PICTURE) - 1} bytes"):
        await reader(folder).read(Media(path="a.png"), most=len(PICTURE) - 1)


async def test_a_picture_whose_digest_is_known_is_that_one(folder: Path) -> None:
    digest = sha256(PICTURE).hexdigest()
    assert await reader(folder).read(Media(path="a.png", sha256=digest.upper())) == PICTURE
    with pytest.raises(RowError, match="not the one that was labelled"):
        await reader(folder).read(Media(path="deep/b.png", sha256=digest))


async def test_without_a_folder_no_file_is_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    for path in ("a.png", str(folder / "a.png")):
        with pytest.raises(RowError, match="set `folder` of the source"):
            await reader().read(Media(path=path))
    with pytest.raises(RowError, match="neither a path nor a URL"):
        await reader(folder).read(Media("a.png"))


async def test_paths_of_the_users_own_program_are_below_the_working_folder_or_whole(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    own = reader(trusted=True)
    assert await own.read(Media(path="a.png", url="http://127.0.0.1:1/")) == PICTURE
    assert await own.read(Media(path=str(tmp_path / "secret.png"))) == PICTURE
    with pytest.raises(RowError, match="outside of the folder"):
        await own.read(Media(path="../secret.png"))


# ---- the source's own platform ---------------------------------------------------------------------


class Shelf:
    """A platform that gives pictures out by their names there."""

    def __init__(self) -> None:
        self.asked: list[tuple[str | None, int]] = []

    async def picture(self, media: Media, *, most: int) -> bytes:
        self.asked.append((media.ref, most))
        if media.ref != "7":
            raise RowError("image 8 is not there")
        return PICTURE[:most]


async def test_the_platform_is_asked_for_what_a_row_names_there_unless_the_folder_has_it(
    folder: Path,
) -> None:
    pictures, shelf = reader(folder), Shelf()
    pictures.gallery = shelf
    assert isinstance(shelf, Gallery)
    assert await pictures.read(Media(path="deep/b.png", ref="7")) == PICTURE + NOISE
    assert shelf.asked == []
    assert await pictures.read(Media("a", ref="7", sha256=sha256(PICTURE).hexdigest())) == PICTURE
    assert await pictures.size_of(Media("a", ref="7")) == (300, 200)
    assert await pictures.read(Media(ref="7"), most=len(PICTURE)) == PICTURE
    with pytest.raises(RowError, match=f"'a' is longer than {len(PICTURE) - 1} bytes"):
        await pictures.read(Media("a", ref="7"), most=len(PICTURE) - 1)
    with pytest.raises(RowError, match="'a' is not the one that was labelled"):
        await pictures.read(Media("a", ref="7", sha256="00" * 32))
    with pytest.raises(RowError, match="'a': image 8 is not there"):
        await pictures.read(Media("a", ref="8"))
    with pytest.raises(RowError, match="neither a path nor a URL"):
        await pictures.read(Media("a"))
    assert {most for _, most in shelf.asked[1:3]} == {HEADS[0], len(PICTURE) + 1}


# ---- URLs ----------------------------------------------------------------------------------------


async def served(request: web.Request) -> web.StreamResponse:
    body = {"/a": PICTURE, "/long": PICTURE + NOISE * 20, "/noise": NOISE * 20}.get(request.path)
    if body is None:
        return web.Response(status=404)
    return (
        web.Response(status=206, body=body[request.http_range])
        if "Range" in request.headers
        else web.Response(body=body)
    )


@pytest.fixture
async def site() -> AsyncIterator[tuple[Server, PictureReader]]:
    async with serving(served) as server, channels() as made:
        made.get(server.url, LIMITS)
        yield server, PictureReader(Storage(made))


async def test_a_picture_behind_a_url_is_read(site: tuple[Server, PictureReader]) -> None:
    server, pictures = site
    media = Media("a.png", "a.png", f"{server.url}/a?token={CANARY}")
    assert await pictures.read(media) == PICTURE
    assert await pictures.size_of(media) == (300, 200)


async def test_of_a_size_no_more_is_read_than_its_header(site: tuple[Server, PictureReader]) -> None:
    server, pictures = site
    assert await pictures.size_of(Media(url=server.url + "/long")) == (300, 200)
    assert len(server.arrivals) == 1
    assert await pictures.size_of(Media(url=server.url + "/noise")) is None
    assert len(server.arrivals) == 3


async def test_what_is_not_there_is_told_with_its_name_and_without_its_url(
    site: tuple[Server, PictureReader],
) -> None:
    server, pictures = site
    media = Media("b.png", url=f"{server.url}/b?token={CANARY}")
    for ask in (pictures.read, pictures.size_of):
        with pytest.raises(RowError, match=r"picture 'b\.png': .*not there \(404\)") as caught:
            await ask(media)
        assert CANARY not in str(caught.value)
    with pytest.raises(RowError, match="picture 'without a name'") as caught:
        await pictures.read(Media(url=media.url))
    assert CANARY not in str(caught.value)


# ---- jobs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("media", ["link", "copy"])
@pytest.mark.parametrize(
    "target",
    [
        {"platform": "archive", "path": "out"},
        {"platform": "coco", "annotations": "out.json"},
        {"platform": "encord", "project": "7d4ead9c-4087-4832-a301-eb2545e7d43b", "token": "t"},
    ],
)
def test_a_target_that_takes_no_pictures_refuses_them_before_any_write(
    target: dict[str, str], media: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    job = Job(name="pictures", source=[LabelRow("1")], target=target, media=media)
    with pytest.raises(UsageError, match=f"media: found '{media}', but {target['platform']} takes labels"):
        run_sync(job)
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize(
    "source",
    [
        {"platform": "coco", "annotations": "a.json"},
        {"platform": "archive", "path": "a"},
    ],
)
async def test_a_source_says_where_its_pictures_are(folder: Path, source: dict[str, str]) -> None:
    target = {"platform": "archive", "path": "out"}
    async with channels() as made:
        for given, found in (({}, None), ({"folder": str(folder)}, folder)):
            job = Job(name="x", source={**source, **given}, target=target)
            tools = tools_for(job, made, folder, lambda _: None)
            if found is None:
                with pytest.raises(RowError, match="set `folder`"):
                    await tools.media.read(Media(path="a.png"))
            else:
                assert await tools.media.read(Media(path="a.png")) == PICTURE
        own = tools_for(Job(name="x", source=[], target=target), made, folder, lambda _: None)
        assert await own.media.read(Media(path=str(folder / "a.png"))) == PICTURE
        edit = tools_for(Job(name="x", target=target), made, folder, lambda _: None)
        with pytest.raises(RowError):
            await edit.media.read(Media(path=str(folder / "a.png")))


def test_the_folder_of_pictures_can_stand_in_an_address() -> None:
    platform, settings = settings_of(parse_address("coco:a.json?folder=~/pictures"), "copy")
    assert platform.folder(settings) == Path.home() / "pictures"
