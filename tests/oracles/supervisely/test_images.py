"""The real SDK uploads, links, copies, lists, changes and downloads images of our stand-in."""

import base64
import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.oracles.supervisely.served import Json, Sdk, needs_sdk, pictures, served

pytestmark = [pytest.mark.anyio, needs_sdk]


def files(folder: Path, count: int) -> list[str]:
    """Write pictures that all differ, of two formats."""
    made = []
    for number in range(count):
        path = folder / f"picture-{number}.{'png' if number % 2 else 'jpg'}"
        picture = np.full((30, 40 + number, 3), 10 * number, np.uint8)
        cv2.imwrite(str(path), picture)
        made.append(str(path))
    return made


def content(path: str) -> bytes:
    """The bytes of a file."""
    return Path(path).read_bytes()


def digest(path: str) -> str:
    """The hash of a file as the service has it."""
    return base64.b64encode(hashlib.sha256(content(path)).digest()).decode()


async def test_each_content_is_uploaded_once(sdk: Sdk, tmp_path: Path) -> None:
    async with served(sdk) as server:
        paths = files(tmp_path, 3)
        sources = [*paths, paths[0]]
        names = ["a.jpg", "b.png", "c.jpg", "again.jpg"]
        metas: list[Json] = [{"number": n} if n else {} for n in range(4)]
        made = await server.sdk(
            "upload_images", dataset=server.dataset, names=names, sources=sources, metas=metas
        )
        assert [one["name"] for one in made] == names
        assert [one["hash"] for one in made] == [digest(path) for path in sources]
        assert [(one["width"], one["height"], one["mime"]) for one in made] == [
            (40, 30, "image/jpeg"),
            (41, 30, "image/png"),
            (42, 30, "image/jpeg"),
            (40, 30, "image/jpeg"),
        ]
        assert [one["meta"] for one in made] == metas
        assert [one["size"] for one in made] == [len(content(path)) for path in sources]
        assert (await server.log())["rows"] == {"upload": 3, "image": 4}
        assert await server.sdk("images", dataset=server.dataset) == made
        assert await server.sdk("image", image=made[1]["id"]) == made[1]
        assert await server.sdk("image", image=1) is None

        hashes = [digest(paths[2]), base64.b64encode(bytes(32)).decode()]
        assert await server.sdk("known_hashes", hashes=hashes) == hashes[:1]
        given = {"dataset": server.dataset, "names": ["by hash.jpg"], "by": "hashes"}
        (known,) = await server.sdk("upload_images", **given, sources=hashes[:1])
        assert (known["hash"], known["width"]) == (hashes[0], 42)
        kind, trace = await server.refused("upload_images", **{**given, "names": ["x"]}, sources=hashes[1:])
        assert (kind, "404" in trace) == ("HTTPError", True)
        (copy,) = await server.sdk(
            "copy_images", dataset=server.dataset, names=["copy.jpg"], ids=[made[2]["id"]]
        )
        assert (copy["hash"], copy["name"]) == (made[2]["hash"], "copy.jpg")


async def test_a_file_that_is_no_picture_is_refused_and_the_others_are_kept(sdk: Sdk, tmp_path: Path) -> None:
    async with served(sdk) as server:
        (good,) = files(tmp_path, 1)
        bad = tmp_path / "bad.png"
        bad.write_bytes(b"no picture")
        given = {"dataset": server.dataset, "names": ["good.jpg", "bad.png"], "sources": [good, str(bad)]}
        assert (await server.refused("upload_images", **given))[0] == "ValueError"
        assert await server.sdk("known_hashes", hashes=[digest(good)]) == [digest(good)]
        assert await server.sdk("images", dataset=server.dataset) == []


async def test_linked_pictures_have_the_size_that_the_server_is_told(sdk: Sdk) -> None:
    link = "https://pictures.example/one.jpg"
    async with served(sdk, link_sizes={link: (300, 200)}) as server:
        made = await server.sdk(
            "upload_images", dataset=server.dataset, names=["one.jpg"], sources=[link], by="links"
        )
        assert (made[0]["link"], made[0]["hash"]) == (link, None)
        assert (made[0]["width"], made[0]["height"]) == (300, 200)
        (bare,) = await server.sdk(
            "upload_images",
            dataset=server.dataset,
            names=["two.jpg"],
            sources=[link],
            by="links",
            force_metadata_for_links=False,
        )
        assert (bare["width"], bare["height"]) == (None, None)
        assert (await server.sdk("image", image=bare["id"]))["width"] == 300


async def test_names_that_are_taken_are_handled_as_the_user_chooses(sdk: Sdk, tmp_path: Path) -> None:
    async with served(sdk) as server:
        paths = files(tmp_path, 3)
        given = {"dataset": server.dataset, "names": ["a.jpg", "b.png"]}
        first = await server.sdk("upload_images", **given, sources=paths[:2])
        kind, trace = await server.refused("upload_images", **given, sources=paths[1:])
        assert (kind, "NONUNIQUE" in trace) == ("HTTPError", True)
        names = ["new.jpg", "b.png"]
        skipped = await server.sdk(
            "upload_images",
            dataset=server.dataset,
            names=names,
            sources=paths[1:],
            conflict_resolution="skip",
        )
        assert {one["id"] for one in skipped} >= {first[1]["id"]}
        renamed = await server.sdk(
            "upload_images",
            dataset=server.dataset,
            names=["b.png"],
            sources=paths[2:],
            conflict_resolution="rename",
        )
        assert renamed[0]["name"].startswith("b_")
        replaced = await server.sdk(
            "upload_images", **given, sources=paths[1:], conflict_resolution="replace"
        )
        assert [one["hash"] for one in replaced] == [digest(path) for path in paths[1:]]
        listed = await server.sdk("images", dataset=server.dataset)
        assert {one["id"] for one in first}.isdisjoint(one["id"] for one in listed)
        assert len(listed) == 4


async def test_images_are_listed_by_page_and_by_token(sdk: Sdk) -> None:
    async with served(sdk, pictures(7), per_page_cap=3) as server:
        ids = list(server.images.values())
        listed = await server.sdk("images", dataset=server.dataset)
        assert [one["id"] for one in listed] == ids
        backwards = await server.sdk("images", dataset=server.dataset, sort="name", sort_order="desc")
        assert [one["id"] for one in backwards] == ids[::-1]
        assert await server.sdk("images_by_token", dataset=server.dataset, batch=2) == [
            ids[0:2],
            ids[2:4],
            ids[4:6],
            ids[6:],
        ]
        assert await server.sdk("images_by_token", dataset=server.dataset, batch=7) == [
            ids[:3],
            ids[3:6],
            ids[6:],
        ]
        found = await server.sdk(
            "images",
            dataset=server.dataset,
            filters=[{"field": "name", "operator": "=", "value": "image-3.png"}],
        )
        assert [one["id"] for one in found] == [ids[3]]


async def test_images_are_changed_tagged_and_removed(sdk: Sdk) -> None:
    tags = [
        {"name": "seen", "value_type": "none", "color": "#FF0000"},
        {"name": "place", "value_type": "any_string", "color": "#FF0000"},
    ]
    async with served(sdk, pictures(3), meta={"classes": [], "tags": tags}) as server:
        first, second, third = server.images.values()
        changed = await server.sdk(
            "edit_image", image=first, name="renamed.png", meta={"n": 1}, description="d"
        )
        assert (changed["name"], changed["meta"], changed["description"]) == ("renamed.png", {"n": 1}, "d")
        assert (await server.refused("edit_image", image=first, name="image-1.png"))[0] == "HTTPError"
        read = (await server.call("projects.meta", id=server.project))["tags"]
        seen, place = (one["id"] for one in read)
        await server.sdk("tag_images", project=server.project, tag=seen, ids=[first, second])
        await server.sdk("tag_images", project=server.project, tag=place, ids=[second, third], value="here")
        stored = {key: (await server.stored(key))["tags"] for key in (first, second, third)}
        assert [[(tag["name"], tag["value"]) for tag in tags] for tags in stored.values()] == [
            [("seen", None)],
            [("seen", None), ("place", "here")],
            [("place", "here")],
        ]
        listed = await server.sdk("images", dataset=server.dataset)
        assert [[tag["tagId"] for tag in one["tags"]] for one in listed] == [[seen], [seen, place], [place]]
        await server.sdk("remove_images", images=[first, third])
        assert [one["id"] for one in await server.sdk("images", dataset=server.dataset)] == [second]


@pytest.mark.parametrize("by", ["one", "bulk", "async"])
async def test_what_was_uploaded_is_downloaded(sdk: Sdk, tmp_path: Path, by: str) -> None:
    async with served(sdk, pictures(1)) as server:
        paths = files(tmp_path, 5)
        names = [Path(path).name for path in paths]
        made = await server.sdk("upload_images", dataset=server.dataset, names=names, sources=paths)
        ids = [one["id"] for one in made]
        given: Json = {"dataset": server.dataset, "ids": ids, "folder": str(tmp_path), "by": by}
        assert await server.sdk("downloaded", **given) == [
            hashlib.sha256(content(path)).hexdigest() for path in paths
        ]
        seeded = await server.sdk("image", image=server.images["image-0.png"])
        (found,) = await server.sdk("downloaded", **{**given, "ids": [seeded["id"]]})
        assert base64.b64encode(bytes.fromhex(found)).decode() == seeded["hash"]


async def test_a_range_of_bytes_is_downloaded(sdk: Sdk, tmp_path: Path) -> None:
    async with served(sdk) as server:
        (path,) = files(tmp_path, 1)
        (made,) = await server.sdk("upload_images", dataset=server.dataset, names=["a.jpg"], sources=[path])
        found = await server.sdk("downloaded_part", image=made["id"], start=10, end=29)
        assert bytes.fromhex(found) == content(path)[10:30]
