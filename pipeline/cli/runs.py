"""Finds a run in a journal."""

from pipeline.errors import UsageError
from pipeline.ports import Journal, RunRecord


async def found(journal: Journal, run: str | None) -> RunRecord:
    """Return the run with this id, or the last one. Raises UsageError when there is none."""
    if run is None:
        last = await journal.last_run()
        if last is None:
            raise UsageError("the journal holds no run yet; start one with `labelferry run` or `copy`")
        return last
    known = {record.id: record for record in await journal.runs()}
    if run not in known:
        raise UsageError(f"the journal holds no run {run!r}; `labelferry status` lists them")
    return known[run]
