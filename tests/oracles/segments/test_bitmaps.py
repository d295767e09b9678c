"""The real SDK uploads bitmaps to our stand-in, and reads them back."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.core.labels import LabelRow, Media, MediaKind
from tests.oracles.segments.published import TASK_ATTRIBUTES
from tests.oracles.segments.served import Sdk, load, needs_sdk, served

pytestmark = [pytest.mark.anyio, needs_sdk]

IDS = [[0, 1, 255, 256], [65535, 65536, 0x123456, 16777215], [0, 0, 7, 7]]
ANNOTATIONS = [{"id": number, "category_id": 1} for row in IDS[:2] for number in row if number]
ROW = LabelRow(key="a", title="a.png", media=(Media(width=4, height=3),))
WALK = LabelRow(
    key="b",
    title="walk",
    media_kind=MediaKind.IMAGE_SEQUENCE,
    media=tuple(Media(width=4, height=3) for _ in range(3)),
    frame_count=3,
)


async def test_a_bitmap_comes_back_with_the_ids_that_were_drawn(sdk: Sdk) -> None:
    async with served(sdk, [ROW], task_type="segmentation-bitmap", task_attributes=TASK_ATTRIBUTES) as server:
        (uuid,) = server.uuids.values()
        await server.sdk("write_bitmap", sample=uuid, ids=IDS, annotations=ANNOTATIONS)
        stored = await server.stored("a.png")
        assert [one["id"] for one in stored["annotations"]] == [one["id"] for one in ANNOTATIONS]
        read = await server.sdk("read_label", sample=uuid)
        found = await server.ids("bitmap", url=read["attributes"]["segmentation_bitmap"]["url"])
        assert found.tolist() == IDS


async def test_each_frame_of_a_sequence_has_a_bitmap_or_none(sdk: Sdk) -> None:
    task_type = "image-segmentation-sequence"
    async with served(sdk, [WALK], task_type=task_type, task_attributes=TASK_ATTRIBUTES) as server:
        (uuid,) = server.uuids.values()
        pictures = [np.full((3, 4), number, np.uint32).tolist() for number in (3, 70000)]
        frames = [
            {"ids": ids, "annotations": [{"id": ids[0][0], "category_id": 1, "track_id": 9}]}
            for ids in pictures
        ]
        frames.append({"annotations": []})
        written = await server.sdk("write_bitmaps", sample=uuid, frames=frames)
        *drawn, empty = written["attributes"]["frames"]
        assert empty["segmentation_bitmap"] is None
        for frame, ids in zip(drawn, pictures, strict=True):
            assert (await server.ids("bitmap", url=frame["segmentation_bitmap"]["url"])).tolist() == ids
        assert (await server.stored("walk"))["frames"][0]["annotations"][0]["track_id"] == 9


async def test_a_bitmap_goes_by_file_into_the_sdk_and_out_of_it(sdk: Sdk, tmp_path: Path) -> None:
    ids = np.arange(12, dtype=np.uint32).reshape(3, 4) * 70001
    np.save(tmp_path / "ids.npy", ids)
    async with served(sdk, [ROW], task_type="segmentation-bitmap") as server:
        png = tmp_path / "label.png"
        await server.sdk("encode_png", ids=str(tmp_path / "ids.npy"), path=str(png))
        assert np.array_equal(load(await server.sdk("decode_png", path=str(png))), ids)
        url = await server.sdk("upload", path=str(png))
        assert np.array_equal(await server.ids("bitmap", url=url), ids)
        assert (await server.ask("GET", "/_sandbox/log"))["rows"] == {"asset": 1}


async def test_an_upload_with_a_session_token_fails_since_the_sdk_drops_it(sdk: Sdk, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"anything")
    async with served(sdk, [ROW], task_type="segmentation-bitmap", session_token=True) as server:
        kind, text = await server.refused("upload", path=str(tmp_path / "a.png"))
        assert (kind, "accessdenied" in text) == ("NetworkError", True)


async def test_an_upload_that_is_answered_with_xml_fails_though_it_landed(sdk: Sdk, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"anything")
    async with served(sdk, [ROW], task_type="segmentation-bitmap", upload_created=True) as server:
        kind, _ = await server.refused("upload", path=str(tmp_path / "a.png"))
        assert kind == "NetworkError"
        assert (await server.ask("GET", "/_sandbox/log"))["rows"] == {"asset": 1}
