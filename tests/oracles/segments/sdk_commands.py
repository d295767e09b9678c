"""What the SDK can be asked for, as its user would do it. Arguments and answers are JSON.

An array is a nested list, or the path of a .npy file. A model that the SDK returns is told as its own JSON.
"""

import json
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import mkstemp
from typing import Any, TypeAlias

import numpy as np
from pydantic import BaseModel
from segments import SegmentsClient, SegmentsDataset
from segments.utils import bitmap2file, load_label_bitmap_from_url, load_release

Json: TypeAlias = dict[str, Any]
Ids: TypeAlias = str | Sequence[Sequence[int]]
"""A picture of object ids: the path of a .npy file, or rows of numbers."""


# ---- datasets and labelsets ---------------------------------------------------------------------------


def create_dataset(client: SegmentsClient, name: str, task_type: str, **more: object) -> Json:
    """Create a dataset; `more` are arguments of `add_dataset`, such as `task_attributes`."""
    return _told(client.add_dataset(name, task_type=task_type, **more))


def get_dataset(client: SegmentsClient, dataset: str) -> Json:
    """Return a dataset."""
    return _told(client.get_dataset(dataset))


def datasets(client: SegmentsClient, user: str | None = None) -> list[Json]:
    """Return all datasets of a user."""
    return [_told(one) for one in client.get_datasets(user)]


def update_dataset(client: SegmentsClient, dataset: str, **changes: object) -> Json:
    """Change a dataset."""
    return _told(client.update_dataset(dataset, **changes))


def clone_dataset(client: SegmentsClient, dataset: str, **more: object) -> Json:
    """Clone a dataset."""
    return _told(client.clone_dataset(dataset, **more))


def delete_dataset(client: SegmentsClient, dataset: str) -> None:
    """Delete a dataset."""
    client.delete_dataset(dataset)


def add_labelset(client: SegmentsClient, dataset: str, name: str, description: str = "") -> Json:
    """Create a labelset."""
    return _told(client.add_labelset(dataset, name, description))


def labelsets(client: SegmentsClient, dataset: str) -> list[Json]:
    """Return the labelsets of a dataset, each asked for by itself as well."""
    found = client.get_labelsets(dataset)
    assert [client.get_labelset(dataset, one.name) for one in found] == found
    return [_told(one) for one in found]


def delete_labelset(client: SegmentsClient, dataset: str, name: str) -> None:
    """Delete a labelset."""
    client.delete_labelset(dataset, name)


def user(client: SegmentsClient, name: str | None = None) -> Json:
    """Return a user."""
    return _told(client.get_user(name))


# ---- samples ------------------------------------------------------------------------------------------


def add_samples(
    client: SegmentsClient, dataset: str, samples: list[Json], *, bulk: bool = True
) -> list[Json]:
    """Create samples, in one request or one by one."""
    if bulk:
        return [_told(one) for one in client.add_samples(dataset, samples)]
    return [_told(client.add_sample(dataset, **sample)) for sample in samples]


def samples(client: SegmentsClient, dataset: str, **choice: object) -> list[Json]:
    """Return samples; `choice` are arguments of `get_samples`."""
    return [_told(one) for one in client.get_samples(dataset, **choice)]


def get_sample(client: SegmentsClient, uuid: str, **choice: object) -> Json:
    """Return a sample."""
    return _told(client.get_sample(uuid, **choice))


def update_sample(client: SegmentsClient, uuid: str, **changes: object) -> Json:
    """Change a sample."""
    return _told(client.update_sample(uuid, **changes))


def delete_samples(client: SegmentsClient, dataset: str, uuids: list[str]) -> int:
    """Delete samples: one by itself, several in one request."""
    if len(uuids) == 1:
        client.delete_sample(uuids[0])
        return 1
    return int(client.delete_samples(dataset, uuids).deleted_count)


# ---- labels -------------------------------------------------------------------------------------------


def write_label(
    client: SegmentsClient, sample: str, attributes: Json, labelset: str = "ground-truth", **more: object
) -> Json:
    """Write a label; `more` are arguments of `add_label`, such as `label_status` and `score`."""
    return _told(client.add_label(sample, labelset, attributes, **more))


def update_label(
    client: SegmentsClient, sample: str, labelset: str = "ground-truth", **changes: object
) -> Json:
    """Change a label."""
    return _told(client.update_label(sample, labelset, **changes))


def delete_label(client: SegmentsClient, sample: str, labelset: str = "ground-truth") -> None:
    """Delete a label."""
    client.delete_label(sample, labelset)


def read_label(client: SegmentsClient, sample: str, labelset: str = "ground-truth") -> Json:
    """Return a label."""
    return _told(client.get_label(sample, labelset))


def read_all(client: SegmentsClient, dataset: str, labelset: str = "ground-truth") -> dict[str, Json | None]:
    """Return the labels of all samples by the samples' names."""
    found: dict[str, Json | None] = {}
    for page in _pages(client, dataset, labelset):
        found |= {one.name: one.label and _told(one.label) for one in page}
    return found


def _pages(client: SegmentsClient, dataset: str, labelset: str) -> Iterator[list[Any]]:
    """Give all pages: the SDK itself gives the one that it is asked for."""
    left, page = int(client.get_dataset(dataset).samples_count), 1
    while left > 0:
        found = client.get_samples(dataset, labelset=labelset, include_full_label=True, page=page)
        yield found
        left -= len(found)
        page += 1


# ---- bitmaps ------------------------------------------------------------------------------------------


def upload(client: SegmentsClient, path: str, filename: str = "label.png") -> str:
    """Upload a file, and return its URL."""
    with Path(path).open("rb") as file:
        return str(client.upload_asset(file, filename).url)


def write_bitmap(
    client: SegmentsClient,
    sample: str,
    ids: Ids,
    annotations: list[Json],
    labelset: str = "ground-truth",
    **more: object,
) -> Json:
    """Upload a bitmap as the vendor's guide does it, and write the label that names it."""
    asset = client.upload_asset(bitmap2file(_array(ids)), "label.png")
    attributes = {
        "format_version": "0.1",
        "annotations": annotations,
        "segmentation_bitmap": {"url": asset.url},
    }
    return write_label(client, sample, attributes, labelset, **more)


def write_bitmaps(
    client: SegmentsClient, sample: str, frames: list[Json], labelset: str = "ground-truth", **more: object
) -> Json:
    """Write the label of an image sequence; each frame has `ids` (or none) and `annotations`."""
    written = []
    for frame in frames:
        ids = frame.get("ids")
        bitmap = None if ids is None else {"url": client.upload_asset(bitmap2file(_array(ids))).url}
        part = {"format_version": "0.1", "annotations": frame["annotations"]}
        written.append({**part, "segmentation_bitmap": bitmap})
    return write_label(client, sample, {"format_version": "0.1", "frames": written}, labelset, **more)


def bitmap(_: SegmentsClient, url: str) -> str:
    """Load a bitmap, and return the path of a .npy file with its ids."""
    return _saved(load_label_bitmap_from_url(url))


def decode_png(client: SegmentsClient, path: str) -> str:
    """Load the bitmap of a file as the SDK loads one from the service; return the path of a .npy file."""
    with _published(Path(path).read_bytes()) as url:
        return bitmap(client, url)


def encode_png(_: SegmentsClient, ids: Ids, path: str) -> None:
    """Write the bitmap that the SDK would upload into a file."""
    Path(path).write_bytes(bitmap2file(_array(ids)).getvalue())


# ---- releases -----------------------------------------------------------------------------------------


def release(client: SegmentsClient, dataset: str, name: str = "v1") -> Json:
    """Make a release, wait for it, and return its file."""
    found: Json = load_release(_made(client, dataset, name))
    return found


def releases(client: SegmentsClient, dataset: str) -> list[Json]:
    """Return the releases of a dataset."""
    return [_told(one) for one in client.get_releases(dataset)]


def delete_release(client: SegmentsClient, dataset: str, name: str) -> None:
    """Delete a release."""
    client.delete_release(dataset, name)


def items(
    client: SegmentsClient, dataset: str, name: str = "v1", labelset: str = "ground-truth"
) -> list[Json]:
    """Make a release, and return what `SegmentsDataset` gives of each sample.

    A picture is told by its width and height, a bitmap by the path of a .npy file.
    """
    found = SegmentsDataset(_made(client, dataset, name), labelset, segments_dir=None)
    return [_item(one) for one in found]


def _item(item: Json) -> Json:
    told = dict(item)
    if (image := told.get("image")) is not None:
        told["image"] = list(image.size)
    if (ids := told.get("segmentation_bitmap")) is not None:
        told["segmentation_bitmap"] = _saved(ids)
    return told


def _made(client: SegmentsClient, dataset: str, name: str) -> Any:  # noqa: ANN401 - the SDK's Release
    made = client.add_release(dataset, name)
    assert (made.status, made.attributes.url) == ("PENDING", None)
    while made.status == "PENDING":
        time.sleep(0.01)
        made = client.get_release(dataset, name)
    return made


# ---- JSON, arrays and files ---------------------------------------------------------------------------


def _told(model: Any) -> Json:  # noqa: ANN401 - a model, or the JSON that the SDK gives in place of one
    if isinstance(model, BaseModel):
        found: Json = json.loads(model.model_dump_json(exclude_unset=True))
        return found
    assert isinstance(model, Mapping)
    return dict(model)


def _array(ids: Ids) -> Any:  # noqa: ANN401 - an array
    return np.load(ids) if isinstance(ids, str) else np.array(ids, np.uint32)


def _saved(ids: Any) -> str:  # noqa: ANN401 - an array
    handle, path = mkstemp(suffix=".npy", prefix="labelferry-sdk-")
    os.close(handle)
    np.save(path, ids)
    return path


@contextmanager
def _published(data: bytes) -> Iterator[str]:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/label.png"
        server.shutdown()
