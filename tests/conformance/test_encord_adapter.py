"""Encord's two sides against a local server that speaks its API."""

from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

import pytest

from pipeline.core.labels import LabelRow, MediaKind
from pipeline.core.rows import Bundle, LabelTask, Mode, OpenRow, Place, Rejection, RowKey
from pipeline.errors import BundleRefused, CredentialsError, Stopped, TransientError, UsageError
from pipeline.ports import Plan, RowChoice
from tests.conformance.encord_project import (
    GROUP,
    VIDEO,
    Local,
    bring,
    image,
    listed,
    local,
    opened,
    pack,
    tasks_for,
)
from tests.conformance.moving import keys_of, rejections_of, rows_of, tasks_of
from tests.conformance.opening import placed

pytestmark = pytest.mark.anyio

IMAGES = [image(f"image-{number}", boxes=number % 3) for number in range(7)]


async def kinds(server: Local) -> dict[str, int]:
    found: dict[str, int] = (await server.control("log"))["kinds"]
    return found


async def test_rows_that_are_saved_come_back_from_the_source(tmp_path: Path) -> None:
    async with local(tmp_path, IMAGES) as server, server.adapter() as adapter:
        await bring(adapter.target(), IMAGES)
        rows = await rows_of(adapter.source())
    assert [row.title for row in rows] == [row.title for row in IMAGES]
    for row, meant in zip(rows, IMAGES, strict=True):
        assert [item.occurrences[0].geometry for item in row.objects] == [
            item.occurrences[0].geometry for item in meant.objects
        ]


async def test_a_bundle_costs_one_initialise_and_one_save(tmp_path: Path) -> None:
    async with local(tmp_path, IMAGES) as server, server.adapter() as adapter:
        await bring(adapter.target(), IMAGES)
        asked = await kinds(server)
    assert (asked["labelrow.PUT"], asked["labelrow.POST"], asked.get("labelrow.GET", 0)) == (1, 1, 0)
    assert asked["labelrowmetadata.GET"] == 1


async def test_rows_with_and_without_labels_are_opened_together_in_the_order_asked(tmp_path: Path) -> None:
    async with local(tmp_path, IMAGES) as server, server.adapter() as adapter:
        await bring(adapter.target(), IMAGES[:4])
        tasks = tasks_for(IMAGES)
        target = adapter.target()
        places = await placed(await target.prepare(Plan("run"), listed(IMAGES)), tasks)
        rows = await opened(target, tasks, places)
        asked = await kinds(server)
    assert [row.task.key.key for row in rows] == [row.key for row in IMAGES]
    assert [len(row.existing.objects) if row.existing else -1 for row in rows] == [0, 1, 2, 0, 0, 0, 0]
    assert (asked["labelrow.PUT"], asked["labelrow.GET"]) == (2, 1)


async def test_a_row_that_is_brought_twice_is_found_unchanged(tmp_path: Path) -> None:
    async with local(tmp_path, IMAGES) as server, server.adapter() as adapter:
        await bring(adapter.target(), IMAGES)
        again = await bring(adapter.target(), IMAGES)
    assert all(row.unchanged for row in again)


async def test_a_dry_run_opens_every_row_and_initialises_none(tmp_path: Path) -> None:
    rows = [*IMAGES, GROUP, VIDEO]
    async with local(tmp_path, rows) as server, server.adapter() as adapter:
        target, tasks = adapter.target(), tasks_for(rows)
        places = await placed(await target.prepare(Plan("run", dry_run=True), listed(rows)), tasks)
        found = await opened(target, tasks, places)
        packed = [pack(target, row) for row in found]
        asked = await kinds(server)
    assert "labelrow.PUT" not in asked
    assert [row.labels for row in packed] == [row.label_count for row in rows]
    group = found[-2].existing
    assert group is not None
    assert [group.size_at(frame) for frame in (0, 1)] == [(30, 40), (10, 20)]


async def test_a_group_and_a_video_keep_their_frames(tmp_path: Path) -> None:
    async with local(tmp_path, [GROUP, VIDEO]) as server, server.adapter() as adapter:
        group, video = await rows_of(adapter.source())
    assert (group.media_kind, group.frame_count, group.size_at(1)) == (MediaKind.IMAGE_GROUP, 2, (10, 20))
    assert (video.media_kind, video.frame_count, video.size_at(7)) == (MediaKind.VIDEO, 30, (48, 64))


async def test_reading_initialises_nothing(tmp_path: Path) -> None:
    async with local(tmp_path, IMAGES) as server, server.adapter() as adapter:
        rows = await rows_of(adapter.source())
        asked = await kinds(server)
    assert [row.label_count for row in rows] == [0] * len(IMAGES)
    assert set(asked) == {"projects.GET", "ontologies.GET", "labelrowmetadata.GET"}


async def test_only_the_chosen_rows_are_read(tmp_path: Path) -> None:
    async with local(tmp_path, IMAGES) as server:
        async with server.adapter() as adapter:
            await bring(adapter.target(), IMAGES[:2])
            first = (await keys_of(adapter.source()))[0].key
        chosen = {
            "titles": RowChoice(titles=("image-3", "image-5")),
            "ids": RowChoice(ids=(first,)),
            "status": RowChoice(status=("LABEL_IN_PROGRESS",)),
            "stage": RowChoice(status=("Annotate 1",), limit=3),
        }
        found = {}
        for name, choice in chosen.items():
            async with server.adapter(rows=choice) as adapter:
                found[name] = [key.title for key in await keys_of(adapter.source())]
    assert found == {
        "titles": ["image-3", "image-5"],
        "ids": ["image-0"],
        "status": ["image-0", "image-1"],
        "stage": ["image-0", "image-1", "image-2"],
    }


async def test_only_the_wanted_rows_are_fetched(tmp_path: Path) -> None:
    async with local(tmp_path, IMAGES) as server, server.adapter() as adapter:
        await bring(adapter.target(), IMAGES)
        before = (await server.control("log"))["rows"].get("load", 0)
        source = adapter.source()

        async def wanted(keys: Sequence[RowKey]) -> set[str]:
            return {key.key for key in keys if key.title in {"image-2", "image-4"}}

        tasks = [task async for task in source.tasks(wanted)]
        loaded = (await server.control("log"))["rows"]["load"] - before
    assert [task.key.title for task in tasks] == ["image-2", "image-4"]
    assert loaded == 2


async def test_a_listing_of_many_pieces_is_read_whole_and_asked_for_once(tmp_path: Path) -> None:
    rows = [image(f"{number:05}.png") for number in range(1200)]
    async with local(tmp_path, rows) as server, server.adapter() as adapter:
        source = adapter.source()
        keys = await keys_of(source)
        tasks = await tasks_of(source)
        asked = await kinds(server)
    assert [key.title for key in keys] == [row.title for row in rows]
    assert [task.key for task in tasks] == keys
    assert asked["labelrowmetadata.GET"] == 1


async def test_rows_of_other_kinds_are_rejected_by_name_and_the_others_go_on(tmp_path: Path) -> None:
    odd = {"image-1": "dicom", "image-2": "audio"}
    async with local(tmp_path, IMAGES[:4], kinds=odd) as server, server.adapter() as adapter:
        source = adapter.source()
        read = await rejections_of(source)
        target, tasks = adapter.target(), tasks_for(IMAGES[:4])
        places = await target.prepare(Plan("run"), listed(IMAGES[:4]))
        found = await places.of([task.key for task in tasks])
        titles = {key.key: key.title for key in await keys_of(source)}
    assert {titles[key] for key in read} == set(odd)
    assert all(odd[titles[key]] in reason for key, reason in read.items())
    refused = {row.key.title: row.reason for row in found if isinstance(row, Rejection)}
    assert set(refused) == set(odd)
    assert all(kind in refused[title] for title, kind in odd.items())


async def test_a_title_that_two_rows_share_names_both(tmp_path: Path) -> None:
    rows = [image("same"), image("same"), image("other")]
    async with local(tmp_path, rows) as server, server.adapter() as adapter:
        places = await adapter.target().prepare(Plan("run"), listed([rows[0], rows[2]]))
        problems = [problem async for problem in places.problems()]
        ids = [key.key for key in await keys_of(adapter.source()) if key.title == "same"]
    assert [problem.key.title for problem in problems] == ["same"]
    assert all(name in problems[0].reason for name in ids)


async def test_editing_in_place_finds_rows_by_hash_although_titles_repeat(tmp_path: Path) -> None:
    rows = [image("same"), image("same")]
    async with local(tmp_path, rows) as server, server.adapter() as adapter:
        source, target = adapter.source(), adapter.target()
        places = await target.prepare(Plan("run", mode=Mode.EDIT), source.keys())
        keys = await keys_of(source)
        found = await places.of(keys)
        assert [place.id for place in found if isinstance(place, Place)] == [key.key for key in keys]
        opened_rows = await target.open(
            [LabelTask(key, None) for key in keys], [p for p in found if isinstance(p, Place)]
        )
    assert all(isinstance(row, OpenRow) and row.existing is not None for row in opened_rows)


async def test_rows_are_matched_by_client_metadata(tmp_path: Path) -> None:
    seeded = [LabelRow(key=f"r{n}", title="same", metadata={"asset": n}) for n in range(3)]
    async with local(tmp_path, seeded) as server, server.adapter(by="asset") as adapter:
        places = await adapter.target().prepare(Plan("run"), listed(seeded))
        assert [problem async for problem in places.problems()] == []
        source = adapter.source()
        by_hash = {key.key: key.metadata["asset"] for key in await keys_of(source)}
        found = await placed(
            places, [LabelTask(RowKey(row.key, 0, metadata=row.metadata), row) for row in seeded]
        )
    assert [by_hash[place.id] for place in found] == [0, 1, 2]


# ---- trouble ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["fail_after", "drop_after"])
async def test_a_create_whose_answer_is_lost_is_not_repeated(tmp_path: Path, fault: str) -> None:
    async with local(tmp_path, IMAGES) as server, server.adapter() as adapter:
        target, tasks = adapter.target(), tasks_for(IMAGES)
        places = await placed(await target.prepare(Plan("run"), listed(IMAGES)), tasks)
        await server.control("faults", {fault: 1.0, "kinds": ["labelrow.PUT"]})
        rows = await opened(target, tasks, places)
        log = await server.control("log")
    assert len(rows) == len(IMAGES)
    assert log["kinds"]["labelrow.PUT"] == 1
    assert log["rows"]["create"] == len(IMAGES)


async def test_rows_that_somebody_else_initialised_meanwhile_are_loaded(tmp_path: Path) -> None:
    async with local(tmp_path, IMAGES) as server, server.adapter() as adapter, server.adapter() as other:
        target, tasks = adapter.target(), tasks_for(IMAGES)
        places = await placed(await target.prepare(Plan("run"), listed(IMAGES)), tasks)
        await bring(other.target(), IMAGES[2:4])
        rows = await opened(target, tasks, places)
    assert [len(row.existing.objects) if row.existing else -1 for row in rows] == [0, 0, 2, 0, 0, 0, 0]


async def test_a_create_that_stays_in_doubt_is_looked_up_at_the_next_open(tmp_path: Path) -> None:
    async with local(tmp_path, IMAGES) as server, server.adapter() as adapter:
        target, tasks = adapter.target(), tasks_for(IMAGES)
        places = await placed(await target.prepare(Plan("run"), listed(IMAGES)), tasks)
        await server.control("faults", {"drop_after": 1.0, "kinds": ["labelrow.PUT", "labelrowmetadata.GET"]})
        with pytest.raises(TransientError):
            await target.open(tasks, places)
        await server.control("faults", {})
        assert len(await opened(target, tasks, places)) == len(IMAGES)
        log = await server.control("log")
    assert log["rows"]["create"] == len(IMAGES)
    assert log["kinds"]["labelrow.PUT"] == 1


async def test_poisoned_rows_are_named_by_their_place(tmp_path: Path) -> None:
    async with local(tmp_path, IMAGES) as server, server.adapter() as adapter:
        await server.control("faults", {"poison": ["image-1", "image-4"]})
        target = adapter.target()
        with pytest.raises(BundleRefused) as refused:
            await bring(target, IMAGES)
        ids = {key.title: key.key for key in await keys_of(adapter.source())}
        assert await server.labels() == dict.fromkeys(ids, 0)
    assert set(refused.value.rows) == {ids["image-1"], ids["image-4"]}


@pytest.mark.parametrize(
    ("faults", "at_most"), [({"max_rows": 3, "kinds": []}, 3), ({"max_bytes": 900}, None)]
)
async def test_a_bundle_that_is_too_large_blames_no_row(
    tmp_path: Path, faults: dict[str, object], at_most: int | None
) -> None:
    async with local(tmp_path, IMAGES) as server, server.adapter() as adapter:
        target, tasks = adapter.target(), tasks_for(IMAGES)
        places = await placed(await target.prepare(Plan("run"), listed(IMAGES)), tasks)
        packed = [pack(target, row) for row in await opened(target, tasks, places)]
        await server.control("faults", faults)
        with pytest.raises(BundleRefused) as refused:
            await target.save(Bundle.of(packed))
    assert refused.value.too_large
    assert not refused.value.rows
    assert refused.value.at_most == at_most


async def test_the_source_asks_for_fewer_rows_where_encord_takes_fewer(tmp_path: Path) -> None:
    async with local(tmp_path, IMAGES) as server, server.adapter() as adapter:
        await bring(adapter.target(), IMAGES)
        await server.control("faults", {"max_rows": 2})
        rows = await rows_of(adapter.source())
    assert [row.label_count for row in rows] == [row.label_count for row in IMAGES]


async def test_a_refused_key_ends_with_a_credentials_error(tmp_path: Path) -> None:
    async with local(tmp_path, IMAGES) as server, server.adapter() as adapter:
        await server.control("faults", {"refuse_keys": True})
        with pytest.raises(CredentialsError):
            await adapter.target().ontology()
        with pytest.raises(CredentialsError):
            await keys_of(adapter.source())
        checks = [check async for check in adapter.checks()]
    assert [(check.name, check.ok) for check in checks] == [("credentials", False)]


async def test_a_project_that_does_not_exist_is_an_error_before_any_write(tmp_path: Path) -> None:
    async with local(tmp_path, IMAGES) as server, server.adapter(project=str(uuid4())) as adapter:
        with pytest.raises(UsageError, match="project"):
            await adapter.target().prepare(Plan("run"), listed(IMAGES))
        with pytest.raises(UsageError):
            await keys_of(adapter.source())


async def test_an_outage_while_listing_stops_the_run_and_blames_no_row(tmp_path: Path) -> None:
    async with local(tmp_path, IMAGES) as server, server.adapter() as adapter:
        await server.control("faults", {"outage": True})
        with pytest.raises(Stopped):
            await adapter.target().prepare(Plan("run"), listed(IMAGES))


async def test_a_prefix_in_the_address_is_kept_in_both_families(tmp_path: Path) -> None:
    async with local(tmp_path, IMAGES, prefix="/gate/way") as server, server.adapter() as adapter:
        assert server.running.url.endswith("/gate/way")
        await bring(adapter.target(), IMAGES)
        assert sum((await server.labels()).values()) == sum(row.label_count for row in IMAGES)


async def test_a_bearer_token_is_taken_by_both_families(tmp_path: Path) -> None:
    async with (
        local(tmp_path, IMAGES, token="abc.def") as server,
        server.adapter(ssh_key_file=None, token="abc.def") as adapter,
    ):
        await bring(adapter.target(), IMAGES)
        assert len(await rows_of(adapter.source())) == len(IMAGES)


async def test_doctor_finds_a_good_project_good(tmp_path: Path) -> None:
    async with local(tmp_path, IMAGES) as server, server.adapter() as adapter:
        checks = [check async for check in adapter.checks()]
    assert all(check.ok for check in checks)
    text = "\n".join(check.message for check in checks)
    assert "7 rows" in text
    assert "car (box)" in text


async def test_no_secret_is_told_in_events_or_errors(tmp_path: Path) -> None:
    async with (
        local(tmp_path, IMAGES) as server,
        server.adapter(ssh_key_file=None, token="canary-token") as adapter,
    ):
        with pytest.raises(CredentialsError) as refused:
            await adapter.target().ontology()
        told = f"{refused.value!r} {server.events!r} {adapter.__dict__!r} {server.settings(token=None)!r}"
    assert "canary-token" not in told
