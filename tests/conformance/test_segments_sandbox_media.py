"""The stand-in of Segments.ai: its samples, its storage, and the file that keeps all of it."""

import json
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pipeline.core.geometry import Shape
from pipeline.core.labels import LabelRow, Media, MediaKind, Sensor
from pipeline.errors import UsageError
from tests.conformance.segments_plain import BOX, IMAGES, label, place, served

pytestmark = pytest.mark.anyio


# ---- samples ----------------------------------------------------------------------------------------


async def test_samples_come_in_pages_up_to_an_error_that_says_so() -> None:
    async with served(per_page_cap=2) as client:
        pages = []
        for number in range(1, 5):
            status, answer, _ = await client.ask(
                "GET", f"/datasets/sandbox/dataset/samples/?per_page=1000&page={number}"
            )
            pages.append((status, json.loads(answer)))
        names = [one["name"] for status, page in pages[:3] for one in page]
        assert names == [row.title for row in IMAGES]
        assert pages[3] == (404, {"detail": "Invalid page."})


async def test_samples_are_chosen_by_name_status_and_metadata_and_sorted() -> None:
    async with served() as client:
        uuids = await client.uuids()
        await client.json("PUT", place(uuids[3]), label(BOX))
        for query, expected in (
            ("name__contains=-2", [2]),
            ("label_status=LABELED,REVIEWED", [3]),
            ("label_status=UNLABELED&sort=-name", [4, 2, 1, 0]),
            ("filters=n:1", [1, 3]),
            ("sort=gt_label__updated_at&per_page=1", [3]),
        ):
            page = await client.json("GET", f"/datasets/sandbox/dataset/samples/?{query}")
            assert [one["uuid"] for one in page] == [uuids[number] for number in expected], query
        page = await client.json("GET", "/datasets/sandbox/dataset/samples/?labelset=ground-truth")
        assert [one["label"] and one["label"]["label_status"] for one in page] == [
            None, None, None, "LABELED", None,
        ]  # fmt: skip
        assert "attributes" not in page[3]["label"]


async def test_samples_are_created_by_name_once(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    given = [
        {
            "name": name,
            "attributes": {"image": {"url": f"https://example.com/{name}"}},
            "metadata": {"a": 1.0},
        }
        for name in ("image-0.png", "new.png")
    ]
    async with served(log=log) as client:
        uuids = await client.uuids()
        old, new = await client.json("POST", "/datasets/sandbox/dataset/samples_bulk/", given)
        assert old["uuid"] == uuids[0]
        assert new["attributes"] == given[1]["attributes"]
        status, answer, _ = await client.ask("POST", "/datasets/sandbox/dataset/samples/", given[1])
        assert (status, b"already exists" in answer) == (400, True)
        wrong = {"name": "wrong", "attributes": {"frames": []}}
        assert (await client.ask("POST", "/datasets/sandbox/dataset/samples/", wrong))[0] == 400
        doomed = {"uuids": [new["uuid"], "unknown"]}
        assert await client.json("DELETE", "/datasets/sandbox/dataset/samples_bulk/", doomed) == {
            "deleted_count": 1
        }
        assert await client.uuids() == uuids
    assert [json.loads(line)["title"] for line in log.read_text().splitlines()] == ["new.png"]


async def test_a_sample_of_the_seed_has_a_picture_of_its_size() -> None:
    async with served() as client:
        (sample, *_) = await client.json("GET", "/datasets/sandbox/dataset/samples/?name__contains=3")
        url = sample["attributes"]["image"]["url"]
        status, data, headers = await client.ask("GET", url, headers={})
        assert (status, headers["Content-Type"]) == (200, "image/png")
        assert struct.unpack(">II", data[16:24]) == (67, 48)
        status, head, headers = await client.ask("GET", url, headers={"Range": "bytes=0-23"})
        assert (status, head, headers["Content-Range"]) == (206, data[:24], f"bytes 0-23/{len(data)}")


async def test_media_with_a_url_keep_it_and_sequences_have_their_frames() -> None:
    rows = [
        LabelRow(
            key="a",
            title="walk",
            media_kind=MediaKind.IMAGE_SEQUENCE,
            media=(Media(name="f0", url="https://example.com/0.png"), Media(width=8, height=6)),
            frame_count=2,
        )
    ]
    async with served(rows=rows) as client:
        dataset = await client.json("GET", "/datasets/sandbox/dataset/")
        assert dataset["task_type"] == "image-vector-sequence"
        (sample,) = await client.json("GET", "/datasets/sandbox/dataset/samples/")
        first, second = sample["attributes"]["frames"]
        assert first == {"image": {"url": "https://example.com/0.png"}, "name": "f0"}
        data = (await client.ask("GET", second["image"]["url"], headers={}))[1]
        assert struct.unpack(">II", data[16:24]) == (8, 6)
        three = {"label_status": "LABELED", "attributes": {"frames": [{"annotations": []}] * 3}}
        status, _, _ = await client.ask("PUT", place(sample["uuid"]), three)
        assert status == 400


async def test_a_row_of_several_sensors_has_them_in_their_order_with_media_of_their_own() -> None:
    images = tuple(Media(width=8 + n, height=6) for n in range(2))
    sensors = (
        Sensor("Left", MediaKind.IMAGE_SEQUENCE, images, 2),
        Sensor("Lidar", MediaKind.POINT_CLOUD_SEQUENCE, (Media(points=3), Media(points=4)), 2),
    )
    row = LabelRow(key="a", title="drive", media_kind=MediaKind.MULTI_SENSOR, media=(), sensors=sensors)
    kinds = {"Left": "image-segmentation-sequence"}
    async with served(rows=[row], task_type="multisensor-sequence", sensors=kinds) as client:
        (sample,) = await client.json("GET", "/datasets/sandbox/dataset/samples/")
        left, lidar = sample["attributes"]["sensors"]
        assert (left["name"], left["task_type"]) == ("Left", "image-segmentation-sequence")
        assert (lidar["name"], lidar["task_type"]) == ("Lidar", "pointcloud-cuboid-sequence")
        sizes = []
        for frame in (*left["attributes"]["frames"], *lidar["attributes"]["frames"]):
            url = frame.get("image", frame.get("pcd"))["url"]
            data = (await client.ask("GET", url, headers={}))[1]
            sizes.append(struct.unpack(">II", data[16:24]) if "image" in frame else len(data) // 16)
        assert sizes == [(8, 6), (9, 6), 3, 4]


async def test_rows_of_one_name_cannot_be_served() -> None:
    with pytest.raises(UsageError, match=r"image-0\.png"):
        async with served(rows=[IMAGES[0], IMAGES[0]]):
            pass


# ---- the storage ------------------------------------------------------------------------------------


@pytest.mark.parametrize("created", [False, True])
async def test_a_bitmap_is_announced_landed_and_only_then_named_by_a_label(created: bool) -> None:  # noqa: FBT001
    async with served(Shape.MASK, upload_created=created) as client:
        uuid = (await client.uuids())[0]
        asset = await client.announce()
        given = label({"id": 5, "category_id": 1}, segmentation_bitmap={"url": asset["url"]})
        status, answer, _ = await client.ask("PUT", place(uuid), given)
        assert (status, b"asset has not landed" in answer) == (400, True)
        assert (await client.ask("GET", asset["url"], headers={}))[0] == 404
        status, text = await client.upload(asset, b"\x89PNG\r\n--not a boundary\r\n")
        assert (status, text.endswith("</PostResponse>")) == ((201, True) if created else (204, False))
        assert (await client.ask("GET", asset["url"], headers={}))[1] == b"\x89PNG\r\n--not a boundary\r\n"
        assert (await client.ask("PUT", place(uuid), given))[0] == 201
        foreign = label(segmentation_bitmap={"url": "https://example.com/label.png"})
        assert (await client.ask("PUT", place(uuid), foreign))[0] == 200


async def test_an_upload_needs_every_field_as_it_was_given() -> None:
    async with served(Shape.MASK, session_token=True) as client:
        asset = await client.announce()
        for name in asset["presignedPostFields"]["fields"]:
            for value in (None, "other"):
                status, text = await client.upload(asset, b"bytes", **{name: value})
                assert (status, "<Code>AccessDenied</Code>" in text) == (403, True), name
        assert (await client.upload(asset, extra="x"))[0] == 403
        assert "x-amz-security-token" in asset["presignedPostFields"]["fields"]
        assert (await client.upload(asset))[0] == 204
    async with served(Shape.MASK, upload_seconds=-1.0) as client:
        asset = await client.announce()
        assert "x-amz-security-token" not in asset["presignedPostFields"]["fields"]
        status, text = await client.upload(asset)
        assert (status, "Policy expired" in text) == (403, True)


async def test_an_upload_needs_a_length_and_its_file_last() -> None:
    async with served(Shape.MASK) as client:
        asset = await client.announce()
        url, fields = asset["presignedPostFields"]["url"], asset["presignedPostFields"]["fields"]
        parts = [
            f'--b\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items()
        ]
        file = '--b\r\nContent-Disposition: form-data; name="file"; filename="file"\r\n\r\ndata\r\n'
        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        for body, expected in (
            ("".join([*parts, file]) + "--b--\r\n", 204),
            ("".join([*parts[:-1], file, parts[-1]]) + "--b--\r\n", 400),
            ("".join(parts) + "--b--\r\n", 400),
            ("".join([*parts, file]), 400),
            ("", 400),
        ):
            assert (await client.ask("POST", url, body.encode(), headers=headers))[0] == expected

        async def chunks() -> AsyncIterator[bytes]:
            yield ("".join([*parts, file]) + "--b--\r\n").encode()

        async with client.session.post(url, data=chunks(), headers=headers) as answer:
            assert answer.status == 411


async def test_a_key_that_goes_to_the_storage_is_refused_and_logged(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    async with served(Shape.MASK, log=log) as client:
        asset = await client.announce()
        assert (await client.upload(asset))[0] == 204
        assert (await client.ask("GET", asset["url"]))[0] == 400
        assert (await client.ask("POST", asset["presignedPostFields"]["url"], b""))[0] == 400
        rows = (await client.json("GET", "/_sandbox/log"))["rows"]
    assert rows == {"asset": 1, "astray": 2}
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["action"] for line in lines] == ["asset", "astray", "astray"]
    assert (lines[0]["row"], lines[0]["title"]) == (asset["uuid"], "label.png")


async def test_faults_reach_the_storage_by_its_own_kind() -> None:
    faults = {"fail_before": 1.0, "kinds": ["storage.POST"]}
    async with served(Shape.MASK, faults=faults) as client:
        assert (await client.upload(await client.announce()))[0] == 503


# ---- the state --------------------------------------------------------------------------------------


async def test_a_state_goes_on_where_it_ended_also_at_another_port(tmp_path: Path) -> None:
    state = tmp_path / "state.jsonl"
    png = b"\x89PNG of a label"
    async with served(Shape.MASK, state=state) as client:
        first, second, third, *_ = await client.uuids()
        asset, begun = await client.announce(), await client.announce()
        await client.upload(asset, png)
        given = label({"id": 5, "category_id": 1}, segmentation_bitmap={"url": asset["url"]})
        await client.json("PUT", place(first), given | {"score": 2})
        await client.json("PATCH", f"/samples/{second}/", {"name": "renamed.png"})
        assert (await client.ask("DELETE", f"/samples/{third}/"))[0] == 204
        await client.json("POST", "/datasets/sandbox/dataset/labelsets/", {"name": "model"})
        await client.json("POST", "/user/datasets/", {"name": "other", "task_type": "vector"})
        before, origin = await client.json("GET", "/_sandbox/rows"), client.running.url
    with state.open("ab") as file:
        file.write(b'{"kind":"sample","key":"')
    for _ in range(2):
        async with served(Shape.MASK, state=state) as client:
            moved = json.loads(json.dumps(before).replace(origin, client.running.url))
            after = {row["uuid"]: row for row in await client.json("GET", "/_sandbox/rows")}
            assert after == {row["uuid"]: row for row in moved}
            assert after[first]["labels"]["ground-truth"]["score"] == 2
            url = asset["url"].replace(origin, client.running.url)
            assert (await client.ask("GET", url, headers={}))[1] == png
            names = [one["name"] for one in await client.json("GET", "/datasets/sandbox/dataset/labelsets/")]
            assert names == ["ground-truth", "model"]
            assert (await client.json("GET", "/datasets/sandbox/other/"))["task_type"] == "vector"
            form = begun["presignedPostFields"]
            again = {**begun, "presignedPostFields": {**form, "url": client.running.url + "/storage/"}}
            assert (await client.upload(again))[0] == 204


async def test_a_file_that_is_no_state_is_refused(tmp_path: Path) -> None:
    state = tmp_path / "state.jsonl"
    state.write_text("not JSON\n")
    with pytest.raises(UsageError, match="state of a stand-in"):
        async with served(state=state):
            pass
