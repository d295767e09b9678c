"""Encord's JSON and the label model, both ways. Pure: no file, socket or clock."""

from pipeline.platforms.encord.convert.layout import Opened
from pipeline.platforms.encord.convert.ontology import read_ontology, write_ontology
from pipeline.platforms.encord.convert.packing import pack_row
from pipeline.platforms.encord.convert.reading import read_row

__all__ = ["Opened", "pack_row", "read_ontology", "read_row", "write_ontology"]
