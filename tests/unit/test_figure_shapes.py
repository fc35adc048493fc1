"""Whether a figure has its shape: a quick answer, and the same in words."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from memnotify.check.expression import ANY, Scalar, Shape
from memnotify.results.verdict import _fits, _wrong

LEAVES = (
    st.none() | st.booleans() | st.text(max_size=2) | st.integers() | st.floats() | st.just(10**24)
)
NAMES = st.sampled_from(["a", "b", "c"])
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
SHAPES: list[Shape] = [
    Scalar.WORD,
    Scalar.NUMBER,
    [Scalar.NUMBER],
    [{"a": Scalar.NUMBER, "b": Scalar.WORD}],
    [[Scalar.WORD]],
    {"a": [Scalar.NUMBER], "b": {"c": Scalar.NUMBER}},
    {ANY: Scalar.NUMBER},
]


@given(value=VALUES, shape=st.sampled_from(SHAPES))
def test_a_figure_fits_if_there_is_nothing_to_say_against_it(value: Any, shape: Shape) -> None:
    assert _fits(value, shape) is (next(_wrong("x", value, shape), None) is None)


def test_figures_that_fit_and_figures_that_do_not() -> None:
    batches = SHAPES[3]
    assert _fits([{"a": 1.5, "b": "x"}, {"a": None, "b": "", "c": []}], batches)
    for bad in ([{"a": 1}], [{"a": "1", "b": "x"}], [7], {"a": 1, "b": "x"}, None):
        assert not _fits(bad, batches)
    assert _fits({"b": {"c": 1, "d": "?"}, "e": []}, SHAPES[5])
    assert not _fits({"x": 1, "y": "1"}, SHAPES[6])
