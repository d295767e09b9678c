"""Segments.ai's two sides against a local server that speaks its API."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.core.geometry import Shape
from pipeline.core.labels import LabelRow
from pipeline.core.rows import LabelTask, Mode, OpenRow, Place, RowKey
from pipeline.errors import CredentialsError, RowError, UsageError
from pipeline.ports import Plan, RowChoice
from tests.conformance.moving import keys_of, rejections_of, rows_of
from tests.conformance.opening import PLAN, listed, opened, placed, tasks_for
from tests.conformance.segments_project import bbox, boxes, bring, label, local, masks, pack, packed

pytestmark = pytest.mark.anyio

ROWS = [boxes(f"{number}.png", number % 3) for number in range(7)]
COUNTS = {row.title: row.label_count for row in ROWS}


# ---- there and back -----------------------------------------------------------------------------------


async def test_rows_that_are_saved_come_back_from_the_source(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS) as server, server.adapter() as adapter:
        await bring(adapter.target(), ROWS)
        found = await rows_of(adapter.source())
        log = await server.log()
    assert [row.title for row in found] == [row.title for row in ROWS]
    for row, meant in zip(found, ROWS, strict=True):
        assert [item.occurrences[0].geometry for item in row.objects] == [
            item.occurrences[0].geometry for item in meant.objects
        ]
    assert log["kinds"]["labels.PUT"] == 4  # one for each row that has labels
    assert "labels.GET" not in log["kinds"]


async def test_a_row_that_is_brought_twice_is_found_unchanged(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS) as server, server.adapter() as adapter:
        await bring(adapter.target(), ROWS)
        assert all(row.unchanged for row in await packed(adapter.target(), ROWS))


async def test_reading_writes_nothing(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS) as server, server.adapter() as adapter:
        await rows_of(adapter.source())
        assert set((await server.log())["kinds"]) == {"datasets.GET", "samples.GET"}


async def test_a_dry_run_opens_every_row_and_writes_nothing(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS) as server, server.adapter(labelset="not there") as adapter:
        found = await packed(adapter.target(), ROWS, replace(PLAN, dry_run=True))
        kinds = (await server.log())["kinds"]
    assert [row.labels for row in found] == list(COUNTS.values())
    assert set(kinds) == {"datasets.GET", "samples.GET"}


async def test_a_prefix_in_the_address_is_kept(tmp_path: Path) -> None:
    rows = [masks("a.png", 2)]
    async with local(tmp_path, rows, shape=Shape.MASK, prefix="/gate/way") as server:
        assert server.running.url.endswith("/gate/way")
        async with server.adapter() as adapter:
            await bring(adapter.target(), rows)
        assert await server.counts() == {"a.png": 2}


async def test_a_labelset_is_made_on_demand_and_leaves_the_others_alone(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS) as server:
        async with server.adapter(labelset="model v2") as adapter:
            await bring(adapter.target(), ROWS)
            found = await rows_of(adapter.source())
        async with server.adapter(labelset="model v2") as adapter:
            assert all(row.unchanged for row in await packed(adapter.target(), ROWS))
        kinds = (await server.log())["kinds"]
        assert await server.counts("model v2") == {k: n for k, n in COUNTS.items() if n}
        assert await server.counts() == {}
    assert [row.label_count for row in found] == list(COUNTS.values())
    assert kinds["labelsets.POST"] == 1


async def test_a_labelset_that_nobody_has_is_no_source_and_is_not_edited(tmp_path: Path) -> None:
    words = "no labelset 'modle'; it has ground-truth, model"
    async with (
        local(tmp_path, ROWS, labelsets=("model",)) as server,
        server.adapter(labelset="modle") as adapter,
    ):
        with pytest.raises(UsageError, match=words):
            await keys_of(adapter.source())
        with pytest.raises(UsageError, match=words):
            await adapter.target().prepare(Plan("run", mode=Mode.EDIT), listed(ROWS))


async def test_a_labelset_that_two_jobs_make_at_once_is_made_once(tmp_path: Path) -> None:
    async with (
        local(tmp_path, ROWS) as server,
        server.adapter(labelset="model") as one,
        server.adapter(labelset="model") as other,
    ):
        first, second = one.target(), other.target()
        await first.prepare(PLAN, listed(ROWS))
        await second.prepare(PLAN, listed(ROWS))
        await bring(one.target(), ROWS[:2])
        tasks = tasks_for(ROWS[4:5])
        places = await placed(await second.prepare(PLAN, listed(ROWS)), tasks)
        assert len(await second.open(tasks, places)) == 1


# ---- which rows ---------------------------------------------------------------------------------------


async def test_only_the_chosen_rows_are_read(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS) as server:
        await server.put("4.png", label(bbox(1)))
        await server.put("5.png", label(bbox(1), status="SKIPPED"))
        uuid = (await server.rows())["3.png"]["uuid"]
        chosen = {
            "titles": RowChoice(titles=("3.png", "5.png", "none")),
            "ids": RowChoice(ids=(uuid,)),
            "status": RowChoice(status=("REVIEWED", "SKIPPED")),
            "unlabelled": RowChoice(status=("UNLABELED",)),
            "limit": RowChoice(limit=2),
            "all": RowChoice(titles=("3.png", "4.png", "5.png"), status=("REVIEWED", "UNLABELED"), limit=1),
        }
        found = {}
        for name, choice in chosen.items():
            async with server.adapter(rows=choice) as adapter:
                found[name] = [key.title[0] for key in await keys_of(adapter.source())]
    assert found == {
        "titles": ["3", "5"],
        "ids": ["3"],
        "status": ["4", "5"],
        "unlabelled": ["0", "1", "2", "3", "6"],
        "limit": ["0", "1"],
        "all": ["3"],
    }


async def test_only_the_wanted_rows_are_given_and_their_bitmaps_fetched(tmp_path: Path) -> None:
    rows = [masks(f"{number}.png", 2) for number in range(5)]
    async with local(tmp_path, rows, shape=Shape.MASK) as server, server.adapter() as adapter:
        await bring(adapter.target(), rows)

        async def wanted(keys: Sequence[RowKey]) -> set[str]:
            return {key.key for key in keys if key.title in {"1.png", "3.png"}}

        tasks = [task async for task in adapter.source().tasks(wanted)]
        kinds = (await server.log())["kinds"]
    assert [task.key.title for task in tasks] == ["1.png", "3.png"]
    assert kinds["storage.GET"] == 2


async def test_a_bitmap_that_is_gone_rejects_its_row_and_the_others_go_on(tmp_path: Path) -> None:
    rows = [masks(f"{number}.png", 1) for number in range(3)]
    async with local(tmp_path, rows, shape=Shape.MASK, check_labels=False) as server:
        async with server.adapter() as adapter:
            await bring(adapter.target(), rows)
        gone = {"segmentation_bitmap": {"url": f"{server.running.url}/storage/assets/gone.png"}}
        body = label({"id": 1, "category_id": 1})
        await server.put("1.png", {**body, "attributes": body["attributes"] | gone})
        await server.put(
            "2.png", {**body, "attributes": body["attributes"] | {"segmentation_bitmap": {"url": ""}}}
        )
        async with server.adapter() as adapter:
            reasons = await rejections_of(adapter.source())
    assert len(reasons) == 1
    assert "row '1.png': its bitmap cannot be read" in next(iter(reasons.values()))
    assert "gone.png" not in next(iter(reasons.values()))


async def test_rows_are_matched_by_uuid_and_by_metadata(tmp_path: Path) -> None:
    seeded = [LabelRow(f"r{n}", f"same {n}", metadata={"asset": n}) for n in range(3)]
    async with local(tmp_path, seeded) as server:
        uuids = {name: row["uuid"] for name, row in (await server.rows()).items()}
        for by, rows in {
            "asset": [replace(row, title="x") for row in seeded],
            "external_id": [replace(row, key=uuids[row.title], title="x") for row in seeded],
        }.items():
            async with server.adapter(by=by) as adapter:
                places = await adapter.target().prepare(PLAN, listed(rows))
                found = await placed(places, tasks_for(rows))
                assert [place.id for place in found] == [uuids[row.title] for row in seeded], by
                assert [problem async for problem in places.problems()] == []


async def test_rows_without_a_sample_are_known_before_the_first_write(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS) as server, server.adapter() as adapter:
        places = await adapter.target().prepare(PLAN, listed([boxes("none.png"), ROWS[0]]))
        problems = [problem async for problem in places.problems()]
    assert [problem.key.title for problem in problems] == ["none.png"]


async def test_editing_in_place_finds_samples_by_uuid(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS) as server, server.adapter() as adapter:
        source, target = adapter.source(), adapter.target()
        places = await target.prepare(Plan("run", mode=Mode.EDIT), source.keys())
        keys = await keys_of(source)
        found = [place for place in await places.of(keys) if isinstance(place, Place)]
        assert [place.id for place in found] == [key.key for key in keys]
        rows = await target.open([LabelTask(key, None) for key in keys], found)
    assert all(isinstance(row, OpenRow) and row.existing is not None for row in rows)


# ---- mistakes -----------------------------------------------------------------------------------------


async def test_a_refused_key_ends_with_a_credentials_error(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS) as server, server.adapter(api_key="canary-key") as adapter:
        with pytest.raises(CredentialsError, match="SEGMENTS_API_KEY") as refused:
            await adapter.target().ontology()
        with pytest.raises(CredentialsError):
            await keys_of(adapter.source())
        checks = [check async for check in adapter.checks()]
        with pytest.raises(CredentialsError) as ended:
            await server.run(ROWS, target={"api_key": "canary-key"})
        told = f"{refused.value!r} {server.events!r} {server.settings(api_key='canary-key')!r} {checks!r}"
    assert [(check.name, check.ok) for check in checks] == [("credentials", False)]
    assert ended.value.exit_code == 4
    assert "canary-key" not in told


async def test_no_key_at_all_is_said_before_anything_is_sent(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS) as server:
        server.running = replace(server.running, environment={"SEGMENTS_API_KEY": " "})
        with pytest.raises(CredentialsError, match="no API key"):
            async with server.adapter():
                pass


async def test_a_dataset_that_does_not_exist_is_named_before_any_write(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS) as server, server.adapter(dataset="sandbox/none") as adapter:
        with pytest.raises(UsageError, match=r"dataset sandbox/none: .*check `dataset`") as error:
            await adapter.target().prepare(PLAN, listed(ROWS))
        assert error.value.exit_code == 2
        with pytest.raises(UsageError, match="sandbox/none"):
            await keys_of(adapter.source())
        checks = [check async for check in adapter.checks()]
    assert [(check.name, check.ok, "sandbox/none" in check.message) for check in checks] == [
        ("dataset", False, True)
    ]


async def test_a_class_that_the_dataset_lacks_is_said_before_any_write(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS) as server, server.adapter() as adapter:
        target = adapter.target()
        [row] = await opened(target, [ROWS[1]])
        assert row.task.row is not None
        strange = tuple(replace(item, class_name="lorry") for item in row.task.row.objects)
        task = replace(row.task, row=replace(row.task.row, objects=strange))
        with pytest.raises(RowError, match="lorry"):
            pack(target, replace(row, task=task))


async def test_doctor_finds_a_good_dataset_good(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS) as server, server.adapter(labelset="model") as adapter:
        checks = [check async for check in adapter.checks()]
        kinds = (await server.log())["kinds"]
    assert all(check.ok for check in checks)
    assert [check.name for check in checks] == ["reachable", "credentials", "dataset", "ontology", "limits"]
    text = "\n".join(check.message for check in checks)
    assert "sandbox/dataset: type bboxes, 7 samples; labelset 'model' is not there yet" in text
    assert "car (box)" in text
    assert kinds == {"datasets.GET": 1}


async def test_doctor_says_that_a_dataset_will_be_created_and_not_of_one_that_is_there(
    tmp_path: Path,
) -> None:
    async with local(tmp_path, ROWS) as server:
        async with server.adapter(dataset="sandbox/new", create=True) as adapter:
            [check] = [check async for check in adapter.checks()]
            assert (check.ok, "will be created" in check.message) == (True, True)
            assert await adapter.target().ontology() is None
        await server.ask("PATCH", "/datasets/sandbox/dataset/", {"task_type": ""})
        async with server.adapter(create=True) as adapter:
            [check] = [check async for check in adapter.checks()]
            with pytest.raises(UsageError, match="cannot be read or written"):
                await adapter.target().prepare(PLAN, listed(ROWS))
    assert (check.ok, "will be created" in check.message) == (False, False)
