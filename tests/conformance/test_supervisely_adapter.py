"""Supervisely's two sides against a local server that speaks its API."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.geometry import Shape
from pipeline.core.labels import Group, LabelRow
from pipeline.core.ontology import ClassDef, Ontology
from pipeline.core.rows import LabelTask, Mode, OpenRow, Place, RowKey
from pipeline.errors import CredentialsError, RowError, UsageError
from pipeline.ports import Plan, RowChoice
from tests.conformance.moving import keys_of, rejections_of, rows_of
from tests.conformance.opening import PLAN, listed, opened, placed, tasks_for
from tests.conformance.supervisely_project import (
    META,
    Local,
    boxes,
    bring,
    local,
    mask,
    pack,
    packed,
    with_islands,
)

pytestmark = pytest.mark.anyio

ROWS = [boxes(f"{number}.png", number % 3) for number in range(7)]
COUNTS = {row.title: row.label_count for row in ROWS}


async def nested(server: Local) -> dict[str, int]:
    """Add nested datasets with images: names occur in several of them."""
    digest = (await server.images())["dataset/0.png"]["hash"]
    ids: dict[str, int] = {}
    for name, parent in (("day", None), ("front", "day"), ("night", None)):
        body = {"projectId": server.project, "name": name, "parentId": ids.get(parent or "")}
        ids[name] = (await server.call("datasets.add", body))["id"]
        bodies = [{"title": f"{n}.png", "hash": digest, "meta": {"at": name}} for n in range(2)]
        await server.call("images.bulk.add", {"datasetId": ids[name], "images": bodies})
    return ids


# ---- there and back -----------------------------------------------------------------------------------


async def test_rows_that_are_saved_come_back_from_the_source(tmp_path: Path) -> None:
    rows = [*ROWS, replace(boxes("m.png", 2), objects=(*boxes("m.png", 2).objects, mask("m.png")))]
    async with local(tmp_path, rows) as server, server.adapter() as adapter:
        await bring(adapter.target(), rows)
        found = await rows_of(adapter.source())
        log = await server.log()
    assert [row.title for row in found] == [row.title for row in rows]
    for row, meant in zip(found, rows, strict=True):
        assert len(row.objects) == len(meant.objects)
        if not meant.title.startswith("m"):
            assert [item.occurrences[0].geometry for item in row.objects] == [
                item.occurrences[0].geometry for item in meant.objects
            ]
    assert log["kinds"]["annotations.bulk.add"] == 1
    assert log["kinds"]["annotations.bulk.info"] == 2


async def test_a_row_that_is_brought_twice_is_found_unchanged(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS) as server, server.adapter() as adapter:
        await bring(adapter.target(), ROWS)
        assert all(row.unchanged for row in await packed(adapter.target(), ROWS))


@pytest.mark.parametrize("binding", ["int", "str"])
async def test_groups_come_back_whatever_the_keys_are_and_are_found_unchanged(
    tmp_path: Path, binding: str
) -> None:
    rows = [boxes(f"{number}.png", 4) for number in range(3)]
    rows = [replace(row, groups=(Group("a", tuple(one.id for one in row.objects[:3])),)) for row in rows]
    async with local(tmp_path, rows, binding=binding) as server, server.adapter() as adapter:
        await bring(adapter.target(), rows)
        back = await rows_of(adapter.source())
        assert all(row.unchanged for row in await packed(adapter.target(), rows))
    assert [[len(group.objects) for group in row.groups] for row in back] == [[3], [3], [3]]


async def test_reading_writes_nothing(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS) as server, server.adapter() as adapter:
        await rows_of(adapter.source())
        log = await server.log()
    assert log["rows"] == {}
    assert set(log["kinds"]) == {
        "projects.info", "projects.meta", "datasets.list", "images.list", "annotations.bulk.info"
    }  # fmt: skip


async def test_a_dry_run_opens_every_row_and_writes_nothing(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS) as server, server.adapter() as adapter:
        found = await packed(adapter.target(), ROWS, replace(PLAN, dry_run=True))
        assert (await server.log())["rows"] == {}
    assert [row.labels for row in found] == list(COUNTS.values())


async def test_a_prefix_in_the_address_is_kept(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS, prefix="/gate/way") as server:
        assert server.running.url.endswith("/gate/way")
        async with server.adapter() as adapter:
            await bring(adapter.target(), ROWS)
        assert await server.counts() == COUNTS


async def test_all_datasets_are_read_in_the_order_of_the_tree(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS[:1]) as server:
        await nested(server)
        async with server.adapter(dataset=None) as adapter:
            paths = [key.path for key in await keys_of(adapter.source())]
            rows = await rows_of(adapter.source())
        async with server.adapter(dataset="day/front") as adapter:
            some = [key.path for key in await keys_of(adapter.source())]
    front = ["day/front/0.png", "day/front/1.png"]
    assert paths == ["dataset/0.png", "day/0.png", "day/1.png", *front, "night/0.png", "night/1.png"]
    assert [row.raw and row.raw.data["dataset"] for row in rows][1:4] == ["day", "day", "day/front"]
    assert some == front


async def test_labels_go_to_every_dataset_by_their_path(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS[:1]) as server:
        await nested(server)
        async with server.adapter(dataset=None) as adapter:
            rows = await rows_of(adapter.source())
        labelled = [replace(boxes(row.title, n + 1), key=row.key) for n, row in enumerate(rows)]
        async with server.adapter(dataset=None, by="external_id") as adapter:
            await bring(adapter.target(), labelled)
        found = await server.annotations()
    assert [len(one["objects"]) for one in found.values()] == list(range(1, len(rows) + 1))


# ---- which rows ---------------------------------------------------------------------------------------


async def test_only_the_chosen_rows_are_read(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS) as server:
        image = (await server.images())["dataset/3.png"]["id"]
        chosen = {
            "titles": RowChoice(titles=("3.png", "5.png", "none")),
            "ids": RowChoice(ids=(str(image),)),
            "limit": RowChoice(limit=2),
            "all": RowChoice(titles=("3.png", "4.png", "5.png"), limit=1),
        }
        found = {}
        for name, choice in chosen.items():
            async with server.adapter(rows=choice) as adapter:
                found[name] = [key.title[0] for key in await keys_of(adapter.source())]
        async with server.adapter(rows=RowChoice(status=("done",))) as adapter:
            with pytest.raises(UsageError, match="have no status"):
                await keys_of(adapter.source())
    assert found == {"titles": ["3", "5"], "ids": ["3"], "limit": ["0", "1"], "all": ["3"]}


async def test_only_the_wanted_rows_are_fetched(tmp_path: Path) -> None:
    rows = [boxes(f"{number:03}.png") for number in range(120)]
    async with local(tmp_path, rows) as server, server.adapter() as adapter:

        async def wanted(keys: Sequence[RowKey]) -> set[str]:
            return {key.key for key in keys if key.title > "060.png"}

        tasks = [task async for task in adapter.source().tasks(wanted)]
        kinds = (await server.log())["kinds"]
    assert [task.key.title for task in tasks] == [row.title for row in rows[61:]]
    assert kinds["annotations.bulk.info"] == 2


async def test_an_image_that_goes_meanwhile_rejects_its_row_and_the_others_go_on(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS) as server, server.adapter() as adapter:
        source, target = adapter.source(), adapter.target()
        await keys_of(source)
        places = await target.prepare(PLAN, listed(ROWS))
        gone = (await server.images())["dataset/2.png"]["id"]
        await server.call("images.bulk.remove", {"imageIds": [gone]})
        reasons = await rejections_of(source)
        tasks = tasks_for(ROWS)
        rows = await target.open(tasks, await placed(places, tasks))
    assert list(reasons) == [str(gone)]
    assert "is not there any more" in reasons[str(gone)]
    assert [isinstance(row, OpenRow) for row in rows] == [row.title != "2.png" for row in ROWS]


async def test_a_mask_whose_geometry_is_gone_rejects_its_row_only(tmp_path: Path) -> None:
    rows = [with_islands(boxes(f"{number}.png", 1)) for number in range(4)]
    async with local(tmp_path, rows, meta=META) as server, server.adapter() as adapter:
        await bring(adapter.target(), rows)
        client = adapter._client
        gone: list[int] = []
        usual = client.annotations

        async def meanwhile(*given: Any) -> Any:  # noqa: ANN401 - as the client's own
            answer = await usual(*given)
            if not gone:
                found, _ = answer
                labels = next(iter(found.values()))["objects"]
                gone.extend(one["id"] for one in labels if one["geometryType"] == "alpha_mask")
                await server.call("figures.bulk.remove", {"figureIds": gone})
            return answer

        client.annotations = meanwhile  # type: ignore[method-assign,assignment]
        reasons = await rejections_of(adapter.source())
    assert len(reasons) == 1


async def test_rows_are_matched_by_id_path_and_metadata(tmp_path: Path) -> None:
    seeded = [LabelRow(f"r{n}", f"same {n}", metadata={"asset": n}) for n in range(3)]
    async with local(tmp_path, seeded) as server:
        ids = {name.partition("/")[2]: str(one["id"]) for name, one in (await server.images()).items()}
        for by, rows in {
            "asset": [replace(row, title="x") for row in seeded],
            "external_id": [replace(row, key=ids[row.title], title="x") for row in seeded],
        }.items():
            async with server.adapter(by=by) as adapter:
                places = await adapter.target().prepare(PLAN, listed(rows))
                found = await placed(places, tasks_for(rows))
                assert [place.id for place in found] == [ids[row.title] for row in seeded], by
                assert [problem async for problem in places.problems()] == []
        async with server.adapter(by="path") as adapter:
            places = await adapter.target().prepare(PLAN, None)
            key = RowKey("k", 0, "x", path="dataset/same 1")
            assert [place.id for place in await placed(places, [LabelTask(key, None)])] == [ids["same 1"]]


async def test_rows_without_an_image_are_known_before_the_first_write(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS) as server, server.adapter() as adapter:
        places = await adapter.target().prepare(PLAN, listed([boxes("none.png"), ROWS[0]]))
        problems = [problem async for problem in places.problems()]
    assert [problem.key.title for problem in problems] == ["none.png"]


async def test_names_that_are_in_two_datasets_are_ambiguous(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS) as server:
        await nested(server)
        async with server.adapter(dataset=None) as adapter:
            places = await adapter.target().prepare(PLAN, listed(ROWS))
            problems = [problem async for problem in places.problems()]
    assert [problem.key.title for problem in problems] == ["0.png", "1.png"]
    assert "several rows" in problems[0].reason


async def test_editing_in_place_finds_images_by_id(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS) as server, server.adapter() as adapter:
        source, target = adapter.source(), adapter.target()
        places = await target.prepare(Plan("run", mode=Mode.EDIT), source.keys())
        keys = await keys_of(source)
        found = [place for place in await places.of(keys) if isinstance(place, Place)]
        assert [place.id for place in found] == [key.key for key in keys]
        rows = await target.open([LabelTask(key, None) for key in keys], found)
    assert all(isinstance(row, OpenRow) and row.existing is not None for row in rows)


# ---- mistakes -----------------------------------------------------------------------------------------


async def test_a_refused_token_ends_with_a_credentials_error(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS) as server, server.adapter(api_token="canary-key") as adapter:
        with pytest.raises(CredentialsError, match="API_TOKEN") as refused:
            await adapter.target().ontology()
        with pytest.raises(CredentialsError):
            await keys_of(adapter.source())
        checks = [check async for check in adapter.checks()]
        told = f"{refused.value!r} {server.events!r} {server.settings(api_token='canary-key')!r} {checks!r}"
    assert [(check.name, check.ok) for check in checks] == [("credentials", False)]
    assert "canary-key" not in told


async def test_no_token_at_all_is_said_before_anything_is_sent(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS) as server:
        server.running = replace(server.running, environment={"API_TOKEN": " "})
        with pytest.raises(CredentialsError, match="no API token"):
            async with server.adapter():
                pass


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"project": 99}, "there is no project 99"),
        ({"project": "none", "workspace": 619}, "there is no project 'none' in workspace 619"),
        ({"project": "none", "workspace": 5}, "there is no workspace 5"),
        ({"dataset": "nowhere"}, "no dataset 'nowhere'; it has dataset"),
    ],
)
async def test_what_does_not_exist_is_named_before_any_write(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    async with local(tmp_path, ROWS) as server, server.adapter(**changes) as adapter:
        with pytest.raises(UsageError, match=words) as error:
            await adapter.target().prepare(PLAN, listed(ROWS))
        assert error.value.exit_code == 2
        with pytest.raises(UsageError, match=words):
            await keys_of(adapter.source())
        failed = [check for check in [check async for check in adapter.checks()] if not check.ok]
    assert len(failed) == 1
    assert words.rpartition("; ")[2].split(" ")[-1] in failed[0].message


async def test_a_project_of_videos_is_refused(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS) as server:
        body = {"name": "films", "workspaceId": 619, "type": "videos"}
        films = (await server.call("projects.add", body))["id"]
        async with server.adapter(project=films) as adapter:
            with pytest.raises(UsageError, match=r"'films' .* is of type videos"):
                await keys_of(adapter.source())


async def test_a_class_that_the_project_lacks_is_said_before_any_write(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS) as server, server.adapter() as adapter:
        target = adapter.target()
        plan = replace(PLAN, ontology=Ontology((ClassDef("lorry", Shape.BOX),)))
        [row] = await opened(target, [ROWS[1]], plan)
        assert row.task.row is not None
        strange = tuple(replace(item, class_name="lorry") for item in row.task.row.objects)
        task = replace(row.task, row=replace(row.task.row, objects=strange))
        with pytest.raises(RowError, match="lorry"):
            pack(target, replace(row, task=task))
        assert [one["title"] for one in (await server.meta())["classes"]] == ["car", "blob"]


async def test_doctor_finds_a_good_project_good(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS) as server, server.adapter() as adapter:
        checks = [check async for check in adapter.checks()]
        kinds = (await server.log())["kinds"]
    assert all(check.ok for check in checks)
    names = ["reachable", "credentials", "project", "dataset", "ontology", "limits"]
    assert [check.name for check in checks] == names
    text = "\n".join(check.message for check in checks)
    assert f"sandbox ({server.project}): 7 images in 1 datasets" in text
    assert "car (box)" in text
    assert kinds == {"projects.info": 1, "datasets.list": 1, "projects.meta": 1}


async def test_doctor_counts_the_images_of_a_project_that_is_named(tmp_path: Path) -> None:
    named: dict[str, Any] = {"project": "sandbox", "workspace": 619, "dataset": None}
    async with local(tmp_path, ROWS) as server, server.adapter(**named) as adapter:
        texts = [check.message async for check in adapter.checks()]
    assert f"sandbox ({server.project}): 7 images in 1 datasets" in texts


async def test_doctor_says_what_will_be_created(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS) as server:
        async with server.adapter(project="new", workspace=619, create=True) as adapter:
            checks = [check async for check in adapter.checks()]
        assert "there is no project 'new' in workspace 619; it will be created" in checks[-1].message
        async with server.adapter(dataset="new", create=True) as adapter:
            checks += [check async for check in adapter.checks()]
    assert all(check.ok for check in checks)
    assert any("no dataset 'new'" in check.message for check in checks)
