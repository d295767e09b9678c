"""Packs drawn rows for the place at an address, in a process of its own, and prints their digests.

python -m tests.conformance.digests FOLDER ADDRESS
"""

import json
import sys
from pathlib import Path

import anyio

from pipeline.core.rows import PackedRow
from pipeline.io.channel import Channels
from pipeline.job import parse_address
from pipeline.platforms import discover
from pipeline.ports import Plan
from pipeline.sandbox.drawn import drawn_rows
from tests.conformance.sites import QUICK, Site, opened, packed, tasks_of_rows

COUNT = 4


async def digests_at(site: Site) -> dict[str, str]:
    """The digest of each drawn row at this place; nothing is written."""
    async with site.adapter() as adapter:
        target = adapter.target()
        rows = await opened(target, Plan("digests", dry_run=True), tasks_of_rows(list(drawn_rows(COUNT))))
        results = [packed(site, target, row) for row in rows]
    return {row.key.key: row.digest for row in results if isinstance(row, PackedRow)}


async def main(folder: Path, address: str) -> None:
    """Print the digests as JSON."""
    async with Channels(lambda _: None, policy=QUICK) as channels:
        site = Site(discover()[parse_address(address).platform], address, folder, channels)
        print(json.dumps(await digests_at(site)))  # noqa: T201 - what the other process reads


if __name__ == "__main__":
    anyio.run(main, Path(sys.argv[1]), sys.argv[2])
