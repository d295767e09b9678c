"""The real SDK writes annotations of every kind to our stand-in, and reads them back as they were drawn."""

from collections import Counter

import pytest

from tests.oracles.supervisely.samples import KINDS, META, annotation, drawn, label, mask, told
from tests.oracles.supervisely.served import Json, Sdk, Served, needs_sdk, pictures, served

pytestmark = [pytest.mark.anyio, needs_sdk]

READERS = ("download", "download_batch", "download_batch_async", "download_bulk_async")
APART = {"multipolygon", "alpha_mask"}
"""Kinds that the SDK sends after all the others of an image."""


async def read(server: Served, *images: int, by: str = "download_batch") -> list[Json]:
    """Read annotations with the SDK."""
    found: list[Json] = await server.sdk(
        "read", project=server.project, dataset=server.dataset, ids=list(images), by=by
    )
    assert [one["image"] for one in found] == list(images)
    return found


async def write(server: Served, annotations: dict[int, Json], **more: object) -> None:
    """Write annotations with the SDK."""
    given = {str(key): one for key, one in annotations.items()}
    await server.sdk("write", project=server.project, annotations=given, **more)


@pytest.mark.parametrize("by", READERS)
async def test_every_geometry_comes_back_as_it_was_drawn(sdk: Sdk, by: str) -> None:
    async with served(sdk, pictures(2), meta=META) as server:
        first, second = server.images.values()
        labels = [label(kind, description=f"a {kind}", status="corrected") for kind in KINDS]
        anys = [label(kind, "thing") for kind in KINDS]
        await write(server, {first: annotation(*labels), second: annotation(*anys)})
        one, other = await read(server, first, second, by=by)
        for given, found in ((labels, one), (anys, other)):
            expected = sorted(given, key=lambda item: item["kind"] in APART)
            assert [drawn(item) for item in found["labels"]] == [told(item) for item in expected]


async def test_the_wire_is_continuous_where_the_sdk_counts_pixels(sdk: Sdk) -> None:
    async with served(sdk, pictures(1), meta=META) as server:
        (image,) = server.images.values()
        await write(server, {image: annotation(*(label(kind) for kind in KINDS))})
        stored = {item["classTitle"]: item for item in (await server.stored(image))["objects"]}
        assert stored["rectangle"]["points"] == {"exterior": [[1, 2], [64, 48]], "interior": []}
        assert stored["oriented_bbox"]["points"] == [[5, 6], [21, 17]]
        assert stored["polygon"]["points"]["exterior"][0] == [4.5, 4.5]
        assert stored["polygon"]["points"]["interior"][0][0] == [10.5, 10.5]
        assert stored["multipolygon"]["parts"][1]["exterior"][0] == [50.5, 30.5]
        assert stored["line"]["points"]["exterior"] == [[0.5, 0.5], [7.5, 5.5], [63.5, 47.5]]
        assert stored["point"]["points"]["exterior"] == [[7.5, 5.5]]
        assert stored["graph"]["nodes"] == {
            "a1": {"loc": [2.5, 1.5]},
            "b2": {"loc": [40.5, 30.5], "disabled": True},
        }
        # These are the same numbers on both sides.
        assert stored["cuboid_2d"]["vertices"]["face1-topleft"]["loc"] == [14, 14]
        assert stored["bitmap"]["bitmap"]["origin"] == [3, 2]
        assert stored["alpha_mask"]["bitmap"]["origin"] == [9, 8]


async def test_tags_of_every_kind_come_back_on_images_and_on_labels(sdk: Sdk) -> None:
    tags: list[list[object]] = [
        ["seen", None],
        ["text", "a word"],
        ["speed", 2.5],
        ["colour", "blue"],
        ["day", "2026-01-02T03:04:05Z"],
    ]
    async with served(sdk, pictures(1), meta=META) as server:
        (image,) = server.images.values()
        box = label("rectangle", tags=[*tags, ["only-boxes", None]])
        given = annotation(
            box, label("alpha_mask", tags=tags), tags=[*tags, ["only-images", None]], description="rain"
        )
        await write(server, {image: given})
        (found,) = await read(server, image)
        assert found["tags"] == [*tags, ["only-images", None]]
        assert found["description"] == "rain"
        assert [item["tags"] for item in found["labels"]] == [[*tags, ["only-boxes", None]], tags]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (annotation(label("point", tags=[["only-boxes", None]])), "not for labels of class"),
        (annotation(label("point", tags=[["only-images", None]])), "not for labels of class"),
        (annotation(tags=[["only-boxes", None]]), "not for images"),
        (annotation({**label("point"), "class": "line"}), "has shape line"),
        (annotation({**label("bitmap"), "mask": mask(0, 0, 1, 1)}, size=[480, 640]), ""),
    ],
)
async def test_what_does_not_fit_the_classes_and_tags_is_refused(sdk: Sdk, given: Json, why: str) -> None:
    async with served(sdk, pictures(1), meta=META) as server:
        (image,) = server.images.values()
        body = {"project": server.project, "annotations": {str(image): given}}
        if not why:
            await server.sdk("write", **body)
            return
        kind, trace = await server.refused("write", **body)
        # The SDK refuses some of it itself.
        assert kind in {"HTTPError", "ValueError", "RuntimeError"}
        assert kind != "HTTPError" or why in trace
        assert (await server.stored(image))["objects"] == []


async def test_a_label_out_of_the_image_is_refused_unless_it_is_waived(sdk: Sdk) -> None:
    points = {"exterior": [[60, 40], [70, 44]], "interior": []}
    async with served(sdk, pictures(1), meta=META) as server:
        (image,) = server.images.values()
        sent = {"classTitle": "rectangle", "geometryType": "rectangle", "tags": [], "points": points}
        body = {"description": "", "tags": [], "size": {"height": 48, "width": 64}, "objects": [sent]}
        kind, trace = await server.refused("write_json", image=image, annotation=body)
        assert (kind, "out of the image" in trace) == ("HTTPError", True)
        await server.sdk("write_json", image=image, annotation=body, skip_bounds_validation=True)
        assert (await server.stored(image))["objects"][0]["points"]["exterior"] == [[60, 40], [71, 45]]


async def test_writing_again_replaces_everything(sdk: Sdk) -> None:
    async with served(sdk, pictures(1), meta=META) as server:
        (image,) = server.images.values()
        whole = annotation(
            *(label(kind) for kind in KINDS), tags=[["seen", None]], description="d", custom={"k": [1]}
        )
        await write(server, {image: whole})
        first = await server.stored(image)
        assert (first["customBigData"], first["description"]) == ({"k": [1]}, "d")
        await write(server, {image: whole})
        second = await server.stored(image)
        assert len(second["objects"]) == len(KINDS)
        assert {item["id"] for item in first["objects"]}.isdisjoint(item["id"] for item in second["objects"])
        await write(server, {image: annotation()})
        third = await server.stored(image)
        assert (third["objects"], third["tags"], third["description"]) == ([], [], "")
        assert third["customBigData"] == {}


async def test_custom_data_come_only_when_asked_for(sdk: Sdk) -> None:
    async with served(sdk, pictures(1), meta=META) as server:
        (image,) = server.images.values()
        await write(server, {image: annotation(custom={"k": [1, 2.5]})})
        assert "customBigData" not in await server.sdk("read_json", image=image)
        assert (await server.sdk("read_json", image=image, custom=True))["customBigData"] == {"k": [1, 2.5]}


async def test_what_was_read_goes_back_unchanged(sdk: Sdk) -> None:
    async with served(sdk, pictures(1), meta=META) as server:
        (image,) = server.images.values()
        await write(server, {image: annotation(*(label(kind) for kind in KINDS))})
        before, stored = await read(server, image), await server.stored(image)
        await server.sdk("write_json", image=image, annotation=await server.sdk("read_json", image=image))
        after, again = await read(server, image), await server.stored(image)
        assert [drawn(item) for item in after[0]["labels"]] == [drawn(item) for item in before[0]["labels"]]
        ours = {"id", "createdAt", "updatedAt"}
        kept = [
            [{key: value for key, value in item.items() if key not in ours} for item in one["objects"]]
            for one in (stored, again)
        ]
        assert kept[0] == kept[1]


async def test_the_list_of_annotations_is_in_whole_pixels(sdk: Sdk) -> None:
    async with served(sdk, pictures(3), meta=META, per_page_cap=2) as server:
        images = list(server.images.values())
        await write(server, {images[1]: annotation(label("point"))})
        found = await read(server, *images, by="get_list")
        assert [len(one["labels"]) for one in found] == [0, 1, 0]
        assert found[1]["labels"][0]["geometry"] == {"points": {"exterior": [[7, 5]], "interior": []}}


async def test_the_server_refuses_to_read_too_many_at_once(sdk: Sdk) -> None:
    async with served(sdk, pictures(30), meta=META, read_cap=20) as server:
        given = {"project": server.project, "dataset": server.dataset, "ids": list(server.images.values())}
        kind, trace = await server.refused("read", **given, by="download_batch")
        assert (kind, "less than or equal to 20 items" in trace) == ("HTTPError", True)


# ---- groups ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("binding", ["str", "int"])
@pytest.mark.parametrize("group_id", ["first", "last"])
async def test_groups_get_keys_of_the_server(sdk: Sdk, binding: str, group_id: str) -> None:
    async with served(sdk, pictures(2), meta=META, binding=binding, group_id=group_id) as server:
        image, other = server.images.values()
        groups = ["a", None, "b", "a", "b", "alone"]
        labels = [label("point", group=group) for group in groups]
        await write(server, {image: annotation(*labels), other: annotation(label("line", group="a"))})
        found, elsewhere = await read(server, image, other)
        keys = [item["group"] for item in found["labels"]]
        ids = [item["id"] for item in found["labels"]]
        ends = {"a": (0, 3), "b": (2, 4), "alone": (5, 5)}
        at = {name: ids[places[0 if group_id == "first" else 1]] for name, places in ends.items()}
        named = {name: number if binding == "int" else str(number) for name, number in at.items()}
        assert keys == [named[group] if group else None for group in groups]
        assert elsewhere["labels"][0]["group"] not in keys


async def test_a_label_that_is_appended_joins_the_group_that_its_key_names(sdk: Sdk) -> None:
    async with served(sdk, pictures(1), meta=META) as server:
        (image,) = server.images.values()
        await write(server, {image: annotation(label("point", group="a"), label("line"))})
        key = (await read(server, image))[0]["labels"][0]["group"]
        more = [label("point", group=key), label("alpha_mask", group=key), label("line", group="new")]
        await write(server, {image: annotation(*more)}, by="append_labels")
        (found,) = await read(server, image)
        assert Counter(item["group"] == key for item in found["labels"]) == {True: 3, False: 2}
        assert found["labels"][-1]["group"] not in {None, key, "new"}


async def test_a_copy_has_groups_of_its_own(sdk: Sdk) -> None:
    for on_server in (False, True):
        async with served(sdk, pictures(2), meta=META) as server:
            first, second = server.images.values()
            labels = [label("point", group="a"), label("line", group="a"), label("rectangle")]
            labels += [label("alpha_mask")] if on_server else []
            await write(server, {first: annotation(*labels)})
            await server.sdk("copy_annotations", sources=[first], targets=[second], on_server=on_server)
            one, other = await read(server, first, second)
            assert [drawn(item) for item in one["labels"]] == [drawn(item) for item in other["labels"]]
            keys = [[item["group"] for item in found["labels"]] for found in (one, other)]
            assert keys[0][0] == keys[0][1] != keys[1][0] == keys[1][1]
            assert keys[1][2] is None


# ---- the SDK's fast way -----------------------------------------------------------------------------------


async def test_the_fast_way_loses_groups_descriptions_and_status_and_doubles_labels(sdk: Sdk) -> None:
    async with served(sdk, pictures(1), meta=META) as server:
        (image,) = server.images.values()
        labels = [
            label(kind, group="a", description="d", status="auto", tags=[["speed", 1]]) for kind in KINDS
        ]
        given = annotation(*labels, tags=[["text", "x"]], description="rain")
        for _ in range(2):
            await write(server, {image: given}, by="upload_anns_async")
        (found,) = await read(server, image)
        assert Counter(item["kind"] for item in found["labels"]) == dict.fromkeys(KINDS, 2)
        assert {(item["group"], item["description"], item["status"]) for item in found["labels"]} == {
            (None, "", "manual")
        }
        assert [item["tags"] for item in found["labels"]] == [[["speed", 1]]] * 2 * len(KINDS)
        assert (found["tags"], found["description"]) == ([["text", "x"]] * 2, "")
        log = await server.log()
        assert (log["rows"]["figures"], "save" in log["rows"]) == (4, False)
        boxes = [item["geometry"] for item in found["labels"] if item["kind"] == "rectangle"]
        # It sends its own pixels as if they were the wire's, so that a box is a pixel short when it is read.
        assert boxes[0]["points"]["exterior"] == [[1, 2], [62, 46]]
