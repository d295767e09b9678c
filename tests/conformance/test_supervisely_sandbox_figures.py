"""The stand-in of Supervisely: single labels, masks that come apart from them, and tags that are added."""

from typing import Any

import aiohttp
import msgspec
import pytest

from tests.conformance.supervisely_plain import Client, Json, bitmap, box, parts_of, served

pytestmark = pytest.mark.anyio


async def classes(client: Client) -> dict[str, int]:
    """Ids of classes by title."""
    meta = await client.call("projects.meta", id=client.project)
    return {one["title"]: one["id"] for one in meta["classes"]}


async def add(client: Client, *figures: Json, **more: Any) -> list[int]:  # noqa: ANN401 - JSON
    """Add labels, and return their ids."""
    found = await client.call("figures.bulk.add", figures=figures, **more)
    return [one["id"] for one in found]


def masks(*pairs: tuple[int, bytes]) -> aiohttp.FormData:
    """A form of masks."""
    form = aiohttp.FormData()
    for key, data in pairs:
        form.add_field("figureId", str(key))
        form.add_field("geometry", data, filename=str(key), content_type="application/octet-stream")
    return form


async def test_figures_are_added_to_what_is_there() -> None:
    async with served() as client:
        first, second = list(client.images.values())[:2]
        await client.save(first, box())
        ids = await classes(client)
        ring = {"exterior": [[0.5, 0.5], [9.5, 0.5], [9.5, 9.5]], "interior": []}
        whole = {"classId": ids["parts"], "geometryType": "multipolygon", "geometry": {"parts": [ring, ring]}}
        tagged = {
            **whole,
            "tags": [{"name": "colour", "value": "red"}],
            "description": "d",
            "nnCreated": True,
        }
        plain = {"classId": ids["car"], "geometryType": "rectangle", "geometry": {"points": box()["points"]}}
        made = await add(
            client, {**tagged, "entityId": first}, {**plain, "entityId": second}, datasetId=client.dataset
        )
        found = (await client.read(first))["objects"]
        assert [one["classTitle"] for one in found] == ["car", "parts"]
        assert (found[1]["id"], found[1]["parts"], found[1]["description"]) == (made[0], [ring, ring], "d")
        assert (found[1]["nnCreated"], found[1]["tags"][0]["value"]) == (True, "red")
        assert (await client.read(second))["objects"][0]["id"] == made[1]
        again = await add(client, plain, entityId=second)
        assert [one["id"] for one in (await client.read(second))["objects"]] == [made[1], *again]
        log = await client.control("log")
        assert log["rows"] == {"save": 1, "figures": 3}


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"classId": 1}, 400),
        ({"classId": None}, 400),
        ({"entityId": None}, 400),
        ({"entityId": 1}, 404),
        ({"geometry": None}, 400),
        ({"geometryType": "bitmap"}, 400),
        ({"geometry": {"points": {"exterior": [[1, 2], [99, 4]]}}}, 400),
    ],
)
async def test_figures_that_do_not_fit_are_refused_with_all_of_the_request(change: Json, status: int) -> None:
    async with served() as client:
        image = client.images["image-0.png"]
        car = (await classes(client))["car"]
        geometry = {"points": box()["points"]}
        good = {"entityId": image, "classId": car, "geometryType": "rectangle", "geometry": geometry}
        body = {"datasetId": client.dataset, "figures": [good, {**good, **change}]}
        assert (await client.refused("figures.bulk.add", **body))[0] == status
        assert (await client.read(image))["objects"] == []


async def test_an_alpha_mask_comes_and_goes_apart_from_its_label() -> None:
    async with served() as client:
        image = client.images["image-0.png"]
        soft = {"classId": (await classes(client))["soft"], "geometryType": "alpha_mask"}
        first, second = await add(client, soft, soft, entityId=image)
        data = [msgspec.json.encode(bitmap(x, 3)) for x in (1, 2)]
        form = masks((first, data[0]), (second, data[1]))
        assert (await client.ask("figures.bulk.upload.geometry", form))[0] == 200
        for label in (await client.read(image))["objects"]:
            assert "bitmap" not in label
        _, answer, headers = await client.ask("figures.bulk.download.geometry", {"ids": [first, second]})
        parts = parts_of(answer, headers)
        assert parts == {str(first): data[0], str(second): data[1]}
        assert list(parts) != [str(first), str(second)]
        rows = await client.control("rows")
        objects = next(row for row in rows if row["id"] == image)["annotation"]["objects"]
        assert [one["bitmap"] for one in objects] == [bitmap(1, 3), bitmap(2, 3)]
        await client.save(image)
        assert (await client.refused("figures.bulk.download.geometry", ids=[first]))[0] == 404


async def test_a_mask_that_does_not_fit_is_refused() -> None:
    async with served() as client:
        image = client.images["image-0.png"]
        await client.save(image, box())
        (label,) = (await client.read(image))["objects"]
        soft = {"classId": (await classes(client))["soft"], "geometryType": "alpha_mask"}
        (alpha,) = await add(client, soft, entityId=image)
        good = msgspec.json.encode(bitmap())
        for key, data, status in (
            (label["id"], good, 400),
            (1, good, 404),
            (alpha, msgspec.json.encode(bitmap(60)), 400),
            (alpha, b'{"origin":[0,0]}', 400),
            (alpha, b"mask", 400),
        ):
            assert (await client.ask("figures.bulk.upload.geometry", masks((key, data))))[0] == status
        lone = aiohttp.FormData()
        lone.add_field("figureId", str(alpha), filename="x")
        assert (await client.ask("figures.bulk.upload.geometry", lone))[0] == 400
        assert (await client.ask("figures.bulk.upload.geometry", b"no form"))[0] == 400
        geometry = {"bitmap": bitmap()}
        inline = {"figures": [{**soft, "geometry": geometry}], "entityId": image}
        assert (await client.refused("figures.bulk.add", **inline))[0] == 400


async def test_tags_are_added_to_labels_and_images() -> None:
    async with served() as client:
        first, second = list(client.images.values())[:2]
        await client.save(first, box())
        (label,) = (await client.read(first))["objects"]
        meta = await client.call("projects.meta", id=client.project)
        tags = {one["name"]: one["id"] for one in meta["tags"]}
        given = [{"figureId": label["id"], "tagId": tags["speed"], "value": 3}]
        await client.call("figures.tags.bulk.add", projectId=client.project, tags=given)
        await client.call("image-tags.bulk.add-to-image", tagId=tags["seen"], ids=[first, second])
        entries = [{"entityId": second, "tagId": tags["word"], "value": "w"}]
        await client.call("tags.entities.bulk.add", projectId=client.project, tags=entries)
        found = await client.read(first)
        assert [(tag["name"], tag["value"]) for tag in found["objects"][0]["tags"]] == [("speed", 3)]
        assert [tag["name"] for tag in found["tags"]] == ["seen"]
        assert [tag["name"] for tag in (await client.read(second))["tags"]] == ["seen", "word"]
        wrong = [{"figureId": label["id"], "tagId": tags["day"], "value": "2026-01-01"}]
        assert (await client.refused("figures.tags.bulk.add", projectId=client.project, tags=wrong))[0] == 400
        assert (await client.refused("image-tags.bulk.add-to-image", tagId=1, ids=[first]))[0] == 400


async def test_figures_are_listed_with_the_fields_that_are_asked_for() -> None:
    async with served() as client:
        ids = list(client.images.values())
        for image in ids[:2]:
            await client.save(image, box(1.5), box(2.5, instance="a"))
        body = {"datasetId": client.dataset, "integerCoords": False, "per_page": 3}
        page = await client.call("figures.list", **body)
        assert (page["total"], page["perPage"], page["pagesCount"], len(page["entities"])) == (4, 3, 2, 3)
        assert page["entities"][0]["geometry"] == {"points": box(1.5)["points"]}
        only = [{"field": "entityId", "operator": "in", "value": [ids[1]]}]
        found = await client.call("figures.list", **body, filter=only, fields=["geometryType"])
        assert [sorted(one) for one in found["entities"]] == [["geometryType", "id"]] * 2
        whole = await client.call("figures.list", datasetId=client.dataset, filter=only)
        assert whole["entities"][0]["geometry"]["points"]["exterior"][0] == [1, 2]
