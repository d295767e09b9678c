"""An image and the files of its masks, as a row."""

from collections.abc import Sequence

from pipeline.core.geometry import Shape
from pipeline.core.labels import LabelRow, Media, ObjectInstance, Occurrence
from pipeline.core.mask_pictures import mask_of_picture
from pipeline.core.masks import Mask, MaskError
from pipeline.core.ontology import ClassDef, Ontology
from pipeline.core.rows import RowKey
from pipeline.errors import RowError
from pipeline.platforms.masks.listing import ImageFile, Listing


def read_ontology(listing: Listing) -> Ontology:
    """Return a class for each that a mask is of."""
    return Ontology(tuple(ClassDef(name, Shape.MASK) for name in listing.classes))


def read_key(image: ImageFile, ordinal: int, mask_pixels: int) -> RowKey:
    """Return the key of an image's row: its path below the folder, which is its path for matching too."""
    return RowKey(
        image.name,
        ordinal,
        title_of(image),
        image.name,
        pairs=frozenset((mask.class_name, Shape.MASK) for mask in image.masks),
        labels=len(image.masks),
        mask_pixels=mask_pixels,
    )


def title_of(image: ImageFile) -> str:
    """Return the name of an image without its folders."""
    return image.name.rpartition("/")[2]


def read_mask(name: str, data: bytes, threshold: int | None) -> Mask:
    """Return the mask of a file's bytes, which may be empty. Raises RowError that names the file."""
    try:
        return mask_of_picture(data, threshold=threshold)
    except MaskError as error:
        raise RowError(f"mask {name}: {error}") from None


def read_row(
    image: ImageFile,
    size: tuple[int, int] | None,
    masks: Sequence[tuple[str, str, Mask]],
    *,
    skip_empty: bool,
) -> LabelRow:
    """Return the row of an image of (width, height) pixels and its masks: file, class and pixels of each.

    An object's id is the path of its file. Raises RowError for a mask of another size than the image, or
    without a pixel.
    """
    objects = []
    for name, class_name, mask in masks:
        size = size or (mask.width, mask.height)
        if (mask.width, mask.height) != size:
            turned = (mask.height, mask.width) == size
            raise RowError(
                f"mask {name} has {mask.width} x {mask.height} pixels (width x height), its image "
                f"{image.name} has {size[0]} x {size[1]}; is it of another image"
                + (", or does EXIF turn this one? Then store it turned" if turned else "?")
            )
        if mask.toggles.size:
            objects.append(ObjectInstance(name, class_name, {0: Occurrence(mask)}))
        elif not skip_empty:
            raise RowError(f"mask {name} has no pixel; remove the file, or set `empty: skip`")
    width, height = size or (None, None)
    media = Media(title_of(image), path=image.name, width=width, height=height)
    return LabelRow(image.name, title_of(image), media=(media,), objects=tuple(objects))
