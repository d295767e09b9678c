"""The state of the stand-in: one project, its rows, and what may be asked of them."""

import hashlib
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from pipeline.platforms.encord.stand_in.rows import Refused, blank, check, feature_hashes, now_text
from pipeline.platforms.encord.stand_in.units import Unit, identity

NODE = {"uuid": identity("node", "annotate"), "title": "Annotate 1"}


@dataclass(slots=True)
class Row:
    """One row of the project. Without `label_hash` it was never initialised."""

    unit: Unit
    label_hash: str | None = None
    body: bytes = b""
    status: str = "NOT_LABELLED"
    created_at: str | None = None
    edited_at: str | None = None
    priority: float | None = None


class Listed(msgspec.Struct, frozen=True):
    """One row as the listing shows it."""

    label_hash: str | None
    created_at: str | None
    last_edited_at: str | None
    branch_name: str
    data_hash: str
    dataset_hash: str
    dataset_title: str
    data_title: str
    data_type: str
    data_link: str | None
    label_status: str
    annotation_task_status: str | None
    workflow_graph_node: dict[str, str]
    number_of_frames: int
    frames_per_second: float | None
    duration: float | None
    width: int | None
    height: int | None
    priority: float | None
    client_metadata: Mapping[str, Any] | None
    images_data: list[dict[str, Any]] | None
    spaces: dict[str, Any] = msgspec.field(default_factory=dict)
    is_shadow_data: bool = False
    is_valid: bool = True


class Label(msgspec.Struct):
    """The part of a saved row that says which one it is."""

    label_hash: str
    data_hash: str


@dataclass(frozen=True, slots=True)
class Saved:
    """One row that a save replaced."""

    label_hash: str
    title: str
    digest: str
    labels: int


class Project:
    """One project with its ontology; rows are created once, read in any order and replaced as a whole."""

    def __init__(self, title: str, editor: Mapping[str, Any], units: Iterable[Unit]) -> None:
        self.title = title
        self.editor = editor
        self.hash = identity("project", title)
        self.ontology_hash = identity("ontology", title)
        self.dataset_hash = identity("dataset", title)
        self.since = datetime.now(UTC).isoformat()
        self.rows = {unit.data_hash: Row(unit) for unit in units}
        self.changed: Callable[[Iterable[Row]], object] = list
        """Is told of rows that have changed."""
        self._known = frozenset(feature_hashes(dict(editor)))
        self._labels: dict[str, Row] = {}
        self._generation = 0
        self._random = random.Random(self.hash)  # noqa: S311 - an order that can be repeated

    def reset(self) -> None:
        """Take all labels away; rows get new label hashes when they are initialised again."""
        self._generation += 1
        self._labels.clear()
        self.rows = {key: Row(row.unit) for key, row in self.rows.items()}
        self.changed(self.rows.values())

    def restore(self, rows: Iterable[tuple[str, Row]]) -> None:
        """Put rows of an earlier project in the place of those of this one, by data hash."""
        self.rows.update(rows)
        self._labels = {row.label_hash: row for row in self.rows.values() if row.label_hash is not None}

    def names(self, hashes: Iterable[str]) -> list[tuple[str, str, str]]:
        """Return (hash as given, data hash, title) of the rows that exist among data or label hashes."""
        found = ((name, self.rows.get(name) or self._labels.get(name)) for name in hashes)
        return [(name, row.unit.data_hash, row.unit.title) for name, row in found if row is not None]

    def listing(self, wanted: Mapping[str, Any]) -> Iterator[Listed]:
        """Give the rows that pass the filters of a `labelrowmetadata` query."""
        hashes = wanted.get("data_hashes")
        rows: Iterable[Row] = (
            self.rows.values()
            if hashes is None
            else (row for name in dict.fromkeys(hashes) if (row := self.rows.get(name)) is not None)
        )
        tests = _tests(wanted)
        for row in rows:
            if all(test(row) for test in tests):
                yield self._listed(row, wanted)

    def create(self, data_hashes: Sequence[str]) -> list[bytes]:
        """Initialise rows that never were.

        Raises:
            Refused: a row is not in the project, or was initialised before; then none is created.
        """
        rows = []
        for name in data_hashes:
            row = self.rows.get(name)
            if row is None:
                raise Refused("RESOURCE_NOT_FOUND_ERROR", f"data unit {name} is not in the project", 404)
            if row.label_hash is not None:
                raise Refused("RESOURCE_EXISTS_ERROR", f"data unit {name} has a label row already", 409)
            rows.append(row)
        now = now_text()
        for row in rows:
            label = identity("label", str(self._generation), row.unit.data_hash)
            row.label_hash = label
            row.created_at = row.edited_at = now
            row.body = msgspec.json.encode(blank(row.unit, label, self.dataset_hash, self.title))
            self._labels[label] = row
        self.changed(rows)
        return [row.body for row in rows]

    def load(self, label_hashes: Sequence[str]) -> list[bytes]:
        """Return rows in no particular order, each once.

        Raises:
            Refused: a row does not exist.
        """
        bodies = [self._label(name).body for name in dict.fromkeys(label_hashes)]
        self._random.shuffle(bodies)
        return bodies

    def save(self, label_hashes: Sequence[str], labels: Sequence[msgspec.Raw]) -> list[Saved]:
        """Replace rows; all of them, or none when one is refused.

        Raises:
            Refused: a row is not known or not valid.
        """
        if len(label_hashes) != len(labels):
            raise Refused("INVALID_ARGUMENTS_ERROR", f"{len(label_hashes)} ids for {len(labels)} labels")
        now, checked = now_text(), []
        for name, raw in zip(label_hashes, labels, strict=True):
            row = self._label(name)
            label = _decode(raw, Label)
            if (label.label_hash, label.data_hash) != (name, row.unit.data_hash):
                raise Refused("INVALID_ARGUMENTS_ERROR", f"label {name}: the row given is {label.label_hash}")
            content = msgspec.json.decode(raw)
            try:
                count = check(row.unit, content, self._known)
            except (KeyError, TypeError, AttributeError) as error:
                raise Refused("CORRUPTED_LABEL_ERROR", f"label {name}: {error!r}") from error
            content |= {"last_edited_at": now, "label_status": "LABEL_IN_PROGRESS"}
            content |= {"created_at": row.created_at, "dataset_hash": self.dataset_hash}
            digest = hashlib.blake2b(raw, digest_size=16).hexdigest()
            checked.append((row, msgspec.json.encode(content), Saved(name, row.unit.title, digest, count)))
        for row, body, _ in checked:
            row.body, row.edited_at, row.status = body, now, "LABEL_IN_PROGRESS"
        self.changed(row for row, _, _ in checked)
        return [saved for _, _, saved in checked]

    def prioritise(self, priorities: Iterable[tuple[str, float]]) -> None:
        """Set the priority of rows by data hash.

        Raises:
            Refused: a row is not in the project.
        """
        pairs = list(priorities)
        for name, _ in pairs:
            if name not in self.rows:
                raise Refused("RESOURCE_NOT_FOUND_ERROR", f"data unit {name} is not in the project", 404)
        for name, priority in pairs:
            self.rows[name].priority = priority
        self.changed(self.rows[name] for name, _ in pairs)

    def _label(self, name: str) -> Row:
        row = self._labels.get(name)
        if row is None:
            raise Refused("RESOURCE_NOT_FOUND_ERROR", f"label row {name} does not exist", 404)
        return row

    def _listed(self, row: Row, wanted: Mapping[str, Any]) -> Listed:
        unit = row.unit
        first = unit.pictures[0]
        one = unit.kind != "img_group"
        return Listed(
            row.label_hash,
            row.created_at,
            row.edited_at,
            "main",
            unit.data_hash,
            self.dataset_hash,
            self.title,
            unit.title,
            unit.kind.upper(),
            None if not one else f"https://storage.invalid/{unit.data_hash}",
            row.status,
            "QUEUED",
            NODE,
            unit.frames,
            unit.fps,
            None if unit.fps is None else unit.frames / unit.fps,
            first.width if one else None,
            first.height if one else None,
            row.priority,
            unit.metadata if wanted.get("include_client_metadata") else None,
            _images(unit) if wanted.get("include_images_data") and not one else None,
        )


def _images(unit: Unit) -> list[dict[str, Any]]:
    return [
        {
            "image_hash": picture.data_hash,
            "title": picture.title,
            "index": number,
            "width": picture.width,
            "height": picture.height,
        }
        for number, picture in enumerate(unit.pictures)
    ]


def _tests(wanted: Mapping[str, Any]) -> list[Callable[[Row], bool]]:
    """Turn the filters that are set into tests of one row."""
    tests: list[Callable[[Row], bool]] = []
    if (labels := wanted.get("label_hashes")) is not None:
        known = frozenset(labels)
        tests.append(lambda row: row.label_hash in known)
    if (title := wanted.get("data_title_eq")) is not None:
        tests.append(lambda row: row.unit.title == title)
    if (like := wanted.get("data_title_like")) is not None:
        part = str(like).strip("%")
        tests.append(lambda row: part in row.unit.title)
    if statuses := wanted.get("label_statuses"):
        allowed = frozenset(statuses)
        tests.append(lambda row: row.status in allowed)
    if not wanted.get("include_uninitialised_labels"):
        tests.append(lambda row: row.label_hash is not None)
    if (node := wanted.get("workflow_graph_node_title_eq")) is not None:
        tests.append(lambda _: node == NODE["title"])
    return tests


def _decode(raw: msgspec.Raw, kind: type[Label]) -> Label:
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.DecodeError as error:
        raise Refused("INVALID_ARGUMENTS_ERROR", f"a label row is not valid: {error}") from error
