"""What the stand-in keeps: datasets, their samples, and one label per sample and labelset.

The attributes of samples and labels stay the bytes that came, so that they go back as they are.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import msgspec

from pipeline.platforms.segments.stand_in.answers import absent, now
from pipeline.platforms.segments.stand_in.places import Extent, extent_of
from pipeline.platforms.segments.wire import LABELSET, STATUSES, UNLABELED


@dataclass(slots=True)
class Label:
    """A label. `attributes` are the bytes that were sent; it is replaced and never changed."""

    status: str
    attributes: bytes
    score: int | float | None
    created_at: str
    updated_at: str


@dataclass(slots=True, eq=False)
class Sample:
    """A data unit of a dataset, and its labels by labelset."""

    uuid: str
    name: str
    attributes: bytes
    dataset: "Dataset"
    extent: Extent
    metadata: dict[str, Any] = field(default_factory=dict)
    priority: int | float = 0
    readme: str = ""
    assigned_labeler: str | None = None
    assigned_reviewer: str | None = None
    created_at: str = field(default_factory=now)
    labels: dict[str, Label] = field(default_factory=dict)

    def json(self, more: bytes = b"") -> bytes:
        """Return the sample as JSON; `more` are further members, each with a comma before it."""
        rest = msgspec.json.encode(
            {
                "metadata": self.metadata,
                "created_at": self.created_at,
                "created_by": self.dataset.owner,
                "readme": self.readme,
                "assigned_labeler": self.assigned_labeler,
                "assigned_reviewer": self.assigned_reviewer,
                "priority": self.priority,
            }
        )
        return b'{"uuid":"%b","name":%b,"attributes":%b,%b%b}' % (
            self.uuid.encode(),
            msgspec.json.encode(self.name),
            self.attributes,
            rest[1:-1],
            more,
        )

    def status(self, labelset: str) -> str:
        """Return the status of its label, which is UNLABELED where there is none."""
        label = self.labels.get(labelset)
        return UNLABELED if label is None else label.status

    def label_json(self, labelset: str) -> bytes:
        """Return the whole label of a labelset, or null."""
        label = self.labels.get(labelset)
        if label is None:
            return b"null"
        owner = self.dataset.owner.encode()
        return (
            b'{"sample_uuid":"%b","label_type":"%b","label_status":"%b","labelset":%b,"attributes":%b,'
            b'"created_at":"%b","created_by":"%b","updated_at":"%b","updated_by":"%b","score":%b,'
            b'"rating":null,"reviewed_at":null,"reviewed_by":null}'
        ) % (
            self.uuid.encode(),
            self.dataset.task_type.encode(),
            label.status.encode(),
            msgspec.json.encode(labelset),
            label.attributes,
            label.created_at.encode(),
            owner,
            label.updated_at.encode(),
            owner,
            msgspec.json.encode(label.score),
        )

    def summary_json(self, labelset: str) -> bytes:
        """Return what a listing tells of a label, or null."""
        label = self.labels.get(labelset)
        if label is None:
            return b"null"
        return msgspec.json.encode(
            {
                "score": label.score,
                "label_status": label.status,
                "updated_at": label.updated_at,
                "created_by": self.dataset.owner,
                "reviewed_by": None,
            }
        )


@dataclass(slots=True)
class Release:
    """A release. `left` is how often it is asked for until it is done."""

    uuid: str
    name: str
    description: str
    samples: int
    url: str
    left: int
    created_at: str = field(default_factory=now)


@dataclass(eq=False)
class Dataset:
    """A dataset. `info` are the fields that a user sets, by their names on the wire."""

    owner: str
    name: str
    info: dict[str, Any]
    labelsets: dict[str, dict[str, Any]] = field(default_factory=dict)
    samples: dict[str, Sample] = field(default_factory=dict)
    by_name: dict[str, Sample] = field(default_factory=dict)
    releases: dict[str, Release] = field(default_factory=dict)
    created_at: str = field(default_factory=now)
    sorted: dict[str, list[Sample]] = field(default_factory=dict)

    @property
    def full_name(self) -> str:
        """Return `owner/name`."""
        return f"{self.owner}/{self.name}"

    @property
    def task_type(self) -> str:
        """Return the type of the dataset."""
        task_type: str = self.info["task_type"]
        return task_type

    @cached_property
    def categories(self) -> frozenset[int]:
        """The ids of the categories."""
        found = (self.info["task_attributes"] or {}).get("categories") or []
        return frozenset(category["id"] for category in found)

    def change(self, info: Mapping[str, Any]) -> None:
        """Change fields."""
        self.info.update(info)
        self.__dict__.pop("categories", None)

    def add(self, sample: Sample) -> None:
        """Add a sample."""
        self.samples[sample.uuid] = sample
        self.by_name[sample.name] = sample
        self.sorted.clear()

    def ordered(self, key: str) -> list[Sample]:
        """Return all samples by a field, as far as it is one that a label does not change."""
        found = self.sorted.get(key)
        if found is None:
            found = self.sorted[key] = sorted(self.samples.values(), key=lambda item: getattr(item, key))
        return found

    def told(self) -> dict[str, Any]:
        """Return the dataset as JSON."""
        states = Counter(sample.status(LABELSET) for sample in self.samples.values())
        return {
            **self.info,
            "name": self.name,
            "full_name": self.full_name,
            "owner": {"username": self.owner, "created_at": self.created_at, "email": None},
            "created_at": self.created_at,
            "label_stats": {state: states[state] for state in sorted(STATUSES)} | {"TOTAL": states.total()},
            "samples_count": len(self.samples),
            "collaborators_count": 1,
            "labelsets": list(self.labelsets.values()),
            "role": "admin",
            "noncollaborator_can_label": False,
            "noncollaborator_can_review": False,
            "insights_urls": {},
        }


class World:
    """All datasets. `changed` is told of each sample or dataset that changed, or None where none listens."""

    def __init__(self, user: str) -> None:
        self.user = user
        self.datasets: dict[str, Dataset] = {}
        self.samples: dict[str, Sample] = {}
        self.changed: Callable[[Dataset, Sample | None], None] | None = None

    def dataset(self, asked: Mapping[str, str]) -> Dataset:
        """Return the dataset that a path names."""
        found = self.datasets.get(f"{asked['owner']}/{asked['dataset']}")
        if found is None:
            raise absent()
        return found

    def sample(self, uuid: str) -> Sample:
        """Return the sample of a uuid."""
        found = self.samples.get(uuid)
        if found is None:
            raise absent()
        return found

    def create(self, owner: str, name: str, info: dict[str, Any]) -> Dataset:
        """Make a dataset with the one labelset that every dataset has."""
        dataset = Dataset(owner, name, info)
        dataset.labelsets[LABELSET] = labelset_json(LABELSET, "", ground_truth=True)
        self.datasets[dataset.full_name] = dataset
        self.note(dataset)
        return dataset

    def add(self, sample: Sample) -> None:
        """Add a sample to its dataset."""
        self.samples[sample.uuid] = sample
        sample.dataset.add(sample)
        self.note(sample.dataset, sample)

    def remove(self, sample: Sample) -> None:
        """Take a sample and its labels away."""
        dataset = sample.dataset
        del self.samples[sample.uuid], dataset.samples[sample.uuid], dataset.by_name[sample.name]
        dataset.sorted.clear()
        self.note(dataset, sample)

    def drop(self, dataset: Dataset) -> None:
        """Take a dataset and all that it holds away."""
        for sample in list(dataset.samples.values()):
            self.remove(sample)
        del self.datasets[dataset.full_name]
        self.note(dataset)

    def note(self, dataset: Dataset, sample: Sample | None = None) -> None:
        """Tell the listener what changed."""
        if self.changed is not None:
            self.changed(dataset, sample)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Give every sample with its labels."""
        for sample in self.samples.values():
            yield {
                "dataset": sample.dataset.full_name,
                "uuid": sample.uuid,
                "name": sample.name,
                "attributes": msgspec.Raw(sample.attributes),
                "metadata": sample.metadata,
                "priority": sample.priority,
                "labels": {name: _label(label) for name, label in sample.labels.items()},
            }

    def reset(self) -> None:
        """Take all labels away."""
        for sample in self.samples.values():
            if sample.labels:
                sample.labels.clear()
                self.note(sample.dataset, sample)


def labelset_json(name: str, description: str, *, ground_truth: bool = False) -> dict[str, Any]:
    """Return a labelset as JSON."""
    return {
        "name": name,
        "description": description,
        "is_groundtruth": ground_truth,
        "created_at": now(),
    }


def sample_of(
    dataset: Dataset,
    uuid: str,
    name: str,
    attributes: bytes,
    **fields: Any,  # noqa: ANN401 - of many types
) -> Sample:
    """Make a sample of a dataset.

    Raises:
        Refused: its attributes are not those of the dataset's type.
    """
    return Sample(uuid, name, attributes, dataset, extent_of(dataset.task_type, attributes), **fields)


def _label(label: Label) -> dict[str, Any]:
    return {
        "label_status": label.status,
        "score": label.score,
        "attributes": msgspec.Raw(label.attributes),
        "created_at": label.created_at,
        "updated_at": label.updated_at,
    }
