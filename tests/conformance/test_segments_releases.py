"""A release of Segments.ai is read as its own file says, whatever became of the dataset since."""

import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from pipeline.core.rows import LabelTask
from pipeline.errors import FatalError, TransientError, UsageError
from tests.conformance.moving import keys_of, tasks_of
from tests.conformance.segments_project import Local, bbox, boxes, bring, label, local
from tests.flow.server import serving

pytestmark = pytest.mark.anyio

ROWS = [boxes(f"{number}.png", number) for number in range(3)]
DATASET = "/datasets/sandbox/dataset/"


async def release(server: Local) -> None:
    await server.ask("POST", f"{DATASET}releases/", {"name": "v1", "description": ""})


async def classes(server: Local, **settings: Any) -> tuple[list[str], dict[str, list[str]]]:  # noqa: ANN401
    """The classes of the ontology, and those of the objects of each row."""
    async with server.adapter(**settings) as adapter:
        source = adapter.source()
        ontology = await source.ontology()
        tasks = await tasks_of(source)
        assert [task.key for task in tasks] == await keys_of(source)
    assert ontology is not None
    rows = [task.row for task in tasks if isinstance(task, LabelTask) and task.row is not None]
    return [item.name for item in ontology.classes], {
        row.title: [item.class_name for item in row.objects] for row in rows
    }


async def test_categories_that_changed_since_a_release_do_not_change_what_it_says(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS, release_polls=0) as server:
        async with server.adapter() as adapter:
            await bring(adapter.target(), ROWS)
        await release(server)
        live = await server.ask("GET", DATASET)
        attributes = live["task_attributes"]
        [car] = attributes["categories"]
        changed = {**attributes, "categories": [{**car, "name": "tree"}, {**car, "id": 9, "name": "car"}]}
        await server.ask("PATCH", DATASET, {"task_attributes": changed})
        now, then = await classes(server), await classes(server, release="v1")
    assert now == (["tree", "car"], {"0.png": [], "1.png": ["tree"], "2.png": ["tree"] * 2})
    assert then == (["car"], {"0.png": [], "1.png": ["car"], "2.png": ["car"] * 2})


async def test_a_labelset_that_went_after_the_release_is_still_in_it(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS, labelsets=("model",), release_polls=0) as server:
        await server.put("1.png", label(bbox(3)), "model")
        await release(server)
        await server.ask("DELETE", f"{DATASET}labelsets/model/")
        _, found = await classes(server, release="v1", labelset="model")
        with pytest.raises(UsageError, match="no labelset 'model'"):
            await classes(server, labelset="model")
    assert found == {"0.png": [], "1.png": ["car"], "2.png": []}


async def test_doctor_says_whether_a_release_can_be_read(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS, release_polls=0) as server:
        await release(server)
        found = {}
        for name in ("v1", "v2", None):
            async with server.adapter(release=name) as adapter:
                found[name] = [
                    (check.ok, check.message) async for check in adapter.checks() if check.name == "release"
                ]
    assert found["v1"] == [(True, "release 'v1' can be read")]
    assert [ok for ok, _ in found["v2"]] == [False]
    assert "has no release 'v2'" in found["v2"][0][1]
    assert found[None] == []


# ---- files of other forms -----------------------------------------------------------------------------

SAMPLE = {
    "uuid": "u1",
    "name": "a.png",
    "attributes": {"image": {"url": "https://pictures.example/a.png"}},
    "metadata": {},
    "labels": {"ground-truth": label(bbox(7, 4)), "model": None},
}
TOLD = {
    "samples": [SAMPLE],
    "labelsets": [{"name": "ground-truth", "description": ""}, {"name": "model", "description": ""}],
    "task_attributes": {"format_version": "0.1", "categories": [{"id": 4, "name": "lorry"}]},
    "task_type": "vector",
    "name": "old",
}


async def read(tmp_path: Path, content: object, **settings: Any) -> tuple[list[str], dict[str, list[str]]]:  # noqa: ANN401
    """Read a release whose file has this content."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()

    async def file(_: web.Request) -> web.StreamResponse:
        return web.Response(body=body)

    async def told(_: web.Request) -> web.StreamResponse:
        return web.json_response({"name": "v1", "status": "SUCCEEDED", "attributes": {"url": storage.url}})

    async with serving(file) as storage, serving(told) as api, local(tmp_path, []) as server:
        return await classes(server, release="v1", url=api.url, **settings)


async def test_the_keys_of_a_release_may_come_in_any_order(tmp_path: Path) -> None:
    for told in (TOLD, dict(reversed(TOLD.items()))):
        for content in ({"name": "v1", "dataset": told}, {"dataset": told, "name": "v1"}):
            assert await read(tmp_path, content) == (["lorry"], {"a.png": ["lorry"]})


async def test_a_release_of_an_empty_dataset_is_empty(tmp_path: Path) -> None:
    assert await read(tmp_path, {"dataset": {**TOLD, "samples": []}}) == (["lorry"], {})
    assert await read(tmp_path, {"dataset": TOLD}, labelset="model") == (["lorry"], {"a.png": []})
    with pytest.raises(UsageError, match="no labelset 'other'; it has ground-truth, model"):
        await read(tmp_path, {"dataset": {**TOLD, "samples": []}}, labelset="other")


@pytest.mark.parametrize(
    "content",
    [
        {},
        [],
        {"dataset": {key: value for key, value in TOLD.items() if key != "samples"}},
        {"dataset": {**TOLD, "task_type": None}},
        {"dataset": {**TOLD, "samples": {"u1": SAMPLE}}},
        {"dataset": {**TOLD, "samples": None}},
        {"dataset": {**TOLD, "task_type": 7}},
    ],
)
async def test_a_file_that_is_no_release_is_not_taken_for_an_empty_one(
    tmp_path: Path, content: object
) -> None:
    with pytest.raises(FatalError, match="release 'v1'"):
        await read(tmp_path, content)


@pytest.mark.parametrize("left", [0, 1, 40, -2])
async def test_a_release_that_breaks_off_is_worth_another_run(tmp_path: Path, left: int) -> None:
    with pytest.raises(TransientError):
        await read(tmp_path, json.dumps({"dataset": TOLD}).encode()[:left])
