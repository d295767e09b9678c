"""The real SDK works with accounts, projects, classes, tags and datasets of our stand-in."""

import pytest

from tests.oracles.supervisely.served import WORKSPACE, Json, Sdk, needs_sdk, pictures, served

pytestmark = [pytest.mark.anyio, needs_sdk]

META: Json = {
    "classes": [
        {"title": "car", "shape": "rectangle", "color": "#FF00FF", "hotkey": "c", "description": "any car"},
        {"title": "thing", "shape": "any", "color": "#00FF00"},
        {
            "title": "pose",
            "shape": "graph",
            "color": "#0000FF",
            "geometry_config": {
                "nodes": {
                    "a1": {"label": "nose", "loc": [10, 20], "color": "#0000FF"},
                    "b2": {"label": "tail", "loc": [30, 40], "color": "#0000FF"},
                },
                "edges": [{"src": "a1", "dst": "b2", "color": "#00FF00"}],
            },
        },
    ],
    "tags": [
        {"name": "seen", "value_type": "none", "color": "#FF0000"},
        {"name": "colour", "value_type": "oneof_string", "values": ["red", "blue"], "color": "#FF0000"},
        {
            "name": "speed",
            "value_type": "any_number",
            "color": "#FF0000",
            "applicable_type": "objectsOnly",
            "classes": ["car"],
        },
        {"name": "day", "value_type": "date", "color": "#FF0000", "applicable_type": "imagesOnly"},
    ],
}


async def test_a_login_tells_the_token_and_where_to_work(sdk: Sdk) -> None:
    async with served(sdk, version="6.12.1") as server:
        found = await server.sdk("account", login="sandbox", password="sandbox")
        assert found == {
            "token": server.running.environment["API_TOKEN"],
            "team": 7,
            "workspace": WORKSPACE,
            "version": "6.12.1",
            "supported": True,
            "me": "sandbox",
            "teams": ["sandbox"],
            "workspaces": [WORKSPACE],
            "created": "another",
        }
        assert (await server.refused("account", login="sandbox", password="guessed"))[0] == "RuntimeError"


async def test_a_token_that_is_not_known_is_refused(sdk: Sdk) -> None:
    async with served(sdk) as server:
        await server.get("/_sandbox/rows")
        server.running.environment["API_TOKEN"] = "another"  # type: ignore[index]
        kind, trace = await server.refused("projects", workspace=WORKSPACE)
        assert (kind, "401 Client Error" in trace) == ("HTTPError", True)


async def test_a_project_gets_a_free_name_where_that_is_wanted(sdk: Sdk) -> None:
    async with served(sdk, title="cars") as server:
        kind, trace = await server.refused("create_project", workspace=WORKSPACE, name="cars")
        assert (kind, "NONUNIQUE" in trace) == ("HTTPError", True)
        given = {"workspace": WORKSPACE, "name": "cars", "change_name_if_conflict": True}
        custom = {"made by": "a test"}
        made = await server.sdk("create_project", **given, description="of mine", custom_data=custom)
        assert (made["name"], made["workspace_id"], made["type"]) == ("cars_001", WORKSPACE, "images")
        assert await server.sdk("project", project=made["id"]) == made | {"custom_data": custom}
        listed = await server.sdk("projects", workspace=WORKSPACE)
        assert [one["name"] for one in listed] == ["cars", "cars_001"]
        assert [one["custom_data"] for one in listed] == [None, None]
        changed = await server.sdk("edit_project", project=made["id"], name="lorries")
        assert (changed["name"], changed["description"]) == ("lorries", "of mine")
        await server.sdk("remove_project", project=made["id"])
        assert await server.sdk("project", project=made["id"]) is None
        assert (await server.sdk("create_project", **given))["name"] == "cars_001"


async def test_classes_and_tags_keep_all_that_they_have_and_their_ids(sdk: Sdk) -> None:
    async with served(sdk) as server:
        said = await server.sdk("update_meta", project=server.project, meta=META)
        read = await server.sdk("meta", project=server.project)
        assert said["classes"] == read["classes"]
        assert said["tags"] == read["tags"]
        for given, found in zip(
            [*META["classes"], *META["tags"]], [*read["classes"], *read["tags"]], strict=True
        ):
            assert {key: found[key] for key in given if key != "geometry_config"} == {
                key: value for key, value in given.items() if key != "geometry_config"
            }
            assert isinstance(found["id"], int)
        again = await server.sdk("update_meta", project=server.project, meta=read)
        assert (again["classes"], again["tags"]) == (read["classes"], read["tags"])
        # Written by name alone, as one who does not know the ids does.
        await server.sdk("update_meta", project=server.project, meta=META)
        assert await server.sdk("meta", project=server.project) == read


async def test_a_class_that_is_left_out_goes_with_its_labels(sdk: Sdk) -> None:
    for keep in (False, True):
        async with served(sdk, pictures(1), meta=META, keep_left_out=keep) as server:
            image = server.images["image-0.png"]
            label = {"class": "car", "kind": "rectangle"}
            box = {"points": {"exterior": [[1, 2], [3, 4]], "interior": []}}
            written = {str(image): {"size": [48, 64], "labels": [{**label, "geometry": box}]}}
            await server.sdk("write", project=server.project, annotations=written)
            others = {"classes": META["classes"][1:], "tags": META["tags"]}
            await server.sdk("update_meta", project=server.project, meta=others)
            read = await server.sdk("meta", project=server.project)
            assert {one["title"] for one in read["classes"]} == {"thing", "pose"} | (
                {"car"} if keep else set()
            )
            assert len((await server.stored(image))["objects"]) == int(keep)


async def test_a_class_with_labels_keeps_its_shape(sdk: Sdk) -> None:
    async with served(sdk, pictures(1), meta=META) as server:
        box = {"points": {"exterior": [[1, 2], [3, 4]], "interior": []}}
        labels = [{"class": "car", "kind": "rectangle", "geometry": box}]
        written = {str(server.images["image-0.png"]): {"size": [48, 64], "labels": labels}}
        await server.sdk("write", project=server.project, annotations=written)
        for shape, refused in (("polygon", True), ("any", False)):
            changed = {**META, "classes": [{**META["classes"][0], "shape": shape}, *META["classes"][1:]]}
            given = {"project": server.project, "meta": changed}
            if refused:
                assert (await server.refused("update_meta", **given))[0] == "HTTPError"
            else:
                await server.sdk("update_meta", **given)


async def test_datasets_nest_and_have_names_of_their_own_beside_each_other(sdk: Sdk) -> None:
    async with served(sdk) as server:
        outer = await server.sdk("create_dataset", project=server.project, name="outer", description="all")
        inner = await server.sdk(
            "create_dataset", project=server.project, name="inner", parent_id=outer["id"]
        )
        assert (outer["description"], outer["parent_id"]) == ("all", None)
        assert (inner["parent_id"], inner["project_id"]) == (outer["id"], server.project)
        deepest = await server.sdk(
            "create_dataset", project=server.project, name="outer", parent_id=inner["id"]
        )
        kind, _ = await server.refused(
            "create_dataset", project=server.project, name="inner", parent_id=outer["id"]
        )
        assert kind == "HTTPError"
        free = await server.sdk(
            "create_dataset", project=server.project, name="outer", change_name_if_conflict=True
        )
        assert free["name"] == "outer_001"

        async def names(**choice: object) -> list[str]:
            return [one["name"] for one in await server.sdk("datasets", project=server.project, **choice)]

        assert await names() == ["dataset", "outer", "outer_001"]
        assert await names(recursive=True) == ["dataset", "outer", "inner", "outer", "outer_001"]
        assert await names(parent_id=outer["id"]) == ["inner"]
        tree = await server.sdk("dataset_tree", project=server.project)
        assert sorted(tree) == ["dataset", "outer", "outer/inner", "outer/inner/outer", "outer_001"]
        await server.sdk("remove_dataset", dataset=outer["id"])
        assert await names(recursive=True) == ["dataset", "outer_001"]
        assert deepest["name"] == "outer"
