"""Encord's listing is read piece by piece, whatever its rows hold and however its JSON is laid out."""

import io
import json
import random
from typing import Any

import pytest

from pipeline.errors import TransientError
from pipeline.platforms.encord.listing import PIECE, Spool

pytestmark = pytest.mark.anyio
LAYOUTS: dict[str, dict[str, Any]] = {
    "spaced": {},
    "compact": {"separators": (",", ":")},
    "indented": {"indent": 1},
}


def drawn(count: int) -> list[dict[str, Any]]:
    """Draw rows with what looks like the place between two rows inside of strings, lists and objects."""
    draw = random.Random(count)
    return [
        {
            "data_hash": f"hash-{number}",
            "data_title": draw.choice(('a},{"b', 'x"y', "},{", "plain")) + str(number),
            "client_metadata": {"deep": [{"a": 1}, {"b": {}}, {"c": [{}, {}]}] * draw.randint(0, 3)},
            "images_data": [{"x": 1}] * draw.randint(0, 50),
            "number_of_frames": 1,
        }
        for number in range(count)
    ]


async def titles_of(text: str) -> list[str]:
    spool = Spool(io.BytesIO())
    spool.write(text.encode())
    return [row.data_title async for batch in spool.rows() for row in batch]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("count", [0, 1, 2, 1500])
async def test_every_row_is_read_once_and_in_order(layout: str, count: int) -> None:
    rows = drawn(count)
    titles = [row["data_title"] for row in rows]
    usual = json.dumps({"status": 200, "response": rows}, **LAYOUTS[layout])
    assert count < 1000 or len(usual) > 5 * PIECE  # the largest takes many pieces
    assert await titles_of(usual) == titles
    with_more = {"status": 200, "response": rows, "more": [{}, {}]}
    assert await titles_of(json.dumps(with_more, **LAYOUTS[layout])) == titles
    turned = {"response": rows, "status": 200}
    assert await titles_of(json.dumps(turned, **LAYOUTS[layout])) == titles


@pytest.mark.parametrize("missing", [1, 2, 30])
async def test_a_listing_that_was_cut_off_is_no_listing(missing: int) -> None:
    whole = json.dumps({"status": 200, "response": drawn(300)})
    with pytest.raises(TransientError, match="not valid"):
        await titles_of(whole[:-missing])
