"""Labels of Segments.ai are saved once each, after their bitmaps, whatever the server does."""

import re
import time
from collections import Counter
from pathlib import Path
from typing import Any

import anyio
import pytest

from pipeline.core.geometry import Shape
from pipeline.core.rows import Bundle, PackedRow, SaveReport
from pipeline.errors import CredentialsError, TransientError, UsageError
from pipeline.events import RequestDone
from pipeline.platforms.segments.client import GZIP_FROM
from pipeline.ports import Target
from tests.conformance.moving import rows_of
from tests.conformance.segments_project import Local, boxes, bring, local, masks, packed

pytestmark = pytest.mark.anyio

ROWS = [boxes(f"{number}.png", number + 1) for number in range(8)]
PICTURES = [masks(f"{number}.png", number + 1) for number in range(6)]
COUNTS = {row.title: row.label_count for row in ROWS}


async def save(target: Target, rows: list[PackedRow]) -> SaveReport:
    return await target.save(Bundle.of(rows))


def done(server: Local, kind: str) -> list[RequestDone]:
    return [event for event in server.events if isinstance(event, RequestDone) and event.kind == kind]


async def areas(server: Local) -> dict[str, list[int]]:
    """The pixels of each instance, by row, as the stand-in's storage has them."""
    found = await server.labels()
    return {name: sorted((await server.pixels(label)).values()) for name, label in sorted(found.items())}


def meant() -> dict[str, list[int]]:
    """The same as it must be: instance n is n + 1 columns wide."""
    return {row.title: [48 * (n + 1) for n in range(row.label_count)] for row in PICTURES}


# ---- bitmaps ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"session_token": True}, {"upload_created": True}])
async def test_bitmaps_land_before_their_labels_and_no_key_goes_with_them(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    # The stand-in refuses a label whose bitmap is not there, and a form that lacks one of its fields.
    async with (
        local(tmp_path, PICTURES, shape=Shape.MASK, **options) as server,
        server.adapter() as adapter,
    ):
        await bring(adapter.target(), PICTURES)
        assert await areas(server) == meant()
        read = await rows_of(adapter.source())
        log = await server.log()
    assert [row.label_count for row in read] == [row.label_count for row in PICTURES]
    assert log["kinds"]["assets.POST"] == log["kinds"]["storage.POST"] == log["rows"]["asset"] == 6
    assert log["rows"]["save"] == 6
    assert "astray" not in log["rows"]
    assert set(log["statuses"]) == ({"200", "201"} if "upload_created" in options else {"200", "201", "204"})


@pytest.mark.parametrize(
    "fault",
    [
        {"drop_before": 0.35},
        {"drop_after": 0.35},
        {"fail_before": 0.35},
        {"fail_after": 0.35, "fail_status": 500},
        {"fail_before": 0.35, "fail_status": 403},
    ],
    ids=lambda fault: "-".join(f"{name}" for name in fault),
)
async def test_an_upload_that_may_have_failed_is_announced_anew(
    tmp_path: Path, fault: dict[str, Any]
) -> None:
    async with (
        local(tmp_path, PICTURES, shape=Shape.MASK) as server,
        server.adapter() as adapter,
    ):
        rows = await packed(adapter.target(), PICTURES)
        await server.faults(seed=1, **fault, kinds=["storage.POST"])
        report = await save(adapter.target(), rows)
        log = await server.log()
        assert await areas(server) == meant()
    assert len(report.saved) == 6
    assert log["kinds"]["storage.POST"] > 6
    assert log["kinds"]["assets.POST"] == log["kinds"]["storage.POST"]
    assert log["rows"]["save"] == 6
    assert "astray" not in log["rows"]


async def test_a_permission_that_ended_is_asked_for_anew(tmp_path: Path) -> None:
    async with (
        local(tmp_path, PICTURES, shape=Shape.MASK, upload_seconds=0.3) as server,
        server.adapter() as adapter,
    ):
        rows = await packed(adapter.target(), PICTURES[:1])
        await server.faults(latency=0.4)
        async with anyio.create_task_group() as group:
            group.start_soon(save, adapter.target(), rows)
            while "403" not in (await server.log())["statuses"]:  # noqa: ASYNC110 - the server tells nobody
                await anyio.sleep(0.02)
            await server.faults()
        log = await server.log()
    assert log["rows"] == {"asset": 1, "save": 1}
    assert log["kinds"]["assets.POST"] == log["kinds"]["storage.POST"] >= 2


async def test_a_storage_that_asks_for_less_gets_the_same_form_again(tmp_path: Path) -> None:
    async with (
        local(tmp_path, PICTURES, shape=Shape.MASK) as server,
        server.adapter() as adapter,
    ):
        rows = await packed(adapter.target(), PICTURES[:2])
        await server.faults(busy_every=2, retry_after=0, kinds=["storage.POST"])
        await save(adapter.target(), rows)
        log = await server.log()
    assert log["statuses"]["429"] > 0
    assert log["kinds"]["assets.POST"] == 2


async def test_an_announcement_whose_answer_is_lost_is_repeated(tmp_path: Path) -> None:
    async with (
        local(tmp_path, PICTURES, shape=Shape.MASK) as server,
        server.adapter() as adapter,
    ):
        rows = await packed(adapter.target(), PICTURES)
        await server.faults(seed=2, drop_after=0.3, kinds=["assets.POST"])
        await save(adapter.target(), rows)
        log = await server.log()
        assert await areas(server) == meant()
    assert log["kinds"]["assets.POST"] > log["kinds"]["storage.POST"] == 6


async def test_a_bitmap_that_is_too_large_rejects_its_row_without_a_second_try(tmp_path: Path) -> None:
    async with (
        local(tmp_path, PICTURES, shape=Shape.MASK, largest_asset=10) as server,
        server.adapter() as adapter,
    ):
        rows = await packed(adapter.target(), PICTURES[:2])
        report = await save(adapter.target(), rows)
        log = await server.log()
    assert [(row.key.title, row.stage) for row in report.rejected] == [("0.png", "save"), ("1.png", "save")]
    assert "larger than the storage host takes" in report.rejected[0].reason
    assert (log["kinds"]["storage.POST"], log["kinds"].get("labels.PUT")) == (2, None)


async def test_a_bitmap_that_did_not_change_is_not_uploaded_again(tmp_path: Path) -> None:
    async with local(tmp_path, PICTURES, shape=Shape.MASK, labelsets=("model",)) as server:
        async with server.adapter() as adapter:
            await bring(adapter.target(), PICTURES)
            again = await packed(adapter.target(), PICTURES)
            assert all(row.unchanged for row in again)
            read = await rows_of(adapter.source())
        async with server.adapter(labelset="model") as adapter:
            copies = await bring(adapter.target(), read)
        log = await server.log()
        first, second = await server.labels(), await server.labels("model")
    assert all(row.assets == () for row in copies)
    assert (log["rows"]["asset"], log["rows"]["save"]) == (6, 12)
    assert {name: label["attributes"] for name, label in second.items()} == {
        name: label["attributes"] for name, label in first.items()
    }


# ---- labels -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault", [{"drop_after": 0.35}, {"fail_after": 0.35}, {"drop_before": 0.35}, {"fail_before": 0.35}]
)
async def test_a_label_whose_answer_is_lost_is_put_again_and_is_there_once(
    tmp_path: Path, fault: dict[str, float]
) -> None:
    async with local(tmp_path, ROWS) as server, server.adapter() as adapter:
        rows = await packed(adapter.target(), ROWS)
        await server.faults(seed=1, **fault, kinds=["labels.PUT"])
        report = await save(adapter.target(), rows)
        log = await server.log()
        assert await server.counts() == COUNTS
    assert [receipt.key for receipt in report.saved] == [row.key for row in ROWS]
    assert log["kinds"]["labels.PUT"] > 8


@pytest.mark.parametrize("text_only", [True, False])
async def test_429_is_waited_for_as_long_as_the_header_or_the_text_says(
    tmp_path: Path, *, text_only: bool
) -> None:
    options: dict[str, Any] = {"throttle_text_only": text_only, "throttle_kinds": ("labels.PUT",)}
    async with local(tmp_path, ROWS, throttle_first=2, **options) as server, server.adapter() as adapter:
        rows = await packed(adapter.target(), ROWS)
        began = time.monotonic()
        report = await save(adapter.target(), rows)
        took = time.monotonic() - began
        log = await server.log()
    assert len(report.saved) == 8
    assert took >= 1.0
    assert log["statuses"]["429"] == 2
    assert log["rows"] == {"save": 8}


async def test_a_poisoned_row_is_rejected_and_the_others_are_saved(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS) as server, server.adapter() as adapter:
        rows = await packed(adapter.target(), ROWS)
        await server.faults(poison=["2.png", "5.png"])
        report = await save(adapter.target(), rows)
        assert await server.counts() == {k: v for k, v in COUNTS.items() if k not in {"2.png", "5.png"}}
    assert [row.key.title for row in report.rejected] == ["2.png", "5.png"]
    assert all(row.row is not None and row.stage == "save" for row in report.rejected)
    assert re.fullmatch(r"row '2\.png': Segments\.ai answered 400: row '2\.png' is refused.*", str(
        report.rejected[0].reason
    ))  # fmt: skip
    assert [receipt.key for receipt in report.saved] == [
        row.key for row in ROWS if row.title not in {"2.png", "5.png"}
    ]


async def test_rows_that_were_saved_are_not_sent_again_with_those_that_failed(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS, log=tmp_path / "log") as server, server.adapter() as adapter:
        target = adapter.target()
        rows = await packed(target, ROWS)
        await server.faults(poison=["2.png", "5.png"], poison_answer="server-error")
        with pytest.raises(TransientError, match="500"):
            await save(target, rows)
        first = await save(target, rows[:2])
        await server.faults()
        rest = await save(target, rows[2:])
        saves = Counter((await server.log())["rows"])
        assert await server.counts() == COUNTS
    assert [receipt.key for receipt in (*first.saved, *rest.saved)] == [row.key for row in ROWS]
    assert saves == {"save": 8}


async def test_a_sample_that_went_meanwhile_rejects_its_row(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS) as server, server.adapter() as adapter:
        rows = await packed(adapter.target(), ROWS)
        await server.ask("DELETE", f"/samples/{rows[3].place.id}/")
        report = await save(adapter.target(), rows)
    assert [row.key.title for row in report.rejected] == ["3.png"]
    assert "404" in report.rejected[0].reason


async def test_a_label_that_the_server_finds_too_large_rejects_its_row(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS) as server, server.adapter() as adapter:
        rows = await packed(adapter.target(), ROWS)
        await server.faults(max_bytes=len(rows[5].payload) - 1, kinds=["labels.PUT"])
        report = await save(adapter.target(), rows)
    assert [row.key.title for row in report.rejected] == ["5.png", "6.png", "7.png"]
    assert "too large" in report.rejected[0].reason


async def test_a_key_that_is_refused_amid_the_work_ends_it(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS) as server, server.adapter() as adapter:
        rows = await packed(adapter.target(), ROWS)
        await server.faults(refuse_keys=True)
        with pytest.raises(CredentialsError):
            await save(adapter.target(), rows)


async def test_large_labels_travel_compressed_and_small_ones_as_they_are(tmp_path: Path) -> None:
    pair = [boxes("large.png", 60), boxes("small.png", 1)]
    async with local(tmp_path, pair) as server, server.adapter() as adapter:
        large, small = await bring(adapter.target(), pair)
        sent = sorted(request.sent for request in done(server, "labels.PUT"))
        assert await server.counts() == {"large.png": 60, "small.png": 1}
    assert len(large.payload) > GZIP_FROM > len(small.payload)
    assert len(small.payload) in sent
    assert max(sent) < len(large.payload) / 3


async def test_a_target_that_was_not_prepared_says_so(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS) as server, server.adapter() as adapter:
        with pytest.raises(UsageError, match="not prepared"):
            await adapter.target().open([], [])
