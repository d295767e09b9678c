"""The part of a job file of a folder of masks."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from pipeline.platforms.masks.wire import Pattern


class Settings(BaseModel):
    """A folder of images, and files with one mask each."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    platform: Literal["masks"] = "masks"
    path: Path = Field(description="The folder of the images; those in folders below it too.")
    masks: Path | None = Field(
        default=None, description="The folder of the masks; without it, that of the images."
    )
    pattern: str = Field(
        default="{image}/{class}_{n}.png",
        description="The paths of the masks below their folder; without `{image}`, of the only image.",
    )
    class_name: str | None = Field(
        default=None, min_length=1, description="The class of every mask, where the pattern has no `{class}`."
    )
    threshold: int | None = Field(
        default=None,
        ge=1,
        lt=1 << 16,
        description="The least value of a pixel inside; without it, a mask has two values, and one is 0.",
    )
    empty: Literal["reject", "skip"] = Field(
        default="reject",
        description="What becomes of a mask without a pixel: it rejects its row, or is left out.",
    )

    @field_validator("pattern")
    @classmethod
    def _check_pattern(cls, value: str) -> str:
        Pattern(value)
        return value

    @model_validator(mode="after")
    def _check_class(self) -> "Settings":
        if self.class_name is None and "class" not in Pattern(self.pattern).names:
            raise ValueError(
                f"pattern {self.pattern!r} has no {{class}}; add it, or `class_name`, the class of every mask"
            )
        return self

    @property
    def pictures(self) -> Path:
        """The folder of the images."""
        return self.path.expanduser()

    @property
    def mask_folder(self) -> Path:
        """The folder that the pattern starts from."""
        return self.pictures if self.masks is None else self.masks.expanduser()
