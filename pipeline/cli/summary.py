"""The report of a run: printed for people, and written as JSON."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from pipeline.cli.flags import DEFAULT_JOURNAL
from pipeline.errors import UsageError
from pipeline.io.progress import clock_time
from pipeline.report import Report

OUTCOMES = ("saved", "would-save", "unchanged", "skipped", "already-done", "rejected")
MEGABYTE = 1e6
CREATED_SHOWN = 20
SHOWN = 0.05
"""Seconds; less would print as 0.0."""


def check_report_file(path: Path) -> None:
    """Refuse, before the run, a report file that could not be written after it."""
    if path.is_dir():
        raise UsageError(f"--report {path}: this is a folder; name a file")
    if not path.absolute().parent.is_dir():
        raise UsageError(
            f"--report {path}: the folder {path.absolute().parent} does not exist; make it first"
        )


def write_report(path: Path, report: Mapping[str, Any]) -> None:
    """Write the report as JSON; whoever reads the file sees the old one or the new one, never a part."""
    text = msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"
    handle, name = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def summary(report: Report) -> Iterator[str]:
    """Give the lines of the short report."""
    resumed = ", resumed" if report.resumed else ""
    took = clock_time(report.seconds_total)
    yield f"{report.job}, run {report.run}{resumed}: {report.outcome} in {took}"
    yield from _creations(report)
    yield from _outcomes(report)
    yield from _kinds("losses", report.losses)
    yield from _kinds("notes", report.notes)
    yield from _traffic(report)
    stages = ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in report.seconds.most_common())
    if stages:
        yield _line("stages", f"{stages} (summed over what ran at once)")
    if report.workers_lost:
        yield _line("workers", f"{report.workers_lost} lost and replaced")


def _creations(report: Report) -> Iterator[str]:
    for name, told in (("created", report.created), ("to create", report.would_create)):
        for what in told[:CREATED_SHOWN]:
            yield _line(name, what)
        if len(told) > CREATED_SHOWN:
            yield _line(name, f"and {len(told) - CREATED_SHOWN:,} more")


def _outcomes(report: Report) -> Iterator[str]:
    for name, counts in (("rows", report.rows), ("labels", report.labels)):
        yield _line(name, ", ".join(_counted(counts)) or "none")
    changed = (report.groups_made, "made"), (report.groups_discarded, "discarded")
    groups = [*_counted(report.groups), *(f"{number:,} {what}" for number, what in changed if number)]
    if groups:
        yield _line("groups", ", ".join(groups))


def _counted(counts: Mapping[str, float]) -> Iterator[str]:
    for outcome in OUTCOMES:
        if counts.get(outcome):
            yield f"{counts[outcome]:,} {outcome}"


def _kinds(name: str, counts: Mapping[str, float]) -> Iterator[str]:
    if counts:
        yield _line(name, ", ".join(f"{number:,.0f} {kind}" for kind, number in sorted(counts.items())))


def _traffic(report: Report) -> Iterator[str]:
    total = sum(report.requests.values())
    if not total:
        return
    kinds = ", ".join(f"{number:,} {kind}" for kind, number in sorted(report.requests.items()))
    sent, received = report.bytes_sent / MEGABYTE, report.bytes_received / MEGABYTE
    yield _line(
        "requests",
        f"{total:,} ({kinds}), {report.retries:,} retries, {sent:.1f} MB out, {received:.1f} MB in",
    )
    waits = ", ".join(
        f"{why} {seconds:.1f} s" for why, seconds in sorted(report.waited.items()) if seconds >= SHOWN
    )
    if waits:
        yield _line("waited", waits)
    for host, pace in sorted(report.pace.items()):
        yield _line(
            "pace", f"{host}: {pace['concurrency']} at once, {pace['rate']} requests/s ({pace['why']})"
        )


def _line(name: str, text: str) -> str:
    return f"  {name:<9} {text}"


def one_line(text: str) -> str:
    """Return a text that came from elsewhere without what ends a line or steers a terminal."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)


def rejects_hint(report: Report, journal: str) -> Iterator[str]:
    """Give the lines that say which rows were rejected, why, and what can be done about it."""
    rejected = report.rows["rejected"]
    if not rejected:
        return
    shown = report.rejects[:5]
    for reject in shown:
        title = f" ({reject['title']})" if reject["title"] not in {"", reject["row"]} else ""
        reason = " ".join(reject["reason"].split())
        yield one_line(f"  rejected  row {reject['row']}{title} at {reject['stage']}: {reason}")
    if rejected > len(shown):
        yield f"  rejected  and {rejected - len(shown):,} more"
    option = "" if journal == DEFAULT_JOURNAL else f" --journal {journal}"
    yield f"  kept      in the journal: labelferry rejects list{option}, rejects retry, rejects export FOLDER"
