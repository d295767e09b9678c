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
