"""The tables on pruning come from the figures."""

from __future__ import annotations

from typing import Any

from bench.compression_table import compression


def lines(case: str, rows: list[dict[str, Any]]) -> list[str]:
    found = {"pictures": 10, "test": 5, "seeds": [0], "cases": {case: {"rows": rows}}}
    return compression(found).splitlines()[2:]


def test_a_pruned_net_stands_beside_the_whole_one_with_what_it_computes() -> None:
    row = {"seed": 0, "bytes": 2_500_000, "ms": 1.25}
    whole = row | {"how": "float", "macs": 58_676_256, "params": 20_209_034, "score": 0.855}
    half = row | {"how": "half, trained", "macs": 29_264_992, "params": 5_031_610, "score": 0.86}
    assert lines("alexnet", [whole, half])[2:] == [
        "| float | 58.7 M | 20.2 M | 85.5% |  | 2.50 MB | 1.25 ms |",
        "| half, trained | 29.3 M | 5.03 M | 86.0% | -0.5 | 2.50 MB | 1.25 ms |",
    ]


def test_scores_have_a_column_for_each_share() -> None:
    rows = [
        {"seed": 0, "how": how, "keep": keep, "score": score, "bytes": None}
        for how, keep, score in (("float", 1.0, 0.9), ("taylor", 0.8, 0.88), ("taylor", 0.6, 0.7), ("gamma", 0.8, 0.3),
                                 ("gamma", 0.6, 0.1))
    ]  # fmt: skip
    assert lines("scores", rows) == [
        "| not trained; whole 90.0% | 80% of the MACs | 60% of the MACs |",
        "| --- | --- | --- |",
        "| taylor | 88.0% | 70.0% |",
        "| gamma | 30.0% | 10.0% |",
    ]


def test_files_with_zeros_have_both_sizes() -> None:
    row = {"how": "zeros-80-sparse", "zeros": 0.8, "sparse": True, "bytes": 7_847_904, "zipped": 6_873_088, "ms": 7.04}
    assert lines("zeros", [row])[-1] == "| 80% zeros, sparse file | 7.85 MB | 6.87 MB | 7.04 ms |"
