"""What a target cannot hold: features, losses and notes."""

from dataclasses import dataclass
from enum import StrEnum

from pipeline.core.geometry import Shape


class LossKind(StrEnum):
    """The names that a job lists under `allow_losses`."""

    SHAPE = "shape"
    HOLES = "holes"
    PARTS = "parts"
    ROTATION = "rotation"
    VISIBILITY = "visibility"
    ATTRIBUTE = "attribute"
    CLASSIFICATION = "classification"
    GROUP = "group"
    RELATION = "relation"
    TRACK = "track"
    KEYFRAME = "keyframe"
    FRAMES = "frames"
    CONFIDENCE = "confidence"
    PRECISION = "precision"
    OVERLAP = "overlap"


@dataclass(frozen=True, slots=True)
class Loss:
    """Something of a row that the target would not hold. `object` is None for the row itself."""

    row: str
    object: str | None
    what: LossKind
    why: str


@dataclass(frozen=True, slots=True)
class Note:
    """Something that a target sets itself (an id, an author, a time, an area): said, never a loss."""

    row: str
    object: str | None
    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Features:
    """What a platform can hold. `mask_codec` names the codec that its masks travel in, if it has masks."""

    shapes: frozenset[Shape]
    mask_codec: str | None = None
    holes: bool = True
    parts: bool = True
    frames: bool = True
    attributes: bool = True
    dynamic: bool = True
    classifications: bool = True
    groups: bool = False
    relations: bool = False
    tracks: bool = True
    keyframes: bool = False
    confidence: bool = True
    row_details: bool = False
    """Whether status, priority, score and metadata of a row are held; where not, that is a note."""
    creates: bool = False
    """Whether rows can be created with their pictures, from URLs or from the bytes. In a file rows come into
    being anyhow, and pictures stay where they are."""
    writes: bool = True
    """Whether there is a target side. Without one, the platform holds what its source gives."""
