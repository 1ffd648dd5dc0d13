"""The pair and status network in numpy, so that every engine shares one decoder. `eventtag.models.link_layers` trains the same in torch.

A span is represented by the states of its first and last token and the mean of all of them. A pair's score comes from both spans, its
features, the mean state of the words between, and a low-rank product of the two. A second pass sees the first one's probabilities of all
pairs that compete: those of the same event and those of the same participant. The status of an event comes from its span and the mean
state of its sentence.

Letters for shapes: N tokens, D width of the link states, S spans, E events, P pairs, R roles.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from eventtag.links.candidates import Candidates

Floats = npt.NDArray[np.float32]
Array = TypeVar("Array", npt.NDArray[np.float32], npt.NDArray[np.float64])

WEIGHTS_FILE = "links.safetensors"
HALF = np.float32(0.7978845608028654)
"""The square root of 2 / pi."""


@dataclass(frozen=True)
class PairScores:
    """Unnormalised scores: `roles` [P, 1 + R], the first for no link, -inf for a role that the participant's label cannot have;
    `status` [E, 4] in the order of `eventtag.span.STATUSES`.
    """

    roles: Floats
    status: Floats


@dataclass(frozen=True)
class PairNetwork:
    """`weights` are named as in `LinkLayers`; `allowed` [L, 1 + R] says which label may have which role."""

    weights: Mapping[str, Floats]
    allowed: npt.NDArray[np.bool_]

    @property
    def width(self) -> int:
        """D."""
        return int(self.weights["tag.weight"].shape[1])

    def __call__(self, states: Floats, found: Candidates) -> PairScores:
        """The scores of an article's candidates from its link states [N, D]; NaN marks tokens that no model read, which no span holds."""
        read = ~np.isnan(states[:, 0])
        states = np.where(read[:, None], states, np.float32(0)) + self.weights["tag.weight"][found.tags] * read[:, None]
        sums = np.concatenate([np.zeros((1, states.shape[1])), np.cumsum(states, axis=0, dtype=np.float64)])
        counts = np.append(0, np.cumsum(read))

        def mean(start: npt.NDArray[np.int64], end: npt.NDArray[np.int64]) -> Floats:
            size = np.maximum(counts[end] - counts[start], 1)[:, None]
            return np.asarray((sums[end] - sums[start]) / size, dtype=np.float32)

        start, end = found.spans[:, 0], found.spans[:, 1]
        spans = self._normalised(np.concatenate([states[start], states[end - 1], mean(start, end)], axis=1), "span_norm")
        bounds = np.searchsorted(found.sentences, found.sentences[start[found.events]], side="left")
        ends = np.searchsorted(found.sentences, found.sentences[start[found.events]], side="right")
        told = np.concatenate([spans[found.events], mean(bounds, ends)], axis=1)
        status = self._linear(gelu(self._linear(told, "status_hidden")), "status")
        return PairScores(self._roles(spans, mean, found), status)

    def _roles(
        self, spans: Floats, mean: Callable[[npt.NDArray[np.int64], npt.NDArray[np.int64]], Floats], found: Candidates
    ) -> Floats:
        event, other = found.pairs[:, 0], found.pairs[:, 1]
        allowed = self.allowed[found.labels[other]]
        if not len(event):
            return np.zeros(allowed.shape, dtype=np.float32)
        left, right = self._linear(spans, "event"), self._linear(spans, "participant")
        mixed = left[event] + right[other] + self.weights["features.weight"][found.features].sum(axis=1)
        low = np.minimum(found.spans[event, 1], found.spans[other, 1])
        high = np.maximum(np.maximum(found.spans[event, 0], found.spans[other, 0]), low)
        mixed += self._linear(mean(low, high), "between")
        product = self._linear(left, "low_event")[event] * self._linear(right, "low_participant")[other]
        mixed += self._linear(product * (4 / np.maximum(np.linalg.norm(product, axis=1, keepdims=True), 1e-6)), "low")
        hidden = gelu(self._linear(gelu(mixed), "hidden"))
        first = np.where(allowed, self._linear(hidden, "first"), -np.inf)
        rivals = rival_features(softmax(first), event, other, len(spans))
        second = self._linear(gelu(hidden + self._linear(rivals, "rivals")), "second")
        return np.where(allowed, second, np.float32(-np.inf)).astype(np.float32)

    def _linear(self, values: Floats, name: str) -> Floats:
        product = np.asarray(values, dtype=np.float32) @ self.weights[f"{name}.weight"].T
        return np.asarray(product + self.weights[f"{name}.bias"], dtype=np.float32)

    def _normalised(self, values: Floats, name: str) -> Floats:
        centred = values - values.mean(axis=1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5)
        return np.asarray(scaled * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"], dtype=np.float32)


def write_pair_network(network: PairNetwork, folder: Path) -> None:
    """Write the weights into a folder."""
    from safetensors.numpy import save_file

    save_file({name: np.ascontiguousarray(weight) for name, weight in network.weights.items()}, str(folder / WEIGHTS_FILE))


def read_pair_network(folder: Path, allowed: npt.NDArray[np.bool_]) -> PairNetwork:
    """The network that was written into a folder; `allowed` as for `PairNetwork`."""
    from safetensors.numpy import load_file

    return PairNetwork(load_file(str(folder / WEIGHTS_FILE)), allowed)


def gelu(values: Floats) -> Floats:
    """The Gaussian error linear unit by its tanh form (Hendrycks and Gimpel 2016, https://arxiv.org/abs/1606.08415)."""
    inner = HALF * (values + np.float32(0.044715) * values * values * values)
    return np.asarray(np.float32(0.5) * values * (np.float32(1) + np.tanh(inner)))


def softmax(scores: Array) -> Array:
    """[..., C]: probabilities."""
    shifted = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)  # type: ignore[no-any-return]


def rival_features(probabilities: Floats, event: npt.NDArray[np.int64], other: npt.NDArray[np.int64], spans: int) -> Floats:
    """[P, 5 R + 2]: for the event and for the participant, how probable their other pairs are: the sums of each role and by how much the
    best of no link and each role is above this pair; then this pair's own roles.
    """
    columns = []
    for member in (event, other):
        total = np.zeros((spans, probabilities.shape[1]), dtype=np.float32)
        best = np.zeros_like(total)
        np.add.at(total, member, probabilities)
        np.maximum.at(best, member, probabilities)
        columns += [np.minimum(total[member] - probabilities, 4)[:, 1:], best[member] - probabilities]
    return np.concatenate([*columns, probabilities[:, 1:]], axis=1)
