"""What the SDK can be asked for, as its user would do it. Arguments and answers are JSON.

A drawn label is told as in `sdk_labels`. A picture or a mask is the path of a file.
"""

import asyncio
import hashlib
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
import supervisely as sly
from numpy.typing import NDArray
from supervisely.api.api import UserSession

from tests.oracles.supervisely.sdk_labels import built, mask_told, told

Json: TypeAlias = dict[str, Any]


# ---- the vendor's tutorial on object binding ------------------------------------------------------------


def make_bound(api: sly.Api, workspace: int, image: str, masks: list[str], project: str) -> Json:
    """Do the first part: a project with one image, whose masks are bound together."""
    made = api.project.create(workspace, name=project, change_name_if_conflict=True)
    dataset = api.dataset.create(made.id, name="dataset-01")
    car = sly.ObjClass(name="car", geometry_type=sly.Bitmap, color=[255, 0, 255])
    api.project.update_meta(made.id, sly.ProjectMeta(obj_classes=[car]))
    info = api.image.upload_path(dataset.id, Path(image).name, image)
    height, width = _pixels(image).shape[:2]
    labels = [sly.Label(sly.Bitmap(_pixels(path)[:, :, 0]), car) for path in masks]
    annotation = sly.Annotation(img_size=[height, width], labels=labels)
    key = uuid.uuid4().hex
    for label in annotation.labels:
        label.binding_key = key
    api.annotation.upload_ann(info.id, annotation)
    return {
        "project": made.id,
        "name": made.name,
        "dataset": dataset.id,
        "image": info.id,
        "key": key,
        "masks": [mask_told(label.geometry, (height, width)) for label in labels],
    }


def _pixels(path: str) -> NDArray[np.uint8]:
    found = cv2.imread(path)
    assert found is not None
    return found.astype(np.uint8)


def read_bound(api: sly.Api, project: int, image: int) -> Json:
    """Do the second part up to the listing of groups: labels with their keys, and the sizes of groups."""
    meta = sly.ProjectMeta.from_json(api.project.get_meta(project))
    annotation = sly.Annotation.from_json(api.annotation.download_json(image), meta)
    groups = [[key, len(labels)] for key, labels in annotation.get_bindings().items()]
    return {"labels": [told(label, annotation.img_size) for label in annotation.labels], "groups": groups}


def discard_bound(api: sly.Api, project: int, image: int, class_name: str | None = None) -> None:
    """Do the rest: take the labels of a class out of their groups, or all labels, and upload."""
    meta = sly.ProjectMeta.from_json(api.project.get_meta(project))
    annotation = sly.Annotation.from_json(api.annotation.download_json(image), meta)
    if class_name is None:
        annotation.discard_bindings()
    else:
        for label in annotation.labels:
            if label.obj_class.name == class_name:
                label.binding_key = None
    api.annotation.upload_ann(image, annotation)


# ---- the account ----------------------------------------------------------------------------------------


def account(api: sly.Api, login: str, password: str) -> Json:
    """Log in, and tell what the SDK knows of the account then."""
    session = UserSession(api.server_address).log_in(login, password)
    return {
        "token": session.api_token,
        "team": session.team_id,
        "workspace": session.workspace_id,
        "version": api.instance_version,
        "supported": api.is_version_supported("6.9.13"),
        "me": api.user.get_my_info().login,
        "teams": [one.name for one in api.team.get_list()],
        "workspaces": [one.id for one in api.workspace.get_list(session.team_id)],
        "created": api.workspace.create(session.team_id, "another").name,
    }


# ---- projects and datasets ------------------------------------------------------------------------------


def create_project(api: sly.Api, workspace: int, name: str, **more: Any) -> Json:  # noqa: ANN401 - its arguments
    """Create a project."""
    return _plain(api.project.create(workspace, name, **more))


def projects(api: sly.Api, workspace: int) -> list[Json]:
    """Return the projects of a workspace."""
    return [one._asdict() for one in api.project.get_list(workspace)]


def project(api: sly.Api, project: int) -> Json | None:
    """Return a project, or None."""
    found = api.project.get_info_by_id(project)
    return None if found is None else found._asdict()


def edit_project(api: sly.Api, project: int, **changes: Any) -> Json:  # noqa: ANN401 - its arguments
    """Change what is told of a project."""
    return _plain(api.project.edit_info(project, **changes))


def remove_project(api: sly.Api, project: int) -> None:
    """Take a project away."""
    api.project.remove(project)


def update_meta(api: sly.Api, project: int, meta: Json) -> Json:
    """Replace classes and tags, and return what the SDK makes of the answer."""
    found: Json = api.project.update_meta(project, sly.ProjectMeta.from_json(meta)).to_json()
    return found


def meta(api: sly.Api, project: int) -> Json:
    """Return classes and tags, read by the SDK."""
    found: Json = sly.ProjectMeta.from_json(api.project.get_meta(project)).to_json()
    return found


def create_dataset(api: sly.Api, project: int, name: str, **more: Any) -> Json:  # noqa: ANN401 - its arguments
    """Create a dataset."""
    return _plain(api.dataset.create(project, name, **more))


def datasets(api: sly.Api, project: int, **choice: Any) -> list[Json]:  # noqa: ANN401 - its arguments
    """Return datasets; `choice` are arguments of `get_list`."""
    return [one._asdict() for one in api.dataset.get_list(project, **choice)]


def dataset_tree(api: sly.Api, project: int) -> list[str]:
    """Return the paths of all datasets."""
    return ["/".join([*parents, one.name]) for parents, one in api.dataset.tree(project)]


def remove_dataset(api: sly.Api, dataset: int) -> None:
    """Take a dataset away."""
    api.dataset.remove(dataset)


# ---- images ---------------------------------------------------------------------------------------------


def upload_images(
    api: sly.Api,
    dataset: int,
    names: list[str],
    sources: list[str],
    by: str = "paths",
    **more: Any,  # noqa: ANN401
) -> list[Json]:
    """Add images by `paths`, `links` or `hashes`; `more` are arguments of the call."""
    if by == "paths":
        return _infos(api.image.upload_paths(dataset, names, sources, **more))
    if by == "links":
        return _infos(api.image.upload_links(dataset, names, sources, **more))
    return _infos(api.image.upload_hashes(dataset, names, sources, **more))


def copy_images(api: sly.Api, dataset: int, names: list[str], ids: list[int]) -> list[Json]:
    """Add images that are copies of others."""
    return _infos(api.image.upload_ids(dataset, names, ids))


def images(api: sly.Api, dataset: int, **choice: Any) -> list[Json]:  # noqa: ANN401 - its arguments
    """Return images; `choice` are arguments of `get_list`."""
    return _infos(api.image.get_list(dataset, **choice))


def images_by_token(api: sly.Api, dataset: int, batch: int) -> list[list[int]]:
    """Return the ids of images, batch by batch."""
    pages = api.image.get_list_generator(dataset, batch_size=batch)
    return [[one.id for one in page] for page in pages]


def image(api: sly.Api, image: int) -> Json | None:
    """Return an image, or None."""
    found = api.image.get_info_by_id(image)
    return None if found is None else found._asdict()


def edit_image(api: sly.Api, image: int, **changes: Any) -> Json:  # noqa: ANN401 - its arguments
    """Change what is told of an image."""
    return _plain(api.image.edit(image, **changes))


def remove_images(api: sly.Api, images: list[int]) -> None:
    """Take images away."""
    api.image.remove_batch(images)


def known_hashes(api: sly.Api, hashes: list[str]) -> list[str]:
    """Return those of the hashes that the server has."""
    found: list[str] = api.image.check_existing_hashes(hashes)
    return found


def downloaded(api: sly.Api, dataset: int, ids: list[int], folder: str, *, by: str) -> list[str]:
    """Download images `one` by one, in `bulk`, or `async`, and return the SHA-256 of each."""
    paths = [str(Path(folder) / f"{by}-{key}") for key in ids]
    if by == "one":
        for key, path in zip(ids, paths, strict=True):
            api.image.download_path(key, path)
    elif by == "bulk":
        api.image.download_paths(dataset, ids, paths)
    else:
        asyncio.run(api.image.download_paths_async(ids, paths))
    return [hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in paths]


def downloaded_part(api: sly.Api, image: int, start: int, end: int) -> str:
    """Download a range of bytes of an image, and return them in hex."""
    found: bytes = asyncio.run(api.image.download_bytes_single_async(image, range_start=start, range_end=end))
    return found.hex()


def tag_images(api: sly.Api, project: int, tag: int, ids: list[int], value: object = None) -> None:
    """Add a tag to images, in both ways that there are."""
    api.image.add_tag_batch(ids[:1], tag, value)
    entries = [{"tagId": tag, "entityId": key, "value": value} for key in ids[1:]]
    api.image.tag.add_to_entities_json(project, entries)


def _infos(found: Sequence[Any]) -> list[Json]:
    return [_plain(one) for one in found]


def _plain(info: Any) -> Json:  # noqa: ANN401 - a named tuple
    found: Json = info._asdict()
    return found


# ---- annotations ----------------------------------------------------------------------------------------


def write(
    api: sly.Api,
    project: int,
    annotations: Mapping[str, Json],
    by: str = "upload_anns",
    **more: Any,  # noqa: ANN401 - arguments of the call
) -> None:
    """Write annotations, by image id: their `size`, `labels` as in `sdk_labels`, `tags` and `description`."""
    found = sly.ProjectMeta.from_json(api.project.get_meta(project))
    ids = [int(key) for key in annotations]
    anns = [built(annotation, found) for annotation in annotations.values()]
    if by == "upload_anns_async":
        asyncio.run(api.annotation.upload_anns_async(ids, anns, log_progress=False, **more))
    elif by == "append_labels":
        for key, annotation in zip(ids, anns, strict=True):
            api.annotation.append_labels(key, annotation.labels, **more)
    else:
        api.annotation.upload_anns(ids, anns, **more)


def write_json(api: sly.Api, image: int, annotation: Json, **more: Any) -> None:  # noqa: ANN401 - its arguments
    """Write an annotation that is JSON in the form of the SDK's files."""
    api.annotation.upload_json(image, annotation, **more)


def read_json(api: sly.Api, image: int, *, custom: bool = False) -> Json:
    """Return an annotation as JSON in the form of the SDK's files."""
    found: Json = api.annotation.download_json(image, with_custom_data=custom)
    return found


def read(api: sly.Api, project: int, dataset: int, ids: list[int], by: str = "download_batch") -> list[Json]:
    """Read annotations `by` the name of a way, and tell them as in `sdk_labels`."""
    found = sly.ProjectMeta.from_json(api.project.get_meta(project))
    if by == "download":
        infos = [api.annotation.download(key) for key in ids]
    elif by == "get_list":
        infos = api.annotation.get_list(dataset)
    elif by == "download_batch_async":
        infos = asyncio.run(api.annotation.download_batch_async(dataset, ids))
    elif by == "download_bulk_async":
        infos = asyncio.run(api.annotation.download_bulk_async(dataset, ids))
    else:
        infos = api.annotation.download_batch(dataset, ids)
    annotations = [sly.Annotation.from_json(info.annotation, found) for info in infos]
    return [
        {
            "image": info.image_id,
            "description": one.img_description,
            "tags": [[tag.name, tag.value] for tag in one.img_tags],
            "labels": [told(label, one.img_size) for label in one.labels],
        }
        for info, one in zip(infos, annotations, strict=True)
    ]


def copy_annotations(api: sly.Api, sources: list[int], targets: list[int], *, on_server: bool) -> None:
    """Copy annotations of images to other images."""
    if on_server:
        api.annotation.copy_batch_by_ids(sources, targets)
    else:
        api.annotation.copy_batch(sources, targets)


# ---- single labels --------------------------------------------------------------------------------------


def figures(api: sly.Api, dataset: int, ids: list[int] | None = None) -> dict[str, list[Json]]:
    """Return the labels of images, by image id."""
    found = api.image.figure.download(dataset, ids)
    return {str(key): [one._asdict() for one in labels] for key, labels in found.items()}


def figure(api: sly.Api, project: int, figure: int, size: list[int]) -> Json:
    """Return one label."""
    found = sly.ProjectMeta.from_json(api.project.get_meta(project))
    return told(api.annotation.get_label_by_id(figure, found), tuple(size))


def edit_figure(api: sly.Api, project: int, figure: int, label: Json, size: list[int]) -> None:
    """Change a label to be as the one that is told."""
    found = sly.ProjectMeta.from_json(api.project.get_meta(project))
    (made,) = built({"size": size, "labels": [label]}, found).labels
    api.annotation.update_label(figure, made)
    api.annotation.update_label_priority(figure, 3)


def remove_figures(api: sly.Api, ids: list[int]) -> None:
    """Take labels away."""
    api.image.figure.remove_batch(ids)


# ---- exports on disk ------------------------------------------------------------------------------------


def download_export(api: sly.Api, project: int, folder: str) -> None:
    """Download a project into a folder, in the SDK's own way."""
    sly.download_project(api, project, folder, log_progress=False, save_image_meta=True)


def upload_export(api: sly.Api, workspace: int, folder: str, name: str) -> int:
    """Make a project of a folder, and return its id."""
    found, _ = sly.upload_project(folder, api, workspace, name, log_progress=False)
    return int(found)


def read_export(_: sly.Api, folder: str) -> dict[str, Json]:
    """Read an export from its folder, and tell of each image what is drawn on it, by dataset and name."""
    project = sly.Project(folder, sly.OpenMode.READ)
    told_of: dict[str, Json] = {}
    for dataset in project.datasets:
        for name in dataset.get_items_names():
            picture = Path(dataset.get_img_path(name))
            one = dataset.get_ann(name, project.meta)
            told_of[f"{dataset.name}/{name}"] = {
                "sha256": hashlib.sha256(picture.read_bytes()).hexdigest(),
                "description": one.img_description,
                "tags": [[tag.name, tag.value] for tag in one.img_tags],
                "labels": [told(label, one.img_size) for label in one.labels],
            }
    return told_of
