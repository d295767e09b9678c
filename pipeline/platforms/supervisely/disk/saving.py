"""The files of one image in an export."""

from collections.abc import Iterable
from pathlib import Path

from pipeline.core.headers import image_size
from pipeline.errors import RowError
from pipeline.io.parts import write_beside
from pipeline.platforms.supervisely.disk.files import info_of, make_folder, written
from pipeline.platforms.supervisely.disk.layout import ANN, IMG, INFO, MORE, UNMEASURED, Item, folder_of
from pipeline.platforms.supervisely.wire import Image


def make_folders(root: Path, datasets: Iterable[str]) -> None:
    """Make the folders of datasets and of those around them: the vendor's tools expect them, if empty."""
    for dataset in dict.fromkeys(datasets):
        names = dataset.split("/")
        for end in range(1, len(names) + 1):
            folder = folder_of(root, "/".join(names[:end]))
            for inner in (ANN, IMG):
                make_folder(folder / inner)


def files_of(root: Path, item: Item, image: Image, annotation: bytes) -> dict[Path, bytes]:
    """Return the files of an image by their path, but its picture."""
    folder = folder_of(root, item.dataset)
    name = item.annotation or f"{item.name}.json"
    files = {folder / ANN / name: annotation}
    if image.meta:
        files[folder / MORE / name] = written(image.meta)
    info = info_of(image)
    if info is not None and not (folder / INFO / name).exists():
        files[folder / INFO / name] = written(info)
    return files


def picture_of(root: Path, item: Item) -> Path:
    """Return where the picture of an image is kept."""
    return folder_of(root, item.dataset) / IMG / item.name


def size_of(item: Item, data: bytes) -> tuple[int, int] | None:
    """Return (width, height) of a picture, or None for one of a format without a known header.

    Raises RowError for what is no picture, or not the beginning of one.
    """
    size = image_size(data)
    if size is None and not item.name.lower().endswith(UNMEASURED):
        raise RowError(
            f"its picture {item.name} cannot be read: found no size in it, expected a whole picture"
        )
    return size


def lay_beside(root: Path, item: Item, data: bytes) -> None:
    """Write a picture that gets its name later: without an annotation it would spoil the dataset."""
    make_folders(root, [item.dataset])
    write_beside(picture_of(root, item), [data])
