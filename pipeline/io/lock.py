"""One running instance per job, by a lock that the kernel takes back when its process ends in any way."""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path

from pipeline.errors import AlreadyRunning, UsageError


@contextmanager
def job_lock(folder: Path, job: str) -> Iterator[None]:
    """Hold the lock of a job in the folder of its journal.

    The file stays there when the lock is let go: removing it would let two processes hold two files of one
    name. Raises AlreadyRunning, which names the process that holds the lock, and UsageError where no file
    can be made.
    """
    path = lock_path(folder, job)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise UsageError(
            f"cannot make the lock file {path}: {error.strerror}; keep the journal where files can be made"
        ) from error
    try:
        _take(handle, path, job)
        yield
        os.ftruncate(handle, 0)
    finally:
        os.close(handle)


def lock_path(folder: Path, job: str) -> Path:
    """Return the lock file of a job: its name, as far as a file can have it, and a hash of the whole name."""
    readable = re.sub(r"[^A-Za-z0-9_-]+", "-", job).strip("-")[:40]
    digest = blake2b(job.encode(), digest_size=5).hexdigest()
    return folder / f".labelferry-{readable}-{digest}.lock"


def _take(handle: int, path: Path, job: str) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(handle, 20, 0).decode("ascii", "replace").strip()
        who = f"process {holder}" if holder.isdigit() else "another process"
        raise AlreadyRunning(
            f"job {job!r} is already running: {who} holds {path}; wait for its end"
        ) from None
    except OSError as error:
        raise UsageError(
            f"cannot lock {path}: {error.strerror}; keep the journal on a file system that has file locks"
        ) from error
    try:
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
    except OSError:
        # A full disk: the lock holds without the number of its process.
        return
