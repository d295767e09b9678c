"""Exports of projects on disk, as the vendor's tools download and upload them: source and target."""

from pipeline.platforms.supervisely.disk.source import DiskSource
from pipeline.platforms.supervisely.disk.target import DiskTarget

__all__ = ["DiskSource", "DiskTarget"]
