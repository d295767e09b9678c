"""What a client process of labelferry measures of itself and tells."""

import json
import resource
import sys
import time
from itertools import accumulate
from multiprocessing import active_children
from typing import Any

from pipeline import Job, run_sync
from pipeline.events import BundleDone, Event, RequestDone, RowsOpened


class Watch:
    """Keeps when requests left and ended, and when rows were opened and settled: seconds, monotonic clock."""

    def __init__(self) -> None:
        self.sent: list[float] = []
        self.ended: list[float] = []
        self.moved: list[float] = []
        self.statuses: dict[str, int] = {}

    def __call__(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, RowsOpened | BundleDone):
            self.moved.append(time.monotonic())
        elif isinstance(event, RequestDone):
            self.ended.append(time.monotonic())
            self.sent.append(self.ended[-1] - event.seconds)
            self.statuses[str(event.status)] = self.statuses.get(str(event.status), 0) + 1

    def at_once(self) -> int:
        """Return the most requests that were under way at once."""
        moments = sorted([(moment, 1) for moment in self.sent] + [(moment, -1) for moment in self.ended])
        return max(accumulate(step for _, step in moments))


def ran(job: Job) -> dict[str, Any]:
    """Run one job, and return what it took; its CPU is that of this process and of its workers."""
    watch = Watch()
    began, cpu = time.perf_counter(), cpu_seconds()
    report = run_sync(job, listeners=[watch])
    seconds = time.perf_counter() - began
    for worker in active_children():
        worker.join()
    return {
        "rows": report.rows["saved"],
        "rejected": report.rows["rejected"],
        "seconds": seconds,
        "cpu": cpu_seconds() - cpu,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "stages": dict(report.seconds),
        "pace": report.pace,
        "sent": watch.sent,
        "moved": (watch.moved[0], watch.moved[-1]),
        "at_once": watch.at_once(),
        "statuses": watch.statuses,
    }


def cpu_seconds() -> float:
    """Return the CPU time of this process and of its children that have ended."""
    ours, theirs = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return ours.ru_utime + ours.ru_stime + theirs.ru_utime + theirs.ru_stime


def say(line: dict[str, Any]) -> None:
    """Print one line."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
