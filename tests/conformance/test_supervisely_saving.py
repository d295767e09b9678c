"""Annotations of Supervisely are saved as they were meant and nothing doubles, whatever the server does."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.labels import LabelRow
from pipeline.core.rows import Bundle
from pipeline.errors import BundleRefused, CredentialsError, TransientError
from pipeline.events import RequestDone
from tests.conformance.moving import rows_of
from tests.conformance.opening import opened
from tests.conformance.supervisely_project import META, Local, boxes, bring, local, pack, packed, with_islands

pytestmark = pytest.mark.anyio

ROWS = [boxes(f"{number}.png", number + 1) for number in range(8)]
COUNTS = {row.title: row.label_count for row in ROWS}
MIXED = [with_islands(boxes(f"{number}.png", number % 2 + 1), bound=number % 3 != 2) for number in range(6)]
PARTS = {row.title: row.label_count for row in MIXED}


def shapes(row: LabelRow) -> Counter[str]:
    return Counter(item.shape.value for item in row.objects)


def bound(row: LabelRow) -> list[list[str]]:
    """The classes of the objects of each group."""
    names = {item.id: item.class_name for item in row.objects}
    return sorted(sorted(names[one] for one in group.objects) for group in row.groups)


def done(server: Local, kind: str) -> list[RequestDone]:
    return [event for event in server.events if isinstance(event, RequestDone) and event.kind == kind]


# ---- bundles ------------------------------------------------------------------------------------------


async def test_a_bundle_is_one_request_and_its_repeat_changes_nothing(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS) as server, server.adapter() as adapter:
        target = adapter.target()
        rows = await packed(target, ROWS)
        for _ in range(3):
            report = await target.save(Bundle.of(rows))
            assert [receipt.key for receipt in report.saved] == [row.key.key for row in rows]
        assert await server.counts() == COUNTS
        assert (await server.log())["kinds"]["annotations.bulk.add"] == 3


async def test_the_rows_of_each_dataset_travel_together(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS) as server:
        other = await server.call("datasets.add", {"projectId": server.project, "name": "other"})
        hashes = {name: image["hash"] for name, image in (await server.images()).items()}
        bodies = [{"title": f"o{n}.png", "hash": hashes["dataset/0.png"]} for n in range(3)]
        await server.call("images.bulk.add", {"datasetId": other["id"], "images": bodies})
        rows = [*ROWS[:2], *(boxes(f"o{n}.png", 2) for n in range(3)), *ROWS[2:]]
        async with server.adapter(dataset=None) as adapter:
            await bring(adapter.target(), rows)
        assert (await server.log())["kinds"]["annotations.bulk.add"] == 2
        assert await server.counts() == {**COUNTS, "o0.png": 2, "o1.png": 2, "o2.png": 2}


async def test_a_refused_row_is_named_and_the_other_dataset_is_not_sent_twice(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS) as server:
        body = {"projectId": server.project, "name": "other"}
        other = (await server.call("datasets.add", body))["id"]
        digest = (await server.images())["dataset/0.png"]["hash"]
        await server.call(
            "images.bulk.add", {"datasetId": other, "images": [{"title": "o.png", "hash": digest}]}
        )
        async with server.adapter(dataset=None) as adapter:
            target = adapter.target()
            rows = await packed(target, [*ROWS, boxes("o.png", 2)])
            await server.faults(poison=["o.png"])
            with pytest.raises(BundleRefused) as refused:
                await target.save(Bundle.of(rows))
            assert list(refused.value.rows) == [rows[-1].place.id]
            report = await target.save(Bundle.of(rows[:-1]))
            assert len(report.saved) == len(ROWS)
        assert (await server.log())["rows"]["save"] == len(ROWS)
        assert await server.counts() == {**COUNTS, "o.png": 0}


@pytest.mark.parametrize(
    "faults",
    [
        {"drop_before": 0.4},
        {"drop_after": 0.4},
        {"fail_before": 0.4},
        {"fail_after": 0.4, "fail_status": 500},
        {"busy_every": 2, "retry_after": None},
    ],
)
async def test_trouble_on_the_way_doubles_and_loses_nothing(tmp_path: Path, faults: dict[str, Any]) -> None:
    rows = [*MIXED, *(boxes(f"plain {n}.png", n) for n in range(3))]
    async with local(tmp_path, rows, meta=META) as server, server.adapter() as adapter:
        target = adapter.target()
        ready = await packed(target, rows)
        await server.faults(**faults, seed=7)
        for start in range(0, len(ready), 3):  # more requests, more trouble
            await target.save(Bundle.of(ready[start : start + 3]))
        await server.faults()
        back = await rows_of(adapter.source())
    assert [shapes(row) for row in back] == [shapes(row) for row in rows]
    assert [bound(row) for row in back] == [bound(row) for row in rows]


async def test_an_outage_is_told_and_what_was_saved_is_not_sent_again(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS) as server, server.adapter() as adapter:
        target = adapter.target()
        rows = await packed(target, ROWS)
        await server.faults(outage=True)
        with pytest.raises(TransientError):
            await target.save(Bundle.of(rows, tries=1))
        with pytest.raises(TransientError):
            await target.probe()
        await server.faults()
        await target.probe()
        await target.save(Bundle.of(rows))
        assert await server.counts() == COUNTS


async def test_a_request_that_is_too_large_is_divided_and_a_row_that_is_too_large_named(
    tmp_path: Path,
) -> None:
    async with local(tmp_path, ROWS) as server, server.adapter() as adapter:
        target = adapter.target()
        rows = await packed(target, ROWS)
        await server.faults(max_rows=3)
        await target.save(Bundle.of(rows))
        assert await server.counts() == COUNTS
        await server.faults(max_bytes=rows[6].size, kinds=["annotations.bulk.add"])
        with pytest.raises(BundleRefused) as refused:
            await target.save(Bundle.of(rows))
    assert list(refused.value.rows) == [row.place.id for row in rows[6:]]
    assert not refused.value.too_large


async def test_a_large_bundle_is_several_requests_at_once(tmp_path: Path) -> None:
    many = [boxes(f"{number:03}.png", 1) for number in range(230)]
    async with local(tmp_path, many) as server, server.adapter() as adapter:
        target = adapter.target()
        rows = await packed(target, many)
        await server.faults(poison=["007.png", "120.png"])
        with pytest.raises(BundleRefused) as refused:
            await target.save(Bundle.of(rows))
        bad = [rows[7].place.id, rows[120].place.id]
        assert sorted(refused.value.rows) == sorted(bad)
        assert (await server.log())["kinds"]["annotations.bulk.add"] == 5
        report = await target.save(Bundle.of([row for row in rows if row.place.id not in bad]))
        log = await server.log()
    assert len(report.saved) == 228
    assert log["kinds"]["annotations.bulk.add"] == 7
    assert log["rows"]["save"] == 228


async def test_a_token_that_is_refused_ends_the_save(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS) as server, server.adapter() as adapter:
        target = adapter.target()
        rows = await packed(target, ROWS)
        await server.faults(refuse_keys=True)
        with pytest.raises(CredentialsError, match="API_TOKEN"):
            await target.save(Bundle.of(rows))


# ---- labels that an annotation cannot carry -----------------------------------------------------------


@pytest.mark.parametrize("binding", ["int", "str"])
@pytest.mark.parametrize("group_id", ["first", "last"])
async def test_figures_of_their_own_come_back_with_their_groups(
    tmp_path: Path, binding: str, group_id: str
) -> None:
    async with (
        local(tmp_path, MIXED, meta=META, binding=binding, group_id=group_id) as server,
        server.adapter() as adapter,
    ):
        await bring(adapter.target(), MIXED)
        back = await rows_of(adapter.source())
        kinds = (await server.log())["kinds"]
        assert all(row.unchanged for row in await packed(adapter.target(), MIXED))
    assert [shapes(row) for row in back] == [shapes(row) for row in MIXED]
    assert [bound(row) for row in back] == [bound(row) for row in MIXED]
    for row, meant in zip(back, MIXED, strict=True):
        drawn = {item.class_name: item.occurrences[0].geometry for item in row.objects}
        assert all(drawn[item.class_name] == item.occurrences[0].geometry for item in meant.objects[-2:])
    assert kinds["annotations.bulk.add"] == 1
    assert kinds["figures.bulk.add"] == kinds["figures.bulk.upload.geometry"] == 1


async def test_saving_figures_again_does_not_double_them(tmp_path: Path) -> None:
    async with local(tmp_path, MIXED, meta=META) as server, server.adapter() as adapter:
        target = adapter.target()
        rows = await packed(target, MIXED)
        for _ in range(3):
            await target.save(Bundle.of(rows))
        assert await server.counts() == PARTS


@pytest.mark.parametrize("fault", [{"drop_after": 0.6}, {"fail_after": 0.6, "fail_status": 504}])
async def test_a_lost_answer_to_figures_puts_the_annotation_first(
    tmp_path: Path, fault: dict[str, float]
) -> None:
    async with local(tmp_path, MIXED, meta=META) as server, server.adapter() as adapter:
        target = adapter.target()
        rows = await packed(target, MIXED)
        await server.faults(**fault, kinds=["figures.bulk.add"], seed=3)
        await target.save(Bundle.of(rows))
        await server.faults()
        log, counts = await server.log(), await server.counts()
        back = await rows_of(adapter.source())
    added = log["kinds"]["figures.bulk.add"]
    assert added > 1
    assert log["kinds"]["annotations.bulk.add"] == added  # before each of them
    assert counts == PARTS
    assert [bound(row) for row in back] == [bound(row) for row in MIXED]


async def stray_figure(server: Local, image: str) -> None:
    """Add a label as an attempt does that was thought to be lost."""
    isles = next(one["id"] for one in (await server.meta())["classes"] if one["title"] == "isles")
    geometry = {"parts": [{"exterior": [[1, 1], [5, 1], [5, 5]], "interior": []}]}
    figure = {"entityId": int(image), "classId": isles, "geometryType": "multipolygon", "geometry": geometry}
    await server.call("figures.bulk.add", {"figures": [figure]})


@pytest.mark.parametrize("lost", [True, False])
async def test_a_label_that_somebody_adds_while_a_row_is_saved_is_taken_away_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, lost: bool
) -> None:
    async with local(tmp_path, MIXED, meta=META) as server, server.adapter() as adapter:
        target = adapter.target()
        rows = await packed(target, MIXED)
        client, adds = adapter._client, []
        add = client.add_figures

        async def adding(*given: Any) -> Any:  # noqa: ANN401 - as the client's own
            adds.append(given)
            if len(adds) == 1:  # as another job does that writes the same image
                await stray_figure(server, rows[0].place.id)
                await server.faults(drop_after=0.6 * lost, kinds=["figures.bulk.add"], seed=3)
            return await add(*given)

        monkeypatch.setattr(client, "add_figures", adding)
        await target.save(Bundle.of(rows))
        back = await rows_of(adapter.source())
        assert await server.counts() == PARTS
    assert [bound(row) for row in back] == [bound(row) for row in MIXED]


async def test_an_image_that_somebody_adds_to_again_and_again_is_not_told_as_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with local(tmp_path, MIXED, meta=META) as server, server.adapter() as adapter:
        target = adapter.target()
        rows = await packed(target, MIXED)
        await server.faults(drop_before=1.0, kinds=["figures.bulk.add"])
        client, puts = adapter._client, []
        put, read = client.put_annotations, client.annotations

        async def putting(*given: Any) -> None:  # noqa: ANN401 - as the client's own
            puts.append(given)
            if len(puts) == 2:  # before the second attempt
                await server.faults()
            await put(*given)

        async def reading(*given: Any) -> Any:  # noqa: ANN401 - as the client's own
            if given[1] == [int(row.place.id) for row in rows]:  # the look at what became of all
                await stray_figure(server, rows[0].place.id)
            return await read(*given)

        monkeypatch.setattr(client, "put_annotations", putting)
        monkeypatch.setattr(client, "annotations", reading)
        with pytest.raises(TransientError, match=r"somebody else adds some, or .* arrived late"):
            await target.save(Bundle.of(rows))
        monkeypatch.undo()
        assert (await server.counts())["0.png"] == PARTS["0.png"] + 1
        await target.save(Bundle.of(rows))
        assert await server.counts() == PARTS


async def test_a_row_whose_figures_are_refused_is_named(tmp_path: Path) -> None:
    async with local(tmp_path, MIXED, meta=META) as server, server.adapter() as adapter:
        target = adapter.target()
        rows = await packed(target, MIXED)
        meta = await server.meta()
        meta["classes"] = [one for one in meta["classes"] if one["title"] != "glow"]
        await server.call("projects.meta.update", {"id": server.project, "meta": meta})
        with pytest.raises(BundleRefused):
            await target.save(Bundle.of(rows))


@pytest.mark.parametrize("append", [True, False])
async def test_a_run_that_ended_before_its_bitmaps_arrived_is_made_good_by_the_next(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    append: bool,  # noqa: FBT001
) -> None:
    async def ended(*_: object) -> None:
        raise TransientError("the run is over")

    async with local(tmp_path, MIXED, meta=META) as server:
        async with server.adapter() as adapter:
            target = adapter.target()
            rows = await packed(target, MIXED)
            monkeypatch.setattr(adapter._client, "put_geometries", ended)
            with pytest.raises(TransientError):
                await target.save(Bundle.of(rows))
        async with server.adapter() as adapter:
            target = adapter.target()
            found = [pack(target, row, append=append) for row in await opened(target, MIXED)]
            await target.save(Bundle.of(found))
            back = await rows_of(adapter.source())
        assert await server.counts() == PARTS
    assert [bound(row) for row in back] == [bound(row) for row in MIXED]
    for row, meant in zip(back, MIXED, strict=True):
        glow = next(item for item in meant.objects if item.class_name == "glow")
        assert glow.occurrences[0].geometry in [item.occurrences[0].geometry for item in row.objects]


# ---- what is there ------------------------------------------------------------------------------------


async def test_append_keeps_what_is_there_and_adds_nothing_twice(tmp_path: Path) -> None:
    more = [with_islands(boxes(row.title, 3)) for row in MIXED]
    async with local(tmp_path, MIXED, meta=META) as server, server.adapter() as adapter:
        await bring(adapter.target(), MIXED)
        for _ in range(2):
            target = adapter.target()
            rows = [pack(target, row, append=True) for row in await opened(target, more)]
            if left := [row for row in rows if not row.unchanged]:
                await target.save(Bundle.of(left))
        assert await server.counts() == dict.fromkeys(PARTS, 5)
