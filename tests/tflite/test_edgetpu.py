"""What is said of an Edge TPU before anything is compiled for it."""

from __future__ import annotations

import flatbuffers
import pytest

from tests.records import graph, model, op, tensor
from zoo.tflite import edgetpu
from zoo.tflite.edgetpu import EdgeTpuReport, Placement, report
from zoo.tflite.flatbuffer import Reader, Table
from zoo.tflite.modelfile import Tensor
from zoo.tflite.writing.front import table

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (7 * MIB, "7.0 MiB of weights fit the on-chip cache"),
        (7 * MIB + MIB // 2, "7.5 MiB of weights may not fit the on-chip cache, which is known to be about 8 MB only"),
        (9 * MIB, "9.0 MiB of weights do not fit the on-chip cache of about 8 MB"),
    ],
)
def test_what_is_known_about_alone_is_said_so(size: int, said: str) -> None:
    report = EdgeTpuReport((), size)
    assert report.lines()[1].startswith(said)
    assert report.fits_cache == ("weights fit" in said)


def test_up_to_seven_mebibytes_fit_and_above_eight_do_not() -> None:
    known = {7 * MIB: "fit", 7 * MIB + 1: "may not fit", 8 * MIB: "may not fit", 8 * MIB + 1: "do not fit"}
    for size, said in known.items():
        assert f"MiB of weights {said} the on-chip cache" in EdgeTpuReport((), size).lines()[1], size


def options(numbers: dict[int, tuple[str, float]]) -> Table:
    """Makes an operation's own table of numbers by slot."""
    builder = flatbuffers.Builder(64)
    builder.Finish(table(builder, {}, numbers), b"TEST")
    return Reader(bytes(builder.Output())).root(b"TEST")


def why_not(
    name: str, inputs: list[Tensor], output: Tensor, numbers: dict[int, tuple[str, float]] | None = None
) -> str:
    """Returns why an operation stays on the CPU; empty if it runs on the Edge TPU."""
    which = tuple(range(len(inputs)))
    made = op(name, which, (len(inputs),))._replace(options=options(numbers) if numbers else None)
    (found,) = report(model(graph([*inputs, output], made))).placements
    assert found.on_tpu == (not found.why)
    assert (found.op, found.output) == (name, output.name)
    return found.why


PICTURE, SMALLER = tensor(shape=(1, 8, 8, 3)), tensor(shape=(1, 8, 8, 4))
KERNEL = tensor(shape=(4, 3, 3, 3), constant=108)
BIAS = tensor("INT32", (4,), constant=16)
CONVOLVED = [PICTURE, KERNEL, BIAS]
ROW, WEIGHTS = tensor(shape=(1, 10)), tensor(shape=(5, 10), constant=50)


def test_operations_of_eight_bits_with_constant_weights_run_on_it() -> None:
    assert why_not("CONV_2D", CONVOLVED, SMALLER) == ""
    assert why_not("CONV_2D", CONVOLVED, SMALLER, {4: ("Int32", 2), 5: ("Int32", 2)}) == ""
    assert why_not("FULLY_CONNECTED", [ROW, WEIGHTS, BIAS], tensor(shape=(1, 5))) == ""
    assert why_not("ADD", [PICTURE, PICTURE], tensor("UINT8", (1, 8, 8, 3))) == ""


def test_what_it_has_not_or_not_yet_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert why_not("CUMSUM", [ROW], ROW) == "the Edge TPU has no such operation"
    for runtime, why in (("all", ""), ("14", ""), ("15", "needs Edge TPU runtime 15")):
        monkeypatch.setattr(edgetpu, "_table", lambda runtime=runtime: {"ADD": {"min_runtime": runtime}})
        assert why_not("ADD", [ROW, ROW], ROW) == why


def test_tensors_have_fixed_sizes_eight_bits_and_three_dimensions() -> None:
    assert "no fixed size" in why_not("ADD", [tensor(shape=(1, 4), dynamic=True), ROW], ROW)
    assert "is float32, not 8-bit" in why_not("ADD", [ROW, ROW], tensor("FLOAT32", (1, 10)))
    assert "is int32, not 8-bit" in why_not("ADD", [ROW, tensor("INT32", (1, 10))], ROW)
    assert "is float32, not 8-bit" in why_not("ADD", [ROW, tensor("FLOAT32", (1, 10), constant=40)], ROW)
    assert "has more than three dimensions: (2, 8, 8, 3)" in why_not("ADD", [tensor(shape=(2, 8, 8, 3)), ROW], ROW)
    assert why_not("ADD", [tensor(shape=(1, 1, 8, 8, 3)), ROW], ROW) == ""
    assert why_not("ADD", [tensor(shape=(2, 8, 8, 3), constant=384), ROW], ROW) == ""


def test_convolutions_are_neither_grouped_nor_dilated_one_way_and_their_weights_are_known() -> None:
    assert "it is grouped" in why_not("CONV_2D", [SMALLER, tensor(shape=(4, 3, 3, 2), constant=72), BIAS], SMALLER)
    deep = [SMALLER, tensor(shape=(1, 3, 3, 4), constant=36), BIAS]
    assert why_not("DEPTHWISE_CONV_2D", [PICTURE, *deep[1:]], SMALLER) == ""
    for name, first in (("CONV_2D", 4), ("DEPTHWISE_CONV_2D", 5)):
        inputs = CONVOLVED if first == 4 else deep
        assert "dilation differs" in why_not(name, inputs, SMALLER, {first: ("Int32", 2), first + 1: ("Int32", 3)})
        assert "dilation differs" in why_not(name, inputs, SMALLER, {first: ("Int32", 2)})
        assert why_not(name, inputs, SMALLER, {first - 1: ("Int32", 2)}) == ""
    for at in (1, 2):
        changed = [*CONVOLVED]
        changed[at] = changed[at]._replace(bytes=0, dtype="INT8", shape=(1, *changed[at].shape[1:]))
        assert why_not("CONV_2D", changed, SMALLER) == "its weights are not constant", at


def test_dense_layers_have_one_row_and_weights_in_order() -> None:
    assert "shuffled" in why_not("FULLY_CONNECTED", [ROW, WEIGHTS], tensor(shape=(1, 5)), {1: ("Int8", 1)})
    assert why_not("FULLY_CONNECTED", [ROW, WEIGHTS], tensor(shape=(1, 5)), {0: ("Int8", 1)}) == ""
    assert "more than one dimension" in why_not("FULLY_CONNECTED", [ROW, WEIGHTS], tensor(shape=(2, 5)))


@pytest.mark.parametrize(("name", "slot"), [("MAX_POOL_2D", 5), ("AVERAGE_POOL_2D", 5), ("CONCATENATION", 1)])
def test_an_activation_is_not_fused_to_pooling_and_concatenation(name: str, slot: int) -> None:
    assert why_not(name, [ROW, ROW], ROW, {slot: ("Int8", 1)}) == "it has an activation fused to it"
    assert why_not(name, [ROW, ROW], ROW, {slot + 1: ("Int8", 1)}) == ""


def test_a_softmax_is_of_one_row_of_at_most_16000() -> None:
    for shape, fits in (((1, 16_000), True), ((1, 16_001), False), ((1, 1, 5), True), ((2, 5), False), ((0, 5), False)):
        assert (why_not("SOFTMAX", [tensor(shape=shape)], tensor(shape=shape)) == "") == fits, shape


def test_a_mean_over_channels_is_of_a_multiple_of_four() -> None:
    def mean(before: tuple[int, ...], after: tuple[int, ...]) -> str:
        return why_not("MEAN", [tensor(shape=before), BIAS], tensor(shape=after))

    assert mean((1, 8, 8, 3), (1, 3)) == ""
    assert mean((1, 8, 8, 4), (1, 8, 8)) == ""
    assert mean((1, 8, 8, 3), (1, 8, 8)) == "it averages over 3 channels, not a multiple of 4"
    assert mean((1, 3, 6), (1, 3)) == "it averages over 6 channels, not a multiple of 4"
    assert mean((6,), ()) == "it averages over 6 channels, not a multiple of 4"
    assert mean((), ()) == ""


def test_a_concatenation_has_a_constant_only_as_one_of_two() -> None:
    constant = tensor(shape=(1, 10), constant=10)
    assert why_not("CONCATENATION", [ROW, constant], ROW) == ""
    assert why_not("CONCATENATION", [ROW, ROW, ROW], ROW) == ""
    assert why_not("CONCATENATION", [ROW, ROW, constant], ROW) == "it has a constant among more than two inputs"


def test_the_graph_is_cut_once_and_what_comes_after_stays_on_the_cpu() -> None:
    steps = [op("RELU", (0,), (1,)), op("CUMSUM", (1,), (2,)), op("CUMSUM", (2,), (3,)), op("RELU", (3,), (4,))]
    found = report(model(graph([ROW._replace(name=f"t{i}") for i in range(5)], *steps)))
    assert [one.on_tpu for one in found.placements] == [True, False, False, False]
    after = "comes after CUMSUM (t2), where the graph is cut"
    no = "the Edge TPU has no such operation"
    assert [one.why for one in found.placements] == ["", no, no, after]


def test_the_share_is_that_of_the_multiply_accumulates() -> None:
    def placed(on_tpu: bool, macs: int, name: str = "CONV_2D") -> Placement:
        return Placement(name, "y", on_tpu, "" if on_tpu else "a reason", macs)

    found = EdgeTpuReport((placed(True, 300), placed(False, 100), placed(False, 0, "RESHAPE")), 5)
    assert found.mapped_macs == 0.75
    assert found.lines()[0] == "Edge TPU: 1 of 3 operations, 75.0% of the MACs"
    assert found.lines()[1].startswith("the last 1 operation only arranges the outputs")
    assert EdgeTpuReport((placed(True, 0),), 0).mapped_macs == 0.0
    assert len(EdgeTpuReport((placed(False, 0, "RESHAPE"), placed(True, 300)), 5).lines()) == 2
    said = found.as_dict()
    assert (said["operations"], said["mapped_operations"], said["mapped_macs"]) == (3, 1, 0.75)
    assert (said["weight_bytes"], said["fits_cache"], len(said["placements"])) == (5, True, 3)
