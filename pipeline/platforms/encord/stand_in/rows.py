"""Label rows as the stand-in keeps them: JSON bytes, replaced as a whole."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from pipeline.platforms.encord.stand_in.units import Picture, Unit

API_USER = "api-user@sandbox.local"
BRANCH = "main"
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MIME = {"image": "image/png", "img_group": "image/png", "video": "video/mp4"}


class Refused(Exception):  # noqa: N818 - an answer, not a fault
    """One of Encord's error codes, with its payload."""

    def __init__(self, code: str, payload: Any = None, status: int = 400) -> None:  # noqa: ANN401
        super().__init__(code)
        self.code = code
        self.payload = payload
        self.status = status


def now_text() -> str:
    """Return the time as Encord writes it in label rows."""
    now = datetime.now(UTC)
    return f"{_DAYS[now.weekday()]}, {now.day:02} {_MONTHS[now.month - 1]} {now:%Y %H:%M:%S} UTC"


def blank(unit: Unit, label_hash: str, dataset: str, dataset_title: str) -> dict[str, Any]:
    """Return a row without labels."""
    now = now_text()
    return {
        "label_hash": label_hash,
        "branch_name": BRANCH,
        "created_at": now,
        "last_edited_at": now,
        "data_hash": unit.data_hash,
        "dataset_hash": dataset,
        "dataset_title": dataset_title,
        "data_title": unit.title,
        "data_type": unit.kind,
        "annotation_task_status": "QUEUED",
        "is_shadow_data": False,
        "label_status": "NOT_LABELLED",
        "data_units": {
            picture.data_hash: _data_unit(unit, number, picture)
            for number, picture in enumerate(unit.pictures)
        },
        "object_answers": {},
        "object_actions": {},
        "classification_answers": {},
        "spaces": {},
    }


def _data_unit(unit: Unit, number: int, picture: Picture) -> dict[str, Any]:
    data: dict[str, Any] = {
        "data_hash": picture.data_hash,
        "data_title": picture.title,
        "data_link": f"https://storage.invalid/{picture.data_hash}",
        "data_type": _MIME.get(unit.kind, "application/octet-stream"),
        "data_sequence": str(number) if unit.kind == "img_group" else number,
        "width": picture.width,
        "height": picture.height,
        "labels": {} if unit.keyed_by_frame else {"objects": [], "classifications": []},
    }
    if unit.fps is not None:
        data |= {"data_fps": unit.fps, "data_duration": unit.frames / unit.fps}
    return data


def objects_of(unit: Unit, row: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Give every object of a row, once per frame.

    Raises:
        Refused: a frame is not one of the media's, or the row has other data units than its own.
    """
    units = row["data_units"]
    if set(units) != {picture.data_hash for picture in unit.pictures}:
        raise Refused("INVALID_ARGUMENTS_ERROR", f"label {row['label_hash']}: not the data units of this row")
    for data in units.values():
        labels = data["labels"]
        if not unit.keyed_by_frame:
            yield from labels["objects"]
            continue
        for frame, content in labels.items():
            if not frame.isdecimal() or int(frame) >= unit.frames:
                raise Refused(
                    "CORRUPTED_LABEL_ERROR",
                    f"label {row['label_hash']}: frame {frame} of a media with {unit.frames} frames",
                )
            yield from content["objects"]


def check(unit: Unit, row: Mapping[str, Any], known: frozenset[str]) -> int:
    """Check a row that is to be saved, fill in what the server sets, and return the number of its labels.

    `known` holds the feature hashes of the ontology.

    Raises:
        Refused: an object has no answers entry, or a feature is not in the ontology.
    """
    answers, label = row["object_answers"], row["label_hash"]
    features: dict[str, str] = {}
    for item in objects_of(unit, row):
        if item["objectHash"] not in answers:
            raise Refused(
                "ANSWER_DICTIONARY_ERROR", f"label {label}: object {item['objectHash']} has no answers"
            )
        features[item["objectHash"]] = item["featureHash"]
        if item.get("createdBy") is None:
            item["createdBy"] = API_USER
    _known(features.values(), known, label)
    for entry in answers.values():
        _known((answer["featureHash"] for answer in entry["classifications"]), known, label)
    for entry in row["classification_answers"].values():
        if feature := entry.get("featureHash"):
            _known((feature,), known, label)
        _known((answer["featureHash"] for answer in entry["classifications"]), known, label)
    _number(answers, features)
    return len(features) + len(row["classification_answers"])


def _known(features: Any, known: frozenset[str], label: str) -> None:  # noqa: ANN401 - any iterable of text
    for feature in features:
        if feature not in known:
            raise Refused("FEATURE_DOES_NOT_EXIST_ERROR", f"label {label}: feature {feature} is not known")


def _number(answers: Mapping[str, Any], features: Mapping[str, str]) -> None:
    """Give each object without a display number the next one of its class."""
    highest: dict[str, int] = {}
    missing = []
    for item, entry in answers.items():
        feature = features.get(item) or entry.get("featureHash") or ""
        number = entry.get("objectNumber")
        if number is None:
            missing.append((entry, feature))
        else:
            highest[feature] = max(highest.get(feature, 0), number)
    for entry, feature in missing:
        entry["objectNumber"] = highest[feature] = highest.get(feature, 0) + 1


def feature_hashes(editor: Any) -> Iterator[str]:  # noqa: ANN401 - any part of the editor's JSON
    """Give every feature hash of an ontology."""
    if isinstance(editor, list):
        for item in editor:
            yield from feature_hashes(item)
    elif isinstance(editor, dict):
        if isinstance(found := editor.get("featureNodeHash"), str):
            yield found
        for item in editor.values():
            yield from feature_hashes(item)
