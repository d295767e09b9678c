"""Where the files of an export are, and which there are.

    meta.json                               classes and tags
    DATASET/ann/IMAGE.json                  the annotation of an image
    DATASET/img/IMAGE                       its picture, which may be missing
    DATASET/img_info/IMAGE.json             what a server said of it: hash, link, size (may be missing)
    DATASET/meta/IMAGE.json                 its metadata (may be missing)
    DATASET/datasets/NESTED/...             a dataset within a dataset

IMAGE is the image's name with its ending; in old exports an annotation is named without it. Source: the
supervisely SDK 6.74, `Project` and `Dataset`.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.errors import RowError, UsageError

META: Final = "meta.json"
ANN, IMG, INFO, MORE, NESTED = "ann", "img", "img_info", "meta", "datasets"
RESERVED: Final = frozenset({ANN, IMG, INFO, MORE, NESTED, "seg", "blob"})
"""Folders that are no datasets."""
PICTURES: Final = (".jpg", ".jpeg", ".mpo", ".bmp", ".png", ".webp", ".tif", ".tiff", ".nrrd")
"""The endings of pictures, in lower case."""
UNMEASURED: Final = ".nrrd"
"""The ending of those among them whose size their first bytes do not tell here."""
LONGEST: Final = 230
"""Bytes of a name: what is written beside a file until it is whole has a longer one, of 255 at most."""


@dataclass(frozen=True, slots=True)
class Item:
    """One image. `annotation` is the name of its file, if there is one; `fault` says what is wrong."""

    dataset: str
    name: str
    annotation: str | None
    picture: bool = False
    fault: str | None = None

    @property
    def path(self) -> str:
        """The path of its dataset and its name."""
        return f"{self.dataset}/{self.name}"


def folder_of(root: Path, dataset: str) -> Path:
    """Return the folder of a dataset, whose nested names are joined by `/`."""
    first, *rest = dataset.split("/")
    folder = root / first
    for name in rest:
        folder = folder / NESTED / name
    return folder


def check_names(dataset: str, name: str) -> None:
    """Raise RowError where a dataset or an image is called what no folder or file may be called here."""
    for part in (*dataset.split("/"), name):
        bad = not part.strip() or part.startswith(".") or not part.isprintable() or {"/", "\\"} & set(part)
        check_length(part)
        if bad:
            raise RowError(f"{part!r} can be the name of no file in an export; rename it")
    for part in dataset.split("/"):
        if part in RESERVED:
            raise RowError(f"a dataset in an export cannot be called {part!r}; rename it, or set `dataset`")


def check_length(name: str) -> None:
    """Raise RowError for a name that is too long for a file to be written under it."""
    length = len(name.encode("utf-8", "replace"))
    if length > LONGEST:
        raise RowError(f"the name {name:.40}... has {length} bytes, expected at most {LONGEST}; rename it")


def items(root: Path, wanted: str | None = None) -> Iterator[Item]:
    """Give the images of all datasets, or of one, in the order of their names. Raises UsageError."""
    datasets = sorted(_datasets(root))
    if wanted is not None and wanted not in datasets:
        known = ", ".join(datasets[:12]) or "none"
        raise UsageError(f"the export {root} has no dataset {wanted!r} (its datasets: {known})")
    for dataset in datasets:
        if wanted in (None, dataset):
            yield from _items(folder_of(root, dataset), dataset)


def _datasets(root: Path) -> Iterator[str]:
    waiting = [(root, "")]
    while waiting:
        folder, above = waiting.pop()
        for name in _names(folder, _is_folder):
            if name in RESERVED and not (name == NESTED and above):
                continue
            inner = folder / name
            if name == NESTED:
                waiting += [(inner / one, f"{above}/{one}") for one in _names(inner, _is_folder)]
            elif not above:
                waiting.append((inner, name))
        if above and (folder / ANN).is_dir():
            yield above


def _items(folder: Path, dataset: str) -> Iterator[Item]:
    # Whatever is called as an annotation is kept, a link that leads nowhere and a folder too: reading it says
    # what is wrong, where leaving it out would lose labels.
    annotations = {name for name in _names(folder / ANN, _is_any) if name.endswith(".json")}
    pictures = [name for name in _names(folder / IMG, _is_file) if name.lower().endswith(PICTURES)]
    named = {name: _annotation(name, annotations) for name in pictures}
    uses = Counter(found for found in named.values() if found is not None)
    found = [
        Item(dataset, name, own, picture=True, fault=_fault(own, uses[own]) if own else None)
        for name, own in named.items()
    ]
    found += [Item(dataset, one.removesuffix(".json"), one) for one in annotations if one not in uses]
    yield from sorted(map(_readable, found), key=lambda item: item.name)


def _readable(item: Item) -> Item:
    """The image, or a faulty one under a name that can be told, where its bytes are no text."""
    dataset, name = (part.encode("utf-8", "backslashreplace").decode() for part in (item.dataset, item.name))
    if (dataset, name) == (item.dataset, item.name):
        return item
    return Item(dataset, name, None, fault="its name is no text in UTF-8; rename it")


def _annotation(name: str, there: set[str]) -> str | None:
    for own in (f"{name}.json", f"{name[: name.rindex('.')]}.json"):
        if own in there:
            return own
    return None


def _fault(annotation: str, uses: int) -> str | None:
    if uses == 1:
        return None
    return f"annotation {annotation} could be of {uses} pictures; name it for one of them, ending included"


def _names(folder: Path, wanted: Callable[["os.DirEntry[str]"], bool]) -> list[str]:
    """Return the wanted names in a folder that is there, but hidden ones."""
    try:
        with os.scandir(folder) as found:
            return [entry.name for entry in found if not entry.name.startswith(".") and wanted(entry)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UsageError(f"cannot read the folder {folder}: {error.strerror}") from error


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _is_any(_: "os.DirEntry[str]") -> bool:
    return True


def _is_file(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False
