"""Imports labels in bulk as the vendor's guide says: initialise in bundles, label, save in bundles."""

from typing import Any

from tests.oracles.encord.sdk_describe import describe
from tests.oracles.encord.sdk_labels import label
from tests.oracles.encord.sdk_session import initialised, project_of, save


def main(given: dict[str, Any]) -> dict[str, Any]:
    """Label every row, `bundle_size` of them at a time, and return what the SDK means them to hold."""
    project = project_of(given)
    rows = initialised(project, given["bundle_size"])
    for row in rows:
        label(row, project.ontology_structure)
    save(project, rows, given["bundle_size"])
    return describe(rows)
