"""Encord's part of a job file."""

from pathlib import Path
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from pipeline.io.service_address import leaves_unencrypted, service_address

EUROPE = "https://api.encord.com"
"""Where the service is; customers in the United States use https://api.us.encord.com."""


class Settings(BaseModel):
    """One project, and the credentials for it.

    Without a key or token here, `ENCORD_SSH_KEY_FILE`, `ENCORD_SSH_KEY` or `ENCORD_TOKEN` is used.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    project: str = Field(description="The project's hash, as in its address in the browser.")
    url: str = Field(EUROPE, description="The address of the API; a path in it is kept.")
    ssh_key_file: Path | None = Field(None, description="A private ed25519 key, readable by its owner only.")
    ssh_key: SecretStr | None = Field(None, description="The text of the private key.")
    ssh_key_password: SecretStr | None = Field(None, description="The password of the private key.")
    token: SecretStr | None = Field(None, description="A bearer token, instead of a key.")
    branch: str = Field("main", description="The branch of the labels.")
    group_attribute: str | None = Field(
        None, description="A text attribute that holds the group of an object; Encord has no groups."
    )
    insecure: bool = Field(default=False, description="Allow http, so that labels travel unencrypted.")

    @field_validator("project")
    @classmethod
    def _check_project(cls, value: str) -> str:
        try:
            return str(UUID(value))
        except ValueError:
            raise ValueError(
                f"found {value!r}, expected a project hash such as 7d4ead9c-4087-4832-a301-eb2545e7d43b"
            ) from None

    @field_validator("url")
    @classmethod
    def _check_url(cls, value: str) -> str:
        return service_address(value, EUROPE)

    @model_validator(mode="after")
    def _check_credentials(self) -> "Settings":
        given = [name for name in ("ssh_key_file", "ssh_key", "token") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} are given; one of them is enough")
        if not self.insecure and leaves_unencrypted(self.url):
            raise ValueError("url: http is not encrypted; use https, or `insecure: true` in a closed network")
        return self
