"""Where a job came from, kept beside its journal, so that `resume` needs no argument.

The file holds the path of the job file, or the addresses and options of a `copy`, and the working folder.
Secrets of an address are left out; the environment has to give them again.
"""

import os
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import msgspec

from pipeline.errors import UsageError
from pipeline.job import Job, from_addresses
from pipeline.job.explanation import is_secret

FOLDER = ".labelferry"


class Origin(msgspec.Struct, frozen=True, omit_defaults=True):
    """A job file, or what `copy` was given."""

    folder: str
    file: str | None = None
    source: str = ""
    target: str = ""
    parts: dict[str, Any] = {}

    def job(self) -> Job:
        """Return the job again. Raises UsageError when it cannot be had from here."""
        if Path(self.folder) != Path.cwd():
            raise UsageError(
                f"the run was started in {self.folder}, and its paths begin there; go there first"
            )
        if self.file is not None:
            return Job.load(self.file)
        return from_addresses(self.source, self.target, **self.parts)


def of_file(path: Path) -> Origin:
    """Return the origin of a job file's run."""
    return Origin(str(Path.cwd()), str(path))


def of_copy(source: str, target: str, parts: Mapping[str, Any]) -> Origin:
    """Return the origin of a copy."""
    return Origin(str(Path.cwd()), None, _without_secrets(source), _without_secrets(target), dict(parts))


def keep(origin: Origin, journal: Path, job: str) -> None:
    """Write where a job came from beside its journal, for its owner to read."""
    path = _path(journal, job)
    path.parent.mkdir(parents=True, exist_ok=True)
    written = path.with_suffix(".new")
    with os.fdopen(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(msgspec.json.encode(origin))
    written.replace(path)


def recall(journal: Path, job: str) -> Origin:
    """Return where a job came from. Raises UsageError when that is not known."""
    path = _path(journal, job)
    try:
        return msgspec.json.decode(path.read_bytes(), type=Origin)
    except FileNotFoundError:
        raise UsageError(
            f"where job {job!r} came from is not kept; run it again: a Python program itself, a job "
            "file with `labelferry run`"
        ) from None
    except (OSError, msgspec.DecodeError) as error:
        raise UsageError(f"{path} cannot be read ({error}); name the job file instead") from error


def _path(journal: Path, job: str) -> Path:
    return journal.parent / FOLDER / f"job-{blake2b(job.encode(), digest_size=8).hexdigest()}.json"


def _without_secrets(address: str) -> str:
    place, hash_mark, fragment = address.partition("#")
    rest, _, query = place.partition("?")
    kept = [(key, value) for key, value in parse_qsl(query, keep_blank_values=True) if not _hidden(key)]
    return rest + (f"?{urlencode(kept)}" if kept else "") + hash_mark + fragment


def _hidden(key: str) -> bool:
    return is_secret(key) and not key.endswith(("_file", "_path"))
