"""The stand-in of Segments.ai: the labels that it keeps and refuses, its key, and its releases."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.geometry import Shape
from pipeline.core.labels import LabelRow, Media, MediaKind
from pipeline.errors import UsageError
from tests.conformance.segments_plain import BOX, IMAGES, label, place, served

pytestmark = pytest.mark.anyio


# ---- labels -----------------------------------------------------------------------------------------


async def test_a_label_comes_back_with_every_byte_of_its_attributes() -> None:
    attributes = (
        b'{"annotations": [{"id":1,"category_id":1,"type":"bbox","points":[[1,2],[3.50,4e0]],"index":0, '
        b'"later":{"big":12345678901234567890,"text":"\\u00e9 \xc3\xa9"}}],"format_version":"0.1" }'
    )
    async with served() as client:
        uuid = (await client.uuids())[0]
        body = gzip.compress(b'{"label_status":"REVIEWED","score":1,"attributes":%b}' % attributes)
        headers = {"Authorization": "APIKey sandbox-key", "Content-Encoding": "gzip"}
        status, answer, _ = await client.ask("PUT", place(uuid), body, headers=headers)
        assert status == 201
        assert attributes in answer
        for path in (
            place(uuid),
            f"/samples/{uuid}/?labelset=ground-truth",
            "/datasets/sandbox/dataset/samples/?labelset=ground-truth&include_full_label=1",
        ):
            assert attributes in (await client.ask("GET", path))[1]
        (row,) = [row for row in await client.json("GET", "/_sandbox/rows") if row["labels"]]
        assert row["name"] == "image-0.png"
        assert row["labels"]["ground-truth"]["attributes"] == json.loads(attributes)
        assert row["labels"]["ground-truth"]["score"] == 1


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b'{"label_status":"LABELED","attributes":{"annotations":[],"x":NaN}}', "JSON parse error"),
        (b'{"label_status":"LABELED","attributes":{"annotations":[],"x":"\xff"}}', "JSON parse error"),
        (b'{"label_status":"LABELED","attributes":{"annotations":[]}', "JSON parse error"),
        (b'{"label_status":"LABELED","attributes":[]}', "not an object"),
        (b'{"attributes":{"annotations":[]}}', "label_status"),
        (b'{"label_status":"labeled","attributes":{"annotations":[]}}', "valid choice"),
    ],
)
async def test_a_body_that_is_no_label_is_refused(body: bytes, why: str) -> None:
    async with served() as client:
        status, answer, _ = await client.ask("PUT", place((await client.uuids())[0]), body)
        assert (status, why in answer.decode()) == (400, True), answer


@pytest.mark.parametrize(
    "annotation",
    [
        BOX | {"category_id": 7},
        BOX | {"id": 0},
        BOX | {"id": "1"},
        BOX | {"type": "cuboid"},
        BOX | {"points": [[1, 2]]},
        BOX | {"points": [[1, 2, 3], [4, 5, 6]]},
    ],
)
async def test_an_annotation_that_the_dataset_cannot_have_is_refused_unless_told_otherwise(
    annotation: dict[str, Any],
) -> None:
    for check, expected in ((True, 400), (False, 201)):
        async with served(check_labels=check) as client:
            status, answer, _ = await client.ask("PUT", place((await client.uuids())[0]), label(annotation))
            assert status == expected, answer


async def test_a_label_goes_to_labelsets_and_samples_that_are_there() -> None:
    async with served(labelsets=("model",)) as client:
        uuid = (await client.uuids())[0]
        assert (await client.ask("PUT", place(uuid, "model"), label(BOX)))[0] == 201
        assert (await client.ask("PUT", place(uuid, "model"), label(BOX)))[0] == 200
        for path in (place(uuid, "other"), place("no-such-sample"), place(uuid)):
            status, answer, _ = await client.ask("GET" if path == place(uuid) else "PUT", path, label())
            assert (status, json.loads(answer)) == (404, {"detail": "Not found."})


async def test_a_change_of_a_label_leaves_the_rest_of_it() -> None:
    async with served() as client:
        uuid = (await client.uuids())[0]
        await client.json("PUT", place(uuid), label(BOX) | {"score": 0.5})
        changed = await client.json("PATCH", place(uuid), {"score": 7})
        assert (changed["label_status"], changed["score"]) == ("LABELED", 7)
        assert changed["attributes"]["annotations"] == [BOX]
        assert (await client.ask("DELETE", place(uuid)))[0] == 204
        assert (await client.ask("GET", place(uuid)))[0] == 404


async def test_a_poisoned_sample_is_refused_and_faults_are_ordered_by_kind(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    faults = {"poison": ["image-1.png"], "busy_every": 2, "kinds": ["labels.PUT"]}
    async with served(faults=faults, log=log) as client:
        first, second, third, *_ = await client.uuids()
        assert (await client.ask("PUT", place(first), label(BOX)))[0] == 201
        assert (await client.ask("PUT", place(third), label(BOX)))[0] == 429
        status, answer, _ = await client.ask("PUT", place(second), label(BOX))
        assert (status, "image-1.png" in answer.decode()) == (400, True)
        assert (await client.json("GET", "/_sandbox/log"))["rows"] == {"save": 1}
    (line,) = map(json.loads, log.read_text().splitlines())
    assert (line["action"], line["row"], line["title"], line["labels"]) == ("save", first, "image-0.png", 1)


async def test_reset_takes_all_labels_away() -> None:
    async with served() as client:
        uuid = (await client.uuids())[0]
        await client.json("PUT", place(uuid), label(BOX))
        await client.json("POST", "/_sandbox/reset", {})
        assert (await client.ask("GET", place(uuid)))[0] == 404


# ---- the key ----------------------------------------------------------------------------------------


async def test_a_key_that_is_not_known_is_refused() -> None:
    async with served() as client:
        for headers in ({}, {"Authorization": "APIKey other"}, {"Authorization": "Bearer sandbox-key"}):
            status, answer, _ = await client.ask("GET", "/api_status/", headers=headers)
            assert (status, b"credentials were not provided" in answer) == (401, True)
        assert (await client.ask("GET", "/api_status/"))[0] == 200


async def test_a_throttle_can_say_when_in_its_text_only() -> None:
    for text_only, header in ((True, None), (False, "3")):
        options = {"throttle_first": 2, "throttle_seconds": 3, "throttle_text_only": text_only}
        async with served(Shape.BOX, IMAGES, **options, throttle_kinds=("datasets.GET",)) as client:
            assert (await client.ask("GET", "/user"))[0] == 200
            for _ in range(2):
                status, answer, headers = await client.ask("GET", "/datasets/sandbox/dataset/")
                text = "Request was throttled. Expected available in 3 seconds."
                assert (status, json.loads(answer), headers.get("Retry-After")) == (
                    429,
                    {"detail": text},
                    header,
                )
            assert (await client.ask("GET", "/datasets/sandbox/dataset/"))[0] == 200


# ---- releases and other datasets --------------------------------------------------------------------


async def test_a_release_is_pending_first_and_then_a_file_that_needs_no_key() -> None:
    async with served(release_polls=2) as client:
        uuids = await client.uuids()
        await client.json("PUT", place(uuids[0]), label(BOX))
        path = "/datasets/sandbox/dataset/releases/"
        begun = await client.json("POST", path, {"name": "v1", "description": "first"})
        assert (begun["status"], begun["attributes"]) == ("PENDING", {})
        await client.json("PUT", place(uuids[1]), label(BOX))
        polled = [await client.json("GET", path + "v1/") for _ in range(3)]
        assert [one["status"] for one in polled] == ["PENDING", "PENDING", "SUCCEEDED"]
        status, answer, _ = await client.ask("GET", polled[-1]["attributes"]["url"], headers={})
        assert status == 200
        dataset = json.loads(answer)["dataset"]
        labels = [sample["labels"]["ground-truth"] for sample in dataset["samples"]]
        assert labels == [label(BOX) | {"attributes": {"annotations": [BOX]}}, None, None, None, None]
        assert dataset["owner"] == "sandbox"
        assert dataset["task_type"] == "bboxes"


async def test_a_release_can_fail() -> None:
    async with served(release_polls=0, release_fails=True) as client:
        path = "/datasets/sandbox/dataset/releases/"
        await client.json("POST", path, {"name": "v1"})
        assert (await client.json("GET", path + "v1/"))["status"] == "FAILED"


async def test_the_service_can_be_below_a_prefix_while_its_storage_is_not() -> None:
    async with served(Shape.MASK, prefix="/labels/api") as client:
        assert client.running.address.endswith("/labels/api")
        asset = await client.announce()
        assert "/labels/" not in asset["url"]
        assert (await client.upload(asset))[0] == 204
        kinds = (await client.json("GET", client.running.url.removesuffix("/labels/api") + "/_sandbox/log"))[
            "kinds"
        ]
        assert kinds == {"assets.POST": 1, "storage.POST": 1}


async def test_an_option_that_is_not_known_is_named() -> None:
    for options, name in (({"task_typ": "vector"}, "task_typ"), ({"dataset": {"nam": 1}}, "nam")):
        with pytest.raises(UsageError, match=name):
            async with served(**options):
                pass


async def test_a_large_gzipped_label_arrives_whole() -> None:
    rows = [LabelRow(key="a", title="a", media_kind=MediaKind.POINT_CLOUD, media=(Media(points=200_000),))]
    async with served(Shape.POINT_SET, rows=rows) as client:
        (uuid,) = await client.uuids()
        given = label({"id": 1, "category_id": 1}, point_annotations=[n % 2 for n in range(200_000)])
        headers = {"Authorization": "APIKey sandbox-key", "Content-Encoding": "gzip"}
        body = gzip.compress(json.dumps(given).encode())
        assert (await client.ask("PUT", place(uuid), body, headers=headers))[0] == 201
        (sample,) = await client.json("GET", "/datasets/sandbox/dataset/samples/")
        data = (await client.ask("GET", sample["attributes"]["pcd"]["url"], headers={}))[1]
        assert len(data) == 200_000 * 16
