"""Segments.ai's part of a job file."""

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from pipeline.core.instances import OnTop
from pipeline.io.service_address import leaves_unencrypted, service_address
from pipeline.platforms.segments.convert.kinds import KINDS
from pipeline.platforms.segments.wire import LABELSET, STATUSES

SERVICE = "https://api.segments.ai"
"""Where the service is."""


class Settings(BaseModel):
    """One labelset of one dataset, and the key for it. Without a key here, `SEGMENTS_API_KEY` is used."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: str = Field(description="The dataset, as OWNER/NAME.")
    labelset: str = Field(LABELSET, min_length=1, description="The layer of labels to read or write.")
    url: str = Field(SERVICE, description="The address of the API; a path in it is kept.")
    api_key: SecretStr | None = Field(None, description="The API key of the account.")
    create: bool = Field(
        default=False, description="As a target: create the dataset, from the ontology of the source."
    )
    task_type: str | None = Field(
        None, description="The type of a dataset that is created; without it, that which holds the ontology."
    )
    label_status: str | None = Field(
        None, description="The status of every label written; without it, that of the row or PRELABELED."
    )
    on_top: OnTop = Field(OnTop.LAST, description="Of masks that overlap in a bitmap: which one is on top.")
    groups: Literal["links"] | None = Field(
        None, description="`links`: objects that links connect are a group, and groups become links."
    )
    group_attribute: str | None = Field(
        None, description="A text attribute that holds the group of an object, instead of links."
    )
    release: str | None = Field(
        None, description="As a source: read this release instead of the dataset as it is now."
    )
    sizes: bool = Field(
        default=False,
        description="As a source: look up the width and height of pictures, one request each.",
    )
    insecure: bool = Field(default=False, description="Allow http, so that labels travel unencrypted.")

    @field_validator("dataset")
    @classmethod
    def _check_dataset(cls, value: str) -> str:
        if not re.fullmatch(r"[^\s/?#]+/[^\s/?#]+", value):
            raise ValueError(f"found {value!r}, expected OWNER/NAME, as in the dataset's address")
        return value

    @field_validator("task_type")
    @classmethod
    def _check_task_type(cls, value: str | None) -> str | None:
        if value is not None and value not in KINDS:
            raise ValueError(f"found {value!r}, expected one of {', '.join(KINDS)}")
        return value

    @field_validator("label_status")
    @classmethod
    def _check_status(cls, value: str | None) -> str | None:
        if value is not None and value not in STATUSES:
            raise ValueError(f"found {value!r}, expected one of {', '.join(sorted(STATUSES))}")
        return value

    @field_validator("url")
    @classmethod
    def _check_url(cls, value: str) -> str:
        return service_address(value, SERVICE)

    @model_validator(mode="after")
    def _check_whole(self) -> "Settings":
        if self.groups and self.group_attribute:
            raise ValueError("groups and group_attribute are given; one of them is enough")
        if not self.insecure and leaves_unencrypted(self.url):
            raise ValueError("url: http is not encrypted; use https, or `insecure: true` in a closed network")
        return self
