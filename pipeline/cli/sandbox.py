"""`labelferry sandbox`: a local server that speaks a platform's API."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from pipeline.cli.ending import ended

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.sandbox.process import StandIn


Platform: TypeAlias = Annotated[
    str, typer.Argument(metavar="PLATFORM", help="As `labelferry platforms` names it.", show_default=False)
]
Seeds: TypeAlias = Annotated[
    list[str],
    typer.Option(
        metavar="FILE",
        help="What it starts with: one data unit per row, and classes drafted from the labels. "
        "A COCO file, an archive folder, or an address. Repeatable.",
        show_default=False,
    ),
]
Port: TypeAlias = Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")]
Latency: TypeAlias = Annotated[float, typer.Option(min=0.0, metavar="SECONDS", help="Before each answer.")]
FaultPairs: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUE", help="A fault to order: fail_before=0.05, busy_seconds=10 ... Repeatable."
    ),
]
Keys: TypeAlias = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Where keys are kept; a temporary folder without it.")
]
OptionPairs: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="Another option: prefix, title, log, state ... Repeatable."),
]


@ended
def sandbox(
    platform: Platform,
    seed: Seeds,
    port: Port = 0,
    latency: Latency = 0.0,
    fault: FaultPairs = None,
    keys: Keys = None,
    option: OptionPairs = None,
) -> None:
    """Serve a platform's API on this machine, to rehearse a job.

    It runs until Ctrl-C. The labels of the seed are not loaded: its rows are empty, as before an import.

    \b
    Examples:
      labelferry sandbox encord --seed instances.json
      labelferry sandbox encord --seed drawn/ --port 8700 --latency 0.05 --fault fail_before=0.05
    """
    import anyio

    from pipeline.wiring import seed_from

    title, stand_in = _sandbox_of(platform)
    options: dict[str, Any] = {"port": port, "latency": latency, **_pairs("--option", option or [])}
    if faults := _pairs("--fault", fault or []):
        options["faults"] = faults
    if keys is not None:
        options["keys"] = str(keys)

    async def serve() -> None:
        await _serve(title, stand_in, await seed_from(seed), options)

    anyio.run(serve)


async def _serve(title: str, stand_in: "StandIn", seed: Any, options: dict[str, Any]) -> None:  # noqa: ANN401 - a Seed
    import shlex

    from pipeline.io.shutdown import Shutdown

    async with Shutdown() as shutdown, stand_in(seed, options) as running:
        typer.echo(f"# {title} on {running.url}, {len(seed.rows):,} rows; Ctrl-C ends it. To use it:")
        for name, value in running.environment.items():
            typer.echo(f"export {name}={shlex.quote(value)}")
        typer.echo(f"# labelferry copy SOURCE {shlex.quote(running.address)}")
        await shutdown.stop.wait()


def _sandbox_of(name: str) -> "tuple[str, StandIn]":
    from pipeline.errors import UsageError
    from pipeline.platforms import discover

    known = discover()
    able = ", ".join(sorted(key for key, platform in known.items() if platform.stand_in is not None))
    if name not in known:
        raise UsageError(f"no platform {name!r}; those with a sandbox are: {able}")
    stand_in = known[name].stand_in
    if stand_in is None:
        raise UsageError(
            f"{name} is files on this machine and has no sandbox; those that have one are: {able}"
        )
    return known[name].title, stand_in


def _pairs(flag: str, given: "Sequence[str]") -> dict[str, Any]:
    """Read NAME=VALUE pairs; a value that is JSON is read as such, any other is text."""
    import msgspec

    from pipeline.errors import UsageError

    pairs: dict[str, Any] = {}
    for pair in given:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise UsageError(f"{flag} {pair!r}: write it as NAME=VALUE")
        try:
            pairs[name] = msgspec.json.decode(value)
        except msgspec.DecodeError:
            pairs[name] = value
    return pairs
