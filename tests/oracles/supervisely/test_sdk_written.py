"""Annotations that the vendor's SDK wrote are kept, edited and copied, and nothing else changes in them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.oracles.jobs import archive, ferried
from tests.oracles.supervisely.jobs import edited, project, saves
from tests.oracles.supervisely.samples import GEOMETRIES, annotation, label
from tests.oracles.supervisely.served import WORKSPACE, Json, Sdk, needs_sdk
from tests.oracles.supervisely.written import ordered, seen, written

pytestmark = [pytest.mark.anyio, needs_sdk]


@pytest.mark.parametrize("binding", ["str", "int"])
async def test_what_nothing_changed_is_not_written(sdk: Sdk, tmp_path: Path, binding: str) -> None:
    async with written(sdk, binding=binding) as server:
        before = await server.rows()
        saved = await saves(server)
        report = await edited(server, tmp_path, {"rename": {"classes": {"unheard": "of"}}})
        assert (report.rows, report.losses) == ({"unchanged": 2}, {})
        assert (await server.rows(), await saves(server)) == (before, saved)


def renamed(found: Json) -> None:
    for item in found["labels"]:
        if item["class"] == "point":
            item["class"] = "thing"


def dropped(found: Json) -> None:
    found["labels"] = [item for item in found["labels"] if item["class"] != "bitmap"]


def answered(found: Json) -> None:
    for item in found["labels"]:
        if item["class"] == "line":
            item["tags"] = [[name, 7 if name == "speed" else value] for name, value in item["tags"]] or [
                ["speed", 7]
            ]


EDITS: dict[str, tuple[Json, Callable[[Json], None]]] = {
    "rename": ({"rename": {"classes": {"point": "thing"}}}, renamed),
    "drop": ({"drop": {"classes": ["bitmap"]}}, dropped),
    "set": ({"set": {"attribute": "speed", "value": 7, "classes": ["line"]}}, answered),
}


@pytest.mark.parametrize("edit", EDITS)
async def test_the_sdk_sees_an_edit_and_nothing_else_changed(sdk: Sdk, tmp_path: Path, edit: str) -> None:
    operation, change = EDITS[edit]
    async with written(sdk) as server:
        expected = ordered(await seen(server), change)
        stored = await server.stored(server.images["image-0.png"])
        report = await edited(server, tmp_path, operation)
        assert (report.rows, report.losses) == ({"saved": 1, "unchanged": 1}, {})
        assert ordered(await seen(server)) == expected
        assert (await server.stored(server.images["image-0.png"]))["customBigData"] == stored["customBigData"]


async def test_bindings_are_made_and_discarded_where_they_are(sdk: Sdk, tmp_path: Path) -> None:
    async with written(sdk) as server:
        await edited(server, tmp_path, {"unbind": {"all": True}}, name="unbind")
        (one, _) = await seen(server)
        assert {item["group"] for item in one["labels"]} == {None}
        await edited(server, tmp_path, {"bind": {"by": "class", "classes": ["thing"]}}, name="bind")
        (one, _) = await seen(server)
        bound = {item["class"] for item in one["labels"] if item["group"] is not None}
        assert bound == {"thing"}
        assert len({item["group"] for item in one["labels"] if item["class"] == "thing"}) == 1


@pytest.mark.parametrize("binding", ["str", "int"])
async def test_a_copy_into_a_second_project_is_the_same_to_the_sdk(
    sdk: Sdk, tmp_path: Path, binding: str
) -> None:
    async with written(sdk, binding=binding) as server:
        target = project(server, "second", workspace=WORKSPACE, create=True)
        report = await ferried(tmp_path, project(server), target, media="copy")
        assert (report.rows["saved"] + report.rows["unchanged"], report.losses) == (2, {})
        made = next(
            one for one in await server.sdk("projects", workspace=WORKSPACE) if one["name"] == "second"
        )
        (dataset,) = await server.sdk("datasets", project=made["id"])
        assert dataset["name"] == "dataset"
        assert ordered(await seen(server, made["id"], dataset["id"])) == ordered(await seen(server))
        # No key of the first project is one of the second.
        rows = await server.rows()
        keys = [
            {
                str(item["instance"])
                for item in rows[f"{name}:dataset/image-0.png"]["annotation"]["objects"]
                if "instance" in item
            }
            for name in ("sandbox", "second")
        ]
        assert keys[0].isdisjoint(keys[1])
        assert len(keys[0]) == len(keys[1])
        old, new = (rows[f"{name}:dataset/image-0.png"]["annotation"] for name in ("sandbox", "second"))
        assert (new["customBigData"], new["description"]) == (old["customBigData"], old["description"])


async def test_an_archive_gives_everything_back(sdk: Sdk, tmp_path: Path) -> None:
    async with written(sdk) as server:
        before = ordered(await seen(server))
        first = server.images["image-0.png"]
        stored = await server.stored(first)
        await ferried(tmp_path, project(server), archive(tmp_path / "backup"), name="backup")
        await server.sdk("write", project=server.project, annotations={str(first): annotation()})
        assert ordered(await seen(server)) != before
        await ferried(tmp_path, archive(tmp_path / "backup"), project(server), name="back", mode="replace")
        assert ordered(await seen(server)) == before
        again = await server.stored(first)
        assert (again["customBigData"], again["description"]) == (
            stored["customBigData"],
            stored["description"],
        )


async def test_equal_tags_and_single_parts_stay_as_the_sdk_wrote_them(sdk: Sdk, tmp_path: Path) -> None:
    async with written(sdk) as server:
        pairs: list[list[object]] = [["seen", None], ["text", "x"], ["speed", 1]]
        often = pairs * 2
        single = {"parts": GEOMETRIES["multipolygon"]["geometry"]["parts"][:1]}
        labels = [label("point", tags=often), {"class": "thing", "kind": "multipolygon", "geometry": single}]
        told = {str(server.images["image-1.png"]): annotation(*labels, tags=often)}
        await server.sdk("write", project=server.project, annotations=told)
        before = ordered(await seen(server))
        assert before[1]["tags"] == sorted(often, key=str)

        folder = archive(tmp_path / "backup")
        await ferried(tmp_path, project(server), folder, name="backup")
        target = project(server, "second", workspace=WORKSPACE, create=True)
        for name, source in (("copy", project(server)), ("restore", folder)):
            mode = {"mode": "replace"} if name == "restore" else {}
            report = await ferried(tmp_path, source, target, name=name, media="copy", **mode)
            assert report.losses == {}
            target = project(server, "second", workspace=WORKSPACE)
            listed = await server.sdk("projects", workspace=WORKSPACE)
            made = next(one["id"] for one in listed if one["name"] == "second")
            (dataset,) = await server.sdk("datasets", project=made)
            assert ordered(await seen(server, made, dataset["id"])) == before
        assert report.rows == {"unchanged": 2}
