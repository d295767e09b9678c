"""The stand-in of Supervisely: the annotations that it keeps and refuses, its groups and its token."""

import base64
import random
import zlib
from hashlib import blake2b
from pathlib import Path

import msgspec
import pytest

from pipeline.errors import UsageError
from tests.conformance.supervisely_plain import Json, bitmap, box, served

pytestmark = pytest.mark.anyio


# ---- annotations ------------------------------------------------------------------------------------


async def test_an_annotation_comes_back_as_it_was_sent_with_what_the_server_gives_it() -> None:
    async with served() as client:
        image = client.images["image-0.png"]
        label = box(
            1, 2.25, 3.5, 4.0, nnCreated=True, nnUpdated=True, later={"big": [1, 2.50]}, description="d"
        )
        label["tags"] = [{"name": "speed", "value": 2}, {"name": "seen"}]
        label |= {"id": 1, "classId": 2, "labelerLogin": "me", "createdAt": "2020", "shape": "rectangle"}
        tags = [{"name": "day", "value": "2026-01-02T03:04:05.678Z"}]
        await client.save(image, label, tags=tags, description="rain", customBigData={"k": 1.0})
        found = await client.read(image)
        assert found["size"] == {"width": 64, "height": 48}
        assert (found["description"], found["customBigData"]) == ("rain", {"k": 1.0})
        assert [(tag["name"], tag["value"]) for tag in found["tags"]] == [("day", tags[0]["value"])]
        (kept,) = found["objects"]
        assert kept["points"] == {"exterior": [[1, 2.25], [3.5, 4.0]], "interior": []}
        assert [type(x) for point in kept["points"]["exterior"] for x in point] == [int, float, float, float]
        assert (kept["later"], kept["description"], kept["labelerLogin"]) == (
            {"big": [1, 2.5]},
            "d",
            "sandbox",
        )
        assert (kept["nnCreated"], kept["nnUpdated"]) == (True, True)
        assert [(tag["name"], tag["value"]) for tag in kept["tags"]] == [("speed", 2), ("seen", None)]
        meta = await client.call("projects.meta", id=client.project)
        assert kept["classId"] == meta["classes"][0]["id"] != 2
        assert kept["id"] != 1
        assert kept["createdAt"] != "2020"
        assert "shape" not in kept


async def test_points_come_in_whole_pixels_unless_told_otherwise() -> None:
    async with served() as client:
        image = client.images["image-0.png"]
        node = {"classTitle": "pose", "geometryType": "graph", "nodes": {"nose": {"loc": [2.5, 1.75]}}}
        await client.save(image, box(1.9, 2.1, 3.5, 4.99), node)
        body = {"datasetId": client.dataset, "imageIds": [image]}
        for how, points, loc in (
            ({}, [[1, 2], [3, 4]], [2, 1]),
            ({"integerCoords": False}, [[1.9, 2.1], [3.5, 4.99]], [2.5, 1.75]),
        ):
            (found,) = await client.call("annotations.bulk.info", **body, **how)
            objects = found["annotation"]["objects"]
            assert objects[0]["points"]["exterior"] == points
            assert objects[1]["nodes"]["nose"]["loc"] == loc
            assert "customBigData" not in found["annotation"]


@pytest.mark.parametrize(
    ("label", "why"),
    [
        (box() | {"classTitle": "lorry"}, 'class "lorry" is not found'),
        (box() | {"geometryType": "any"}, "geometryType"),
        (box() | {"classTitle": "mask"}, "has shape bitmap"),
        (box(5, 2, 3), "upper left"),
        (box(60, 2, 64.5), "out of the image of 64 x 48"),
        (box(-0.5), "out of the image"),
        (box() | {"points": {"exterior": [[1, True], [2, 3]]}}, "no point"),
        (box() | {"points": None}, "is no rectangle"),
        (box(tags=[{"name": "colour", "value": "green"}]), "no value of tag"),
        (box(tags=[{"name": "speed", "value": "fast"}]), "no value of tag"),
        (box(tags=[{"name": "speed", "value": True}]), "no value of tag"),
        (box(tags=[{"name": "word"}]), "no value of tag"),
        (box(tags=[{"name": "seen", "value": "x"}]), "no value of tag"),
        (box(tags=[{"name": "day", "value": "2026-01-02"}]), "is not for labels"),
        (box(tags=[{"name": "unheard"}]), "is not found"),
        (box(classTitle="thing", tags=[{"name": "speed", "value": 1}]), "is not for labels"),
        (box(nnCreated="yes"), "must be a boolean"),
        (box(instance=[1]), "must be a string"),
        ({"classTitle": "mask", "geometryType": "bitmap", "bitmap": bitmap(60)}, "out of the image"),
        ({"classTitle": "mask", "geometryType": "bitmap", "bitmap": bitmap() | {"data": "%"}}, "not base64"),
        (
            {"classTitle": "mask", "geometryType": "bitmap", "bitmap": bitmap() | {"data": "eJwDAAAAAAE="}},
            "no PNG",
        ),
        (
            {"classTitle": "mask", "geometryType": "bitmap", "bitmap": bitmap() | {"origin": [0.5, 0]}},
            "whole pixels",
        ),
        ({"classTitle": "soft", "geometryType": "alpha_mask", "bitmap": bitmap()}, "not taken here"),
        ({"classTitle": "parts", "geometryType": "multipolygon", "parts": []}, "not taken here"),
        ({"classTitle": "pose", "geometryType": "graph", "nodes": {"ear": {"loc": [1, 1]}}}, "ear"),
        ({"classTitle": "thing", "geometryType": "graph", "nodes": {"nose": {"loc": [1, 1]}}}, "nose"),
        ("label", "must be of type object"),
    ],
)
async def test_a_label_that_does_not_fit_is_refused_and_the_request_with_it(label: Json, why: str) -> None:
    async with served() as client:
        first, second = list(client.images.values())[:2]
        good = {"imageId": first, "annotation": {"objects": [box()]}}
        bad = {"imageId": second, "annotation": {"objects": [box(), label]}}
        status, details = await client.refused(
            "annotations.bulk.add", datasetId=client.dataset, annotations=[good, bad]
        )
        assert status == 400
        assert why in details[0]["message"]
        assert (await client.read(first))["objects"] == []
        assert "save" not in (await client.control("log"))["rows"]


@pytest.mark.parametrize("strategy", [zlib.Z_DEFAULT_STRATEGY, zlib.Z_HUFFMAN_ONLY, zlib.Z_FIXED])
@pytest.mark.parametrize("level", [0, 1, 9])
async def test_the_size_of_a_mask_is_known_however_it_is_compressed(level: int, strategy: int) -> None:
    png = zlib.decompress(base64.b64decode(bitmap(0, 0, 60, 40)["data"]))
    noise = random.Random(0).randbytes(4000)
    packer = zlib.compressobj(level, strategy=strategy)
    data = packer.compress(png + noise) + packer.flush()
    mask = {"classTitle": "mask", "geometryType": "bitmap"}
    async with served() as client:
        image = client.images["image-0.png"]
        for x, y, fits in ((4, 8, True), (5, 8, False), (4, 9, False)):
            crop = {"origin": [x, y], "data": base64.b64encode(data).decode()}
            sent = [{"imageId": image, "annotation": {"objects": [{**mask, "bitmap": crop}]}}]
            body = {"datasetId": client.dataset, "annotations": sent}
            status, answer, _ = await client.ask("annotations.bulk.add", body)
            assert (status, b"out of the image" in answer) == ((200, False) if fits else (400, True))


async def test_bounds_are_not_checked_where_that_is_waived() -> None:
    async with served() as client:
        image = client.images["image-0.png"]
        sent = [{"imageId": image, "annotation": {"objects": [box(60, 2, 70)]}}]
        body = {"datasetId": client.dataset, "annotations": sent}
        await client.call("annotations.bulk.add", **body, skipBoundsValidation=True)
        assert len((await client.read(image))["objects"]) == 1
    async with served(check_bounds=False) as client:
        await client.save(client.images["image-0.png"], box(60, 2, 70))


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"datasetId":1,"annotations":[{"imageId":2,"annotation":{"objects":[],"x":NaN}}]}',
        b'{"datasetId":1,"annotations":[{"imageId":2,"annotation":{"objects":[],"x":"\xff"}}]}',
        b'{"annotations":[]}',
        b'{"datasetId":"one","annotations":[]}',
    ],
)
async def test_a_body_that_is_none_is_refused(body: bytes) -> None:
    async with served() as client:
        status, answer, _ = await client.ask("annotations.bulk.add", body)
        assert (status, b"Validation failed" in answer) == (400, True), answer


async def test_a_request_is_about_one_dataset_and_each_image_once() -> None:
    async with served() as client:
        image = client.images["image-0.png"]
        other = await client.call("datasets.add", projectId=client.project, name="other")
        one = {"imageId": image, "annotation": {"objects": []}}
        assert (await client.refused("annotations.bulk.add", datasetId=other["id"], annotations=[one]))[
            0
        ] == 400
        twice = {"datasetId": client.dataset, "annotations": [one, one]}
        assert (await client.refused("annotations.bulk.add", **twice))[0] == 400
        nowhere = [{**one, "imageId": 1}]
        assert (await client.refused("annotations.bulk.add", datasetId=client.dataset, annotations=nowhere))[
            0
        ] == 404
        found = await client.call("annotations.bulk.info", datasetId=other["id"], imageIds=[image])
        assert found == []


async def test_a_bulk_read_comes_in_no_order_and_is_bounded() -> None:
    async with served(read_cap=4) as client:
        ids = list(client.images.values())
        body = {"datasetId": client.dataset, "imageIds": ids}
        orders = set()
        for _ in range(8):
            found = await client.call("annotations.bulk.info", **body)
            orders.add(tuple(one["imageId"] for one in found))
            assert sorted(one["imageId"] for one in found) == ids
        assert len(orders) > 1
        status, details = await client.refused("annotations.bulk.info", **{**body, "imageIds": [*ids, 1]})
        assert (status, "less than or equal to 4 items" in details[0]["message"]) == (400, True)
    async with served(in_order=True) as client:
        body = {"datasetId": client.dataset, "imageIds": ids[::-1]}
        found = await client.call("annotations.bulk.info", **body)
        assert [one["imageId"] for one in found] == ids[::-1]


async def test_every_writing_gives_new_ids_unless_told_otherwise() -> None:
    for keep in (False, True):
        async with served(keep_ids=keep) as client:
            image = client.images["image-0.png"]
            await client.save(image, box(), box(2))
            old = (await client.read(image))["objects"]
            await client.save(image, *old, box(3))
            new = (await client.read(image))["objects"]
            assert ([one["id"] for one in new[:2]] == [one["id"] for one in old]) is keep
            assert len({one["id"] for one in (*new, *old)}) == (3 if keep else 5)
            assert len(await client.control("rows")) == 4
            figures = await client.call("figures.list", datasetId=client.dataset)
            assert figures["total"] == 3


# ---- groups -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("binding", ["str", "int"])
@pytest.mark.parametrize("group_id", ["first", "last"])
async def test_the_key_of_a_group_becomes_the_id_of_one_of_its_labels(binding: str, group_id: str) -> None:
    async with served(binding=binding, group_id=group_id) as client:
        image = client.images["image-0.png"]
        await client.save(image, box(instance="7"), box(instance=None), box(instance=7), box(instance="x"))
        labels = (await client.read(image))["objects"]
        whose = labels[0 if group_id == "first" else 2]["id"]
        kind = int if binding == "int" else str
        assert [one.get("instance") for one in labels] == [
            kind(whose),
            None,
            kind(whose),
            kind(labels[3]["id"]),
        ]
        assert "instance" not in labels[1]


async def test_keys_can_stay_as_they_are_sent() -> None:
    async with served(keep_keys=True) as client:
        image = client.images["image-0.png"]
        await client.save(image, box(instance="a"), box(instance="a"), box(instance="b"))
        labels = (await client.read(image))["objects"]
        assert [one["instance"] for one in labels] == ["a", "a", "b"]


async def test_a_figure_joins_the_group_that_is_there_by_its_key() -> None:
    async with served() as client:
        image = client.images["image-0.png"]
        await client.save(image, box(instance="a"))
        (first,) = (await client.read(image))["objects"]
        geometry = {"points": box()["points"]}
        figure = {"classId": first["classId"], "geometryType": "rectangle", "geometry": geometry}
        keys = [first["instance"], "a", "a"]
        figures = [{**figure, "entityId": image, "instance": key} for key in keys]
        await client.call("figures.bulk.add", datasetId=client.dataset, figures=figures)
        labels = (await client.read(image))["objects"]
        assert [one["instance"] for one in labels[:2]] == [first["instance"]] * 2
        assert labels[2]["instance"] == labels[3]["instance"] == str(labels[3]["id"])


# ---- faults, the token and options --------------------------------------------------------------------


async def test_a_poisoned_image_is_refused_and_faults_are_ordered_by_kind(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    async with served(log=log) as client:
        ids = list(client.images.values())
        sent = [{"imageId": key, "annotation": {"objects": [box()]}} for key in ids]
        body = {"datasetId": client.dataset, "annotations": sent}
        for poison in ("image-2.png", str(ids[2])):
            await client.control("faults", {"poison": [poison]})
            status, details = await client.refused("annotations.bulk.add", **body)
            assert (status, details[0]["errors"]) == (400, [{"id": ids[2], "name": "image-2.png"}])
        await client.control("faults", {"poison": ["image-2.png"], "poison_answer": "unnamed"})
        status, details = await client.refused("annotations.bulk.add", **body)
        assert (status, "image-2" in str(details)) == (400, False)
        await client.control("faults", {"poison": ["image-2.png"], "poison_answer": "server-error"})
        assert (await client.refused("annotations.bulk.add", **body))[0] == 500
        await client.control("faults", {"max_rows": 3})
        assert (await client.refused("annotations.bulk.add", **body))[0] == 413
        await client.control("faults", {"fail_after": 1.0, "kinds": ["annotations.bulk.add"]})
        assert (await client.ask("annotations.bulk.add", body))[0] == 503
        assert len((await client.read(ids[2]))["objects"]) == 1
        lines = [msgspec.json.decode(line) for line in log.read_bytes().splitlines()]
        assert [(one["action"], one["row"], one["labels"]) for one in lines] == [
            ("save", str(key), 1) for key in ids
        ]
        assert len({one["digest"] for one in lines}) == 1


async def test_a_line_of_the_log_knows_what_was_written_by_its_bytes(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    async with served(log=log) as client:
        ids = list(client.images.values())
        written = [b'{"objects":[]}', b'{"objects": []}', b'{"objects":[]}']
        pairs = zip(ids, written, strict=False)
        given = b",".join(b'{"imageId":%d,"annotation":%b}' % pair for pair in pairs)
        body = b'{"datasetId":%d,"annotations":[%b]}' % (client.dataset, given)
        assert (await client.ask("annotations.bulk.add", body))[0] == 200
    lines = [msgspec.json.decode(line) for line in log.read_bytes().splitlines()]
    assert [one["digest"] for one in lines] == [blake2b(one, digest_size=16).hexdigest() for one in written]


async def test_reset_takes_all_annotations_away() -> None:
    async with served() as client:
        image = client.images["image-0.png"]
        await client.save(image, box(), tags=[{"name": "seen"}], description="d", customBigData={"k": 1})
        await client.control("reset", {})
        found = await client.read(image)
        assert (found["objects"], found["tags"], found["description"], found["customBigData"]) == (
            [],
            [],
            "",
            {},
        )
        assert (await client.call("figures.list", datasetId=client.dataset))["total"] == 0


async def test_a_token_is_needed_and_must_be_the_right_one() -> None:
    async with served(token="ours") as client:
        assert client.running.environment["API_TOKEN"] == "ours"
        await client.call("projects.info", id=client.project)
        assert (await client.ask("projects.info", {"id": 1}, headers={"x-api-key": "theirs"}))[0] == 401
        url = f"{client.running.url}/public/api/v3/projects.info"
        async with client.session.post(url, json={"id": client.project}) as answer:
            assert answer.status == 400
        await client.control("faults", {"refuse_keys": True})
        assert (await client.refused("projects.info", id=client.project))[0] == 401


async def test_the_service_can_be_below_a_prefix() -> None:
    async with served(prefix="/labels") as client:
        assert client.running.url.endswith("/labels")
        origin = client.running.url.removesuffix("/labels")
        image = (await client.call("images.list", datasetId=client.dataset))["entities"][0]
        assert image["fullStorageUrl"].startswith(f"{origin}/sandbox-public/")
        assert client.running.address.endswith(f"?url={client.running.url}")


async def test_a_method_that_is_not_known_is_refused() -> None:
    async with served() as client:
        assert (await client.refused("videos.list", datasetId=1))[0] == 404
        url = f"{client.running.url}/public/api/v3/projects.info?id={client.project}"
        async with client.session.get(url, headers={"x-api-key": "sandbox-token"}) as answer:
            assert answer.status == 404


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"bindings": "str"}, "bindings"),
        ({"binding": "float"}, "binding"),
        ({"meta": {"classes": [{"title": "a", "shape": "round"}], "tags": []}}, "round"),
    ],
)
async def test_an_option_that_is_wrong_is_named(options: Json, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        async with served(**options):
            pass
