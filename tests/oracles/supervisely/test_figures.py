"""The real SDK reads, changes and removes single labels of our stand-in."""

import pytest

from tests.oracles.supervisely.samples import HEIGHT, META, WIDTH, annotation, label
from tests.oracles.supervisely.served import Sdk, needs_sdk, pictures, served

pytestmark = [pytest.mark.anyio, needs_sdk]


async def test_labels_are_listed_page_by_page(sdk: Sdk) -> None:
    async with served(sdk, pictures(2), meta=META, per_page_cap=2) as server:
        first, second = server.images.values()
        labels = [label("rectangle"), label("point"), label("alpha_mask")]
        given = {str(key): annotation(*labels) for key in (first, second)}
        await server.sdk("write", project=server.project, annotations=given)
        found = await server.sdk("figures", dataset=server.dataset)
        assert {key: len(items) for key, items in found.items()} == {str(first): 3, str(second): 3}
        box = next(one for one in found[str(first)] if one["geometry_type"] == "rectangle")
        assert box["geometry"] == {"points": {"exterior": [[1, 2], [64, 48]], "interior": []}}
        assert box["geometry_meta"] == {"bbox": [2, 1, 48, 64]}
        point = next(one for one in found[str(first)] if one["geometry_type"] == "point")
        # In whole pixels, since this call asks for them.
        assert point["geometry"]["points"]["exterior"] == [[7, 5]]
        only = await server.sdk("figures", dataset=server.dataset, ids=[second])
        assert list(only) == [str(second)]


async def test_a_label_is_read_changed_and_removed(sdk: Sdk) -> None:
    async with served(sdk, pictures(1), meta=META) as server:
        (image,) = server.images.values()
        labels = [label("line", tags=[["speed", 1]]), label("point")]
        written = {str(image): annotation(*labels)}
        await server.sdk("write", project=server.project, annotations=written)
        line, point = (one["id"] for one in (await server.stored(image))["objects"])
        size = [HEIGHT, WIDTH]
        found = await server.sdk("figure", project=server.project, figure=line, size=size)
        assert (found["kind"], found["tags"], found["id"]) == ("line", [["speed", 1]], line)

        points = {"points": {"exterior": [[1, 1], [2, 2]], "interior": []}}
        changed = {**label("line", tags=[["seen", None]], status="auto"), "geometry": points}
        await server.sdk("edit_figure", project=server.project, figure=line, label=changed, size=size)
        stored = (await server.stored(image))["objects"][0]
        assert (stored["points"], stored["nnCreated"], stored["nnUpdated"]) == (points["points"], True, True)
        assert ([tag["name"] for tag in stored["tags"]], stored["priority"]) == (["seen"], 3)

        await server.sdk("remove_figures", ids=[line])
        assert [one["id"] for one in (await server.stored(image))["objects"]] == [point]
