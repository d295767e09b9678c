"""Figures: what is measured, against which goal, and how both are shown."""

import json
import os
import platform
import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number. `better` says on which side of the goal it should be; equal is met."""

    name: str
    value: float
    unit: str
    goal: float
    better: Literal["higher", "lower"]

    @property
    def met(self) -> bool:
        """Whether the goal is reached."""
        return self.value >= self.goal if self.better == "higher" else self.value <= self.goal


def machine() -> dict[str, Any]:
    """Describe the machine that the figures are from."""
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123 - a file of the kernel
            model = next((line.partition(":")[2].strip() for line in lines if "model name" in line), model)
    except OSError:
        pass  # not a Linux: the name that Python knows has to do
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
    }


def median_of(runs: Sequence[Mapping[str, Any]], key: str) -> float:
    """Return the median of one number of some runs."""
    return float(statistics.median(run[key] for run in runs))


def table(head: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    """Return a table in plain text: the first column left, the others right."""
    cells = [list(map(str, head)), *([_shown(cell) for cell in line] for line in lines)]
    widths = [max(len(line[at]) for line in cells) for at in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if at else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in cells
    )


def show(figures: Sequence[Figure]) -> str:
    """Return the figures beside their goals."""
    signs = {"higher": ">=", "lower": "<="}
    return table(
        ("figure", "value", "unit", "goal", ""),
        (
            (f.name, f.value, f.unit, f"{signs[f.better]} {f.goal:g}", "met" if f.met else "MISSED")
            for f in figures
        ),
    )


def to_json(figures: Sequence[Figure]) -> str:
    """Return all figures as one object."""
    return json.dumps({"figures": [asdict(figure) for figure in figures], "machine": machine()})


def tell(text: str) -> None:
    """Print what is not a result, such as progress and tables beside the JSON."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _shown(cell: object) -> str:
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell)


def compared(
    runs: Mapping[str, Sequence[Mapping[str, Any]]], at_once: Mapping[str, int]
) -> tuple[dict[str, float], dict[str, float]]:
    """Print a table of the medians of clients; return rows per second and CPU per row of each.

    `at_once` is how many requests a client makes at once, where its runs do not tell.
    """
    speed = {name: found[0]["rows"] / median_of(found, "seconds") for name, found in runs.items()}
    cpu = {name: median_of(found, "cpu") / found[0]["rows"] for name, found in runs.items()}
    lines = [
        (
            name,
            at_once.get(name) or max(run["at_once"] for run in found),
            found[0]["rows"],
            median_of(found, "seconds"),
            speed[name],
            cpu[name] * 1e3,
            median_of(found, "memory") / 1e6,
            median_of(found, "server") / found[0]["rows"] * 1e3,
        )
        for name, found in runs.items()
    ]
    tell(table(_CLIENTS, lines))
    return speed, cpu


_CLIENTS = "client", "at once", "rows", "seconds", "rows/s", "CPU ms/row", "peak MB", "stand-in CPU ms/row"
