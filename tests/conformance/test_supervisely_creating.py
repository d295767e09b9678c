"""Projects, classes, tags and datasets of Supervisely are created once, and nothing there is lost."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from pipeline import RunOptions
from pipeline.core.geometry import Shape
from pipeline.core.labels import LabelRow, Raw
from pipeline.core.ontology import AttributeDef, AttributeKind, ClassDef, ClassificationDef, Ontology
from pipeline.core.rows import MediaMode, OpenRow, Rejection
from pipeline.errors import BundleRefused, Stopped, UsageError
from pipeline.events import Created
from pipeline.platforms.supervisely.creating import free_name, prefixes
from pipeline.ports import Plan, Target
from tests.conformance.opening import listed, placed, tasks_for
from tests.conformance.supervisely_project import ONTOLOGY, WORKSPACE, Local, boxes, bring, local, packed

pytestmark = pytest.mark.anyio

ROWS = [boxes(f"{number}.png", number + 1) for number in range(3)]
NEW: dict[str, Any] = {"project": "new", "workspace": WORKSPACE, "dataset": "ds", "create": True}
PLAN = Plan("run", ontology=ONTOLOGY, media=MediaMode.LINK)
TAGGED = Ontology(
    (
        ClassDef("car", Shape.BOX, attributes=(AttributeDef("colour", AttributeKind.TEXT),)),
        ClassDef("lorry", Shape.POLYGON),
    ),
    (ClassificationDef(AttributeDef("weather", AttributeKind.NUMBER), whole_row=True),),
)


def linked(rows: Sequence[LabelRow]) -> list[LabelRow]:
    """The same rows with pictures behind links."""
    return [
        replace(row, media=(replace(row.media[0], url=f"https://example.com/{row.title}"),)) for row in rows
    ]


LINKED = linked(ROWS)


def told(server: Local, *, planned: bool = False) -> list[str]:
    found = [event for event in server.events if isinstance(event, Created)]
    return [event.what for event in found if event.planned is planned]


async def opened(target: Target, rows: Sequence[LabelRow], plan: Plan = PLAN) -> list[OpenRow | Rejection]:
    tasks = tasks_for(rows)
    places = await placed(await target.prepare(plan, listed(rows)), tasks)
    return list(await target.open(tasks, places))


# ---- the project --------------------------------------------------------------------------------------


async def test_a_project_is_created_with_its_dataset_classes_and_images(tmp_path: Path) -> None:
    async with local(tmp_path, [], link_sizes=sizes(LINKED)) as server:
        async with server.adapter(**NEW) as adapter:
            target = adapter.target()
            assert await target.ontology() is None
            await bring(target, LINKED, PLAN)
            assert await target.ontology() is not None
        project = (await server.projects())["new"]
        assert await server.counts(project) == {row.title: row.label_count for row in ROWS}
        assert [one["name"] for one in await server.datasets(project)] == ["ds"]
        info = await server.call("projects.info", {"id": project, "extraFields": ["customData"]})
        rows = (await server.log())["rows"]
    assert info["customData"] == {"labelferry": "run"}
    assert rows == {"project": 1, "meta": 1, "dataset": 1, "image": 3, "save": 3}
    assert told(server)[0] == f"project new ({project})"
    assert told(server)[-1] == "dataset ds"


def sizes(rows: Sequence[LabelRow]) -> dict[str, tuple[int, int]]:
    return {str(row.media[0].url): (64, 48) for row in rows}


async def test_nothing_is_created_before_the_first_row_is_opened_nor_in_a_dry_run(tmp_path: Path) -> None:
    async with local(tmp_path, []) as server:
        async with server.adapter(**NEW) as adapter:
            await adapter.target().prepare(PLAN, listed(LINKED))
        async with server.adapter(**NEW) as adapter:
            await packed(adapter.target(), LINKED, replace(PLAN, dry_run=True))
        assert (await server.log())["rows"] == {}
    lines = told(server, planned=True)
    assert lines[:2] == ["project new", "dataset ds"]
    assert any("car" in line for line in lines)
    assert told(server) == []


async def test_doctor_is_told_what_would_be_added(tmp_path: Path) -> None:
    async with local(tmp_path, []) as server:
        async with server.adapter(create=True) as adapter:
            lines = await adapter.target().additions(TAGGED)  # type: ignore[attr-defined]
            assert len(lines) == 3
            assert [name in line for name, line in zip(("lorry", "colour", "weather"), lines, strict=True)]
        async with server.adapter(**NEW) as adapter:
            lines = await adapter.target().additions(ONTOLOGY)  # type: ignore[attr-defined]
            assert lines[:2] == ("project new", "dataset ds")
        async with server.adapter() as adapter:
            assert await adapter.target().additions(TAGGED) == ()  # type: ignore[attr-defined]
        assert (await server.log())["rows"] == {}


async def test_a_name_that_is_taken_is_the_choice_of_the_job(tmp_path: Path) -> None:
    async with local(tmp_path, [], link_sizes=sizes(LINKED)) as server:
        for name in ("new", "new_001", "new_003"):
            await server.call("projects.add", {"name": name, "workspaceId": WORKSPACE})
        async with server.adapter(**NEW) as adapter:
            with pytest.raises(UsageError, match="`if_taken: use`"):
                await adapter.target().prepare(PLAN, listed(LINKED))
        for n, name in enumerate(("new_002", "new_004")):
            async with server.adapter(**NEW, if_taken="new-name") as adapter:
                await bring(adapter.target(), LINKED, replace(PLAN, run=f"run {n}"))
            assert await server.counts((await server.projects())[name]) == {
                "0.png": 1,
                "1.png": 2,
                "2.png": 3,
            }
        async with server.adapter(**NEW, if_taken="use") as adapter:
            await bring(adapter.target(), LINKED, replace(PLAN, run="run 3"))
        found = await server.projects()
        assert await server.counts(found["new"]) == {"0.png": 1, "1.png": 2, "2.png": 3}
        assert sorted(found) == ["new", "new_001", "new_002", "new_003", "new_004", "sandbox"]
        assert (await server.log())["kinds"]["projects.add"] == 5


async def test_a_run_that_goes_on_finds_the_project_that_it_made(tmp_path: Path) -> None:
    async with local(tmp_path, [], link_sizes=sizes(LINKED)) as server:
        await server.call("projects.add", {"name": "new", "workspaceId": WORKSPACE})
        for part in (LINKED[:1], LINKED):
            async with server.adapter(**NEW, if_taken="new-name") as adapter:
                await bring(adapter.target(), part, PLAN)
        found = await server.projects()
        log = await server.log()
        assert await server.counts(found["new_001"]) == {"0.png": 1, "1.png": 2, "2.png": 3}
    assert sorted(found) == ["new", "new_001", "sandbox"]
    assert log["rows"]["image"] == 3


@pytest.mark.parametrize(
    "fault", [{"drop_after": 0.6}, {"fail_after": 0.6, "fail_status": 500}, {"drop_before": 0.6}]
)
@pytest.mark.parametrize("seed", range(3))
async def test_a_lost_answer_creates_nothing_twice(
    tmp_path: Path, fault: dict[str, float], seed: int
) -> None:
    async with local(tmp_path, [], link_sizes=sizes(LINKED)) as server:
        await server.faults(**fault, seed=seed, kinds=["projects.add", "datasets.add", "images.bulk.add"])
        async with server.adapter(**{**NEW, "dataset": "day/front"}, if_taken="new-name") as adapter:
            await bring(adapter.target(), LINKED, PLAN)
        await server.faults()
        rows = (await server.log())["rows"]
        found = await server.projects()
        assert await server.counts(found["new"]) == {"0.png": 1, "1.png": 2, "2.png": 3}
    assert sorted(found) == ["new", "sandbox"]
    assert rows == {"project": 1, "meta": 1, "dataset": 2, "image": 3, "save": 3}


@pytest.mark.parametrize(
    ("if_taken", "names"), [("new-name", ["new", "new_001", "new_002"]), ("use", ["new"])]
)
async def test_jobs_that_race_for_one_name_end_well(tmp_path: Path, if_taken: str, names: list[str]) -> None:
    async with local(tmp_path, [], link_sizes=sizes(LINKED)) as server, AsyncExitStack() as stack:
        await server.faults(latency=0.02)
        targets = []
        for n in range(3):
            adapter = await stack.enter_async_context(server.adapter(**NEW, if_taken=if_taken))
            targets.append((adapter.target(), replace(PLAN, run=f"run {n}"), LINKED[n : n + 1]))
        async with anyio.create_task_group() as group:
            for target, plan, rows in targets:
                group.start_soon(bring, target, rows, plan)
        found = await server.projects()
        counts = [await server.counts(found[name]) for name in names]
    assert sorted(found) == [*names, "sandbox"]
    assert {title: n for one in counts for title, n in one.items()} == {"0.png": 1, "1.png": 2, "2.png": 3}


async def test_of_jobs_that_race_for_a_name_which_must_be_free_one_wins(tmp_path: Path) -> None:
    async with local(tmp_path, [], link_sizes=sizes(LINKED)) as server, AsyncExitStack() as stack:
        outcomes: list[str] = []

        async def work(run: str) -> None:
            adapter = await stack.enter_async_context(server.adapter(**NEW))
            try:
                await bring(adapter.target(), LINKED, replace(PLAN, run=run))
                outcomes.append("saved")
            except UsageError as error:
                outcomes.append(str(error))

        await server.faults(latency=0.02)
        async with anyio.create_task_group() as group:
            for run in ("a", "b"):
                group.start_soon(work, run)
        found = await server.projects()
    assert sorted(found) == ["new", "sandbox"]
    assert outcomes.count("saved") == 1
    assert any("there is a project 'new'" in text for text in outcomes)


async def test_a_project_that_is_refused_for_another_reason_ends_the_run(tmp_path: Path) -> None:
    async with local(tmp_path, []) as server, server.adapter(**NEW) as adapter:
        client = adapter._client

        async def refused(*_: Any) -> Any:  # noqa: ANN401 - as the client's own
            raise BundleRefused("the workspace is full")

        client.create_project = refused  # type: ignore[method-assign,assignment]
        with pytest.raises(UsageError, match="'new' was not created: the workspace is full"):
            await opened(adapter.target(), LINKED)


async def test_an_outage_while_a_project_is_created_stops_the_run(tmp_path: Path) -> None:
    async with local(tmp_path, []) as server, server.adapter(**NEW) as adapter:
        target = adapter.target()
        tasks = tasks_for(LINKED)
        places = await placed(await target.prepare(PLAN, listed(LINKED)), tasks)
        await server.faults(outage=True)
        with pytest.raises(Stopped, match="could not be created"):
            await target.open(tasks, places)


async def test_classes_that_nobody_tells_before_are_added_as_they_are_met(tmp_path: Path) -> None:
    def renamed(ontology: Ontology) -> Ontology:
        classes = tuple(replace(item, name=item.name.upper()) for item in ontology.classes)
        return replace(ontology, classes=classes)

    plan = replace(PLAN, ontology=None, revise=renamed)
    async with local(tmp_path, [], link_sizes=sizes(LINKED)) as server, server.adapter(**NEW) as adapter:
        target = adapter.target()
        tasks = tasks_for(LINKED)
        places = await placed(await target.prepare(plan, listed(LINKED)), tasks)
        for task, place in zip(tasks, places, strict=True):
            await target.open([task], [place])
        meta = await server.meta((await server.projects())["new"])
        assert (await server.log())["rows"]["meta"] == 1
    assert [(one["title"], one["shape"]) for one in meta["classes"]] == [("CAR", "any")]


# ---- classes and tags ---------------------------------------------------------------------------------


async def test_classes_and_tags_are_added_and_none_is_lost(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS) as server:
        before = await server.meta()
        async with server.adapter(create=True) as adapter:
            await bring(adapter.target(), ROWS, replace(PLAN, ontology=TAGGED))
        async with server.adapter(create=True) as adapter:
            await packed(adapter.target(), ROWS, replace(PLAN, ontology=TAGGED))
        after = await server.meta()
        assert await server.counts() == {"0.png": 1, "1.png": 2, "2.png": 3}
        assert (await server.log())["rows"]["meta"] == 1
    assert after["classes"][: len(before["classes"])] == before["classes"]
    assert [one["title"] for one in after["classes"]] == ["car", "blob", "lorry"]
    assert [one["name"] for one in after["tags"]] == ["colour", "weather"]


async def test_a_class_of_another_shape_is_said_before_any_write(tmp_path: Path) -> None:
    other = Ontology((ClassDef("car", Shape.MASK),))
    async with local(tmp_path, ROWS) as server, server.adapter(create=True) as adapter:
        with pytest.raises(UsageError, match=r"nothing was written:\n.*car"):
            await adapter.target().prepare(replace(PLAN, ontology=other), listed(ROWS))
        assert (await server.log())["rows"] == {}


async def test_jobs_that_add_classes_at_once_take_away_none_of_each_other(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS, keep_left_out=False) as server, AsyncExitStack() as stack:
        await server.faults(latency=0.02)
        async with anyio.create_task_group() as group:
            for n in range(3):
                adapter = await stack.enter_async_context(server.adapter(create=True))
                ontology = Ontology((ClassDef(f"class {n}", Shape.BOX),))
                plan = replace(PLAN, run=str(n), ontology=ontology)
                group.start_soon(opened, adapter.target(), ROWS, plan)
        titles = [one["title"] for one in (await server.meta())["classes"]]
    assert sorted(titles) == ["blob", "car", "class 0", "class 1", "class 2"]


@pytest.mark.parametrize("ontology", [ONTOLOGY, None])
async def test_a_class_that_another_job_takes_away_by_writing_last_is_added_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ontology: Ontology | None
) -> None:
    async with local(tmp_path, [], link_sizes=sizes(LINKED)) as server, server.adapter(**NEW) as adapter:
        client = adapter._client
        add = client.add_images

        async def adding(*given: Any) -> Any:  # noqa: ANN401 - as the client's own
            nothing: dict[str, Any] = {"classes": [], "tags": []}
            project = (await server.projects())["new"]
            await server.call("projects.meta.update", {"id": project, "meta": nothing})
            return await add(*given)

        monkeypatch.setattr(client, "add_images", adding)
        await bring(adapter.target(), LINKED, replace(PLAN, ontology=ontology))
        project = (await server.projects())["new"]
        assert await server.counts(project) == {row.title: row.label_count for row in ROWS}


# ---- datasets -----------------------------------------------------------------------------------------


async def test_rows_of_another_project_make_its_datasets(tmp_path: Path) -> None:
    def of(row: LabelRow, path: str) -> LabelRow:
        return replace(row, raw=Raw("supervisely", {"dataset": path}))

    rows = [of(LINKED[0], "day/front"), of(LINKED[1], "day"), of(LINKED[2], "night")]
    async with local(tmp_path, [], link_sizes=sizes(LINKED)) as server:
        async with server.adapter(**{**NEW, "dataset": None}) as adapter:
            await bring(adapter.target(), rows, PLAN)
        project = (await server.projects())["new"]
        names = {one["id"]: one for one in await server.datasets(project)}
        images = list(await server.images(project))
    assert sorted(images) == ["day/1.png", "front/0.png", "night/2.png"]
    assert {one["name"]: one["parentId"] and names[one["parentId"]]["name"] for one in names.values()} == {
        "day": None,
        "front": "day",
        "night": None,
    }


async def test_rows_that_share_a_name_in_their_datasets_are_kept_apart_by_their_ids(tmp_path: Path) -> None:
    rows = [
        replace(row, title="same.png", raw=Raw("supervisely", {"dataset": path}))
        for row, path in zip(LINKED[:2], ("day", "night"), strict=True)
    ]
    async with local(tmp_path, [], link_sizes=sizes(LINKED)) as server:
        async with server.adapter(by="external_id", **{**NEW, "dataset": None}) as adapter:
            await bring(adapter.target(), rows, PLAN)
        images = await server.images((await server.projects())["new"])
    assert sorted(images) == ["day/same.png", "night/same.png"]


async def test_rows_of_no_dataset_go_to_the_only_one_or_are_rejected(tmp_path: Path) -> None:
    async with local(tmp_path, [], link_sizes=sizes(LINKED)) as server:
        async with server.adapter(dataset=None, create=True) as adapter:
            await bring(adapter.target(), LINKED[:1], PLAN)
        assert list(await server.images()) == ["dataset/0.png"]
        await server.call("datasets.add", {"projectId": server.project, "name": "other"})
        async with server.adapter(dataset=None, create=True) as adapter:
            [row] = await opened(adapter.target(), LINKED[1:2], PLAN)
        assert isinstance(row, Rejection)
        assert "set `dataset` of the target" in row.reason
        stray = replace(LINKED[1], raw=Raw("supervisely", {"dataset": "nowhere"}))
        async with server.adapter(dataset=None) as adapter:
            [row] = await opened(adapter.target(), [stray], PLAN)
        assert isinstance(row, Rejection)
        assert "no dataset 'nowhere', and `create` is off" in row.reason


async def test_jobs_that_race_for_one_dataset_share_it(tmp_path: Path) -> None:
    async with local(tmp_path, [], link_sizes=sizes(LINKED)) as server, AsyncExitStack() as stack:
        await server.faults(latency=0.02)
        async with anyio.create_task_group() as group:
            for n in range(3):
                adapter = await stack.enter_async_context(server.adapter(dataset="day/front", create=True))
                plan = replace(PLAN, run=str(n))
                group.start_soon(opened, adapter.target(), LINKED[n : n + 1], plan)
        names = [one["name"] for one in await server.datasets()]
        assert sorted(names) == ["dataset", "day", "front"]
        assert sorted(await server.images()) == ["front/0.png", "front/1.png", "front/2.png"]


def test_names_are_counted_from_one() -> None:
    assert free_name("a", ()) == "a"
    assert free_name("a", {"a"}) == "a_001"
    assert free_name("a", {"a", "a_001", "a_002", "b"}) == "a_003"
    assert prefixes("a/b/c") == ["a", "a/b", "a/b/c"]


async def test_in_a_project_without_a_dataset_rows_of_none_get_one(tmp_path: Path) -> None:
    async with local(tmp_path, [], link_sizes=sizes(LINKED)) as server:
        async with server.adapter(**{**NEW, "dataset": None}) as adapter:
            await bring(adapter.target(), LINKED, PLAN)
        images = await server.images((await server.projects())["new"])
    assert sorted(images) == [f"dataset/{row.title}" for row in LINKED]


@pytest.mark.parametrize("dry_run", [False, True])
async def test_an_image_that_is_made_counts_as_saved_also_without_a_label(
    tmp_path: Path, *, dry_run: bool
) -> None:
    bare = [replace(row, objects=()) for row in LINKED]
    async with local(tmp_path, [], link_sizes=sizes(LINKED)) as server:
        first = await server.run(bare, RunOptions(dry_run=dry_run), media="link")
        assert first.rows["would-save" if dry_run else "saved"] == len(LINKED)
        if not dry_run:
            again = await server.run(bare, name="again", mode="replace")
            assert again.rows == {"unchanged": len(LINKED)}
