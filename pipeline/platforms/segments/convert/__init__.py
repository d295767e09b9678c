"""The JSON of Segments.ai and the label model, both ways. Pure: no file, socket or clock."""

from pipeline.platforms.segments.convert.arranging import arrange
from pipeline.platforms.segments.convert.bitmaps import bitmap_urls
from pipeline.platforms.segments.convert.kinds import Kind, kind_for, kind_of
from pipeline.platforms.segments.convert.ontology import fitted, read_ontology, write_ontology
from pipeline.platforms.segments.convert.packing import pack_row
from pipeline.platforms.segments.convert.placeholders import filled, placeholders
from pipeline.platforms.segments.convert.project import Opened, Project, Read, Rules
from pipeline.platforms.segments.convert.reading import read_row
from pipeline.platforms.segments.convert.samples import media_list, sample_attributes

__all__ = [
    "Kind",
    "Opened",
    "Project",
    "Read",
    "Rules",
    "arrange",
    "bitmap_urls",
    "filled",
    "fitted",
    "kind_for",
    "kind_of",
    "media_list",
    "pack_row",
    "placeholders",
    "read_ontology",
    "read_row",
    "sample_attributes",
    "write_ontology",
]
