"""The real SDK makes, changes and deletes datasets and labelsets of our stand-in."""

import pytest

from tests.oracles.segments.published import SAMPLES, TASK_ATTRIBUTES
from tests.oracles.segments.served import DATASET, Sdk, needs_sdk, served

pytestmark = [pytest.mark.anyio, needs_sdk]


async def test_a_dataset_of_every_type_can_be_made_and_read(sdk: Sdk) -> None:
    async with served(sdk) as server:
        for task_type in SAMPLES:
            made = await server.sdk(
                "create_dataset",
                name=task_type,
                task_type=task_type,
                task_attributes=TASK_ATTRIBUTES,
                enable_3d_cuboid_rotation=True,
                metadata={"a": [1]},
            )
            assert made == await server.sdk("get_dataset", dataset=f"sandbox/{task_type}")
            assert (made["task_type"], made["enable_3d_cuboid_rotation"]) == (task_type, True)
            assert made["metadata"] == {"a": [1]}
            raw = await server.ask("GET", f"/datasets/sandbox/{task_type}/")
            assert raw["task_attributes"] == TASK_ATTRIBUTES
            assert made["task_attributes"] == TASK_ATTRIBUTES
        listed = await server.sdk("datasets")
        assert [one["name"] for one in listed] == ["dataset", *SAMPLES]
        assert listed == [dict(one, samples_count="0") for one in listed]


async def test_a_name_that_is_taken_and_a_type_that_is_not_known_are_refused(sdk: Sdk) -> None:
    async with served(sdk) as server:
        kind, _ = await server.refused("create_dataset", name="dataset", task_type="vector")
        assert kind == "AlreadyExistsError"
        kind, text = await server.refused("create_dataset", name="other", task_type="text-named-entities")
        assert (kind, "not a valid choice" in text) == ("NetworkError", True)
        assert (await server.refused("get_dataset", dataset="sandbox/other"))[0] == "NotFoundError"


async def test_a_dataset_can_be_changed_and_deleted(sdk: Sdk) -> None:
    async with served(sdk, task_type="vector") as server:
        changed = await server.sdk(
            "update_dataset", dataset=DATASET, description="new", task_attributes=TASK_ATTRIBUTES
        )
        assert (changed["description"], changed["task_attributes"]) == ("new", TASK_ATTRIBUTES)
        assert changed["task_type"] == "vector"
        await server.sdk("delete_dataset", dataset=DATASET)
        assert await server.sdk("datasets") == []


async def test_labelsets_can_be_made_and_deleted(sdk: Sdk) -> None:
    async with served(sdk) as server:
        made = await server.sdk("add_labelset", dataset=DATASET, name="model", description="of a model")
        assert (made["name"], made["description"], made["is_groundtruth"]) == ("model", "of a model", False)
        found = await server.sdk("labelsets", dataset=DATASET)
        assert [one["name"] for one in found] == ["ground-truth", "model"]
        assert [one["is_groundtruth"] for one in found] == [True, False]
        kind, _ = await server.refused("add_labelset", dataset=DATASET, name="model")
        assert kind == "AlreadyExistsError"
        await server.sdk("delete_labelset", dataset=DATASET, name="model")
        assert [one["name"] for one in await server.sdk("labelsets", dataset=DATASET)] == ["ground-truth"]


async def test_the_user_of_the_key_is_known_and_another_key_is_not(sdk: Sdk) -> None:
    async with served(sdk, user="jane") as server:
        assert (await server.sdk("user"))["username"] == "jane"
        assert await server.sdk("user", name="jane") == await server.sdk("user")
        assert (await server.refused("user", name="john"))[0] == "NotFoundError"
    async with served(sdk, faults={"refuse_keys": True}) as server:
        assert (await server.refused("user"))[0] == "AuthenticationError"


async def test_a_throttle_at_the_start_is_known_as_one(sdk: Sdk) -> None:
    async with served(sdk, throttle_first=1) as server:
        assert (await server.refused("user"))[0] == "APILimitError"
        assert (await server.sdk("user"))["username"] == "sandbox"
