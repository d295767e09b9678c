"""Labels: one per sample and labelset, put whole or changed in part."""

import hashlib

import msgspec
from aiohttp import web

from pipeline.platforms.segments.stand_in.answers import Paths, Refused, absent, decoded, json_bytes, now
from pipeline.platforms.segments.stand_in.checks import Found, count, examine
from pipeline.platforms.segments.stand_in.storage import Storage
from pipeline.platforms.segments.stand_in.world import Label, Sample, World
from pipeline.platforms.segments.wire import STATUSES
from pipeline.sandbox import Poison, Sandbox


class Put(msgspec.Struct):
    """The body of a PUT; its attributes stay bytes."""

    label_status: str
    attributes: msgspec.Raw
    score: int | float | None = None


class Patch(msgspec.Struct):
    """The body of a PATCH: any of the keys of a label."""

    label_status: str | msgspec.UnsetType = msgspec.UNSET
    attributes: msgspec.Raw = msgspec.Raw()
    score: int | float | msgspec.UnsetType | None = msgspec.UNSET


class Labels:
    """Answers requests about labels. `check`: refuse what is no label of the dataset's type."""

    def __init__(self, world: World, storage: Storage, sandbox: Sandbox, *, check: bool) -> None:
        self._world = world
        self._storage = storage
        self._sandbox = sandbox
        self._check = check

    def paths(self) -> Paths:
        """Return what the service answers."""
        path = "/labels/{sample}/{labelset}/"
        yield "PUT", path, self.put
        yield "GET", path, self.get
        yield "PATCH", path, self.patch
        yield "DELETE", path, self.delete

    def get(self, request: web.Request, _: bytes) -> web.Response:
        """Return a label."""
        sample, labelset = self._place(request)
        if labelset not in sample.labels:
            raise absent()
        return json_bytes(sample.label_json(labelset))

    def put(self, request: web.Request, body: bytes) -> web.Response:
        """Create or replace a label."""
        sample, labelset = self._place(request)
        given = decoded(body, Put)
        return self._write(
            request, sample, labelset, given.label_status, bytes(given.attributes), given.score
        )

    def patch(self, request: web.Request, body: bytes) -> web.Response:
        """Change some of a label."""
        sample, labelset = self._place(request)
        old = sample.labels.get(labelset)
        if old is None:
            raise absent()
        given = decoded(body, Patch)
        return self._write(
            request,
            sample,
            labelset,
            old.status if given.label_status is msgspec.UNSET else given.label_status,
            bytes(given.attributes) or old.attributes,
            old.score if given.score is msgspec.UNSET else given.score,
        )

    def delete(self, request: web.Request, _: bytes) -> web.Response:
        """Take a label away."""
        sample, labelset = self._place(request)
        if sample.labels.pop(labelset, None) is None:
            raise absent()
        self._world.note(sample.dataset, sample)
        return web.Response(status=204)

    def _place(self, request: web.Request) -> tuple[Sample, str]:
        found = request.match_info
        sample, labelset = self._world.sample(found["sample"]), found["labelset"]
        if labelset not in sample.dataset.labelsets:
            raise absent()
        return sample, labelset

    def _write(
        self,
        request: web.Request,
        sample: Sample,
        labelset: str,
        status: str,
        attributes: bytes,
        score: float | None,
    ) -> web.Response:
        if status not in STATUSES:
            raise Refused(400, f'"{status}" is not a valid choice.')
        found = self._examined(sample, attributes)
        self._refuse_poisoned(sample)
        old, at = sample.labels.get(labelset), now()
        sample.labels[labelset] = Label(status, attributes, score, at if old is None else old.created_at, at)
        self._world.note(sample.dataset, sample)
        digest = hashlib.blake2b(attributes, digest_size=16).hexdigest()
        self._sandbox.written(request, "save", ((sample.uuid, sample.name, digest, found.count),))
        return json_bytes(sample.label_json(labelset), 201 if old is None else 200)

    def _examined(self, sample: Sample, attributes: bytes) -> Found:
        if not attributes.startswith(b"{"):
            raise Refused(400, "attributes: not an object")
        dataset = sample.dataset
        if not self._check:
            return Found(count(attributes))
        found = examine(dataset.task_type, attributes, sample.extent, dataset.categories)
        self._storage.require(found.bitmaps)
        return found

    def _refuse_poisoned(self, sample: Sample) -> None:
        reason = self._sandbox.poisoned(((sample.uuid, sample.name),)).get(sample.uuid)
        if reason is None:
            return
        match self._sandbox.faults.poison_answer:
            case Poison.NAMED:
                raise Refused(400, reason)
            case Poison.UNNAMED:
                raise Refused(400, "Bad request.")
            case Poison.SERVER_ERROR:
                raise Refused(500, "Server Error (500)")
