"""Measures labelferry against a peer: `scripts/bench NAME [--json] [--quick]`.

Tables go to standard error with --json, and one object with all figures to standard output. Ends with 1 when
a figure misses its goal.
"""

import argparse
import sys
from collections.abc import Callable, Iterator

from scripts.benchmarks import encord_figures, segments_figures, supervisely_figures
from scripts.benchmarks.figures import Figure, machine, show, tell, to_json

BENCHMARKS: dict[str, Callable[[bool], Iterator[Figure]]] = {
    "encord": lambda quick: encord_figures.figures(encord_figures.QUICK if quick else encord_figures.WHOLE),
    "segments": lambda quick: segments_figures.figures(
        segments_figures.QUICK if quick else segments_figures.WHOLE
    ),
    "supervisely": lambda quick: supervisely_figures.figures(
        supervisely_figures.QUICK if quick else supervisely_figures.WHOLE
    ),
}


def main() -> int:
    """Run one benchmark and print its figures."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Measure labelferry against a peer.")
    parser.add_argument("name", choices=sorted(BENCHMARKS))
    parser.add_argument("--json", action="store_true", help="print one object with all figures")
    parser.add_argument("--quick", action="store_true", help="less work and one run each: a look, no proof")
    given = parser.parse_args()
    found = list(BENCHMARKS[given.name](given.quick))
    tell("\n" + show(found) + "\n" + ", ".join(f"{key} {value}" for key, value in machine().items()))
    if given.json:
        sys.stdout.write(to_json(found) + "\n")
    return 0 if all(figure.met for figure in found) else 1


if __name__ == "__main__":
    sys.exit(main())
