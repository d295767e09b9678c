"""Exports on disk: labelferry reads those that the SDK downloads, the SDK those that labelferry writes."""

from pathlib import Path

import pytest

from tests.oracles.jobs import ferried
from tests.oracles.supervisely.jobs import project
from tests.oracles.supervisely.samples import META
from tests.oracles.supervisely.served import WORKSPACE, Json, Sdk, Served, needs_sdk
from tests.oracles.supervisely.written import ordered, seen, written

pytestmark = [pytest.mark.anyio, needs_sdk]


async def place(server: Served, name: str) -> tuple[int, int]:
    """A project and its dataset, by the project's name."""
    listed = await server.sdk("projects", workspace=WORKSPACE)
    found = next(one["id"] for one in listed if one["name"] == name)
    (dataset,) = await server.sdk("datasets", project=found)
    return found, dataset["id"]


def bare(found: dict[str, Json]) -> list[Json]:
    """What was read of an export, as `seen` has it."""
    told = []
    for _, one in sorted(found.items()):
        first: dict[object, int] = {}
        for at, item in enumerate(one["labels"]):
            del item["id"]
            if item["group"] is not None:
                item["group"] = first.setdefault(item["group"], at)
        told.append({key: value for key, value in one.items() if key != "sha256"})
    return told


async def test_what_the_sdk_downloads_is_a_source(sdk: Sdk, tmp_path: Path) -> None:
    async with written(sdk) as server:
        folder = tmp_path / "export"
        await server.sdk("download_export", project=server.project, folder=str(folder))
        source = {"platform": "supervisely", "folder": str(folder)}
        target = project(server, "second", workspace=WORKSPACE, create=True)
        report = await ferried(tmp_path, source, target, media="copy")
        assert report.losses == {}
        made, dataset = await place(server, "second")
        assert ordered(await seen(server, made, dataset)) == ordered(await seen(server))
        hashes = [
            [one["hash"] for one in await server.sdk("images", dataset=key)]
            for key in (server.dataset, dataset)
        ]
        assert hashes[0] == hashes[1]


async def test_what_labelferry_writes_is_an_export_of_the_sdk(sdk: Sdk, tmp_path: Path) -> None:
    async with written(sdk) as server:
        ours, theirs = tmp_path / "ours", tmp_path / "theirs"
        target = {"platform": "supervisely", "folder": str(ours)}
        report = await ferried(tmp_path, project(server), target, media="copy")
        assert report.losses == {}
        await server.sdk("download_export", project=server.project, folder=str(theirs))
        found = [await server.sdk("read_export", folder=str(folder)) for folder in (ours, theirs)]
        assert list(found[0]) == list(found[1])
        assert [one["sha256"] for one in found[0].values()] == [one["sha256"] for one in found[1].values()]
        told = [ordered(bare(one)) for one in found]
        assert told[0] == told[1] == ordered(await seen(server))

        made = await server.sdk("upload_export", workspace=WORKSPACE, folder=str(ours), name="uploaded")
        _, dataset = await place(server, "uploaded")
        # The SDK sends no templates of 2D cuboids, and reads none of their labels without one.
        await server.call("projects.meta.update", id=made, meta=META)
        assert ordered(await seen(server, made, dataset)) == ordered(await seen(server))


async def test_the_sdk_uploads_exports_without_pictures_by_their_ids(sdk: Sdk, tmp_path: Path) -> None:
    async with written(sdk) as server:
        first, second = tmp_path / "first", tmp_path / "second"
        await ferried(tmp_path, project(server), {"platform": "supervisely", "folder": str(first)})
        # The ids are kept from export to export.
        source = {"platform": "supervisely", "folder": str(first)}
        await ferried(tmp_path, source, {"platform": "supervisely", "folder": str(second)})
        for folder in (first, second):
            name = f"uploaded-{folder.name}"
            made = await server.sdk("upload_export", workspace=WORKSPACE, folder=str(folder), name=name)
            _, dataset = await place(server, name)
            await server.call("projects.meta.update", id=made, meta=META)
            assert ordered(await seen(server, made, dataset)) == ordered(await seen(server))


async def test_an_export_of_the_sdk_takes_no_custom_data_away(sdk: Sdk, tmp_path: Path) -> None:
    async with written(sdk) as server:
        folder, first = tmp_path / "export", server.images["image-0.png"]
        before, stored = ordered(await seen(server)), await server.stored(first)
        await server.sdk("download_export", project=server.project, folder=str(folder))
        annotation = {"size": [48, 64], "labels": [], "custom": {"k": [1, 2.5]}}
        await server.sdk("write", project=server.project, annotations={str(first): annotation})
        source = {"platform": "supervisely", "folder": str(folder)}
        report = await ferried(tmp_path, source, project(server), mode="replace")
        assert (report.rows, report.losses) == ({"saved": 1, "unchanged": 1}, {})
        assert ordered(await seen(server)) == before
        assert (await server.stored(first))["customBigData"] == stored["customBigData"]
