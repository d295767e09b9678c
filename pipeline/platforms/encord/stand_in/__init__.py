"""A local server that speaks Encord's API: both families, signatures, bearer tokens.

Where the real service's rule is not known, the strict one is chosen: a row is created once, and a save is
refused as a whole when one of its rows is wrong.
"""

from pipeline.platforms.encord.stand_in.serving import EncordOptions, serve

__all__ = ["EncordOptions", "serve"]
