"""What follows a refusal is decided without sending anything."""

import pytest

from pipeline.core.splitting import Blame, Outage, Split, next_step
from pipeline.errors import BundleRefused, TransientError

ROWS = ("a", "b", "c", "d")


def test_rows_that_the_answer_names_are_blamed_and_the_rest_is_sent_again() -> None:
    refusal = BundleRefused("no", rows={"b": "unknown class"})
    assert next_step(ROWS, ROWS, refusal, alive=True) == Blame((("b", "unknown class"),), ("a", "c", "d"))


def test_a_refusal_that_names_nobody_is_searched_by_halves() -> None:
    assert next_step(ROWS, ROWS, BundleRefused("no"), alive=True) == Split(
        (("a", "b"), ("c", "d")), search=True
    )
    assert next_step(("a",), ("a",), BundleRefused("no"), alive=True) == Blame((("a", "no"),), ())


def test_a_bundle_that_is_too_large_is_halved_and_blames_nobody() -> None:
    refusal = BundleRefused("413", too_large=True)
    assert next_step(ROWS, ROWS, refusal, alive=True) == Split((("a", "b"), ("c", "d")), search=False)


def test_the_number_of_rows_that_the_server_takes_is_obeyed() -> None:
    refusal = BundleRefused("limit", too_large=True, at_most=1)
    assert next_step(ROWS, ROWS, refusal, alive=True) == Split((("a",), ("b",), ("c",), ("d",)), search=False)


def test_one_row_that_is_too_large_by_itself_is_blamed() -> None:
    step = next_step(("a",), ("a",), BundleRefused("413", too_large=True), alive=True)
    assert isinstance(step, Blame)
    assert "too large" in step.rows[0][1]


@pytest.mark.parametrize("rows", [ROWS, ("a",)])
def test_an_outage_blames_nobody(rows: tuple[str, ...]) -> None:
    assert isinstance(next_step(rows, rows, TransientError("503"), alive=False), Outage)


def test_tries_used_up_while_the_host_answers_others_look_for_a_bad_row() -> None:
    assert isinstance(next_step(ROWS, ROWS, TransientError("500"), alive=True), Split)
