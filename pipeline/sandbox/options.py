"""The options of a stand-in."""

import os
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from pipeline.errors import UsageError
from pipeline.sandbox.faults import Faults


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every stand-in can be told. A platform may add options of its own in a sub-class."""

    host: str = "127.0.0.1"
    port: int = 0
    """0 takes a free one."""
    prefix: str = ""
    """A path that the whole API is mounted below, as behind a gateway: `/labels`."""
    title: str = "sandbox"
    latency: float = 0.0
    """Seconds before each answer; added to that of the faults."""
    faults: Faults = Faults()
    log: str | None = None
    """A file that gets one JSON line for each row written."""
    keys: str | None = None
    """A folder for the keys that are made; a temporary one when none is given."""
    cpu: bool = False
    """Print the CPU seconds of the process when the server stops."""


AnyOptions = TypeVar("AnyOptions", bound=Options)


def read_options(kind: type[AnyOptions], options: Mapping[str, Any]) -> AnyOptions:
    """Read a stand-in's options.

    Raises:
        UsageError: an option is unknown or has a value of the wrong kind; the message names it.
    """
    plain = {
        key: os.fspath(value) if isinstance(value, os.PathLike) else value for key, value in options.items()
    }
    faults = plain.get("faults")
    if isinstance(faults, Faults):
        plain["faults"] = msgspec.to_builtins(faults)
    try:
        return msgspec.convert(plain, kind)
    except msgspec.ValidationError as error:
        of = Faults if "$.faults" in str(error) else kind
        known = ", ".join(field.name for field in msgspec.structs.fields(of))
        raise UsageError(f"options of the sandbox: {error}; the options are {known}") from error
