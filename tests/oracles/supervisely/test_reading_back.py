"""What labelferry writes is what the vendor's own SDK reads."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from pipeline.core.labels import Group, LabelRow, Provenance
from pipeline.core.ontology import Ontology
from pipeline.platforms.supervisely.convert import read_ontology
from tests.oracles.jobs import ferried
from tests.oracles.supervisely.jobs import project, saves
from tests.oracles.supervisely.rows import (
    GEOMETRIES,
    TAGS,
    answers,
    classifications,
    every_shape,
    labelled,
    meant,
    row,
)
from tests.oracles.supervisely.samples import KINDS, META
from tests.oracles.supervisely.served import WORKSPACE, Json, Sdk, Served, needs_sdk, pictures, served

pytestmark = [pytest.mark.anyio, needs_sdk]

READERS = ("download", "download_batch", "download_batch_async", "download_bulk_async")


async def read(
    server: Served, *names: str, by: str = "download_batch", place: Sequence[int] = ()
) -> list[Json]:
    """Read annotations of images with the SDK."""
    of_project, dataset = place or (server.project, server.dataset)
    listed = await server.sdk("images", dataset=dataset)
    ids = {one["name"]: one["id"] for one in listed}
    found: list[Json] = await server.sdk(
        "read", project=of_project, dataset=dataset, ids=[ids[name] for name in names], by=by
    )
    return found


def drawn(found: Json) -> dict[str, Json]:
    """What was drawn, by kind."""
    keys = ("geometry", "mask", "values", "origin")
    return {label["kind"]: {key: label[key] for key in keys if key in label} for label in found["labels"]}


def partition(keys: Sequence[object]) -> set[tuple[int, ...]]:
    """Groups as sets of places, whatever their keys are."""
    places: dict[object, list[int]] = {}
    for at, key in enumerate(keys):
        if key is not None:
            places.setdefault(key, []).append(at)
    return {tuple(one) for one in places.values()}


@pytest.mark.parametrize("by", READERS)
async def test_every_geometry_is_read_as_it_was_meant(sdk: Sdk, tmp_path: Path, by: str) -> None:
    async with served(sdk, pictures(2), meta=META) as server:
        names = list(server.images)
        found = [every_shape(names[0]), every_shape(names[1], "thing")]
        report = await ferried(tmp_path, found, project(server))
        assert (report.rows, report.losses) == ({"saved": 2}, {})
        for one in await read(server, *names, by=by):
            told = drawn(one)
            assert set(told) == set(KINDS)
            for kind, expected in meant().items():
                if kind == "oriented_bbox":
                    assert told[kind]["geometry"].pop("angle") == pytest.approx(
                        expected["geometry"].pop("angle")
                    )
                assert told[kind] == expected, kind
            assert {label["status"] for label in one["labels"]} == {"manual"}


async def test_floats_are_on_the_server_as_they_were(sdk: Sdk, tmp_path: Path) -> None:
    async with served(sdk, pictures(1), meta=META) as server:
        (name,) = server.images
        await ferried(tmp_path, [every_shape(name)], project(server))
        stored = {one["classTitle"]: one for one in (await server.stored(server.images[name]))["objects"]}
        assert stored["polygon"]["points"]["exterior"][0] == [4.5, 4.25]
        assert stored["line"]["points"]["exterior"][1] == [7.25, 5.75]
        assert stored["graph"]["nodes"]["b2"]["loc"] == [40.25, 30.5]
        assert stored["rectangle"]["points"]["exterior"] == [[1, 2], [63, 47]]


async def test_tags_of_every_kind_are_read(sdk: Sdk, tmp_path: Path) -> None:
    async with served(sdk, pictures(1), meta=META) as server:
        (name,) = server.images
        objects = [
            labelled(kind, GEOMETRIES[kind], answers=answers()) for kind in ("rectangle", "alpha_mask")
        ]
        found = row(name, *objects, classifications=classifications())
        report = await ferried(tmp_path, [found], project(server))
        assert report.losses == {}
        (one,) = await read(server, name)
        assert sorted(map(str, one["tags"])) == sorted(map(str, TAGS))
        for label in one["labels"]:
            assert sorted(map(str, label["tags"])) == sorted(map(str, TAGS))


async def test_who_made_a_label_is_its_status(sdk: Sdk, tmp_path: Path) -> None:
    async with served(sdk, pictures(1), meta=META) as server:
        (name,) = server.images
        objects = [
            labelled(kind, GEOMETRIES[kind], provenance=Provenance(manual=manual))
            for kind, manual in (
                ("rectangle", False),
                ("point", True),
                ("line", None),
                ("multipolygon", False),
            )
        ]
        await ferried(tmp_path, [row(name, *objects)], project(server))
        (one,) = await read(server, name)
        assert {label["kind"]: label["status"] for label in one["labels"]} == {
            "rectangle": "auto",
            "point": "manual",
            "line": "manual",
            "multipolygon": "auto",
        }


@pytest.mark.parametrize("binding", ["str", "int"])
@pytest.mark.parametrize("group_id", ["first", "last"])
async def test_groups_are_read_as_they_were(sdk: Sdk, tmp_path: Path, binding: str, group_id: str) -> None:
    kinds = list(GEOMETRIES)
    groups = (
        Group("a", ("rectangle", "point", "alpha_mask")),
        Group("b", ("multipolygon", "line")),
        Group("c", ("graph",)),
        Group("d", ("oriented_bbox", "bitmap")),
    )
    async with served(sdk, pictures(1), meta=META, binding=binding, group_id=group_id) as server:
        (name,) = server.images
        found = row(name, *(labelled(kind, GEOMETRIES[kind]) for kind in kinds), groups=groups)
        report = await ferried(tmp_path, [found], project(server))
        assert report.losses == {}
        (one,) = await read(server, name)
        told = {label["kind"]: label["group"] for label in one["labels"]}
        expected = {tuple(sorted(kinds.index(kind) for kind in group.objects)) for group in groups}
        assert partition([told[kind] for kind in kinds]) == expected
        # The same once more changes nothing, and nothing is written.
        before = await saves(server)
        again = await ferried(tmp_path, [found], project(server), name="again", mode="replace")
        assert (again.rows, await saves(server)) == ({"unchanged": 1}, before)


async def test_a_new_project_is_made_with_its_classes_images_and_labels(sdk: Sdk, tmp_path: Path) -> None:
    async with served(sdk, pictures(2), meta=META, title="cars") as server:
        names = list(server.images)
        source = [every_shape(names[0]), every_shape(names[1], "thing")]
        await ferried(tmp_path, source, project(server))
        target = project(
            server, "cars", workspace=WORKSPACE, dataset="day/front", create=True, if_taken="new-name"
        )
        report = await ferried(tmp_path, project(server), target, name="copy", media="copy")
        assert (report.rows, report.losses) == ({"saved": 2}, {})
        made = next(
            one for one in await server.sdk("projects", workspace=WORKSPACE) if one["name"] == "cars_001"
        )
        assert await server.sdk("dataset_tree", project=made["id"]) in (
            ["day", "day/front"],
            ["day/front", "day"],
        )
        datasets = await server.sdk("datasets", project=made["id"], recursive=True)
        front = next(one["id"] for one in datasets if one["name"] == "front")
        old = await read(server, *names)
        new = await read(server, *names, place=(made["id"], front))
        for one, other in zip(old, new, strict=True):
            assert drawn(one) == drawn(other)
        hashes = [
            {one["name"]: one["hash"] for one in await server.sdk("images", dataset=key)}
            for key in (server.dataset, front)
        ]
        assert hashes[0] == hashes[1]
        # The server has these bytes already.
        assert (await server.log())["rows"].get("upload", 0) == 0


async def test_a_drafted_project_is_one_that_the_sdk_reads(sdk: Sdk, tmp_path: Path) -> None:
    rows: list[LabelRow] = [every_shape(f"image-{n}.png", "thing" if n else None) for n in range(2)]
    ontology = read_ontology(META)
    assert isinstance(ontology, Ontology)
    async with served(sdk, rows, ontology) as server:
        report = await ferried(tmp_path, rows, project(server))
        assert report.losses == {}
        for one in await read(server, *server.images):
            told = drawn(one)
            assert told["bitmap"] == meant()["bitmap"]
            assert np.isclose(told["oriented_bbox"]["geometry"]["angle"], np.radians(30.0))
            assert set(told) == set(KINDS)
