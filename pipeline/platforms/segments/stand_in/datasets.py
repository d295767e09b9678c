"""Datasets and their labelsets: listed, created, changed, cloned and deleted."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any
from uuid import uuid4

import msgspec
from aiohttp import web

from pipeline.platforms.segments.convert.kinds import KINDS
from pipeline.platforms.segments.stand_in.answers import (
    DATASET,
    PER_PAGE,
    Paths,
    Refused,
    absent,
    decoded,
    json_value,
    page_of,
)
from pipeline.platforms.segments.stand_in.places import extent_of
from pipeline.platforms.segments.stand_in.world import Dataset, World, labelset_json
from pipeline.platforms.segments.wire import LABELSET

FIELDS: Mapping[str, Any] = {
    "description": "",
    "task_type": "segmentation-bitmap",
    "task_attributes": {},
    "category": "other",
    "public": False,
    "readme": "",
    "metadata": {},
    "labeling_inactivity_timeout_seconds": 300,
    "enable_skip_labeling": True,
    "enable_skip_reviewing": False,
    "enable_ratings": False,
    "enable_interpolation": True,
    "enable_same_dimensions_track_constraint": False,
    "enable_save_button": False,
    "enable_label_status_verified": False,
    "enable_3d_cuboid_rotation": False,
    "enable_3d_region_of_interest": False,
    "enable_confirm_on_submit": False,
    "enable_object_linking": False,
    "enable_object_link_category_restrictions": False,
    "enable_extrapolation": False,
    "use_timestamps_for_interpolation": False,
    "region_of_interest": None,
    "archived": False,
    "data_type": "IMAGE",
    "cloned_from": None,
}
"""What a user sets of a dataset, and what it is when nobody does."""


class Clone(msgspec.Struct):
    """How a dataset is to be cloned."""

    name: str
    task_type: str | None = None
    public: bool | None = None
    owner: str | None = None
    clone_labels: bool = False


class NewLabelset(msgspec.Struct):
    """A labelset that is to be created. Its attributes are the text of a JSON object."""

    name: str
    description: str = ""
    attributes: str = "{}"


class Datasets:
    """Answers requests about datasets and labelsets."""

    def __init__(self, world: World) -> None:
        self._world = world

    def paths(self) -> Paths:
        """Return what the service answers."""
        yield "GET", "/user/datasets/", self.list
        yield "GET", "/users/{user}/datasets/", self.list
        yield "POST", "/user/datasets/", self.create
        yield "POST", "/organizations/{organization}/datasets/", self.create
        yield "GET", DATASET, self.get
        yield "PATCH", DATASET, self.patch
        yield "DELETE", DATASET, self.delete
        yield "POST", DATASET + "clone/", self.clone
        yield "GET", DATASET + "labelsets/", self.list_labelsets
        yield "POST", DATASET + "labelsets/", self.create_labelset
        yield "GET", DATASET + "labelsets/{labelset}/", self.get_labelset
        yield "DELETE", DATASET + "labelsets/{labelset}/", self.delete_labelset

    def list(self, request: web.Request, _: bytes) -> web.Response:
        """Return the datasets of a user. Here the number of samples comes as text, as it may."""
        owner = request.match_info.get("user", self._world.user)
        found = [dataset for dataset in self._world.datasets.values() if dataset.owner == owner]
        told = (dataset.told() for dataset in page_of(found, request.query, PER_PAGE))
        return json_value([{**one, "samples_count": str(one["samples_count"])} for one in told])

    def create(self, request: web.Request, body: bytes) -> web.Response:
        """Create a dataset of this user, or of an organisation."""
        owner = request.match_info.get("organization", self._world.user)
        given = decoded(body, dict[str, Any])
        return json_value(self._new(owner, given.pop("name", ""), given).told(), 201)

    def get(self, request: web.Request, _: bytes) -> web.Response:
        """Return a dataset."""
        return json_value(self._world.dataset(request.match_info).told())

    def patch(self, request: web.Request, body: bytes) -> web.Response:
        """Change fields of a dataset."""
        dataset = self._world.dataset(request.match_info)
        dataset.change(checked(decoded(body, dict[str, Any])))
        self._world.note(dataset)
        return json_value(dataset.told())

    def delete(self, request: web.Request, _: bytes) -> web.Response:
        """Delete a dataset with all that it holds."""
        self._world.drop(self._world.dataset(request.match_info))
        return web.Response(status=204)

    def clone(self, request: web.Request, body: bytes) -> web.Response:
        """Copy a dataset, with its labels where that is wanted."""
        old, asked = self._world.dataset(request.match_info), decoded(body, Clone)
        info = deepcopy(old.info) | {"cloned_from": old.full_name}
        info |= {key: value for key in ("task_type", "public") if (value := getattr(asked, key)) is not None}
        new = self._new(asked.owner or self._world.user, asked.name, info)
        for sample in old.samples.values():
            extent = extent_of(new.task_type, sample.attributes)
            labels = dict(sample.labels) if asked.clone_labels else {}
            copy = replace(sample, uuid=str(uuid4()), dataset=new, extent=extent, labels=labels)
            copy.metadata = deepcopy(sample.metadata)
            self._world.add(copy)
        if asked.clone_labels:
            new.labelsets |= deepcopy(old.labelsets)
        return json_value(new.told(), 201)

    def _new(self, owner: str, name: str, given: dict[str, Any]) -> Dataset:
        if not name or "/" in name:
            raise Refused(400, "name: This field may not be blank.")
        if f"{owner}/{name}" in self._world.datasets:
            raise Refused(400, "You already have a dataset with this name.")
        return self._world.create(owner, name, {**deepcopy(dict(FIELDS)), **checked(given)})

    # ---- labelsets ---------------------------------------------------------------------------------------

    def list_labelsets(self, request: web.Request, _: bytes) -> web.Response:
        """Return the labelsets of a dataset."""
        return json_value(list(self._world.dataset(request.match_info).labelsets.values()))

    def get_labelset(self, request: web.Request, _: bytes) -> web.Response:
        """Return a labelset."""
        found = self._world.dataset(request.match_info).labelsets.get(request.match_info["labelset"])
        if found is None:
            raise absent()
        return json_value(found)

    def create_labelset(self, request: web.Request, body: bytes) -> web.Response:
        """Create a labelset."""
        dataset, given = self._world.dataset(request.match_info), decoded(body, NewLabelset)
        if not given.name or "/" in given.name:
            raise Refused(400, "name: This field may not be blank.")
        if given.name in dataset.labelsets:
            raise Refused(400, f"A labelset with name {given.name} already exists in this dataset.")
        found = dataset.labelsets[given.name] = labelset_json(given.name, given.description)
        self._world.note(dataset)
        return json_value(found, 201)

    def delete_labelset(self, request: web.Request, _: bytes) -> web.Response:
        """Delete a labelset and its labels."""
        dataset, name = self._world.dataset(request.match_info), request.match_info["labelset"]
        if name not in dataset.labelsets:
            raise absent()
        if name == LABELSET:
            raise Refused(400, f"The labelset {LABELSET} cannot be deleted.")
        del dataset.labelsets[name]
        self._world.note(dataset)
        for sample in dataset.samples.values():
            if sample.labels.pop(name, None) is not None:
                self._world.note(dataset, sample)
        return web.Response(status=204)


def checked(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a dataset among those given.

    Raises:
        Refused: the dataset's type is not known, or its categories have no ids of their own.
    """
    task_type = given.get("task_type", "")
    if task_type and task_type not in KINDS:
        raise Refused(400, f'task_type: "{task_type}" is not a valid choice.')
    categories = (given.get("task_attributes") or {}).get("categories") or []
    ids = [category.get("id") for category in categories]
    if len(set(ids)) < len(ids) or not all(isinstance(one, int) for one in ids):
        raise Refused(400, "task_attributes: each category has an id of its own")
    return {key: value for key, value in given.items() if key in FIELDS}
