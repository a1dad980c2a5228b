"""Feeds: ways to train a model for an epoch and to evaluate it; the loop knows only `Feed`."""

from __future__ import annotations

from zoo.training.feeds.feed import Feed
from zoo.training.feeds.keras_fit import CachedFeatures, WholeModel
from zoo.training.setup import Setup
from zoo.training.stages import Stage

__all__ = ["CachedFeatures", "Feed", "WholeModel", "make_feed"]


def make_feed(setup: Setup, stage: Stage) -> Feed:
    """Returns the feed of a stage; must be called within the strategy's scope, by every worker."""
    if setup.strategy.distributed or len(setup.model.outputs) > 1 or setup.objective.teaching is not None:
        from zoo.training.feeds.distributed import DistributedFeed

        return DistributedFeed(setup, stage)
    return CachedFeatures(setup) if stage.cached_features else WholeModel(setup)
