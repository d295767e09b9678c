"""The archive's part of a job file."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """Where the archive is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    platform: Literal["archive"] = "archive"
    path: Path
    """The folder; relative to the working folder."""
    folder: Path | None = None
    """As a source: where the pictures are that `path` of a row's media names, for targets that copy them."""

    @property
    def pictures(self) -> Path | None:
        """The folder of the pictures, if it is known."""
        return None if self.folder is None else self.folder.expanduser()
