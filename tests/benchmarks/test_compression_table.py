"""The tables of docs/compression.md come from the figures, with the spread of the seeds."""

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
