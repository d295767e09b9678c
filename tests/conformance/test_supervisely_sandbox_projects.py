"""The stand-in of Supervisely: projects, datasets, images and their bytes, and the state that it keeps."""

import base64
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from pipeline.core.geometry import Shape
from pipeline.core.labels import LabelRow, Media, MediaKind
from pipeline.core.ontology import AttributeDef, AttributeKind, ClassDef, Ontology
from pipeline.errors import UsageError
from pipeline.platforms.supervisely.stand_in import serve
from pipeline.ports import Seed
from pipeline.sandbox.pictures import black_png
from tests.conformance.supervisely_plain import (
    IMAGES,
    META,
    Client,
    Json,
    bitmap,
    box,
    connected,
    parts_of,
    served,
)

pytestmark = pytest.mark.anyio

WORKSPACE = 619


def digest(data: bytes) -> str:
    """The hash of bytes as the service has it."""
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


# ---- the seed -----------------------------------------------------------------------------------------


async def test_the_seed_becomes_a_project_with_a_dataset_of_its_images() -> None:
    async with served(title="cars") as client:
        info = await client.call("projects.info", id=client.project)
        assert (info["name"], info["workspaceId"], info["type"], info["imagesCount"]) == (
            "cars",
            WORKSPACE,
            "images",
            4,
        )
        assert client.running.address.startswith(f"supervisely:{client.project}/dataset?url=http://")
        found = (await client.call("images.list", datasetId=client.dataset))["entities"]
        assert [one["name"] for one in found] == [f"image-{n}.png" for n in range(4)]
        assert [(one["width"], one["height"], one["meta"]) for one in found] == [
            (64, 48, {"n": n}) for n in range(4)
        ]
        _, data, headers = await client.ask("images.download", {"id": found[0]["id"]})
        assert data == black_png(48, 64)
        assert headers["x-content-checksum-sha256"] == digest(data) == found[0]["hash"]
        async with client.session.get(found[0]["fullStorageUrl"]) as answer:
            assert await answer.read() == data


async def test_classes_and_tags_are_drafted_from_the_seed() -> None:
    plate = AttributeDef("plate", AttributeKind.TEXT)
    ontology = Ontology((ClassDef("car", Shape.BOX, attributes=(plate,)), ClassDef("cloud", Shape.POINT_SET)))
    async with serve(Seed(ontology, IMAGES), {}) as running, aiohttp.ClientSession() as session:
        client = await connected(running, session)
        meta = await client.call("projects.meta", id=client.project)
        assert ("car", "rectangle") in [(one["title"], one["shape"]) for one in meta["classes"]]
        assert [one["name"] for one in meta["tags"]] == ["plate"]


async def test_rows_that_are_no_images_of_their_own_cannot_be_served() -> None:
    twice = [IMAGES[0], replace(IMAGES[1], title=IMAGES[0].title)]
    video = [LabelRow("v", "v", MediaKind.VIDEO)]
    for rows, why in ((twice, "one image of a name"), (video, "no video")):
        with pytest.raises(UsageError, match=why):
            async with served(rows):
                pass


async def test_media_with_a_url_become_links() -> None:
    row = LabelRow("a", "a.jpg", media=(Media(url="https://pictures.example/a.jpg", width=30, height=20),))
    async with served([row]) as client:
        (image,) = (await client.call("images.list", datasetId=client.dataset))["entities"]
        assert (image["link"], image["hash"], image["width"]) == (row.media[0].url, None, 30)


# ---- projects and datasets ------------------------------------------------------------------------------


async def test_names_are_taken_once() -> None:
    async with served() as client:
        given = {"workspaceId": WORKSPACE, "name": "cars"}
        made = await client.call("projects.add", **given, customData={"k": 1})
        status, details = await client.refused("projects.add", **given)
        assert (status, details[0]["type"]) == (400, "NONUNIQUE")
        assert details[0]["errors"] == [{"id": made["id"], "name": "cars"}]
        assert (await client.refused("projects.add", name="x", workspaceId=1))[0] == 404
        assert (await client.refused("projects.add", name="", workspaceId=WORKSPACE))[0] == 400
        assert (await client.refused("projects.add", **given, type="pictures"))[0] == 400
        nested = {"projectId": made["id"], "name": "d"}
        outer = await client.call("datasets.add", **nested)
        await client.call("datasets.add", **nested, parentId=outer["id"])
        for parent in (None, outer["id"]):
            status, details = await client.refused("datasets.add", **nested, parentId=parent)
            assert (status, details[0]["type"]) == (400, "NONUNIQUE")
        assert (await client.refused("datasets.add", **{**nested, "name": "a/b"}))[0] == 400
        elsewhere = {"projectId": client.project, "name": "d", "parentId": outer["id"]}
        assert (await client.refused("datasets.add", **elsewhere))[0] == 400


async def test_custom_data_come_in_lists_only_when_asked_for() -> None:
    async with served() as client:
        await client.call("projects.add", workspaceId=WORKSPACE, name="cars", customData={"k": 1})
        by_name = [{"field": "name", "operator": "=", "value": "cars"}]
        body = {"workspaceId": WORKSPACE, "filter": by_name}
        (plain,) = (await client.call("projects.list", **body))["entities"]
        assert "customData" not in plain
        (asked,) = (await client.call("projects.list", **body, fields=["name", "customData"]))["entities"]
        assert asked == {"id": plain["id"], "name": "cars", "customData": {"k": 1}}
        (extra,) = (await client.call("projects.list", **body, extraFields=["customData"]))["entities"]
        assert extra == {**plain, "customData": {"k": 1}}
        assert (await client.refused("projects.list", filter=[]))[0] == 400


@pytest.mark.parametrize(
    "asked",
    [
        {"sort_order": "up"},
        {"page": 0},
        {"per_page": 0},
        {"filter": [{"field": "unheard", "value": 1}]},
        {"filter": [{"field": "id", "operator": "like", "value": 1}]},
        {"filter": [{"field": "id", "operator": "in", "value": 1}]},
        {"sort": "unheard"},
    ],
)
async def test_a_list_that_cannot_be_is_refused(asked: Json) -> None:
    async with served() as client:
        assert (await client.refused("images.list", datasetId=client.dataset, **asked))[0] == 400


@pytest.mark.parametrize(
    "meta",
    [
        {"classes": [{"title": "car", "shape": "rectangle"}, {"title": "car", "shape": "bitmap"}]},
        {"classes": [{"shape": "rectangle"}]},
        {"classes": [{"title": "pose", "shape": "graph"}]},
        {"tags": [{"name": "a", "value_type": "oneof_string"}]},
        {"tags": [{"name": "a", "value_type": "colour"}]},
        {"tags": [{"name": "word", "value_type": "any_number"}]},
        {"tags_images": [], "tags_objects": []},
    ],
)
async def test_a_meta_that_cannot_be_is_refused_and_changes_nothing(meta: Json) -> None:
    async with served() as client:
        before = await client.call("projects.meta", id=client.project)
        assert (await client.refused("projects.meta.update", id=client.project, meta=meta))[0] == 400
        assert await client.call("projects.meta", id=client.project) == before


async def test_a_class_that_is_renamed_keeps_its_labels_and_a_tag_that_goes_leaves_them() -> None:
    async with served() as client:
        image = client.images["image-0.png"]
        await client.save(image, box(tags=[{"name": "seen"}, {"name": "colour", "value": "red"}]))
        meta = await client.call("projects.meta", id=client.project)
        meta["classes"][0]["title"] = "lorry"
        meta["tags"] = [one for one in meta["tags"] if one["name"] != "seen"]
        await client.call("projects.meta.update", id=client.project, meta=meta)
        (label,) = (await client.read(image))["objects"]
        assert (label["classTitle"], [tag["name"] for tag in label["tags"]]) == ("lorry", ["colour"])


# ---- images and their bytes -------------------------------------------------------------------------------


async def test_images_are_added_all_or_none() -> None:
    pictures = [black_png(10, 10 + n) for n in range(2)]
    async with served() as client:
        told = await client.upload(*pictures, b"no picture")
        assert [one.get("hash") for one in told] == [*map(digest, pictures), None]
        assert told[2]["errors"]
        new = [{"title": f"new-{n}.png", "hash": one["hash"]} for n, one in enumerate(told[:2])]
        taken = {"title": "image-1.png", "hash": told[0]["hash"]}
        status, details = await client.refused(
            "images.bulk.add", datasetId=client.dataset, images=[*new, taken]
        )
        assert (status, details[0]["type"]) == (400, "NONUNIQUE")
        assert details[0]["errors"] == [{"id": client.images["image-1.png"], "name": "image-1.png"}]
        for wrong, code in (
            ([*new, new[0]], 400),
            ([{"title": "x"}], 400),
            ([{"title": "x", "hash": told[0]["hash"], "link": "https://a.example/a.png"}], 400),
            ([*new, {"title": "x", "hash": digest(b"")}], 404),
        ):
            assert (await client.refused("images.bulk.add", datasetId=client.dataset, images=wrong))[
                0
            ] == code
        assert (await client.call("images.list", datasetId=client.dataset))["total"] == 4
        made = await client.call("images.bulk.add", datasetId=client.dataset, images=new)
        assert [one["width"] for one in made] == [10, 11]
        await client.control("faults", {"max_rows": 1})
        assert (await client.refused("images.bulk.add", datasetId=client.dataset, images=new))[0] == 413


async def test_hashes_are_known_once_their_bytes_are_there() -> None:
    async with served() as client:
        picture = black_png(3, 3)
        hashes = [digest(picture), digest(black_png(48, 64))]
        status, answer, _ = await client.ask("images.internal.hashes.list", json.dumps(hashes).encode())
        assert (status, json.loads(answer)) == (200, hashes[1:])
        await client.upload(picture)
        _, answer, _ = await client.ask("images.internal.hashes.list", json.dumps(hashes).encode())
        assert json.loads(answer) == hashes
        log = await client.control("log")
        assert log["rows"] == {"upload": 1}


async def test_bytes_come_whole_in_part_and_many_at_once() -> None:
    async with served() as client:
        pictures = [black_png(10, 10 + n) for n in range(6)]
        told = await client.upload(*pictures)
        new = [{"title": f"new-{n}.png", "hash": one["hash"]} for n, one in enumerate(told)]
        made = [
            one["id"] for one in await client.call("images.bulk.add", datasetId=client.dataset, images=new)
        ]
        body = {"datasetId": client.dataset, "imageIds": [*made, 1]}
        orders = set()
        for _ in range(4):
            _, answer, headers = await client.ask("images.bulk.download", body)
            parts = parts_of(answer, headers)
            assert parts == {str(key): data for key, data in zip(made, pictures, strict=True)}
            orders.add(tuple(parts))
        assert len(orders) > 1
        status, part, headers = await client.ask(
            "images.download", {"id": made[0]}, headers={"Range": "bytes=5-9"}
        )
        assert (status, part, headers["Content-Range"]) == (
            206,
            pictures[0][5:10],
            f"bytes 5-9/{len(pictures[0])}",
        )
        status, _, _ = await client.ask("images.download", {"id": made[0]}, headers={"Range": "bytes=9999-"})
        assert status == 416


async def test_lists_come_by_page_and_by_token() -> None:
    async with served(per_page_cap=3) as client:
        ids = list(client.images.values())
        body = {"datasetId": client.dataset}
        pages = [await client.call("images.list", **body, per_page=500, page=n) for n in (1, 2, 3)]
        assert [[one["id"] for one in page["entities"]] for page in pages] == [ids[:3], ids[3:], []]
        assert {(page["total"], page["perPage"], page["pagesCount"]) for page in pages} == {(4, 3, 2)}
        token = {"pagination_mode": "token"}
        first = await client.call("images.list", **body, **token, per_page=2)
        second = await client.call("images.list", **body, **token, per_page=2, after=first["after"])
        assert [one["id"] for one in (*first["entities"], *second["entities"])] == ids
        assert (first["after"] is None, second["after"]) == (False, None)


async def test_what_is_nested_goes_with_what_it_is_in() -> None:
    async with served() as client:
        inner = await client.call(
            "datasets.add", projectId=client.project, name="in", parentId=client.dataset
        )
        hashes = [one["hash"] for one in await client.upload(black_png(3, 3))]
        new = [{"title": "a.png", "hash": hashes[0]}]
        await client.call("images.bulk.add", datasetId=inner["id"], images=new)
        body = {"datasetId": client.dataset}
        assert (await client.call("images.list", **body))["total"] == 4
        assert (await client.call("images.list", **body, recursive=True))["total"] == 5
        assert (await client.call("images.list", projectId=client.project))["total"] == 5
        await client.call("datasets.archive", id=client.dataset)
        assert (await client.refused("datasets.info", id=inner["id"]))[0] == 404
        assert await client.control("rows") == []
        await client.call("projects.archive", id=client.project)
        assert (await client.refused("projects.info", id=client.project))[0] == 404


# ---- the state ----------------------------------------------------------------------------------------


async def filled(client: Client) -> None:
    """Make something of every kind, and take something away."""
    image = client.images["image-0.png"]
    await client.save(
        image, box(instance="a"), box(2.50, instance="a"), tags=[{"name": "seen"}], description="d"
    )
    meta = await client.call("projects.meta", id=client.project)
    soft = next(one["id"] for one in meta["classes"] if one["title"] == "soft")
    figure = {"classId": soft, "geometryType": "alpha_mask"}
    (made,) = await client.call("figures.bulk.add", entityId=image, figures=[figure])
    form = aiohttp.FormData()
    form.add_field("figureId", str(made["id"]))
    form.add_field("geometry", json.dumps(bitmap(1, 1)).encode(), filename="x")
    assert (await client.ask("figures.bulk.upload.geometry", form))[0] == 200
    project = await client.call("projects.add", workspaceId=WORKSPACE, name="new", customData={"k": 1})
    await client.call("projects.meta.update", id=project["id"], meta=META)
    outer = await client.call("datasets.add", projectId=project["id"], name="out")
    inner = await client.call("datasets.add", projectId=project["id"], name="in", parentId=outer["id"])
    (told,) = await client.upload(black_png(5, 7))
    new = [{"title": "new.png", "hash": told["hash"], "meta": {"m": 1}}]
    await client.call("images.bulk.add", datasetId=inner["id"], images=new)
    await client.call("images.bulk.remove", imageIds=[client.images["image-3.png"]])


async def test_a_state_goes_on_where_it_ended(tmp_path: Path) -> None:
    state = tmp_path / "state.jsonl"
    async with served(state=state) as client:
        await filled(client)
        rows = await client.control("rows")
        projects = await client.call("projects.list", workspaceId=WORKSPACE, extraFields=["customData"])
    with state.open("ab") as file:
        file.write(b'{"kind":"image","id":1')
    last = max(one["id"] for row in rows for one in (row, *row["annotation"]["objects"]))
    for _ in range(2):
        async with served(state=state) as client:
            assert await client.control("rows") == rows
            found = await client.call("projects.list", workspaceId=WORKSPACE, extraFields=["customData"])
            assert found == projects
            new = next(row for row in rows if row["name"] == "new.png")
            assert new["dataset"] == "out/in"
            _, data, _ = await client.ask("images.download", {"id": new["id"]})
            assert data == black_png(5, 7)
            made = await client.call("datasets.add", projectId=client.project, name=f"later-{last}")
            assert made["id"] > last
            last = made["id"]
            await client.call("datasets.archive", id=last)


async def test_a_file_that_is_no_state_is_refused(tmp_path: Path) -> None:
    state = tmp_path / "state.jsonl"
    state.write_text("not JSON\n")
    with pytest.raises(UsageError, match="state of a stand-in"):
        async with served(state=state):
            pass
