from __future__ import annotations

import zoo


def test_imagenet_has_a_thousand_different_names() -> None:
    labels = zoo.imagenet_labels()
    assert len(labels) == len(set(labels)) == 1000
    assert all(label.strip() == label and label for label in labels)


def test_imagenet_is_in_the_order_of_published_weights() -> None:
    labels = zoo.imagenet_labels()
    # These indexes are well known, e.g. the elephant of Keras' documentation.
    known = {0: "tench", 1: "goldfish", 207: "golden retriever", 386: "African elephant", 985: "daisy"}
    assert {index: labels[index] for index in known} == known
    assert labels[999].startswith("toilet tissue")


def test_names_that_would_stand_twice_are_told_apart() -> None:
    labels = zoo.imagenet_labels()
    assert (labels[134], labels[517]) == ("crane (n02012849)", "crane (n03126707)")
    assert (labels[638], labels[639]) == ("maillot", "maillot, tank suit")
