"""The platforms: one folder each, all alike; none imports another."""

from functools import lru_cache
from importlib import import_module
from pkgutil import iter_modules

from pipeline.ports import Platform


@lru_cache(maxsize=1)
def discover() -> dict[str, Platform]:
    """Return every platform by name, read from `PLATFORM` of each sub-package, in alphabetical order."""
    found = [
        import_module(f"{__name__}.{module.name}").PLATFORM
        for module in iter_modules(__path__)
        if module.ispkg
    ]
    return {platform.name: platform for platform in sorted(found, key=lambda item: item.name)}
