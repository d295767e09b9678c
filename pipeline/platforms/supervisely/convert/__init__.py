"""The JSON of Supervisely and the label model, both ways. Pure: no file, socket or clock."""

from pipeline.platforms.supervisely.convert.drafting import drafted
from pipeline.platforms.supervisely.convert.files import from_file, to_file
from pipeline.platforms.supervisely.convert.geometry import GeometryError
from pipeline.platforms.supervisely.convert.groups import group_key
from pipeline.platforms.supervisely.convert.merging import Merged, merge_meta
from pipeline.platforms.supervisely.convert.ontology import read_ontology
from pipeline.platforms.supervisely.convert.packing import bulk_body, extra_figures, pack_row
from pipeline.platforms.supervisely.convert.project import (
    Opened,
    Project,
    Read,
    Rules,
    image_of_row,
    project_of,
)
from pipeline.platforms.supervisely.convert.reading import alpha_figures, blank_row, read_row, stays

__all__ = [
    "GeometryError",
    "Merged",
    "Opened",
    "Project",
    "Read",
    "Rules",
    "alpha_figures",
    "blank_row",
    "bulk_body",
    "drafted",
    "extra_figures",
    "from_file",
    "group_key",
    "image_of_row",
    "merge_meta",
    "pack_row",
    "project_of",
    "read_ontology",
    "read_row",
    "stays",
    "to_file",
]
