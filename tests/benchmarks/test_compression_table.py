"""The tables of docs/compression.md, those on pruning included, come from the figures, with the spread of the seeds."""

from __future__ import annotations

from typing import Any

from bench.compression_table import compression


def rows(*scores: tuple[int, str, float], **others: Any) -> list[dict[str, Any]]:
    return [{"seed": seed, "how": how, "score": score, "bytes": 1234, **others} for seed, how, score in scores]


def test_points_are_those_below_the_float_file_of_the_same_training() -> None:
    found = {
        "pictures": 3000,
        "test": 500,
        "seeds": [0, 1],
        "cases": {
            "detector": {
                "rows": rows(
                    (0, "float", 0.5), (0, "int8", 0.45), (1, "float", 0.6), (1, "int8", 0.59), ms=2.0
                ),
            }
        },
    }  # fmt: skip
    lines = compression(found).splitlines()
    assert lines[0].startswith("3,000 training pictures, 500 held-out ones; the mean of 2 trainings")
    assert lines[-2:] == [
        "| float | 1 kB | 55.0 ± 5.0% |  | 2 ms |",
        "| int8 | 1 kB | 52.0 ± 7.0% | +3.0 ± 2.0 | 2 ms |",
    ]


def test_all_files_of_the_same_pictures_stand_in_one_table() -> None:
    loss = {"divergence": 0.0, "changed": 0.0}
    diagnosis = {"whole": {"int8": loss, "per_tensor": loss}, "per_tensor": [], "advice": ["nothing is wrong"]}
    learned = [{"seed": 0, "how": "the teacher", "score": 0.9, "bytes": None, "ms": None}]
    cases = {
        "mobilenet_v2": {"rows": rows((0, "float", 0.9), (0, "int8", 0.89), ms=3.0), "diagnosis": diagnosis},
        "teacher": {"rows": learned + rows((0, "labels alone", 0.8), (0, "with the teacher", 0.82), ms=0.1)},
    }
    lines = compression({"pictures": 10, "test": 5, "seeds": [0], "cases": cases}).splitlines()
    assert lines[2:8] == [
        "| on Fashion-MNIST | size | accuracy | one run |",
        "| --- | --- | --- | --- |",
        "| MobileNetV2: float | 1 kB | 90.0% | 3 ms |",
        "| MobileNetV2: int8 | 1 kB | 89.0% | 3 ms |",
        "| LeNet: labels alone | 1 kB | 80.0% | 0.1 ms |",
        "| LeNet: with the teacher | 1 kB | 82.0% | 0.1 ms |",
    ]
    assert lines[-1] == "| with the teacher | 1 kB | 82.0% | +8.0 | 0.1 ms |"


def test_one_training_has_no_spread_and_bits_have_their_lines() -> None:
    both = rows((0, "float", 0.99), bits=32) + rows((0, "int8", 0.9), bits=3) + rows((0, "int8", 0.985), bits=8)
    found = {"pictures": 10, "test": 5, "seeds": [0], "cases": {"lenet": {"rows": both}}}
    lines = compression(found).splitlines()
    assert "one training" in lines[0]
    assert [line.split(" | ")[0] for line in lines[-3:]] == ["| float", "| 3 bits: int8", "| 8 bits: int8"]
    assert lines[-2].endswith("| 90.0% | +9.0 |")


def test_a_diagnosis_is_told_in_words() -> None:
    loss = {"divergence": 0.1, "changed": 0.25}
    diagnosis = {
        "whole": {"int8": loss | {"changed": 0.01}, "per_tensor": loss, "four_bits": loss},
        "per_tensor": [{"layer": "Conv1", "divergence": 0.0512, "spread": 80.0}],
        "advice": ["train it"],
    }
    case = {"rows": rows((0, "float", 0.9), ms=1.5), "diagnosis": diagnosis}
    text = compression({"pictures": 10, "test": 5, "seeds": [0], "cases": {"mobilenet_v2": case}})
    assert "changed classes 1.0% in int8, 25.0% with one scale for each kernel" in text
    assert "`Conv1` 0.0512. Its advice: train it." in text


def table_of(case: str, rows: list[dict[str, Any]]) -> list[str]:
    found = {"pictures": 10, "test": 5, "seeds": [0], "cases": {case: {"rows": rows}}}
    return compression(found).splitlines()[2:]


def test_a_pruned_net_stands_beside_the_whole_one_with_what_it_computes() -> None:
    row = {"seed": 0, "bytes": 2_500_000, "ms": 1.25}
    whole = row | {"how": "float", "macs": 58_676_256, "params": 20_209_034, "score": 0.855}
    half = row | {"how": "half, trained", "macs": 29_264_992, "params": 5_031_610, "score": 0.86}
    assert table_of("alexnet", [whole, half])[2:] == [
        "| float | 58.7 M | 20.2 M | 85.5% |  | 2.50 MB | 1.25 ms |",
        "| half, trained | 29.3 M | 5.03 M | 86.0% | -0.5 | 2.50 MB | 1.25 ms |",
    ]


def test_scores_have_a_column_for_each_share() -> None:
    rows = [
        {"seed": 0, "how": how, "keep": keep, "score": score, "bytes": None}
        for how, keep, score in (("float", 1.0, 0.9), ("taylor", 0.8, 0.88), ("taylor", 0.6, 0.7), ("gamma", 0.8, 0.3),
                                 ("gamma", 0.6, 0.1))
    ]  # fmt: skip
    assert table_of("scores", rows) == [
        "| not trained; whole 90.0% | 80% of the MACs | 60% of the MACs |",
        "| --- | --- | --- |",
        "| taylor | 88.0% | 70.0% |",
        "| gamma | 30.0% | 10.0% |",
    ]


def test_files_with_zeros_have_both_sizes() -> None:
    row = {"how": "zeros-80-sparse", "zeros": 0.8, "sparse": True, "bytes": 7_847_904, "zipped": 6_873_088, "ms": 7.04}
    assert table_of("zeros", [row])[-1] == "| 80% zeros, sparse file | 7.85 MB | 6.87 MB | 7.04 ms |"
