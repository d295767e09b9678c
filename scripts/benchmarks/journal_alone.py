"""What the journal of a run costs by itself: the calls that a run makes, with nothing beside them."""

import time
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.core.rows import Decision, Receipt, RowKey
from pipeline.io.journal import open_journal
from scripts.benchmarks.drawing import title_of

FINGERPRINT = {"job": "journal alone"}
DIGEST = "0" * 32


async def journal_alone(rows: int, bundle_rows: int) -> float:
    """Record so many rows, from opened to saved, as a run does; return the seconds that its calls take."""
    with TemporaryDirectory(prefix="labelferry-bench-") as folder:
        async with open_journal(f"sqlite:///{Path(folder)}/labelferry.db") as journal:
            await journal.begin("bench", FINGERPRINT)
            seconds = 0.0
            for start in range(0, rows, bundle_rows):
                keys = [RowKey(title_of(n), n) for n in range(start, min(start + bundle_rows, rows))]
                decided = [(key, Decision.WRITE, key.key) for key in keys]
                intended = [(key, DIGEST, key.key) for key in keys]
                receipts = [Receipt(key.key, key.key) for key in keys]
                began = time.perf_counter()
                journal.decide(decided)
                await journal.intent(str(start), intended)
                await journal.saved(str(start), receipts)
                seconds += time.perf_counter() - began
            return seconds
