from __future__ import annotations

import pytest

from zoo import figures, models
from zoo.assets import read_sizes
from zoo.summary.table import outline

ZOO = [name for name in models.list_models() if models.spec(name).accuracies]


def test_the_table_has_a_line_for_each_net_that_is_listed() -> None:
    wanted = [
        (name, models.spec(name).instance_name(values))
        for name in models.list_models()
        for values in figures.variants(models.spec(name))
    ]
    assert list(read_sizes()) == wanted, "make tables"
    for name in models.list_models():
        spec = models.spec(name)
        assert read_sizes()[name, name] == (spec.params, spec.macs)


@pytest.mark.parametrize("name", ZOO)
@pytest.mark.slow
def test_a_line_says_what_a_count_of_the_layers_of_the_last_net_gives(name: str) -> None:
    spec = models.spec(name)
    values = figures.variants(spec)[-1]
    counted = outline(name, **values)
    assert figures.sizes(spec, values) == (counted.params, counted.macs), spec.instance_name(values)


def test_options_that_no_line_is_for_have_no_size() -> None:
    spec = models.spec("mobilenet_v2")
    assert figures.sizes(spec, {"alpha": 0.35, "num_classes": 7}) == (None, None)
    assert figures.sizes(spec, {"alpha": 0.35, "input_size": 1024}) == (None, None)
    assert figures.sizes(spec, {"alpha": 0.35, "dropout": 0.5}) == figures.sizes(spec, {"alpha": 0.35})
