"""COCO's part of a job file."""

from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

OWN_KEYS = frozenset(
    {
        "id", "image_id", "category_id", "segmentation", "bbox", "keypoints", "num_keypoints", "area",
        "iscrowd", "score", "attributes",
    }
)  # fmt: skip
"""Keys of an annotation that mean something else."""


class Wanted(StrEnum):
    """Which geometry of an annotation becomes an object."""

    ALL = "all"
    SEGMENTATION = "segmentation"
    BOX = "box"
    KEYPOINTS = "keypoints"


class Style(StrEnum):
    """What kind of file is written."""

    INSTANCES = "instances"
    RESULTS = "results"


class Settings(BaseModel):
    """Which files, and how they are read and written."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    platform: Literal["coco"] = "coco"
    annotations: Path | tuple[Path, ...] = Field(union_mode="left_to_right")
    """The file to read or write. Several results files may be read together."""
    images: Path | None = None
    """For results files: an instances file that gives images and categories, or another results file whose
    masks give the sizes."""
    folder: Path | None = None
    """As a source: where the pictures are that `file_name` names, for targets that copy them."""
    geometry: Wanted = Wanted.ALL
    """As a source: which geometry of an annotation is read."""
    style: Style = Style.INSTANCES
    """As a target: a whole instances file, or a results file (a list of detections)."""
    group_field: str | None = Field(default=None, min_length=1)
    """A key of annotations that holds groups: those of an image with the same value belong together."""

    @field_validator("group_field")
    @classmethod
    def _is_free(cls, value: str | None) -> str | None:
        if value in OWN_KEYS:
            raise ValueError(f"{value!r} is a key of COCO itself; choose another, such as group_id")
        return value

    @property
    def pictures(self) -> Path | None:
        """The folder of the pictures, if it is known."""
        return None if self.folder is None else self.folder.expanduser()

    @property
    def files(self) -> tuple[Path, ...]:
        """The annotation files, in order."""
        paths = self.annotations if isinstance(self.annotations, tuple) else (self.annotations,)
        return tuple(path.expanduser() for path in paths)
