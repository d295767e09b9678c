"""Which files there are: images, and the masks of each."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.platforms.masks.settings import Settings
from pipeline.platforms.masks.wire import PICTURES, Pattern

_NAMED = 3
_ENDINGS = tuple(PICTURES)
_DIGITS = re.compile(r"([0-9]+)")


@dataclass(frozen=True, slots=True)
class MaskFile:
    """A file with one mask. `name` is its path below the folder of masks, with `/` between folders."""

    name: str
    class_name: str


@dataclass(frozen=True, slots=True)
class ImageFile:
    """An image with its masks, by their names; numbers in them count as numbers."""

    name: str
    masks: tuple[MaskFile, ...]


@dataclass(frozen=True, slots=True)
class Listing:
    """All images, by name; the classes that are met; and pictures among the masks that no pattern fits."""

    images: tuple[ImageFile, ...]
    classes: tuple[str, ...]
    unread: int


def listed(settings: Settings) -> Listing:
    """Look at the folders. Raises UsageError for no folder, no mask, and masks of no image."""
    folder, masks = settings.pictures.absolute(), settings.mask_folder.absolute()
    pattern = Pattern(settings.pattern)
    candidates = list(_pictures(masks))
    fitting = [name for name in candidates if pattern.fits(name)]
    taken = {masks / name for name in fitting}
    inside = folder != masks and masks.is_relative_to(folder)
    if inside:
        taken |= {masks / name for name in candidates}
    images = [name for name in _pictures(folder) if folder / name not in taken]
    if not images:
        raise UsageError(_no_image(settings, len(fitting)))
    if not fitting:
        # Rows without a label would take those away that the target has.
        raise UsageError(
            f"the pattern {settings.pattern!r} fits none of the {len(candidates)} pictures in "
            f"{settings.mask_folder}; correct it, or `masks`, the folder that it starts from"
        )
    by_image = _by_image(settings, pattern, images, fitting)
    others = {folder / name for name in images}
    return Listing(
        tuple(ImageFile(name, tuple(by_image.get(name, ()))) for name in images),
        tuple(sorted({mask.class_name for found in by_image.values() for mask in found})),
        sum(masks / name not in others for name in candidates) - len(fitting),
    )


def _by_image(
    settings: Settings, pattern: Pattern, images: Sequence[str], masks: Sequence[str]
) -> dict[str, list[MaskFile]]:
    known = _names(images) if "image" in pattern.names else {}
    if not known and len(images) > 1 and masks:
        raise UsageError(
            f"{settings.path} has {len(images)} images ({', '.join(images[:_NAMED])} ...) and the pattern "
            f"{settings.pattern!r} does not say which one a mask is of; add {{image}} to it"
        )
    found: dict[str, list[MaskFile]] = {}
    stray: list[str] = []
    for mask in masks:
        named = pattern.read(mask, known)
        owners = tuple(images) if named.image is None else known.get(named.image, ())
        if len(owners) > 1:
            raise UsageError(f"mask {mask} could be of {' or of '.join(owners[:_NAMED])}; rename one of them")
        if not owners:
            stray.append(mask)
            continue
        class_name = settings.class_name or named.class_name or ""
        found.setdefault(owners[0], []).append(MaskFile(mask, class_name))
    if stray:
        more = f" and {len(stray) - _NAMED} more" if len(stray) > _NAMED else ""
        raise UsageError(
            f"there is no image for {', '.join(stray[:_NAMED])}{more}: the pattern {settings.pattern!r} "
            "takes them for masks; change it, put masks into a folder of their own (`masks`), or add images"
        )
    return found


def _names(images: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return what a mask may call each image: its path or its name, with or without the ending."""
    known: dict[str, tuple[str, ...]] = {}
    # A whole path is what it says, whatever else is called the same in another folder.
    for image in images:
        known[image] = (image,)
    for short in (_without_ending, _last, lambda image: _last(_without_ending(image))):
        new: dict[str, tuple[str, ...]] = {}
        for image in images:
            name = short(image)
            new[name] = (*new.get(name, ()), image)
        known = new | known
    return known


def _without_ending(image: str) -> str:
    return image[: image.rindex(".")]


def _last(image: str) -> str:
    return image.rpartition("/")[2]


def _pictures(folder: Path) -> Iterator[str]:
    """Give the path of every picture below a folder, as people count. What is hidden is not looked at."""
    try:
        yield from sorted(_walked(folder), key=_counted)
    except OSError as error:
        raise UsageError(f"cannot read the folder {error.filename or folder}: {error.strerror}") from error


def _walked(folder: Path) -> Iterator[str]:
    waiting = [""]
    while waiting:
        inner = waiting.pop()
        with os.scandir(folder / inner) as found:
            for entry in found:
                if entry.name.startswith("."):
                    continue
                if not entry.name.isprintable():
                    raise UsageError(f"{folder / inner} has a file with the name {entry.name!a}; rename it")
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(f"{inner}{entry.name}/")
                # A link that leads nowhere too: reading it says so, where leaving it out would lose a mask.
                elif entry.name.lower().endswith(_ENDINGS):
                    yield f"{inner}{entry.name}"


def _counted(name: str) -> tuple[list[tuple[str, int]], str]:
    pieces = _DIGITS.split(name)
    numbers = [int(piece) for piece in pieces[1::2]]
    return list(zip(pieces[::2], [*numbers, -1], strict=True)), name


def _no_image(settings: Settings, masks: int) -> str:
    if masks:
        return (
            f"{settings.path} has no image: the pattern {settings.pattern!r} takes all {masks} pictures for "
            "masks; change it, or put masks into a folder of their own (`masks`)"
        )
    return f"{settings.path} has no image ({', '.join(sorted(PICTURES))})"
