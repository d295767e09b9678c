"""The tuning of rate and concurrency."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.pace import WINDOW, Bounds, Pace

BOUNDS = Bounds(rate_floor=1.0, rate_ceiling=100.0, concurrency_floor=1, concurrency_ceiling=8)


def busy(pace: Pace, begin: float, seconds: float, latency: float = 0.1, size: int = 500) -> Pace:
    """Give good answers as fast as the pace lets them come, for so many seconds."""
    now = begin
    while now < begin + seconds:
        now += 1.0 / min(pace.rate, pace.concurrency / latency)
        pace = pace.after("save", ok=True, pushback=False, seconds=latency, now=now, size=size)
    return pace


def test_quick_answers_let_rate_and_concurrency_grow_to_their_ceilings_and_no_further() -> None:
    start = Pace.start(BOUNDS)
    assert (start.rate, start.concurrency) == (50.0, 4)
    grown = busy(start, 0.0, 60.0)
    assert grown.concurrency == 8
    assert 50.0 < grown.rate <= 100.0


def test_growth_is_one_step_a_window() -> None:
    pace, steps = Pace.start(BOUNDS), []
    for number in range(1, 201):
        now = number / 50
        after = pace.after("save", ok=True, pushback=False, seconds=0.1, now=now)
        if (after.rate, after.concurrency) != (pace.rate, pace.concurrency):
            steps.append(now)
            assert after.rate - pace.rate <= 0.05 * BOUNDS.rate_ceiling
            assert after.concurrency - pace.concurrency <= 1
        pace = after
    assert steps
    assert all(later - earlier >= WINDOW for earlier, later in pairwise(steps))


def test_what_is_not_used_does_not_grow() -> None:
    pace = Pace.start(BOUNDS)
    for number in range(100):
        pace = pace.after("save", ok=True, pushback=False, seconds=0.01, now=number * 2.0)
    assert (pace.rate, pace.concurrency) == (50.0, 4)


def test_pushback_halves_both() -> None:
    pace = Pace.start(BOUNDS).after("save", ok=False, pushback=True, seconds=0.1, now=10.0)
    assert (pace.rate, pace.concurrency, pace.why) == (25.0, 2, "pushback")


def test_answers_to_requests_sent_before_a_halving_do_not_halve_again() -> None:
    pace = Pace.start(BOUNDS).after("save", ok=False, pushback=True, seconds=0.1, now=10.0)
    late = pace.after("save", ok=False, pushback=True, seconds=5.0, now=14.0)
    assert late.rate == 25.0
    assert late.after("save", ok=False, pushback=True, seconds=0.1, now=14.1).rate == 12.5


def test_a_failure_now_and_then_does_not_slow_down() -> None:
    pace = Pace.start(BOUNDS).after("save", ok=False, pushback=False, failed=True, seconds=0.1, now=0.0)
    assert (pace.rate, pace.concurrency) == (50.0, 4)
    for number in range(1, 6000):
        fails = number * 7919 % 100 < 10
        after = pace.after("save", ok=not fails, pushback=False, failed=fails, seconds=0.1, now=number / 90)
        assert (after.rate, after.concurrency) >= (pace.rate, pace.concurrency)
        pace = after
    assert (pace.rate, pace.concurrency) == (100.0, 8)


def test_where_most_requests_fail_the_pace_is_halved_once_a_window() -> None:
    pace, halved = Pace.start(BOUNDS), []
    for number in range(300):
        now = number / 100
        ok = number % 3 == 0
        after = pace.after("save", ok=ok, pushback=False, failed=not ok, seconds=0.0, now=now)
        if after.rate < pace.rate:
            halved.append(now)
        pace = after
    assert len(halved) == 3
    assert halved[0] < 0.5
    assert pace.why == "failures"


def test_failures_of_requests_sent_before_a_halving_do_not_halve_again() -> None:
    pace = Pace.start(BOUNDS).after("save", ok=False, pushback=True, seconds=0.1, now=10.0)
    for number in range(20):
        pace = pace.after("save", ok=False, pushback=False, failed=True, seconds=5.0, now=14.0 + number / 100)
    assert pace.rate == 25.0


@given(
    st.lists(
        st.tuples(st.floats(0, 0.5), st.booleans(), st.booleans(), st.floats(0, 30), st.integers(0, 2**24)),
        max_size=200,
    )
)
def test_the_pace_stays_in_its_bounds_and_halves_at_most_once_a_window(
    answers: list[tuple[float, bool, bool, float, int]],
) -> None:
    pace, now, halved = Pace.start(BOUNDS), 0.0, -WINDOW
    for step, ok, pushback, seconds, size in answers:
        now += step
        failed = not ok and not pushback
        after = pace.after(
            "save", ok=ok, pushback=pushback, failed=failed, seconds=seconds, now=now, size=size
        )
        assert BOUNDS.rate_floor <= after.rate <= BOUNDS.rate_ceiling
        assert BOUNDS.concurrency_floor <= after.concurrency <= BOUNDS.concurrency_ceiling
        if after.rate < pace.rate or after.concurrency < pace.concurrency:
            assert now - halved >= WINDOW
            halved = now
        pace = after


def test_answers_that_take_longer_and_longer_halve_the_pace() -> None:
    pace = busy(Pace.start(BOUNDS), 0.0, 10.0)
    now, slower = 100.0, pace
    for number in range(10):
        slower = slower.after("save", ok=True, pushback=False, seconds=0.5, now=now + number, size=500)
    assert slower.rate < pace.rate
    assert slower.concurrency < pace.concurrency


def test_a_run_of_large_requests_is_not_a_server_that_slows_down() -> None:
    pace = busy(Pace.start(BOUNDS), 0.0, 10.0)
    large = busy(pace, 100.0, 30.0, latency=3.0, size=8_000_000)
    assert large.rate >= pace.rate
    assert large.concurrency >= pace.concurrency


def test_a_slow_kind_of_request_is_not_a_server_that_slows_down() -> None:
    pace = busy(Pace.start(BOUNDS), 0.0, 10.0)
    now = 100.0
    for number in range(30):
        listed = pace.after("list", ok=True, pushback=False, seconds=20.0, now=now + number, size=500)
        assert listed.rate >= pace.rate
        pace = listed


def test_a_refused_request_says_nothing_about_the_pace() -> None:
    pace = Pace.start(BOUNDS)
    assert pace.after("save", ok=False, pushback=False, seconds=0.1, now=1.0) == pace


def test_where_floor_and_ceiling_are_one_nothing_moves() -> None:
    bounds = Bounds(20.0, 20.0, 3, 3)
    assert bounds.fixed
    pace = Pace.start(bounds).after("save", ok=False, pushback=True, seconds=0.1, now=5.0)
    assert (pace.rate, pace.concurrency) == (20.0, 3)
    grown = busy(pace, 10.0, 10.0)
    assert (grown.rate, grown.concurrency) == (20.0, 3)


def test_a_pace_moves_into_tighter_bounds() -> None:
    pace = Pace.start(BOUNDS).within(Bounds(1.0, 10.0, 1, 2))
    assert (pace.rate, pace.concurrency) == (10.0, 2)


@pytest.mark.parametrize(
    "wrong", [(0.0, 1.0, 1, 1), (2.0, 1.0, 1, 1), (1.0, float("inf"), 1, 1), (1.0, 1.0, 0, 1)]
)
def test_bounds_that_cannot_be_are_refused(wrong: tuple[float, float, int, int]) -> None:
    with pytest.raises(ValueError, match="floor <= ceiling"):
        Bounds(*wrong)
