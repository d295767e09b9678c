"""COCO's part of a job file."""

from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


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

    @property
    def pictures(self) -> Path | None:
        """The folder of the pictures, if it is known."""
        return None if self.folder is None else self.folder.expanduser()

    @property
    def files(self) -> tuple[Path, ...]:
        """The annotation files, in order."""
        paths = self.annotations if isinstance(self.annotations, tuple) else (self.annotations,)
        return tuple(path.expanduser() for path in paths)
