"""Samples: listed page by page, created one by one or in bulk by name, changed and deleted."""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import msgspec
from aiohttp import web

from pipeline.platforms.segments.stand_in.answers import (
    DATASET,
    Paths,
    Refused,
    absent,
    decoded,
    json_bytes,
    json_value,
    page_of,
)
from pipeline.platforms.segments.stand_in.places import extent_of
from pipeline.platforms.segments.stand_in.world import Dataset, Sample, World, sample_of
from pipeline.platforms.segments.wire import LABELSET
from pipeline.sandbox import Sandbox

BULK_DELETE = 1000
_LAST = "￿"


class New(msgspec.Struct):
    """A sample that is to be created; its attributes stay bytes."""

    name: str
    attributes: msgspec.Raw
    metadata: dict[str, Any] | None = None
    priority: int | float = 0
    readme: str = ""
    assigned_labeler: str | None = None
    assigned_reviewer: str | None = None


class Changed(msgspec.Struct):
    """The keys of a sample that are to be changed."""

    name: str | msgspec.UnsetType = msgspec.UNSET
    attributes: msgspec.Raw = msgspec.Raw()
    metadata: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    priority: int | float | msgspec.UnsetType = msgspec.UNSET
    readme: str | msgspec.UnsetType = msgspec.UNSET
    assigned_labeler: str | msgspec.UnsetType | None = msgspec.UNSET
    assigned_reviewer: str | msgspec.UnsetType | None = msgspec.UNSET


class Doomed(msgspec.Struct):
    """Samples that are to be deleted."""

    uuids: list[str]


class Samples:
    """Answers requests about samples. `cap` is the largest page that is given, whatever is asked for."""

    def __init__(self, world: World, sandbox: Sandbox, cap: int) -> None:
        self._world = world
        self._sandbox = sandbox
        self._cap = cap

    def paths(self) -> Paths:
        """Return what the service answers."""
        yield "GET", DATASET + "samples/", self.list
        yield "POST", DATASET + "samples/", self.add
        yield "POST", DATASET + "samples_bulk/", self.add_many
        yield "DELETE", DATASET + "samples_bulk/", self.delete_many
        yield "GET", "/samples/{sample}/", self.get
        yield "PATCH", "/samples/{sample}/", self.patch
        yield "DELETE", "/samples/{sample}/", self.delete

    def list(self, request: web.Request, _: bytes) -> web.Response:
        """Return a page of samples, as a bare array."""
        query = request.query
        dataset = self._world.dataset(request.match_info)
        labelset = query.get("labelset")
        if labelset is not None and labelset not in dataset.labelsets:
            raise absent()
        chosen = _chosen(dataset, query, labelset or LABELSET)
        page = page_of(chosen, query, self._cap)
        if labelset is None:
            found = [sample.json() for sample in page]
        elif query.get("include_full_label") == "1":
            found = [sample.json(b',"label":' + sample.label_json(labelset)) for sample in page]
        else:
            found = [sample.json(b',"label":' + sample.summary_json(labelset)) for sample in page]
        return json_bytes(b"[%b]" % b",".join(found))

    def add(self, request: web.Request, body: bytes) -> web.Response:
        """Create a sample."""
        dataset = self._world.dataset(request.match_info)
        given = decoded(body, New)
        if given.name in dataset.by_name:
            raise Refused(400, f"A sample with name {given.name} already exists in this dataset.")
        (sample,) = self._created(request, dataset, [given])
        return json_bytes(sample.json(), 201)

    def add_many(self, request: web.Request, body: bytes) -> web.Response:
        """Create samples; those whose name is there already come back as they are."""
        dataset = self._world.dataset(request.match_info)
        given = decoded(body, list[New])
        most = self._sandbox.faults.max_rows
        if most is not None and len(given) > most:
            raise Refused(413, f"{len(given)} samples in one request, at most {most} are taken")
        made = self._created(request, dataset, given)
        return json_bytes(b"[%b]" % b",".join(sample.json() for sample in made), 201)

    def delete_many(self, request: web.Request, body: bytes) -> web.Response:
        """Delete samples by uuid."""
        dataset = self._world.dataset(request.match_info)
        uuids = decoded(body, Doomed).uuids
        if not 1 <= len(uuids) <= BULK_DELETE:
            raise Refused(400, f"uuids: {len(uuids)} items; it takes 1 to {BULK_DELETE}")
        doomed = [sample for uuid in dict.fromkeys(uuids) if (sample := dataset.samples.get(uuid))]
        for sample in doomed:
            self._world.remove(sample)
        return json_value({"deleted_count": len(doomed)})

    def get(self, request: web.Request, _: bytes) -> web.Response:
        """Return a sample, with its whole label where a labelset is named."""
        sample = self._world.sample(request.match_info["sample"])
        more = b',"dataset_full_name":' + msgspec.json.encode(sample.dataset.full_name)
        labelset = request.query.get("labelset")
        if labelset is not None:
            if labelset not in sample.dataset.labelsets:
                raise absent()
            more += b',"label":' + sample.label_json(labelset)
        body = sample.json(more)
        if request.query.get("include_signed_urls") == "1":
            body = msgspec.json.encode(_signed(msgspec.json.decode(body)))
        return json_bytes(body)

    def patch(self, request: web.Request, body: bytes) -> web.Response:
        """Change a sample."""
        sample = self._world.sample(request.match_info["sample"])
        dataset = sample.dataset
        given = decoded(body, Changed)
        attributes = bytes(given.attributes) or sample.attributes
        extent = extent_of(dataset.task_type, attributes)
        if given.name is not msgspec.UNSET and given.name != sample.name:
            if given.name in dataset.by_name:
                raise Refused(400, f"A sample with name {given.name} already exists in this dataset.")
            del dataset.by_name[sample.name]
            sample.name = given.name
            dataset.by_name[sample.name] = sample
        sample.attributes, sample.extent = attributes, extent
        for name in ("metadata", "priority", "readme", "assigned_labeler", "assigned_reviewer"):
            if (value := getattr(given, name)) is not msgspec.UNSET:
                setattr(sample, name, value)
        dataset.sorted.clear()
        self._world.note(dataset, sample)
        return json_bytes(sample.json())

    def delete(self, request: web.Request, _: bytes) -> web.Response:
        """Delete a sample."""
        self._world.remove(self._world.sample(request.match_info["sample"]))
        return web.Response(status=204)

    def _created(self, request: web.Request, dataset: Dataset, given: Sequence[New]) -> Sequence[Sample]:
        found: list[Sample] = []
        new: list[Sample] = []
        names = dict(dataset.by_name)
        for item in given:
            sample = names.get(item.name)
            if sample is None:
                sample = names[item.name] = _sample(dataset, item)
                new.append(sample)
            found.append(sample)
        # All or none: a bulk request with one wrong sample creates nothing.
        for sample in new:
            self._world.add(sample)
        self._sandbox.written(request, "create", ((sample.uuid, sample.name, "", 0) for sample in new))
        return found


def _sample(dataset: Dataset, given: New) -> Sample:
    return sample_of(
        dataset,
        str(uuid4()),
        given.name,
        bytes(given.attributes),
        metadata=given.metadata or {},
        priority=given.priority,
        readme=given.readme,
        assigned_labeler=given.assigned_labeler,
        assigned_reviewer=given.assigned_reviewer,
    )


def _chosen(dataset: Dataset, query: Any, labelset: str) -> Sequence[Sample]:  # noqa: ANN401 - a multi-mapping
    sort = query.get("sort", "name")
    key = sort.removeprefix("-")
    if key in {"name", "created_at", "priority"}:
        found = dataset.ordered(key)
    elif key in {"gt_label__updated_at", "updated_at"}:
        found = sorted(dataset.samples.values(), key=_updated)
    else:
        raise Refused(400, f"sort: {key!r} is not a field to sort by")
    if sort.startswith("-"):
        found = found[::-1]
    if text := query.get("name__contains"):
        found = [sample for sample in found if text in sample.name]
    if statuses := query.get("label_status"):
        wanted = frozenset(statuses.split(","))
        found = [sample for sample in found if sample.status(labelset) in wanted]
    for pair in filter(None, query.get("filters", "").split(",")):
        name, _, value = pair.partition(":")
        found = [sample for sample in found if str(sample.metadata.get(name)) == value]
    return found


def _updated(sample: Sample) -> str:
    label = sample.labels.get(LABELSET)
    return _LAST if label is None else label.updated_at


def _signed(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Put a signed URL beside each URL."""
    if isinstance(value, list):
        return [_signed(item) for item in value]
    if not isinstance(value, dict):
        return value
    found = {key: _signed(item) for key, item in value.items()}
    if isinstance(url := value.get("url"), str):
        found["signed_url"] = f"{url}{'&' if '?' in url else '?'}X-Amz-Signature=sandbox"
    return found
