"""The published examples of all label types go from labelset to labelset, byte for byte of their meaning.

They are put into the dataset past the SDK, which drops some of their keys; what the copies are is judged by
their raw JSON, number types and all.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conformance.segments_labels import GOLDEN, NAMES, exact
from tests.oracles.jobs import archive, ferried
from tests.oracles.segments.jobs import labels, uploads
from tests.oracles.segments.served import DATASET, Json, Sdk, Served, needs_sdk, served

pytestmark = [pytest.mark.anyio, needs_sdk]

EVERY = pytest.mark.parametrize("name", NAMES)
OTHER = "sandbox/other"
COPY = "copied"


@dataclass(frozen=True)
class Planted:
    """A golden sample in a dataset, and the same sample without a label in another dataset."""

    server: Served
    name: str
    label: Json
    """What was put: its bitmaps are at the stand-in."""

    async def kept(self, dataset: str = DATASET, labelset: str = "ground-truth") -> Json:
        """The label that the server keeps."""
        rows = await self.server.rows()
        found: Json = rows[f"{dataset}:{self.name}"]["labels"][labelset]
        return {key: found[key] for key in ("label_status", "score", "attributes")}


@asynccontextmanager
async def planted(sdk: Sdk, name: str, folder: Path) -> AsyncIterator[Planted]:
    """Serve a golden sample with its label."""
    found = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    dataset, sample = found["dataset"], found["sample"]
    fields = {"enable_3d_cuboid_rotation": dataset["enable_3d_cuboid_rotation"]}
    kind = {"task_type": dataset["task_type"], "task_attributes": dataset["task_attributes"]}
    async with served(sdk, **kind, dataset=fields) as server:
        await server.ask("POST", "/user/datasets/", {"name": "other", **kind, **fields})
        given = {key: sample[key] for key in ("name", "attributes", "metadata", "priority")}
        (made,) = await server.ask("POST", f"/datasets/{DATASET}/samples_bulk/", [given])
        (other,) = await server.ask("POST", f"/datasets/{OTHER}/samples_bulk/", [given])
        assert made["uuid"] != other["uuid"]
        label = await _moved(server, found, folder)
        body = {"label_status": label["label_status"], "attributes": label["attributes"]}
        body |= {} if label["score"] is None else {"score": label["score"]}
        await server.ask("PUT", f"/labels/{made['uuid']}/ground-truth/", body)
        yield Planted(server, sample["name"], {**body, "score": label["score"]})


async def _moved(server: Served, found: Json, folder: Path) -> Json:
    """The label with its bitmaps at the stand-in, where the SDK uploads them."""
    text = json.dumps(found["label"])
    for number, (url, rows) in enumerate(found.get("bitmaps", {}).items()):
        path = folder / f"{number}.png"
        np.save(folder / f"{number}.npy", np.array(rows, np.uint32))
        await server.sdk("encode_png", ids=str(folder / f"{number}.npy"), path=str(path))
        assert url in text
        text = text.replace(url, await server.sdk("upload", path=str(path)))
    label: Json = json.loads(text)
    return label


def same(one: Any, other: Any) -> bool:  # noqa: ANN401 - JSON
    """Whether two JSON values are equal, with their types."""
    return bool(exact(one) == exact(other))


@EVERY
async def test_a_golden_label_is_copied_through_an_archive_as_it_is(
    sdk: Sdk, tmp_path: Path, name: str
) -> None:
    async with planted(sdk, name, tmp_path) as found:
        server, files = found.server, await uploads(found.server)
        folder = archive(tmp_path / "backup")
        await ferried(tmp_path, labels(server), folder, name="backup")
        for dataset, labelset in ((DATASET, COPY), (OTHER, "ground-truth"), (OTHER, COPY)):
            target = labels(server, dataset, labelset)
            report = await ferried(tmp_path, folder, target, name=f"to {labelset} of {dataset[8:]}")
            assert (report.rows, report.losses) == ({"saved": 1}, {})
            assert same(await found.kept(dataset, labelset), found.label)
        assert await uploads(server) == files
        assert same(await found.kept(), found.label)


@EVERY
async def test_a_golden_label_is_copied_from_labelset_to_labelset_as_it_is(
    sdk: Sdk, tmp_path: Path, name: str
) -> None:
    async with planted(sdk, name, tmp_path) as found:
        server, files = found.server, await uploads(found.server)
        for dataset, labelset in ((DATASET, COPY), (OTHER, "ground-truth")):
            target = labels(server, dataset, labelset)
            for outcome in ("saved", "unchanged", "unchanged"):
                report = await ferried(tmp_path, labels(server), target, name=labelset, mode="replace")
                assert (report.rows, report.losses) == ({outcome: 1}, {})
                assert same(await found.kept(dataset, labelset), found.label)
        assert await uploads(server) == files


@EVERY
async def test_a_golden_label_that_is_brought_back_to_where_it_is_is_not_sent(
    sdk: Sdk, tmp_path: Path, name: str
) -> None:
    async with planted(sdk, name, tmp_path) as found:
        server = found.server
        folder = archive(tmp_path / "backup")
        await ferried(tmp_path, labels(server), folder, name="backup")
        before = await server.rows()
        for mode in ("replace", "append"):
            report = await ferried(tmp_path, folder, labels(server), mode=mode)
            assert (report.rows, report.losses) == ({"unchanged": 1}, {})
        operations = [{"rename": {"classes": {"no such class": "vehicle"}}}]
        report = await ferried(tmp_path, None, labels(server), operations=operations, name="edit")
        assert (report.rows, report.losses) == ({"unchanged": 1}, {})
        assert await server.rows() == before


@EVERY
async def test_a_copy_through_an_archive_that_is_repeated_changes_nothing(
    sdk: Sdk, tmp_path: Path, name: str
) -> None:
    async with planted(sdk, name, tmp_path) as found:
        server = found.server
        folder = archive(tmp_path / "backup")
        await ferried(tmp_path, labels(server), folder, name="backup")
        target = labels(server, OTHER, COPY)
        await ferried(tmp_path, folder, target, name="restore")
        before = await server.rows()
        for mode in ("replace", "append"):
            report = await ferried(tmp_path, folder, target, name="restore", mode=mode)
            assert (report.rows, report.losses) == ({"unchanged": 1}, {})
            assert await server.rows() == before


@EVERY
async def test_a_dataset_that_is_created_for_a_golden_label_has_it_as_it_is(
    sdk: Sdk, tmp_path: Path, name: str
) -> None:
    async with planted(sdk, name, tmp_path) as found:
        server = found.server
        given = await server.ask("GET", f"/datasets/{DATASET}/")
        target = labels(server, "sandbox/made", create=True, task_type=given["task_type"])
        report = await ferried(tmp_path, labels(server), target, media="link")
        assert (report.rows, report.losses) == ({"saved": 1}, {})
        assert same(await found.kept("sandbox/made"), found.label)
        made = await server.ask("GET", "/datasets/sandbox/made/")
        for key in ("task_type", "task_attributes"):
            assert same(made[key], given[key])
        rows = await server.rows()
        one, other = (rows[f"{dataset}:{found.name}"] for dataset in (DATASET, "sandbox/made"))
        for key in ("attributes", "metadata", "priority"):
            assert same(one[key], other[key])


@pytest.mark.parametrize("name", [name for name in NAMES if "segmentation" in name and "cloud" not in name])
async def test_bitmaps_go_along_to_another_service(sdk: Sdk, tmp_path: Path, name: str) -> None:
    async with planted(sdk, name, tmp_path) as found, planted(sdk, name, tmp_path) as there:
        source, target = labels(found.server), labels(there.server, OTHER)
        report = await ferried(tmp_path, source, target)
        assert (report.rows, report.losses) == ({"saved": 1}, {})
        kept = await there.kept(OTHER)
        home = there.server.running.url
        for one, other in zip(_frames(found.label), _frames(kept), strict=True):
            if not (one.get("segmentation_bitmap") or {}).get("url"):
                continue
            ids = await found.server.ids("bitmap", url=one["segmentation_bitmap"]["url"])
            url = other["segmentation_bitmap"]["url"]
            assert url.startswith(home)
            # What is drawn anew has one id for an object on all its frames, and none for what is no object.
            expected = np.zeros_like(ids)
            for annotation, new in zip(one["annotations"], other["annotations"], strict=True):
                expected[ids == annotation["id"]] = new["id"]
                annotation["id"] = new["id"]
            assert np.array_equal(await there.server.ids("bitmap", url=url), expected)
            one["segmentation_bitmap"]["url"] = url
        assert same(kept, found.label)
        again = await ferried(tmp_path, source, target, mode="replace")
        assert again.rows == {"unchanged": 1}


def _frames(label: Json) -> list[Json]:
    found: list[Json] = label["attributes"].get("frames") or [label["attributes"]]
    return found
