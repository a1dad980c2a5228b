"""Whether an output holds probabilities, by the operations that make it."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.tflite.modelfile import Graph, Op, Tensor
from zoo.tflite.scores import DEPTH, are_probabilities

SHAPE, FEATURES, ONE, WEIGHTS = 90, 91, 92, 93
"""Tensors that no operation makes: a shape, computed features, the number one, and weights."""


def graph(*ops: tuple[str, list[int]], scale: float = 0, zero_point: int = 0, dtype: str = "FLOAT32") -> Graph:
    """A graph whose operation number n makes tensor n; the last one makes the output, with such a quantization."""
    shapes = {SHAPE: (2,), ONE: (1,), WEIGHTS: (3,)}
    constant = {SHAPE: 8, ONE: 4, WEIGHTS: 12}
    last = len(ops) - 1

    def tensor(index: int) -> Tensor:
        scales = np.array([scale] if scale and index == last else [], np.float32)
        kind = dtype if index == last else "FLOAT32"
        zeros = np.array([zero_point], np.int64)
        return Tensor(index, "", shapes.get(index, (1, 3)), kind, scales, zeros, 0, False, constant.get(index, 0))

    made = tuple(
        Op(name, 1, name == "edgetpu-custom-op", tuple(inputs), (number,)) for number, (name, inputs) in enumerate(ops)
    )
    return Graph(tuple(map(tensor, range(100))), made, (FEATURES,), (last,))


@pytest.mark.parametrize(
    ("ops", "expected"),
    [
        ([("SOFTMAX", [FEATURES])], True),
        ([("LOGISTIC", [FEATURES])], True),
        ([("FULLY_CONNECTED", [FEATURES, WEIGHTS])], False),
        ([("LOG_SOFTMAX", [FEATURES])], False),
        ([], False),
        ([("SOFTMAX", [FEATURES]), ("RESHAPE", [0, SHAPE])], True),
        ([("SOFTMAX", [FEATURES]), ("DEQUANTIZE", [0]), ("STRIDED_SLICE", [1, SHAPE, SHAPE, SHAPE])], True),
        ([("SOFTMAX", [FEATURES]), ("MUL", [0, WEIGHTS])], False),
        ([("SOFTMAX", [FEATURES]), ("ADD", [0, 0])], False),
        ([("SOFTMAX", [FEATURES]), ("FULLY_CONNECTED", [0, WEIGHTS])], False),
        # The two classes of one sigmoid.
        ([("LOGISTIC", [FEATURES]), ("SUB", [ONE, 0]), ("CONCATENATION", [1, 0])], True),
        ([("LOGISTIC", [FEATURES]), ("SUB", [0, ONE])], False),
        ([("LOGISTIC", [FEATURES]), ("CONCATENATION", [0, FEATURES])], False),
        # The mean of two nets, stacked.
        ([("SOFTMAX", [FEATURES]), ("SOFTMAX", [FEATURES]), ("PACK", [0, 1]), ("MEAN", [2, SHAPE])], True),
        # A softmax written out, and a division by something else.
        ([("EXP", [FEATURES]), ("SUM", [0, SHAPE]), ("DIV", [0, 1])], True),
        ([("EXP", [FEATURES]), ("SUM", [FEATURES, SHAPE]), ("DIV", [0, 1])], False),
    ],
)
def test_the_last_operations_tell(ops: list[tuple[str, list[int]]], expected: bool) -> None:
    found = graph(*ops)
    assert are_probabilities(found, len(ops) - 1 if ops else FEATURES) is expected


@pytest.mark.parametrize(
    ("dtype", "scale", "zero_point", "expected"),
    [
        ("UINT8", 1 / 256, 0, True),
        ("INT8", 1 / 256, -128, True),
        ("INT8", 1 / 256, 0, False),
        ("UINT8", 0.1, 0, False),
        ("FLOAT32", 0, 0, False),
    ],
)
def test_an_operation_that_is_not_known_tells_by_the_quantization(
    dtype: str, scale: float, zero_point: int, expected: bool
) -> None:
    compiled = graph(("edgetpu-custom-op", [FEATURES]), scale=scale, zero_point=zero_point, dtype=dtype)
    assert are_probabilities(compiled, 0) is expected


def test_a_long_or_circular_chain_comes_to_an_end() -> None:
    long = graph(("SOFTMAX", [FEATURES]), *(("RESHAPE", [n, SHAPE]) for n in range(DEPTH + 5)))
    assert not are_probabilities(long, DEPTH + 5)
    circle = graph(("RESHAPE", [1, SHAPE]), ("RESHAPE", [0, SHAPE]))
    assert not are_probabilities(circle, 1)


def test_a_hostile_graph_that_branches_at_every_step_comes_to_an_end_soon() -> None:
    doubling = graph(("SOFTMAX", [FEATURES]), *(("PACK", [n] * 8) for n in range(DEPTH - 2)))
    assert are_probabilities(doubling, DEPTH - 2)


def test_a_division_by_the_sum_of_what_is_divided_has_two_inputs_and_is_no_other_operation() -> None:
    for last, inputs, expected in (("DIV", [0, 1], True), ("MUL", [0, 1], False), ("DIV", [0, 1, SHAPE], False)):
        found = graph(("EXP", [FEATURES]), ("SUM", [0, SHAPE]), (last, inputs))
        assert are_probabilities(found, 2) is expected
    assert not are_probabilities(graph(("EXP", [FEATURES]), ("MAXIMUM", [0, 0]), ("DIV", [0, 1])), 2)
    assert not are_probabilities(graph(("EXP", [FEATURES]), ("SUM", []), ("DIV", [0, 1])), 2)


def test_as_many_operations_are_followed_as_are_allowed_and_no_more() -> None:
    for more, expected in ((31, True), (32, False)):
        chain = graph(("SOFTMAX", [FEATURES]), *(("RESHAPE", [n, SHAPE]) for n in range(more)))
        assert are_probabilities(chain, more) is expected


def test_an_input_that_is_left_out_is_none() -> None:
    assert are_probabilities(graph(("SOFTMAX", [FEATURES]), ("RESHAPE", [0, -1])), 1)
    assert not are_probabilities(graph(("RESHAPE", [-1])), 0)


def test_one_less_a_probability_is_one_and_nothing_else_is() -> None:
    for inputs, expected in (
        ([ONE, 0], True), ([WEIGHTS, 0], False), ([ONE, 0, 0], False), ([ONE], False), ([FEATURES, 0], False),
        ([ONE, FEATURES], False),
    ):  # fmt: skip
        assert are_probabilities(graph(("LOGISTIC", [FEATURES]), ("SUB", inputs)), 1) is expected


@pytest.mark.parametrize(("scale", "expected"), [(1.0000005, True), (1.00001, False), (0.99999, False)])
def test_a_step_is_a_256th_but_for_rounding(scale: float, expected: bool) -> None:
    compiled = graph(("edgetpu-custom-op", [FEATURES]), scale=scale / 256, dtype="UINT8")
    assert are_probabilities(compiled, 0) is expected
