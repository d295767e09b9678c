"""The data units of the stand-in's project, made from label rows with names that are always the same."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid5

from pipeline.core.labels import LabelRow, MediaKind
from pipeline.errors import UsageError

NAMESPACE = UUID("5d0e6c0e-3f0d-5d6c-9c56-5a7b1c1f0f42")
DEFAULT_SIZE = 640
"""Width and height of a picture whose size the seed does not know."""
DEFAULT_FPS = 25.0

_KINDS = {
    MediaKind.IMAGE: "image",
    MediaKind.IMAGE_GROUP: "img_group",
    # An image sequence is a video made from its images.
    MediaKind.IMAGE_SEQUENCE: "video",
    MediaKind.VIDEO: "video",
}


def identity(*parts: str) -> str:
    """Return a hash in the form of a UUID, the same for the same parts."""
    return str(uuid5(NAMESPACE, "\x1f".join(parts)))


@dataclass(frozen=True, slots=True)
class Picture:
    """One data unit of a row: an image, one image of a group, or a whole video."""

    data_hash: str
    title: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Unit:
    """What one row of the project annotates. `kind` is Encord's name, in lower case."""

    data_hash: str
    title: str
    kind: str
    pictures: tuple[Picture, ...]
    frames: int
    fps: float | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def keyed_by_frame(self) -> bool:
        """Whether labels are kept by frame number; otherwise each picture has one flat set."""
        return self.kind not in {"image", "img_group"}


def units_of(rows: Sequence[LabelRow], kinds: Mapping[str, str]) -> Iterator[Unit]:
    """Give one unit per row. `kinds` overrides the kind of rows by title (`dicom`, `audio`, ...)."""
    seen: Counter[str] = Counter()
    for row in rows:
        title = row.title or row.key
        # Titles need not be unique in a project; the second row of a title is another data unit.
        name = title if not seen[title] else f"{title}\x1f{seen[title]}"
        seen[title] += 1
        kind = kinds.get(title) or _KINDS.get(row.media_kind)
        if kind is None:
            raise UsageError(
                f"seed row {title!r}: Encord's sandbox has no rows of kind {row.media_kind.value}"
            )
        data_hash = identity("data", name)
        yield Unit(
            data_hash,
            title,
            kind,
            tuple(_pictures(row, kind, data_hash, title)),
            frames=len(row.media) if kind == "img_group" else (row.frame_count or 1),
            fps=(row.fps or DEFAULT_FPS) if kind == "video" else None,
            metadata=row.metadata,
        )


def _pictures(row: LabelRow, kind: str, data_hash: str, title: str) -> Iterator[Picture]:
    media = row.media if kind == "img_group" else row.media[:1]
    for number, item in enumerate(media):
        group = kind == "img_group"
        yield Picture(
            identity("picture", data_hash, str(number)) if group else data_hash,
            (item.name or f"{title}/{number}") if group else title,
            item.width or DEFAULT_SIZE,
            item.height or DEFAULT_SIZE,
        )
