"""Keeps all datasets in a file, so that a stand-in goes on where an earlier one ended, also after a kill.

The file has one line of JSON for each dataset, sample and asset whenever it changes; the last one holds. The
bytes of assets are files of their own beside it. Releases are not kept.
"""

import os
from pathlib import Path
from typing import Any

import msgspec

from pipeline.errors import UsageError
from pipeline.platforms.segments.stand_in.answers import Refused
from pipeline.platforms.segments.stand_in.storage import Asset, Storage
from pipeline.platforms.segments.stand_in.world import Dataset, Label, Sample, World, sample_of


class KeptLabel(msgspec.Struct, frozen=True):
    """One label as it stood."""

    status: str
    attributes: msgspec.Raw
    score: int | float | None
    created_at: str
    updated_at: str


class Kept(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line. `key` is the name of a dataset, the uuid of a sample or the path of an asset."""

    kind: str
    key: str
    origin: str
    gone: bool = False
    content: msgspec.Raw = msgspec.Raw(b"null")


class KeptDataset(msgspec.Struct, frozen=True):
    """A dataset."""

    owner: str
    name: str
    info: dict[str, Any]
    labelsets: dict[str, dict[str, Any]]
    created_at: str


class KeptSample(msgspec.Struct, frozen=True):
    """A sample with its labels."""

    dataset: str
    name: str
    attributes: msgspec.Raw
    fields: dict[str, Any]
    labels: dict[str, KeptLabel]


class KeptAsset(msgspec.Struct, frozen=True):
    """An asset; `digest` is None until it has landed."""

    uuid: str
    filename: str
    fields: dict[str, str]
    digest: str | None


FIELDS = ("metadata", "priority", "readme", "assigned_labeler", "assigned_reviewer", "created_at")


class State:
    """The file of one stand-in.

    Raises:
        UsageError: the file is not one that a stand-in wrote.
    """

    def __init__(self, path: Path, world: World, storage: Storage) -> None:
        self._path = path
        self._world = world
        self._storage = storage
        self._file: int | None = None
        # What a killed stand-in was writing ends without a line break, and was never answered.
        lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
        try:
            kept = [msgspec.json.decode(line, type=Kept) for line in lines]
        except msgspec.DecodeError as error:
            raise UsageError(
                f"{path} holds no state of a stand-in: {error}; remove it or name another"
            ) from error
        self._last = {(one.kind, one.key): one for one in kept}

    def serve(self) -> None:
        """Put back what was kept over what the seed made, and keep all changes from now on."""
        self._files.mkdir(parents=True, exist_ok=True)
        for wanted, restore in (
            ("dataset", self._dataset),
            ("sample", self._sample),
            ("asset", self._asset),
        ):
            for (kind, key), kept in self._last.items():
                if kind == wanted:
                    # The storage may be at another port than it was.
                    content = bytes(kept.content).replace(kept.origin.encode(), self._storage.origin.encode())
                    restore(key, None if kept.gone else content)
        fresh = self._path.with_name(self._path.name + ".new")
        self._file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        self._world.changed = self.keep
        self._storage.changed = self.keep_asset
        for dataset in self._world.datasets.values():
            self.keep(dataset, None)
        for (kind, key), kept in self._last.items():
            if kind == "sample":
                self._keep_sample(key)
            elif kind == "asset" and key in self._storage.assets:
                self.keep_asset(key, self._storage.assets[key])
            elif kept.gone:
                self._write(kind, key, None)
        fresh.replace(self._path)

    def keep(self, dataset: Dataset, sample: Sample | None) -> None:
        """Write a sample that has changed, or a dataset."""
        if sample is not None:
            self._keep_sample(sample.uuid)
        elif dataset.full_name in self._world.datasets:
            fields = (dataset.owner, dataset.name, dataset.info, dataset.labelsets, dataset.created_at)
            self._write("dataset", dataset.full_name, KeptDataset(*fields))
        else:
            self._write("dataset", dataset.full_name, None)

    def keep_asset(self, path: str, asset: Asset) -> None:
        """Write an asset that was announced or has landed, with its bytes."""
        if asset.digest is not None and not (self._files / asset.digest).exists():
            (self._files / asset.digest).write_bytes(self._storage.bytes[asset.digest])
        fields = {name.decode(): value.decode() for name, value in asset.fields.items()}
        self._write("asset", path, KeptAsset(asset.uuid, asset.filename, fields, asset.digest))

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    @property
    def _files(self) -> Path:
        return self._path.with_name(self._path.name + ".files")

    def _dataset(self, key: str, content: bytes | None) -> None:
        dataset = self._world.datasets.get(key)
        if content is None:
            if dataset is not None:
                self._world.drop(dataset)
            return
        kept = msgspec.json.decode(content, type=KeptDataset)
        if dataset is None:
            dataset = self._world.create(kept.owner, kept.name, kept.info)
        dataset.change(kept.info)
        dataset.labelsets, dataset.created_at = kept.labelsets, kept.created_at

    def _sample(self, key: str, content: bytes | None) -> None:
        if (planted := self._world.samples.get(key)) is not None:
            self._world.remove(planted)
        if content is None:
            return
        kept = msgspec.json.decode(content, type=KeptSample)
        try:
            sample = sample_of(
                self._world.datasets[kept.dataset], key, kept.name, bytes(kept.attributes), **kept.fields
            )
        except (Refused, KeyError) as error:
            raise UsageError(f"{self._path}: sample {kept.name!r} cannot be put back: {error}") from error
        sample.labels = {name: _label(label) for name, label in kept.labels.items()}
        self._world.add(sample)

    def _asset(self, key: str, content: bytes | None) -> None:
        if content is None:
            return
        kept = msgspec.json.decode(content, type=KeptAsset)
        fields = {name.encode(): value.encode() for name, value in kept.fields.items()}
        self._storage.put_back(key, kept.uuid, kept.filename, fields, kept.digest)
        if kept.digest is not None:
            self._storage.bytes[kept.digest] = (self._files / kept.digest).read_bytes()

    def _keep_sample(self, uuid: str) -> None:
        sample = self._world.samples.get(uuid)
        if sample is None:
            self._write("sample", uuid, None)
            return
        labels = {
            name: KeptLabel(
                label.status, msgspec.Raw(label.attributes), label.score, label.created_at, label.updated_at
            )
            for name, label in sample.labels.items()
        }
        fields = {name: getattr(sample, name) for name in FIELDS}
        attributes = msgspec.Raw(sample.attributes)
        self._write(
            "sample",
            uuid,
            KeptSample(sample.dataset.full_name, sample.name, attributes, fields, labels),
        )

    def _write(self, kind: str, key: str, content: msgspec.Struct | None) -> None:
        raw = msgspec.Raw(b"null" if content is None else msgspec.json.encode(content))
        line = Kept(kind, key, self._storage.origin, gone=content is None, content=raw)
        if self._file is not None:
            left = memoryview(msgspec.json.encode(line) + b"\n")
            while left:
                left = left[os.write(self._file, left) :]


def _label(kept: KeptLabel) -> Label:
    return Label(kept.status, bytes(kept.attributes), kept.score, kept.created_at, kept.updated_at)
