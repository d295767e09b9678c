"""The vendor's SDK on exports on disk: a program of its own. Tasks come in as JSON, answers go out.

Labels are told as in `sdk_labels`.
"""

import contextlib
import json
import sys
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import supervisely as sly

from tests.oracles.supervisely.sdk_labels import built, told

Json: TypeAlias = dict[str, Any]


def write(folder: str, meta: Json, datasets: Json, picture: str) -> None:
    """Write an export: by path of a dataset and name of an image, its annotation. All have one picture."""
    project = sly.Project(folder, sly.OpenMode.CREATE)
    found = sly.ProjectMeta.from_json(meta)
    project.set_meta(found)
    for path, images in datasets.items():
        name = path.rpartition("/")[2]
        dataset = project.create_dataset(name, ds_path=path.replace("/", "/datasets/"))
        for image, annotation in images.items():
            dataset.add_item_file(image, picture, ann=built(annotation, found))


def read(folder: str) -> Json:
    """Read an export: by path of a dataset and name of an image, what its annotation says."""
    project = sly.Project(folder, sly.OpenMode.READ)
    return {
        "meta": project.meta.to_json(),
        "datasets": {
            dataset.name: {name: _image(dataset, name, project.meta) for name in dataset}
            for dataset in project.datasets
        },
    }


def _image(dataset: sly.Dataset, name: str, meta: sly.ProjectMeta) -> Json:
    annotation = sly.Annotation.load_json_file(dataset.get_ann_path(name), meta)
    info = Path(dataset.get_img_info_path(name)).exists()
    return {
        "size": list(annotation.img_size),
        "description": annotation.img_description,
        "tags": [[tag.name, tag.value] for tag in annotation.img_tags],
        "labels": [told(label, annotation.img_size) for label in annotation.labels],
        "custom": annotation.custom_data,
        "picture": Path(dataset.get_img_path(name)).exists(),
        "hash": dataset.get_image_info(name).hash if info else None,
    }


def bitmaps(data: list[str]) -> list[list[list[int]]]:
    """Decode bitmaps: whether each pixel is inside, row by row."""
    return [sly.Bitmap.base64_2_data(one).astype(int).tolist() for one in data]


def encoded(arrays: list[list[list[int]]], *, alpha: bool) -> list[str]:
    """Encode pixels as bitmaps, or as alpha masks."""
    kind = sly.AlphaMask if alpha else sly.Bitmap
    return [kind.data_2_base64(_array(one, alpha=alpha)) for one in arrays]


def _array(rows: list[list[int]], *, alpha: bool) -> Any:  # noqa: ANN401 - an array
    return np.array(rows, np.uint8 if alpha else np.bool_)


def main() -> None:
    """Do the tasks of standard input, one a line."""
    sly.logger.disabled = True
    for line in sys.stdin:
        task = json.loads(line)
        with contextlib.redirect_stdout(sys.stderr):
            answer = globals()[task["command"]](**task["given"])
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
