"""Back-off, the retry quota and Retry-After."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.backoff import RetryPolicy, RetryQuota, full_jitter, http_date, retry_after

NOW = 784_111_777.0  # Sun, 06 Nov 1994 08:49:37 GMT, the date of RFC 9110's examples


@given(retries=st.integers(0, 10_000), roll=st.floats(0, 1, exclude_max=True))
def test_a_back_off_is_never_longer_than_the_cap_nor_than_the_doubling(retries: int, roll: float) -> None:
    policy = RetryPolicy(base=0.5, cap=30.0)
    wait = full_jitter(policy, retries, roll)
    assert 0.0 <= wait <= 30.0
    assert wait <= 0.5 * 2.0 ** min(retries, 10)


def test_the_jitter_is_full_so_it_reaches_from_nothing_to_the_doubled_base() -> None:
    policy = RetryPolicy(base=1.0, cap=100.0)
    assert [full_jitter(policy, n, 0.0) for n in range(4)] == [0.0, 0.0, 0.0, 0.0]
    assert [full_jitter(policy, n, 0.5) for n in range(4)] == [0.5, 1.0, 2.0, 4.0]


@pytest.mark.parametrize("wrong", [{"tries": 0}, {"patience": -1.0}, {"base": -0.1}, {"cap": -1.0}])
def test_a_policy_that_cannot_be_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="tries >= 1"):
        RetryPolicy(**wrong)


def test_the_quota_pays_for_so_many_retries_when_nothing_succeeds() -> None:
    quota = RetryQuota(capacity=10)
    assert [quota.take(healthy=False) for _ in range(15)] == [True] * 10 + [False] * 5


def test_good_answers_give_a_part_of_the_quota_back_and_never_more_than_its_capacity() -> None:
    quota = RetryQuota(capacity=2, cost=1, gain=0.5)
    assert quota.take(healthy=False)
    assert quota.take(healthy=False)
    quota.give()
    assert not quota.take(healthy=False)
    for _ in range(100):
        quota.give()
    assert quota.left == 2


def test_an_empty_quota_refuses_no_retry_while_other_requests_succeed() -> None:
    quota = RetryQuota(capacity=0)
    assert quota.take(healthy=True)
    assert not quota.take(healthy=False)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("1.5", 1.5),
        ("Sun, 06 Nov 1994 08:50:07 GMT", 30.0),
        ("Sunday, 06-Nov-94 08:50:07 GMT", 30.0),
        ("Sun Nov  6 08:50:07 1994", 30.0),
        ("Sun, 06 Nov 1994 08:00:00 GMT", 0.0),
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("nan", None),
        ("1e9", None),
        ("Sun, 06 Nov 99999 08:49:37 GMT", None),
        ("Sun, 99 Nov 1994 99:99:99 GMT", None),
    ],
)
def test_a_retry_after_is_read_as_seconds_or_as_any_http_date(
    header: str | None, seconds: float | None
) -> None:
    assert retry_after(header, now=NOW) == seconds


@given(st.text())
def test_no_header_breaks_the_reading_of_retry_after(header: str) -> None:
    seconds = retry_after(header, now=NOW)
    assert seconds is None or seconds >= 0.0


def test_an_http_date_is_read_as_unix_time() -> None:
    assert http_date("Sun, 06 Nov 1994 08:49:37 GMT") == NOW
    assert http_date("yesterday") is None
