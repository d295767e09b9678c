"""The real SDK writes and reads labels of every type on our stand-in."""

import pytest

from pipeline.core.labels import LabelRow, Media
from tests.oracles.segments.published import SAMPLES, TASK_ATTRIBUTES, Json, image, label
from tests.oracles.segments.served import DATASET, Sdk, Served, needs_sdk, served

pytestmark = [pytest.mark.anyio, needs_sdk]

ELSEWHERE = "https://example.com/label.png"
ROWS = [LabelRow(key=str(n), title=f"image-{n}.png", media=(Media(width=64, height=48),)) for n in range(3)]


async def sample_of(server: Served, task_type: str) -> str:
    """Create a sample in a dataset of this type, and return its uuid."""
    given = [{"name": "sample", "attributes": SAMPLES[task_type]}]
    (made,) = await server.sdk("add_samples", dataset=DATASET, samples=given)
    uuid: str = made["uuid"]
    return uuid


@pytest.mark.parametrize("task_type", SAMPLES)
async def test_a_label_of_every_type_is_stored_as_written_and_read_as_stored(
    sdk: Sdk, task_type: str
) -> None:
    attributes = label(task_type, ELSEWHERE)
    async with served(sdk, task_type=task_type, task_attributes=TASK_ATTRIBUTES) as server:
        uuid = await sample_of(server, task_type)
        written = await server.sdk(
            "write_label", sample=uuid, attributes=attributes, label_status="REVIEWED", score=0.75
        )
        assert await server.stored("sample") == attributes
        assert written["attributes"] == attributes
        assert (written["label_type"], written["label_status"], written["score"]) == (
            task_type,
            "REVIEWED",
            0.75,
        )
        assert (written["sample_uuid"], written["labelset"]) == (uuid, "ground-truth")
        assert await server.sdk("read_label", sample=uuid) == written
        assert await server.sdk("read_all", dataset=DATASET) == {"sample": written}


async def test_a_label_can_be_changed_and_deleted(sdk: Sdk) -> None:
    async with served(sdk, ROWS, task_type="vector", task_attributes=TASK_ATTRIBUTES) as server:
        uuid = server.uuids["image-1.png"]
        attributes = label("vector", ELSEWHERE)
        first = await server.sdk("write_label", sample=uuid, attributes=attributes, label_status="LABELED")
        changed = await server.sdk("update_label", sample=uuid, score=2.5)
        assert {**changed, "updated_at": 0} == {**first, "score": 2.5, "updated_at": 0}
        shorter = {**attributes, "annotations": attributes["annotations"][:1]}
        changed = await server.sdk("update_label", sample=uuid, attributes=shorter, label_status="SKIPPED")
        assert (changed["label_status"], changed["score"]) == ("SKIPPED", 2.5)
        assert await server.stored("image-1.png") == shorter
        await server.sdk("delete_label", sample=uuid)
        assert (await server.refused("read_label", sample=uuid))[0] == "NotFoundError"


async def test_labels_of_two_labelsets_are_two(sdk: Sdk) -> None:
    async with served(sdk, ROWS, task_type="vector", task_attributes=TASK_ATTRIBUTES) as server:
        uuid = server.uuids["image-0.png"]
        kind, _ = await server.refused("write_label", sample=uuid, labelset="model", attributes=_boxes(1))
        assert kind == "NotFoundError"
        await server.sdk("add_labelset", dataset=DATASET, name="model")
        for labelset, number in (("model", 1), ("ground-truth", 2)):
            await server.sdk("write_label", sample=uuid, labelset=labelset, attributes=_boxes(number))
        for labelset, number in (("model", 1), ("ground-truth", 2)):
            found = await server.sdk("read_all", dataset=DATASET, labelset=labelset)
            assert len(found["image-0.png"]["attributes"]["annotations"]) == number
            assert found["image-1.png"] is None


async def test_a_list_without_whole_labels_gives_summaries(sdk: Sdk) -> None:
    async with served(sdk, ROWS[:1], task_type="vector", task_attributes=TASK_ATTRIBUTES) as server:
        (uuid,) = server.uuids.values()
        await server.sdk("write_label", sample=uuid, attributes=_boxes(1), score=0.5)
        (found,) = await server.sdk("samples", dataset=DATASET, labelset="ground-truth")
        assert (found["label"]["label_status"], found["label"]["score"]) == ("PRELABELED", 0.5)
        assert "attributes" not in found["label"]
        found = await server.sdk("get_sample", uuid=uuid, labelset="ground-truth")
        assert found["label"] == await server.sdk("read_label", sample=uuid)


async def test_a_number_that_is_none_is_refused(sdk: Sdk) -> None:
    async with served(sdk, ROWS[:1], task_type="vector", task_attributes=TASK_ATTRIBUTES) as server:
        (uuid,) = server.uuids.values()
        wrong = _boxes(1)
        wrong["annotations"][0]["points"][0][0] = float("nan")
        kind, text = await server.refused("write_label", sample=uuid, attributes=wrong)
        assert (kind, "json parse error" in text) == ("NetworkError", True)


async def test_a_server_that_fails_after_the_work_is_asked_again_by_nobody(sdk: Sdk) -> None:
    faults = {"fail_after": 1.0, "kinds": ["labels.PUT"]}
    async with served(
        sdk, ROWS[:1], task_type="vector", task_attributes=TASK_ATTRIBUTES, faults=faults
    ) as server:
        (uuid,) = server.uuids.values()
        kind, _ = await server.refused("write_label", sample=uuid, attributes=_boxes(1))
        assert kind == "NetworkError"
        assert len((await server.stored("image-0.png"))["annotations"]) == 1


async def test_a_multi_sensor_label_with_nothing_in_it_is_empty_lists(sdk: Sdk) -> None:
    task_type = "multisensor-sequence"
    async with served(sdk, task_type=task_type, task_attributes=TASK_ATTRIBUTES) as server:
        uuid = await sample_of(server, task_type)
        sensors = [
            {"name": one["name"], "task_type": one["task_type"], "attributes": []}
            for one in SAMPLES[task_type]["sensors"]
        ]
        written = await server.sdk("write_label", sample=uuid, attributes={"sensors": sensors})
        assert written["attributes"] == {"sensors": sensors}
        assert await server.stored("sample") == {"sensors": sensors}
        swapped = {"sensors": sensors[::-1]}
        assert (await server.refused("write_label", sample=uuid, attributes=swapped))[0] == "NetworkError"


async def test_samples_added_later_have_no_label(sdk: Sdk) -> None:
    async with served(sdk, ROWS[:1], task_type="vector", task_attributes=TASK_ATTRIBUTES) as server:
        await server.sdk("add_samples", dataset=DATASET, samples=[{"name": "new", "attributes": image()}])
        assert await server.sdk("read_all", dataset=DATASET) == {"image-0.png": None, "new": None}


def _boxes(number: int) -> Json:
    box = {"category_id": 1, "type": "bbox", "points": [[1.0, 2.0], [3.0, 4.0]]}
    return {"format_version": "0.1", "annotations": [{"id": n + 1, **box} for n in range(number)]}
