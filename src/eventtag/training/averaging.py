"""Averages of a run's weights: they are what is scored after every epoch, and what the checkpoint holds.

The run itself trains on with its own weights; only those that are trained are averaged, so with adapters the average is small. Every
process of a run makes the same updates and so has the same average.

* `MovingAverage`: exponential, over updates (Polyak and Juditsky 1992, https://doi.org/10.1137/0330046). Young averages forget faster.
* `EpochAverage`: the mean over the ends of the last epochs, or of the best ones (as Vaswani et al. 2017, section 6.1,
  https://arxiv.org/abs/1706.03762, average their last checkpoints).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import nn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from eventtag.settings import AveragedEpochs, AveragingSettings

Weights = dict[str, torch.Tensor]


class Average(Protocol):
    """What a run keeps beside its own weights, saved with every state."""

    weights: Weights
    """The average by name; those of the model before the first update."""

    def begin(self, model: nn.Module) -> None:
        """No update was made yet; the model may have other weights than when the average was built."""
        ...

    def after_update(self, model: nn.Module) -> None:
        """An update was made."""
        ...

    def after_epoch(self, model: nn.Module, score: Callable[[], float]) -> None:
        """An epoch was finished; `score` says how good the run's own weights are, and takes as long as scoring does."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values."""
        ...

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        """Become what `state_dict` said."""
        ...


def build_average(settings: AveragingSettings, model: nn.Module) -> Average | None:
    """The average that the settings ask for, of the weights of `model` that are trained; None where they ask for none."""
    if settings.ema is not None:
        return MovingAverage(model, decay=settings.ema)
    if settings.epochs is not None:
        return EpochAverage(model, epochs=settings.epochs, best=settings.of is AveragedEpochs.best)
    return None


class MovingAverage:
    """After the t-th update the average is d times itself and 1 - d times the weights, with d = min(decay, (1 + t) / (10 + t))."""

    def __init__(self, model: nn.Module, *, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.weights = _copied(trained_weights(model))

    def begin(self, model: nn.Module) -> None:
        """Start from the weights of `model`."""
        _fill(self.weights, trained_weights(model))

    def after_update(self, model: nn.Module) -> None:
        """Move towards the weights of `model`."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        now = trained_weights(model)
        with torch.no_grad():
            torch._foreach_lerp_([self.weights[name] for name in now], list(now.values()), 1 - decay)

    def after_epoch(self, model: nn.Module, score: Callable[[], float]) -> None:
        """Nothing: updates are what is averaged."""

    def state_dict(self) -> dict[str, Any]:
        """The average and the number of updates in it."""
        return {"updates": self.updates, "weights": self.weights}

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        """Go on from a saved average."""
        self.updates = state["updates"]
        _fill(self.weights, state["weights"])


@dataclass(frozen=True)
class _EpochEnd:
    score: float
    weights: Weights


class EpochAverage:
    """The mean of the weights at the ends of the last `epochs` epochs; with `best`, of those whose own weights scored best, the
    earlier one where two are equal.
    """

    def __init__(self, model: nn.Module, *, epochs: int, best: bool) -> None:
        self.epochs = epochs
        self.best = best
        self.ends: list[_EpochEnd] = []
        self.weights = _copied(trained_weights(model))

    def begin(self, model: nn.Module) -> None:
        """Nothing: no epoch was finished."""

    def after_update(self, model: nn.Module) -> None:
        """Nothing: ends of epochs are what is averaged."""

    def after_epoch(self, model: nn.Module, score: Callable[[], float]) -> None:
        """Keep the weights of `model`, if they belong to the last or best ones, and average anew."""
        self.ends.append(_EpochEnd(score() if self.best else 0.0, _copied(trained_weights(model))))
        if len(self.ends) > self.epochs:
            # The last of those with the worst score, or simply the oldest.
            worst = min(range(len(self.ends)), key=lambda place: (self.ends[place].score, -place)) if self.best else 0
            del self.ends[worst]
        self._average()

    def _average(self) -> None:
        if self.ends:
            mean = {name: torch.stack([end.weights[name] for end in self.ends]).mean(dim=0) for name in self.weights}
            _fill(self.weights, mean)

    def state_dict(self) -> dict[str, Any]:
        """The weights that are averaged, with their scores."""
        return {"ends": [{"score": end.score, "weights": end.weights} for end in self.ends]}

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        """Go on from saved weights."""
        place = next(iter(self.weights.values())).device
        self.ends = [
            _EpochEnd(end["score"], {name: weight.to(place) for name, weight in end["weights"].items()}) for end in state["ends"]
        ]
        self._average()


class AverageUpdates(TrainerCallback):
    """Tells an average of a run's beginning and of every update."""

    def __init__(self, average: Average, model: nn.Module) -> None:
        self.average = average
        self.network = model

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:  # noqa: ARG002
        """Tell it, unless the run is gone on with."""
        if not state.global_step:
            self.average.begin(self.network)

    def on_optimizer_step(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:  # noqa: ARG002
        """Tell it."""
        self.average.after_update(self.network)


@contextmanager
def averaged(model: nn.Module, average: Average | None) -> Iterator[None]:
    """Within the block, `model` has the averaged weights, and afterwards its own again."""
    if average is None:
        yield
        return
    own = _copied(trained_weights(model))
    put_average(model, average)
    try:
        yield
    finally:
        _fill(trained_weights(model), own)


def put_average(model: nn.Module, average: Average) -> None:
    """Give `model` the averaged weights for good."""
    _fill(trained_weights(model), average.weights)


def trained_weights(model: nn.Module) -> Weights:
    """The weights of `model` that are trained, by name; they share its memory."""
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}


def _copied(weights: Weights) -> Weights:
    return {name: weight.detach().clone() for name, weight in weights.items()}


def _fill(weights: Weights, values: Weights) -> None:
    """Overwrite `weights` in place."""
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(values[name])
