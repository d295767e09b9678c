"""A local server that speaks the API of Segments.ai, and is the storage behind it.

Where the real service's rule is not known, the strict one is chosen: a label must be one of the dataset's
type, and the bitmaps that it names must be there. Keys that nobody knows are kept, byte for byte.
"""

from pipeline.platforms.segments.stand_in.serving import SegmentsOptions, serve

__all__ = ["SegmentsOptions", "serve"]
