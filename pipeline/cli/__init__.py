"""The command line: one module per verb, each thin."""


def main() -> None:
    """Run the command `labelferry` and exit with its code."""
    # Worker processes import this module again: it must cost them nothing.
    from pipeline.cli.app import app

    app(prog_name="labelferry")
