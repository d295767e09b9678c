"""A batch is full by rows, by bytes, or because its oldest row has waited long enough."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.batching import Batcher, BatchRule


@given(st.lists(st.integers(0, 50)), st.integers(1, 7), st.integers(1, 100))
def test_batches_hold_every_item_once_in_order_and_never_more_than_the_rule(
    sizes: list[int], rows: int, size: int
) -> None:
    batcher = Batcher[int](BatchRule(rows, size, linger=1.0))
    batches = [batch for at, item in enumerate(sizes) for batch in batcher.add(at, item, 0.0)]
    batches.append(batcher.take())

    assert [item for batch in batches for item in batch] == list(range(len(sizes)))
    for batch in batches:
        assert len(batch) <= rows
        assert len(batch) == 1 or sum(sizes[item] for item in batch) <= size


def test_the_wait_counts_from_the_oldest_row() -> None:
    batcher = Batcher[str](BatchRule(10, 1000, linger=2.0))
    assert batcher.due == float("inf")
    batcher.add("first", 1, now=5.0)
    batcher.add("second", 1, now=6.5)
    assert batcher.due == 7.0
    assert batcher.take() == ["first", "second"]
    assert batcher.due == float("inf")


def test_batches_can_begin_small_and_double_up_to_the_rule() -> None:
    batcher = Batcher[int](BatchRule(5, 100, linger=2.0, first=2))
    batches = [batch for item in range(13) for batch in batcher.add(item, 1, 0.0)]
    assert [*map(len, batches), len(batcher.take())] == [2, 4, 5, 2]


def test_an_item_larger_than_the_rule_travels_alone() -> None:
    batcher = Batcher[str](BatchRule(10, 100, linger=2.0))
    assert batcher.add("small", 60, 0.0) == []
    assert batcher.add("huge", 500, 0.0) == [["small"], ["huge"]]
