"""Releases: a snapshot of a dataset in one file, which is ready some time after it was asked for."""

from typing import Any
from uuid import uuid4

import msgspec
from aiohttp import web

from pipeline.platforms.segments.stand_in.answers import DATASET, Paths, Refused, absent, decoded, json_value
from pipeline.platforms.segments.stand_in.storage import ROOT
from pipeline.platforms.segments.stand_in.world import Dataset, Release, Sample, World


class New(msgspec.Struct):
    """A release that is to be made."""

    name: str
    description: str = ""


class Releases:
    """Answers requests about releases. They are pending for `polls` requests, and then fail where told to."""

    def __init__(self, world: World, polls: int, *, fails: bool) -> None:
        self.origin = ""
        self._world = world
        self._polls = polls
        self._fails = fails
        self._files: dict[str, bytes] = {}

    def paths(self) -> Paths:
        """Return what the service answers."""
        path = DATASET + "releases/"
        yield "GET", path, self.list
        yield "POST", path, self.create
        yield "GET", path + "{release}/", self.get
        yield "DELETE", path + "{release}/", self.delete

    def list(self, request: web.Request, _: bytes) -> web.Response:
        """Return all releases of a dataset."""
        found = self._world.dataset(request.match_info).releases.values()
        return json_value([self._told(release) for release in found])

    def get(self, request: web.Request, _: bytes) -> web.Response:
        """Return a release, one step nearer to its end."""
        release = self._world.dataset(request.match_info).releases.get(request.match_info["release"])
        if release is None:
            raise absent()
        release.left -= 1
        return json_value(self._told(release))

    def create(self, request: web.Request, body: bytes) -> web.Response:
        """Begin a release."""
        dataset, given = self._world.dataset(request.match_info), decoded(body, New)
        if not given.name or given.name in dataset.releases:
            raise Refused(400, f"A release with name {given.name} already exists in this dataset.")
        uuid = str(uuid4())
        path = f"{ROOT}releases/{uuid}.json"
        release = Release(
            uuid, given.name, given.description, len(dataset.samples), self.origin + path, self._polls + 1
        )
        self._files[path] = _file(dataset, release)
        dataset.releases[release.name] = release
        return json_value(self._told(release), 201)

    def delete(self, request: web.Request, _: bytes) -> web.Response:
        """Delete a release and its file."""
        dataset = self._world.dataset(request.match_info)
        release = dataset.releases.pop(request.match_info["release"], None)
        if release is None:
            raise absent()
        self._files.pop(release.url.removeprefix(self.origin), None)
        return web.Response(status=204)

    def file(self, path: str) -> tuple[bytes, str] | None:
        """Return the file of a release by its path, and its content type."""
        found = self._files.get(path)
        return None if found is None else (found, "application/json")

    def _told(self, release: Release) -> dict[str, Any]:
        done = release.left <= 0
        return {
            "uuid": release.uuid,
            "name": release.name,
            "description": release.description,
            "release_type": "JSON",
            "attributes": {"url": release.url} if done and not self._fails else {},
            "status": "PENDING" if not done else "FAILED" if self._fails else "SUCCEEDED",
            "created_at": release.created_at,
            "samples_count": release.samples,
        }


def _file(dataset: Dataset, release: Release) -> bytes:
    told = {
        "name": dataset.name,
        "owner": dataset.owner,
        "task_type": dataset.task_type,
        "task_attributes": dataset.info["task_attributes"],
        "labelsets": [
            {"name": one["name"], "description": one["description"]} for one in dataset.labelsets.values()
        ],
        "samples": [_sample(sample) for sample in dataset.ordered("name")],
    }
    whole = {
        "name": release.name,
        "description": release.description,
        "created_at": release.created_at,
        "dataset": told,
    }
    return msgspec.json.encode(whole)


def _sample(sample: Sample) -> dict[str, Any]:
    labels = {name: sample.labels.get(name) for name in sample.dataset.labelsets}
    return {
        "uuid": sample.uuid,
        "name": sample.name,
        "attributes": msgspec.Raw(sample.attributes),
        "metadata": sample.metadata,
        "labels": {
            name: label and {"label_status": label.status, "attributes": msgspec.Raw(label.attributes)}
            for name, label in labels.items()
        },
    }
