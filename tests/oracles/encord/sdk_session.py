"""The vendor's SDK as a program of its own, in an environment that holds the SDK and none of this project.

Each line of standard input is a task as JSON: the `program` (a module beside this one), and what it needs.
Each line of standard output is what its `main` returned, or the trace of what went wrong.
"""

import json
import logging
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from encord import EncordUserClient, Project
from encord.objects import LabelRowV2


def serve() -> None:
    """Do one task after the other."""
    logging.disable(logging.WARNING)
    for line in sys.stdin:
        given: dict[str, Any] = json.loads(line)
        try:
            said = {"answer": import_module(f"{__package__}.{given['program']}").main(given)}
        except Exception:  # noqa: BLE001 - whatever it is, the test is told
            said = {"error": traceback.format_exc()}
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()


def project_of(given: dict[str, Any]) -> Project:
    """Connect as a user of the SDK does."""
    client = EncordUserClient.create_with_ssh_private_key(
        ssh_private_key_path=given["key_file"], domain=given["url"]
    )
    return client.get_project(given["project"])


def initialised(project: Project, bundle_size: int = 100) -> Sequence[LabelRowV2]:
    """Every row of the project, initialised in bundles."""
    rows: Sequence[LabelRowV2] = project.list_label_rows_v2()
    with project.create_bundle(bundle_size=bundle_size) as bundle:
        for row in rows:
            row.initialise_labels(bundle=bundle)
    return rows


def save(project: Project, rows: Sequence[LabelRowV2], bundle_size: int = 100) -> None:
    """Save rows in bundles."""
    with project.create_bundle(bundle_size=bundle_size) as bundle:
        for row in rows:
            row.save(bundle=bundle)


if __name__ == "__main__":
    serve()
