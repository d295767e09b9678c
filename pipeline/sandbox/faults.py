"""The faults that a stand-in can be told to have."""

from enum import StrEnum

import msgspec


class Poison(StrEnum):
    """How a stand-in answers a request that holds a poisoned row."""

    NAMED = "named"
    """A permanent refusal that names the rows."""
    UNNAMED = "unnamed"
    """A permanent refusal that names none."""
    SERVER_ERROR = "server-error"
    """HTTP 500, as if the server had broken."""


class Faults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What goes wrong. Probabilities are 0..1 per request; times are in seconds; all are off by default.

    Requests are numbered from 1. A request that fails "before" is not carried out, one that fails "after"
    is. `kinds` limits all faults but latency and outage to these kinds of request (empty: every kind).
    """

    seed: int = 0
    kinds: tuple[str, ...] = ()
    latency: float = 0.0
    busy_seconds: float = 0.0
    """Answer 429 for so long, from the first request after the faults were set."""
    busy_every: int = 0
    """Answer 429 to every k-th request."""
    retry_after: float | None = 1.0
    """The Retry-After header of a 429, in whole seconds when sent; None sends no header."""
    requests_per_second: float | None = None
    """Answer 429 when more requests than this were accepted in the last second."""
    slack: float = 0.02
    """The share by which `requests_per_second` may be exceeded."""
    fail_before: float = 0.0
    fail_after: float = 0.0
    fail_status: int = 503
    drop_before: float = 0.0
    """Close the connection without an answer, and without carrying the request out."""
    drop_after: float = 0.0
    max_rows: int | None = None
    max_bytes: int | None = None
    """Answer 413 to a longer body."""
    poison: frozenset[str] = frozenset()
    """Titles or ids of rows that are never saved."""
    poison_answer: Poison = Poison.NAMED
    outage: bool = False
    """Drop every request."""
    outage_from: int | None = None
    """Drop every request from this number on."""
    refuse_keys: bool = False
    """Refuse every key and token."""
