"""labelferry moves annotation labels between labelling platforms, in bulk, without losing any.

Public names, resolved when they are first used:

- `Job`: a job, from a file (`Job.load`), or made in Python.
- `run` (async) and `run_sync`: run a job and return its `Report`; `RunOptions` say how.
- `operation`: make a label operation by its name in a job file.
- `LabelRow`, and the modules `labels` and `geometry` with everything that a row is made of.
- `instances`: pictures of numbered instances, as the masks of rows.
- `errors`: what can go wrong.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline import errors
    from pipeline.core import geometry, instances, labels
    from pipeline.core.labels import LabelRow
    from pipeline.job import Job, operation
    from pipeline.report import Report
    from pipeline.wiring import RunOptions, run, run_sync

__all__ = [
    "Job",
    "LabelRow",
    "Report",
    "RunOptions",
    "errors",
    "geometry",
    "instances",
    "labels",
    "operation",
    "run",
    "run_sync",
]

_HOMES = {
    "Job": ("pipeline.job", "Job"),
    "LabelRow": ("pipeline.core.labels", "LabelRow"),
    "Report": ("pipeline.report", "Report"),
    "RunOptions": ("pipeline.wiring", "RunOptions"),
    "errors": ("pipeline.errors", None),
    "geometry": ("pipeline.core.geometry", None),
    "instances": ("pipeline.core.instances", None),
    "labels": ("pipeline.core.labels", None),
    "operation": ("pipeline.job", "operation"),
    "run": ("pipeline.wiring", "run"),
    "run_sync": ("pipeline.wiring", "run_sync"),
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the name stands for
    if name not in _HOMES:
        message = f"module 'pipeline' has no attribute {name!r}"
        raise AttributeError(message)
    home, attribute = _HOMES[name]
    module = import_module(home)
    return module if attribute is None else getattr(module, attribute)
