"""Supervisely's part of a job file."""

import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from pipeline.io.service_address import leaves_unencrypted, service_address

SERVICE = "https://app.supervisely.com"
"""Where the vendor's own service is; many customers run their own."""
ONLINE = ("project", "workspace", "url", "api_token")
"""What has no meaning for an export on disk."""


def _service() -> str:
    return os.environ.get("SERVER_ADDRESS", "").strip() or SERVICE


class Settings(BaseModel):
    """A project, or one dataset of it, and the token for it; or an export of a project on disk.

    Without an address or a token here, `SERVER_ADDRESS` and `API_TOKEN` are used.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    project: int | str | None = Field(
        None, description="The project's id, or its name (then `workspace` is needed)."
    )
    workspace: int | None = Field(None, ge=1, description="The id of the workspace that the project is in.")
    dataset: str | None = Field(
        None,
        description="One dataset, as NAME or, nested, NAME/NAME; without it all of the project, and as a "
        "target those that the rows came from.",
    )
    create: bool = Field(
        default=False,
        description="As a target: create the project, datasets, classes and tags that are not there.",
    )
    if_taken: Literal["new-name", "use", "fail"] = Field(
        "fail",
        description="If there is a project of that name already: create one named NAME_001, use it, or fail.",
    )
    if_image_taken: Literal["fail", "new-name", "use"] = Field(
        "fail",
        description="If a new image's name is taken: reject the row, name it NAME_001, or use that image.",
    )
    url: str = Field(
        default_factory=_service,
        validate_default=True,
        description="The address of the server; a path in it is kept. `SERVER_ADDRESS` is used without it.",
    )
    api_token: SecretStr | None = Field(
        None, description="The API token of the account. `API_TOKEN` is used without it."
    )
    folder: Path | None = Field(None, description="An export on disk, instead of a project on a server.")
    confidence_tag: str | None = Field(
        None, min_length=1, description="A number tag that holds the confidence of an object."
    )
    polygons: Literal["polygon", "multipolygon", "any"] = Field(
        "polygon",
        description="As a target: a new class of polygons takes one part each, several, or any shape.",
    )
    read_unlabelled: bool = Field(
        default=True,
        description="As a target, with `mode: replace`: read images that, by their list, have no label, tag "
        "or description. False writes them unread; custom data that one has all the same is replaced.",
    )
    insecure: bool = Field(default=False, description="Allow http, so that labels travel unencrypted.")

    @field_validator("project")
    @classmethod
    def _check_project(cls, value: int | str | None) -> int | str | None:
        if value is not None and (value < 1 if isinstance(value, int) else not value.strip()):
            raise ValueError(f"found {value!r}, expected the id of a project, or its name")
        return value

    @field_validator("dataset")
    @classmethod
    def _check_dataset(cls, value: str | None) -> str | None:
        if value is not None and not all(part.strip() for part in value.split("/")):
            raise ValueError(
                f"found {value!r}, expected the name of a dataset, or nested names as in day/front"
            )
        return value

    @field_validator("url")
    @classmethod
    def _check_url(cls, value: str) -> str:
        # The vendor's own tools take an address without its scheme too.
        return service_address(value if "://" in value else f"https://{value}", SERVICE)

    @model_validator(mode="after")
    def _check_whole(self) -> "Settings":
        if self.folder is not None:
            if given := [name for name in ONLINE if name in self.model_fields_set]:
                raise ValueError(
                    f"folder and {' and '.join(given)} are given, and an export on disk has no server; take "
                    f"folder {str(self.folder)!r} out, or the others (an address that names a project by its "
                    "name begins with supervisely:?project=NAME&workspace=ID)"
                )
            return self
        if self.project is None:
            raise ValueError(
                "neither project nor folder is given; name the project, or the folder of an export"
            )
        if isinstance(self.project, str) and self.workspace is None:
            text = (
                f"project {self.project!r} is a name; add `workspace`, the id of the workspace that it is in"
            )
            raise ValueError(text)
        if not self.insecure and leaves_unencrypted(self.url):
            raise ValueError("url: http is not encrypted; use https, or `insecure: true` in a closed network")
        return self
