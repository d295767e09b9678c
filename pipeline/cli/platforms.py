"""`labelferry platforms`: what is known of each platform."""

from pipeline.cli.ending import ended


@ended
def platforms() -> None:
    """List the platforms, and what they hold.

    \b
    Example:
      labelferry platforms
    """
    import sys
    from dataclasses import fields

    from rich.console import Console
    from rich.table import Table

    from pipeline.core.geometry import Shape
    from pipeline.core.losses import Features
    from pipeline.platforms import discover

    flags = [field.name for field in fields(Features) if field.type is bool and field.name != "writes"]
    table = Table(
        "name", "what it is", "use as", "shapes", "holds", "does not hold", "sandbox", show_lines=True
    )
    for platform in discover().values():
        shapes = sorted(shape.value for shape in platform.features.shapes if shape is not Shape.OTHER)
        held = [name.replace("_", " ") for name in flags if getattr(platform.features, name)]
        missing = [name.replace("_", " ") for name in flags if not getattr(platform.features, name)]
        table.add_row(
            platform.name,
            platform.title,
            "source, target" if platform.features.writes else "source",
            ", ".join(shapes),
            ", ".join(held),
            ", ".join(missing) or "-",
            "yes" if platform.stand_in is not None else "no",
        )
    Console(file=sys.stdout, width=None if sys.stdout.isatty() else 200).print(table)
