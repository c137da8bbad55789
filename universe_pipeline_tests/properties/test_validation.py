"""Validation: no row vanishes or changes, twice is once, and no order matters."""

import math
from collections import Counter
from typing import Any
from unicodedata import category

import polars as pl
from hypothesis import event, given
from hypothesis import strategies as st

from universe_pipeline.adapters.postgres.bars.copy_binary import encode
from universe_pipeline.domain.bars import BAR_SCHEMA, Bars
from universe_pipeline.domain.quality import Validated, validate
from universe_pipeline.loading.sessions import Encoding, encode_session
from universe_pipeline_tests.support.hypothesis_profile import examples
from universe_pipeline_tests.support.session_answers import JULY_1, T1

Row = tuple[Any, ...]

VENDOR_KEYS = ("T", "o", "h", "l", "c", "v", "vw", "n")
"""The vendor's names of the columns of `BAR_SCHEMA`."""

SYMBOL = (
    st.none() | st.sampled_from(["A B", "", "A" * 32, "A" * 33, "\u202e"]) | st.text(max_size=8)
)
FLOAT = st.none() | st.sampled_from([10.0, 11.0, 0.0, -0.0, math.nan, math.inf]) | st.floats()
TRANSACTIONS = st.none() | st.integers(-(2**63), 2**63 - 1)


@st.composite
def row(draw: st.DrawFn) -> Row:
    """A sound bar of one of three symbols, every other time with one value that may be none."""
    low, middle, high = sorted(draw(st.tuples(*[st.sampled_from([10.0, 10.5, 11.0])] * 3)))
    ends = draw(st.permutations([low, middle]))
    symbol, volume = draw(st.sampled_from("AaB")), draw(st.sampled_from([0.0, 5.5]))
    values: list[Any] = [symbol, ends[0], high, low, ends[1], volume, None, draw(TRANSACTIONS)]
    if draw(st.booleans()):
        spoilt = draw(st.integers(0, 6))
        values[spoilt] = draw(SYMBOL if spoilt == 0 else FLOAT)
    return tuple(values)


ROW = row()
ROWS = st.lists(ROW, max_size=8).flatmap(
    lambda rows: st.tuples(st.permutations(rows * 2 if len(rows) < 4 else rows), st.randoms())
)


@given(ROWS)
@examples(150)
def test_the_accepted_and_the_rejected_are_the_given(given_rows: tuple[list[Row], Any]):
    rows, _ = given_rows

    found = validate(_frame(rows))

    shown = [_shown(dict(zip(VENDOR_KEYS, row, strict=True))) for row in found.accepted.rows()]
    shown += [_shown(each.payload) for each in found.rejected]
    assert Counter(shown) == Counter(
        _shown(dict(zip(VENDOR_KEYS, row, strict=True))) for row in rows
    )
    assert found.accepted["symbol"].is_unique().all()


@given(ROW)
@examples(300)
def test_a_row_is_accepted_exactly_if_it_is_a_bar(given_row: Row):
    found = validate(_frame([given_row]))

    assert found.accepted.height == _is_bar(*given_row)
    event("accepted" if found.accepted.height else found.rejected[0].rule)


def _is_bar(symbol: str | None, *values: Any) -> bool:
    """What docs/vendor.md says of a row, in plain Python."""
    if symbol is None or not 1 <= len(symbol) <= 32:
        return False
    if any(letter.isspace() or category(letter).startswith("C") for letter in symbol):
        return False
    if any(value is None or not math.isfinite(value) for value in values[:5]):
        return False
    opened, high, low, close, _ = values[:5]
    return 0 < low <= min(opened, close) and max(opened, close) <= high


@given(ROWS)
@examples(100)
def test_what_was_accepted_once_is_accepted_again(given_rows: tuple[list[Row], Any]):
    once = validate(_frame(given_rows[0])).accepted

    again = validate(once)

    assert again.accepted.equals(once)
    assert again.rejected == ()


@given(ROWS)
@examples(150)
def test_the_order_of_the_rows_changes_neither_verdicts_nor_fingerprint(
    given_rows: tuple[list[Row], Any],
):
    rows, chance = given_rows
    turned = chance.sample(rows, len(rows))

    first, second = validate(_frame(rows)), validate(_frame(turned))

    assert _verdicts(first) == _verdicts(second)
    fingerprints = {
        encode(each.accepted, "grouped", JULY_1).fingerprint for each in (first, second)
    }
    assert len(fingerprints) == 1


@given(ROWS, st.integers(1, 5))
@examples(100)
def test_batches_change_neither_rows_nor_fingerprint(given_rows: tuple[list[Row], Any], batch: int):
    answer = Bars(_frame(given_rows[0]))

    whole, _ = encode_session(answer, JULY_1, T1, Encoding())
    batched, _ = encode_session(answer, JULY_1, T1, Encoding(batch_rows=batch))

    assert (batched.content_hash, batched.rows) == (whole.content_hash, whole.rows)
    assert len(b"".join(batched.buffers)) == len(b"".join(whole.buffers))
    assert len(batched.buffers) == math.ceil(whole.rows / batch)


def _frame(rows: list[Row]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=BAR_SCHEMA, orient="row")


def _shown(row: dict[str, Any]) -> str:
    return repr(sorted((key, value) for key, value in row.items() if value is not None))


def _verdicts(found: Validated) -> Counter[str]:
    accepted = (repr(row) for row in found.accepted.rows())
    return Counter([*accepted, *(f"{each.rule} {_shown(each.payload)}" for each in found.rejected)])
