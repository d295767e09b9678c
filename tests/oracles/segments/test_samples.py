"""The real SDK creates, lists, changes and deletes samples of our stand-in."""

import pytest

from pipeline.core.labels import LabelRow, Media
from tests.oracles.segments.published import SAMPLES, image
from tests.oracles.segments.served import DATASET, Sdk, needs_sdk, served

pytestmark = [pytest.mark.anyio, needs_sdk]

ROWS = [
    LabelRow(
        key=str(n), title=f"image-{n}.png", media=(Media(width=64 + n, height=48),), metadata={"n": n % 2}
    )
    for n in range(5)
]


@pytest.mark.parametrize("task_type", SAMPLES)
async def test_samples_of_every_type_are_kept_as_they_are_sent(sdk: Sdk, task_type: str) -> None:
    async with served(sdk, task_type=task_type, task_attributes={}) as server:
        names = ["b", "a", "c"]
        given = [
            {"name": name, "attributes": SAMPLES[task_type], "metadata": {"of": name}, "priority": 0.5}
            for name in names
        ]
        bulk = await server.sdk("add_samples", dataset=DATASET, samples=given[:2])
        alone = await server.sdk("add_samples", dataset=DATASET, samples=given[2:], bulk=False)
        rows = await server.rows()
        for sample, name in zip([*bulk, *alone], names, strict=True):
            assert sample["name"] == name
            stored = rows[f"{DATASET}:{name}"]
            assert (stored["uuid"], stored["metadata"]) == (sample["uuid"], {"of": name})
            assert stored["priority"] == 0.5
            assert stored["attributes"] == SAMPLES[task_type]
            assert sample["attributes"] == SAMPLES[task_type]
            assert await server.sdk("get_sample", uuid=sample["uuid"]) == {
                **sample,
                "dataset_full_name": DATASET,
            }
        listed = await server.sdk("samples", dataset=DATASET)
        assert [one["name"] for one in listed] == sorted(names)


async def test_names_that_are_taken_come_back_as_they_are(sdk: Sdk) -> None:
    async with served(sdk, ROWS, task_type="vector") as server:
        given = [{"name": "image-3.png", "attributes": image()}]
        (found,) = await server.sdk("add_samples", dataset=DATASET, samples=given)
        assert found["uuid"] == server.uuids["image-3.png"]
        assert found["attributes"] != image()
        kind, _ = await server.refused("add_samples", dataset=DATASET, samples=given, bulk=False)
        assert kind == "AlreadyExistsError"


async def test_samples_are_listed_by_page_filter_and_order(sdk: Sdk) -> None:
    async with served(sdk, ROWS, task_type="vector", per_page_cap=2) as server:

        async def names(**choice: object) -> list[str]:
            return [one["name"][6] for one in await server.sdk("samples", dataset=DATASET, **choice)]

        assert await names() == ["0", "1"]
        assert await names(page=3) == ["4"]
        assert (await server.refused("samples", dataset=DATASET, page=4))[0] == "NotFoundError"
        assert await names(name="e-3") == ["3"]
        assert await names(metadata=["n:1"]) == ["1", "3"]
        assert await names(sort="name", direction="desc") == ["4", "3"]
        await server.plant(server.uuids["image-2.png"], {"annotations": []})
        assert await names(label_status="LABELED") == ["2"]
        assert await names(sort="gt_label__updated_at", per_page=1) == ["2"]
        found = await server.sdk("read_all", dataset=DATASET)
        assert [label and label["label_status"] for label in found.values()] == [
            None,
            None,
            "LABELED",
            None,
            None,
        ]


async def test_samples_are_changed_and_deleted(sdk: Sdk) -> None:
    async with served(sdk, ROWS, task_type="vector") as server:
        uuid, *others = server.uuids.values()
        changed = await server.sdk("update_sample", uuid=uuid, name="renamed", metadata={"m": 2}, priority=3)
        stored = (await server.rows())[f"{DATASET}:renamed"]
        assert (changed["name"], changed["metadata"], changed["priority"]) == ("renamed", {"m": 2}, 3)
        assert (stored["uuid"], stored["metadata"], stored["priority"]) == (uuid, {"m": 2}, 3)
        assert await server.sdk("delete_samples", dataset=DATASET, uuids=[uuid]) == 1
        assert await server.sdk("delete_samples", dataset=DATASET, uuids=[*others[:2], uuid]) == 2
        left = await server.sdk("samples", dataset=DATASET)
        assert [one["name"] for one in left] == ["image-3.png", "image-4.png"]


async def test_a_clone_has_the_samples_and_the_labels_where_wanted(sdk: Sdk) -> None:
    async with served(sdk, ROWS[:2], task_type="vector") as server:
        await server.plant(server.uuids["image-1.png"], {"annotations": []})
        for name, labels in (("with", True), ("without", False)):
            made = await server.sdk("clone_dataset", dataset=DATASET, new_name=name, clone_labels=labels)
            assert (made["full_name"], made["cloned_from"]) == (f"sandbox/{name}", DATASET)
            found = await server.sdk("read_all", dataset=f"sandbox/{name}")
            assert [label is not None for label in found.values()] == [False, labels]
        uuids = [row["uuid"] for row in (await server.rows()).values()]
        assert len(set(uuids)) == 6


async def test_a_sample_can_come_with_signed_urls(sdk: Sdk) -> None:
    async with served(sdk, ROWS[:1], task_type="vector") as server:
        (uuid,) = server.uuids.values()
        told = await server.sdk("get_sample", uuid=uuid, include_signed_url=True)
        url = told["attributes"]["image"]["url"]
        assert told["attributes"]["image"]["signed_url"].startswith(f"{url}?")
        # The SDK puts two question marks into one URL, so that the labelset has another name.
        kind, _ = await server.refused(
            "get_sample", uuid=uuid, labelset="ground-truth", include_signed_url=True
        )
        assert kind == "NotFoundError"
