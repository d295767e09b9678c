"""Images of Supervisely are created once: by hash, by link, under names that others may have taken."""

from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import anyio
import pytest

from pipeline.core.labels import Media, MediaKind
from pipeline.core.rows import MediaMode, OpenRow
from pipeline.errors import BundleRefused, RowError, TransientError
from pipeline.io.media import PictureReader
from pipeline.platforms.supervisely import uploading
from tests.conformance.moving import rows_of
from tests.conformance.opening import listed, opened, placed, tasks_for
from tests.conformance.supervisely_pictures import COPY, LINK, drawn, picture, reasons, results
from tests.conformance.supervisely_project import boxes, bring, hash_of, local

pytestmark = pytest.mark.anyio

# ---- by hash ------------------------------------------------------------------------------------------


async def test_pictures_are_sent_once_each_and_come_back_as_they_are(tmp_path: Path) -> None:
    rows = drawn(tmp_path, {"a.png": 1, "b.png": 2, "c.png": 1, "d.png": 3}, metadata={"k": 1})
    async with local(tmp_path, []) as server, server.adapter() as adapter:
        await bring(adapter.target(), rows, COPY)
        log, images = await server.log(), await server.images()
        read = await rows_of(adapter.source())
        back = [await adapter.picture(row.media[0], most=1000) for row in read]
    assert log["rows"] == {"upload": 3, "image": 4, "save": 4}
    assert log["kinds"]["images.internal.hashes.list"] == 1
    assert log["kinds"]["images.bulk.upload"] == log["kinds"]["images.bulk.add"] == 1
    assert back == [picture(1), picture(2), picture(1), picture(3)]
    assert [one["hash"] for one in images.values()] == [hash_of(data) for data in back]
    assert [row.metadata for row in read] == [{"k": 1}] * 4


async def test_what_the_server_has_is_not_sent(tmp_path: Path) -> None:
    first = drawn(tmp_path, {"a.png": 1, "b.png": 2})
    more = drawn(tmp_path, {"c.png": 2, "d.png": 3})
    async with local(tmp_path, []) as server:
        for rows in (first, more):
            async with server.adapter() as adapter:
                await bring(adapter.target(), rows, COPY)
        assert (await server.log())["rows"]["upload"] == 3


@pytest.mark.parametrize("mode", [MediaMode.COPY, MediaMode.LINK])
async def test_pictures_whose_digest_is_known_there_need_not_be_read(tmp_path: Path, mode: MediaMode) -> None:
    rows = drawn(tmp_path, {"a.png": 1})
    digest = sha256(picture(1)).hexdigest()
    nowhere = replace(boxes("b.png"), media=(Media("b.png", sha256=digest, width=64, height=48),))
    async with local(tmp_path, []) as server:
        async with server.adapter() as adapter:
            await bring(adapter.target(), rows, COPY)
        async with server.adapter() as adapter:
            await bring(adapter.target(), [nowhere], replace(COPY, media=mode))
        found = await server.images()
        assert (await server.log())["rows"]["upload"] == 1
    assert found["dataset/a.png"]["hash"] == found["dataset/b.png"]["hash"] == hash_of(picture(1))


async def test_many_pictures_are_sent_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploading, "BATCH", 1000)
    rows = drawn(tmp_path, {f"{n:03}.png": n for n in range(120)})
    async with local(tmp_path, []) as server, server.adapter() as adapter:
        await bring(adapter.target(), rows, COPY)
        log = await server.log()
        assert sorted(await server.images()) == [f"dataset/{row.title}" for row in rows]
    assert log["rows"]["upload"] == log["rows"]["image"] == 120
    assert log["kinds"]["images.bulk.upload"] > 4
    assert log["kinds"]["images.bulk.add"] == 3


async def test_a_content_that_several_bundles_need_at_once_is_sent_once(tmp_path: Path) -> None:
    rows = drawn(tmp_path, {f"{n}.png": 7 for n in range(4)})
    async with local(tmp_path, []) as server, server.adapter() as adapter:
        await server.faults(latency=0.02)
        target = adapter.target()
        tasks = tasks_for(rows)
        places = await placed(await target.prepare(COPY, listed(rows)), tasks)
        async with anyio.create_task_group() as group:
            for task, place in zip(tasks, places, strict=True):
                group.start_soon(target.open, [task], [place])
        log = await server.log()
    assert log["rows"]["upload"] == 1
    assert log["rows"]["image"] == 4


async def test_a_picture_that_cannot_be_had_rejects_its_row_alone(tmp_path: Path) -> None:
    rows = drawn(tmp_path, {"a.png": 1, "b.png": 2})
    rows.append(replace(boxes("c.png"), media=(Media("c.png", path="gone.png"),)))
    rows.append(replace(boxes("d.png"), media=(Media("d.png", path="a.png", sha256="00" * 32),)))
    rows.append(replace(boxes("e.png"), media_kind=MediaKind.VIDEO))
    async with local(tmp_path, []) as server, server.adapter() as adapter:
        found = await results(adapter.target(), rows)
        assert sorted(await server.images()) == ["dataset/a.png", "dataset/b.png"]
    assert [isinstance(row, OpenRow) for row in found] == [True, True, False, False, False]
    for words, reason in zip(
        ("cannot be read", "digest differs", "is no picture"), reasons(found), strict=True
    ):
        assert words in reason
        assert reason.startswith("row ")


async def test_a_picture_that_the_server_refuses_rejects_its_row_alone(tmp_path: Path) -> None:
    rows = drawn(tmp_path, {"a.png": 1, "b.png": 2, "c.png": 3})
    (tmp_path / "b.png").write_bytes(b"no picture at all")
    async with local(tmp_path, []) as server, server.adapter() as adapter:
        found = await results(adapter.target(), rows)
    assert [row.task.key.title for row in found if isinstance(row, OpenRow)] == ["a.png", "c.png"]
    assert "was refused" in reasons(found)[0]


async def test_pictures_that_are_too_many_for_one_request_are_divided(tmp_path: Path) -> None:
    rows = drawn(tmp_path, {f"{n}.png": n for n in range(8)})
    async with local(tmp_path, []) as server, server.adapter() as adapter:
        await server.faults(max_bytes=700, kinds=["images.bulk.upload"])
        found = await results(adapter.target(), rows)
        assert (await server.log())["rows"]["upload"] == 8
    assert reasons(found) == []


async def test_a_dry_run_reads_of_a_picture_only_what_tells_that_it_is_there(tmp_path: Path) -> None:
    rows = drawn(tmp_path, {"a.png": 1})
    rows.append(replace(boxes("c.png"), media=(Media("c.png", path="gone.png"),)))
    async with local(tmp_path, []) as server, server.adapter() as adapter:
        found = await results(adapter.target(), rows, replace(COPY, dry_run=True))
        assert (await server.log())["rows"] == {}
    assert [isinstance(row, OpenRow) for row in found] == [True, False]


# ---- from one server to another -----------------------------------------------------------------------


async def test_pictures_of_another_server_are_fetched_with_its_token(tmp_path: Path) -> None:
    rows = drawn(tmp_path, {"a.png": 1, "b.png": 2})
    async with local(tmp_path, [], token="one") as server, local(tmp_path, [], token="two") as other:
        async with server.adapter() as adapter:
            await bring(adapter.target(), rows, COPY)
            read = await rows_of(adapter.source())
        async with (
            server.adapter(api_token="one") as source,
            other.adapter(api_token="two") as adapter,
        ):
            reader = adapter._tools.media
            assert isinstance(reader, PictureReader)
            reader.gallery = source
            await bring(adapter.target(), read, COPY)
        assert [one["hash"] for one in (await other.images()).values()] == [
            hash_of(picture(1)), hash_of(picture(2))
        ]  # fmt: skip
        assert (await server.log())["kinds"]["images.download"] == 2


async def test_a_picture_is_read_from_the_platform_up_to_what_is_asked_for(tmp_path: Path) -> None:
    rows = drawn(tmp_path, {"a.png": 1})
    whole = picture(1)
    async with local(tmp_path, []) as server, server.adapter() as adapter:
        await bring(adapter.target(), rows, COPY)
        [row] = await rows_of(adapter.source())
        reader = PictureReader(server.tools().assets)
        reader.gallery = adapter
        media = replace(row.media[0], width=None, height=None)
        assert await reader.read(media, most=len(whole)) == whole
        assert await reader.size_of(media) == (64, 48)
        assert await adapter.picture(media, most=10) == whole[:10]
        with pytest.raises(RowError, match="longer than 10 bytes"):
            await reader.read(media, most=10)
        with pytest.raises(RowError, match="'gone'"):
            await reader.read(Media("gone", ref="99"))
        with pytest.raises(RowError, match="no image of Supervisely"):
            await reader.read(Media("other", ref="hash"))
        with pytest.raises(RowError, match="digest differs"):
            await reader.read(replace(media, sha256="00" * 32))
        await server.faults(outage=True)
        with pytest.raises(TransientError):
            await reader.read(media)


# ---- by link ------------------------------------------------------------------------------------------


async def test_links_are_told_to_the_server_and_come_back(tmp_path: Path) -> None:
    url = "https://example.com/a.png"
    linked = replace(boxes("a.png"), media=(Media("a.png", url=url),))
    bare = replace(boxes("b.png"), media=(Media("b.png", path="b.png"),))
    async with local(tmp_path, [], link_sizes={url: (64, 48)}) as server, server.adapter() as adapter:
        found = await results(adapter.target(), [linked, bare], LINK)
        [back] = await rows_of(adapter.source())
        assert (await server.images())["dataset/a.png"]["link"] == url
    assert [isinstance(row, OpenRow) for row in found] == [True, False]
    assert "use `media: copy`" in reasons(found)[0]
    assert (back.media[0].url, back.media[0].sha256) == (url, None)


# ---- trouble ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "faults",
    [
        {"drop_before": 0.4},
        {"drop_after": 0.4},
        {"fail_after": 0.4, "fail_status": 500},
        {"fail_before": 0.4, "fail_status": 504},
        {"busy_every": 2, "retry_after": None},
    ],
)
async def test_trouble_on_the_way_makes_each_image_once(tmp_path: Path, faults: dict[str, Any]) -> None:
    rows = drawn(tmp_path, {f"{n}.png": n % 5 for n in range(9)})
    async with local(tmp_path, []) as server, server.adapter() as adapter:
        target = adapter.target()
        tasks = tasks_for(rows)
        places = await placed(await target.prepare(COPY, listed(rows)), tasks)
        await server.faults(**faults, seed=5)
        for start in range(0, len(rows), 3):
            some = slice(start, start + 3)
            assert reasons(await target.open(tasks[some], places[some])) == []
        await server.faults()
        log = await server.log()
        assert len(await server.images()) == 9
    assert log["rows"]["image"] == 9


async def test_images_that_were_made_are_known_when_the_bundle_is_opened_again(tmp_path: Path) -> None:
    rows = drawn(tmp_path, {f"{n}.png": n for n in range(60)})
    async with local(tmp_path, []) as server, server.adapter() as adapter:
        target = adapter.target()
        tasks = tasks_for(rows)
        places = await placed(await target.prepare(COPY, listed(rows)), tasks)
        client, calls = adapter._client, []
        usual = client.add_images

        async def second_fails(*given: Any) -> Any:  # noqa: ANN401 - as the client's own
            calls.append(given)
            if len(calls) == 2:
                raise TransientError("the network is down")
            return await usual(*given)

        client.add_images = second_fails  # type: ignore[method-assign,assignment]
        with pytest.raises(TransientError):
            await target.open(tasks, places)
        assert len(await server.images()) == 50
        found = await target.open(tasks, places)
        assert len(await server.images()) == 60
    assert reasons(found) == []
    assert target._images._made == {}  # type: ignore[attr-defined]


@pytest.mark.parametrize("choice", ["fail", "new-name"])
async def test_images_whose_answers_are_all_lost_are_found_when_the_bundle_is_opened_again(
    tmp_path: Path, choice: str
) -> None:
    rows = drawn(tmp_path, {f"{n}.png": n for n in range(60)})
    async with local(tmp_path, []) as server, server.adapter(if_image_taken=choice) as adapter:
        target = adapter.target()
        tasks = tasks_for(rows)
        places = await placed(await target.prepare(COPY, listed(rows)), tasks)
        await server.faults(drop_after=1.0, kinds=["images.bulk.add", "images.list"])
        with pytest.raises(TransientError):
            await target.open(tasks, places)
        await server.faults()
        assert len(await server.images()) == 60
        found = await target.open(tasks, places)
        assert sorted(await server.images()) == sorted(f"dataset/{row.title}" for row in rows)
        assert (await server.log())["rows"]["image"] == 60
    assert reasons(found) == []
    assert target._images._unsure == set()  # type: ignore[attr-defined]


async def test_a_refusal_that_names_nobody_is_left_to_the_search(tmp_path: Path) -> None:
    rows = drawn(tmp_path, {"a.png": 1})
    async with local(tmp_path, []) as server, server.adapter() as adapter:
        target = adapter.target()
        await server.faults(max_bytes=10, kinds=["images.bulk.add"])
        with pytest.raises(BundleRefused) as refused:
            await results(target, rows)
    assert refused.value.too_large


async def test_rows_that_are_there_are_not_created(tmp_path: Path) -> None:
    there = [replace(boxes("seed.png", 0), media=(Media(width=64, height=48),))]
    async with local(tmp_path, there) as server, server.adapter() as adapter:
        rows = await opened(adapter.target(), there, COPY)
        assert (await server.log())["rows"] == {}
    assert len(rows) == 1
