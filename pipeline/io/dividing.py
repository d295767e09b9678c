"""Sends a bundle, in ever smaller parts where it is refused."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from pipeline.core.splitting import REQUESTS_PER_ROW, Blame, Outage, next_step
from pipeline.errors import BundleRefused, Stopped, TransientError

Row = TypeVar("Row")

NOBODY = "no row of this bundle was rejected, and the run can be resumed"
ALIKE = 16
"""Rows that fail one after the other, before any was saved, for the target to be at fault and not they."""
SEARCH_TRIES = 2
"""Tries of a part of several rows while a bad row is searched for; a row alone gets all tries."""


async def divided(
    rows: Sequence[Row],
    ids: Sequence[str],
    send: Callable[[Sequence[Row], int | None], Awaitable[None]],
    probe: Callable[[], Awaitable[None]],
) -> list[tuple[Row, str]]:
    """Send all rows and return those to blame, each with its reason.

    `ids` are the rows' target ids, unique. `send` raises BundleRefused or TransientError. Raises Stopped,
    blaming nobody, when the target is down or the search has cost too many requests.
    """
    if not rows:
        return []
    known = dict(zip(ids, rows, strict=True))
    waiting: list[tuple[tuple[str, ...], int | None]] = [(tuple(ids), None)]
    blamed: list[tuple[Row, str]] = []
    requests, saved = 0, False
    while waiting:
        part, tries = waiting.pop()
        requests += 1
        try:
            await send([known[id_] for id_ in part], tries)
            saved = True
            continue
        except (BundleRefused, TransientError) as refusal:
            alive = isinstance(refusal, BundleRefused) or await _answers(probe)
            step = next_step(part, part, refusal, alive=alive)
            last = refusal
        hopeless = isinstance(last, TransientError) and not saved and len(blamed) >= ALIKE
        if isinstance(step, Outage) or hopeless:
            raise Stopped(f"the target does not answer: {last}; {NOBODY}") from last
        if isinstance(step, Blame):
            blamed.extend((known[id_], reason) for id_, reason in step.rows)
            waiting.extend([(step.rest, tries)] if step.rest else [])
        else:
            fewer = SEARCH_TRIES if step.search else None
            waiting.extend((some, fewer if len(some) > 1 else None) for some in reversed(step.parts))
        if waiting and requests >= REQUESTS_PER_ROW * len(rows):
            raise Stopped(f"{requests} requests did not find the bad rows: {last}; {NOBODY}") from last
    return blamed


async def _answers(probe: Callable[[], Awaitable[None]]) -> bool:
    try:
        await probe()
    except TransientError:
        return False
    return True
