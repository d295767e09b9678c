"""Keys that the real service and its web editor keep and the SDK loses, planted in label rows."""

from collections.abc import Iterator
from typing import Any

from tests.oracles.encord.project import Json


def plant(title: str, row: Json) -> None:
    """Put keys into every part of a row: some that Encord has, some that nobody knows."""
    row["client_metadata"] = {"weather": title}
    row["strange_row_key"] = [1, {"two": None}]
    for key, unit in row["data_units"].items():
        unit["strange_unit_key"] = key
    for number, item in enumerate(_drawn(row)):
        item["reviews"] = [{"decision": "approve", "number": number}]
        item["strange_object_key"] = {"number": number}
        item["lastEditedBy"] = "reviewer@example.com"
    for key, answer in row["object_answers"].items():
        answer["strange_answer_key"] = key
        for number, entry in enumerate(answer["classifications"]):
            entry["manualAnnotation"] = bool(number % 2)
            entry["strange_entry_key"] = number
    for action in row["object_actions"].values():
        for number, entry in enumerate(action["actions"]):
            entry |= {"manualAnnotation": False, "shouldPropagate": True, "trackHash": f"track-{number}"}
    for key, entry in row["classification_answers"].items():
        entry["reviews"] = [{"decision": "reject"}]
        entry["strange_classification_key"] = key
        for answer in entry["classifications"]:
            answer["manualAnnotation"] = False


def _drawn(row: Json) -> Iterator[Json]:
    for unit in row["data_units"].values():
        for labels in frames_of(unit).values():
            yield from labels["objects"]


def frames_of(unit: Json) -> dict[str, Json]:
    """The labels of a data unit by frame; those of an image are flat and are given under ''."""
    labels: dict[str, Any] = unit["labels"]
    return {"": labels} if "objects" in labels else labels


SERVERS = ("last_edited_at", "label_status")
"""What the server sets whenever a row is saved."""


def without(row: Json, hashes: set[str]) -> Json:
    """A row without the labels of these hashes, its objects by frame and hash instead of in a list."""
    units = {}
    for key, unit in row["data_units"].items():
        frames = {}
        for frame, labels in frames_of(unit).items():
            others = {item["objectHash"]: item for item in labels["objects"]}
            left = {name: item for name, item in others.items() if name not in hashes}
            if left:
                frames[frame] = {**labels, "objects": left}
        units[key] = {**unit, "labels": frames}
    rest = {key: value for key, value in row.items() if key not in SERVERS}
    for part in ("object_answers", "object_actions", "classification_answers"):
        rest[part] = {name: entry for name, entry in row[part].items() if name not in hashes}
    return {**rest, "data_units": units}
