"""What came of a run: counts folded from events."""

from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Any

from pipeline import events


@dataclass(slots=True)
class Report:
    """The result of a run, as an object and (`to_json`) as the documented JSON of `--report`.

    `rows`, `labels` and `groups` count by outcome: saved, unchanged, skipped, rejected, would-save (dry run)
    and already-done (settled before a resume). `groups_made` and `groups_discarded` are what operations did,
    whatever became of the rows. `losses` and `notes` count by kind; `rejects` holds the first
    hundred. `seconds` is the time spent per stage, summed over what ran at once.
    """

    job: str = ""
    run: str = ""
    outcome: str = "running"
    message: str = ""
    resumed: bool = False
    exit_code: int = 0
    seconds_total: float = 0.0
    expected: int | None = None
    rows: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    groups: Counter[str] = field(default_factory=Counter)
    groups_made: int = 0
    groups_discarded: int = 0
    losses: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    rejects: list[dict[str, str]] = field(default_factory=list)
    created: list[str] = field(default_factory=list)
    would_create: list[str] = field(default_factory=list)
    bundles: int = 0
    requests: Counter[str] = field(default_factory=Counter)
    retries: int = 0
    waited: Counter[str] = field(default_factory=Counter)
    bytes_sent: int = 0
    bytes_received: int = 0
    seconds: Counter[str] = field(default_factory=Counter)
    pace: dict[str, dict[str, Any]] = field(default_factory=dict)
    workers_lost: int = 0

    def add(self, event: events.Event) -> None:
        """Count one event."""
        fold = _FOLDS.get(type(event))
        if fold is not None:
            fold(self, event)

    @property
    def throttled_seconds(self) -> float:
        """Seconds that requests waited for the rate limit or the server's Retry-After, summed."""
        return float(self.waited["throttle"] + self.waited["gate"])

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; keys as documented in docs/report.md."""
        data = {each.name: getattr(self, each.name) for each in fields(self)}
        for name, value in data.items():
            if isinstance(value, Counter):
                data[name] = {key: _rounded(number) for key, number in sorted(value.items())}
        data["throttled_seconds"] = _rounded(self.throttled_seconds)
        data["seconds_total"] = _rounded(self.seconds_total)
        return {"version": 1, **data}


REJECTS_SHOWN = 100
CREATED_SHOWN = 1000


def _rounded(number: float) -> float:
    return round(number, 3) if isinstance(number, float) else number


def _started(report: Report, event: events.RunStarted) -> None:
    report.job, report.run, report.resumed, report.expected = event.job, event.run, event.resumed, event.rows


def _created(report: Report, event: events.Created) -> None:
    told = report.would_create if event.planned else report.created
    if len(told) < CREATED_SHOWN:
        told.append(event.what)


def _bundle_done(report: Report, event: events.BundleDone) -> None:
    report.bundles += 1
    report.rows["saved"] += event.saved
    report.labels["saved"] += event.labels
    report.groups["saved"] += event.groups


def _settled(report: Report, event: events.RowsSettled) -> None:
    report.rows[event.outcome] += event.rows
    report.labels[event.outcome] += event.labels
    report.groups[event.outcome] += event.groups


def _rejected(report: Report, event: events.RowRejected) -> None:
    report.rows["rejected"] += 1
    report.labels["rejected"] += event.labels
    report.groups["rejected"] += event.groups
    if len(report.rejects) < REJECTS_SHOWN:
        report.rejects.append(
            {"row": event.row, "title": event.title, "stage": event.stage, "reason": event.reason}
        )


def _regrouped(report: Report, event: events.GroupsChanged) -> None:
    report.groups_made += event.made
    report.groups_discarded += event.discarded


def _request(report: Report, event: events.RequestDone) -> None:
    report.requests[event.kind] += 1
    report.retries += event.attempt > 1
    report.bytes_sent += event.sent
    report.bytes_received += event.received


def _paced(report: Report, event: events.PaceChanged) -> None:
    known = report.pace.setdefault(event.host, {"changes": 0})
    known.update(concurrency=event.concurrency, rate=round(event.rate, 2), why=event.why)
    known["changes"] += event.why != "at the end"


def _worker_lost(report: Report, _event: events.WorkerLost) -> None:
    report.workers_lost += 1


def _ended(report: Report, event: events.RunEnded) -> None:
    report.outcome, report.message = event.outcome, event.message


_FOLDS: dict[type, Any] = {
    events.RunStarted: _started,
    events.Created: _created,
    events.BundleDone: _bundle_done,
    events.RowsSettled: _settled,
    events.RowRejected: _rejected,
    events.GroupsChanged: _regrouped,
    events.LossSeen: lambda report, event: report.losses.update([event.what]),
    events.NoteSeen: lambda report, event: report.notes.update([event.what]),
    events.RequestDone: _request,
    events.Waited: lambda report, event: report.waited.update({event.why: event.seconds}),
    events.StageTime: lambda report, event: report.seconds.update({event.stage: event.seconds}),
    events.PaceChanged: _paced,
    events.WorkerLost: _worker_lost,
    events.RunEnded: _ended,
}
