"""Keys of the published label formats that the real SDK drops, on the way in and on the way out.

They are in the published formats, so our own client writes and keeps them; the SDK cannot judge them.
"""

from typing import Any

import pytest

from tests.oracles.segments.published import LINKS, SAMPLES, TASK_ATTRIBUTES, Json, label
from tests.oracles.segments.served import DATASET, Sdk, needs_sdk, served
from tests.oracles.segments.test_labels import ELSEWHERE, sample_of

pytestmark = [pytest.mark.anyio, needs_sdk]

SINGLE = [name for name in SAMPLES if not name.endswith("-sequence")]


def annotations(attributes: Json) -> list[Json]:
    """All annotations of a label of one sensor."""
    frames = attributes.get("frames", [attributes])
    return [one for frame in frames for one in frame["annotations"]]


def extended(task_type: str, key: str, value: Any) -> Json:  # noqa: ANN401 - any JSON
    """A label whose annotations all have this key."""
    attributes = label(task_type, ELSEWHERE)
    for one in annotations(attributes):
        one[key] = value
    return attributes


CASES = [
    *((name, extended(name, "track_id", 77)) for name in SINGLE),
    *(
        (name, extended(name, "is_keyframe", value=True))
        for name in ("pointcloud-cuboid", "pointcloud-vector")
    ),
    *(
        (name, extended(name, "index", 3))
        for name in SAMPLES
        if name.endswith(("cuboid-sequence", "vector-sequence"))
    ),
    *((name, label(name, ELSEWHERE) | {"links": LINKS}) for name in ("vector", "image-vector-sequence")),
    *(
        (name, extended(name, "unknown_to_all", {"a": [1]}))
        for name in ("vector", "pointcloud-cuboid-sequence")
    ),
    ("vector", label("vector", ELSEWHERE) | {"unknown_to_all": 1}),
]


@pytest.mark.parametrize(("task_type", "whole"), CASES)
async def test_the_sdk_drops_keys_that_the_service_would_keep(sdk: Sdk, task_type: str, whole: Json) -> None:
    without = label(task_type, ELSEWHERE)
    assert whole != without
    async with served(sdk, task_type=task_type, task_attributes=TASK_ATTRIBUTES) as server:
        uuid = await sample_of(server, task_type)
        await server.sdk("write_label", sample=uuid, attributes=whole)
        assert await server.stored("sample") == without
        await server.plant(uuid, whole)
        assert await server.stored("sample") == whole
        assert (await server.ask("GET", f"/labels/{uuid}/ground-truth/"))["attributes"] == whole
        assert (await server.sdk("read_label", sample=uuid))["attributes"] == without
        assert (await server.sdk("read_all", dataset=DATASET))["sample"]["attributes"] == without


async def test_a_value_that_the_sdk_does_not_know_turns_a_listed_label_into_a_summary(sdk: Sdk) -> None:
    async with served(sdk, task_type="vector", task_attributes=TASK_ATTRIBUTES) as server:
        uuid = await sample_of(server, "vector")
        whole = extended("vector", "attributes", {"pull": {"x": 1.0, "y": 2.0, "z": 3.0}})
        await server.plant(uuid, whole)
        assert await server.stored("sample") == whole
        assert (await server.refused("read_label", sample=uuid))[0] == "ValidationError"
        found = (await server.sdk("read_all", dataset=DATASET))["sample"]
        assert (found["label_status"], "attributes" in found) == ("LABELED", False)


async def test_track_ids_are_needed_in_sequences_and_nowhere_else(sdk: Sdk) -> None:
    task_type = "image-vector-sequence"
    async with served(sdk, task_type=task_type, task_attributes=TASK_ATTRIBUTES) as server:
        uuid = await sample_of(server, task_type)
        attributes = label(task_type, ELSEWHERE)
        for one in annotations(attributes):
            del one["track_id"]
        assert (await server.refused("write_label", sample=uuid, attributes=attributes))[
            0
        ] == "ValidationError"
