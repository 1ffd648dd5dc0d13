"""The link and status head in torch: the link states that the network gives, and the layers over pairs of spans, with their loss.

`eventtag.links.network` computes the same layers in numpy, from the same weights.

Letters for shapes: B windows, T tokens, H width of the encoder, D width of the link states, S spans, E events, P pairs, R roles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from torch import nn

from eventtag.labels import LabelSet
from eventtag.links.candidates import feature_sizes
from eventtag.links.network import PairNetwork
from eventtag.links.scheme import LinkScheme
from eventtag.span import STATUSES

WIDTH = 192
LOW = 96
"""Width of the low-rank product of event and participant."""
STATES_DROPOUT, DROPOUT = 0.1, 0.3
LAST_LAYER = 2.0
"""Initial weight of the last layer in the mix; the others have 0."""
STATES = ("mix", "norm.", "project.")
"""Names of the weights that make link states; the others are those of pairs and status."""
FIRST_PASS, STATUS = 0.5, 0.5
"""Weights of the first pass's loss and of the status's beside 1 for the second pass's."""


@dataclass(frozen=True)
class WindowLinks:
    """What a window teaches of links: its spans as tokens of the window, special tokens counted; indices as in `Candidates`.

    `roles` [P] is the place of the gold role, 0 for none, negative where nothing is learnt, `status` [E] that of the status, negative
    likewise. `allowed` [P, 1 + R] says which roles are possible. `tags` and `sentences` [T] are 0 and -1 on special tokens. `weight` is
    the article's.
    """

    spans: npt.NDArray[np.int64]
    events: npt.NDArray[np.int64]
    pairs: npt.NDArray[np.int64]
    features: npt.NDArray[np.int64]
    tags: npt.NDArray[np.int64]
    sentences: npt.NDArray[np.int64]
    allowed: npt.NDArray[np.bool_]
    roles: npt.NDArray[np.int64]
    status: npt.NDArray[np.int64]
    weight: float = 1.0


class LinkLayers(nn.Module):
    """The layers of a link head for an encoder of `depth` layers and width H."""

    def __init__(self, scheme: LinkScheme, labels: LabelSet, *, width: int, depth: int) -> None:
        super().__init__()
        kinds, roles, size = len(labels.labels), 1 + len(scheme.roles), WIDTH
        self.mix = nn.Parameter(torch.zeros(depth + 1))
        self.norm, self.project = nn.LayerNorm(width), nn.Linear(width, size)
        self.tag = nn.Embedding(1 + 2 * kinds, size)
        self.span_norm = nn.LayerNorm(3 * size)
        self.event, self.participant = nn.Linear(3 * size, size), nn.Linear(3 * size, size)
        self.features = nn.EmbeddingBag(sum(feature_sizes(kinds).values()), size, mode="sum")
        self.between = nn.Linear(size, size)
        self.low_event, self.low_participant, self.low = nn.Linear(size, LOW), nn.Linear(size, LOW), nn.Linear(LOW, size)
        self.hidden, self.first = nn.Linear(size, size), nn.Linear(size, roles)
        self.rivals, self.second = nn.Linear(5 * (roles - 1) + 2, size), nn.Linear(size, roles)
        self.status_hidden, self.status = nn.Linear(4 * size, size), nn.Linear(size, len(STATUSES))
        self.states_dropout, self.dropout = nn.Dropout(STATES_DROPOUT), nn.Dropout(DROPOUT)
        nn.init.constant_(self.mix[-1:], LAST_LAYER)
        nn.init.normal_(self.tag.weight, std=0.3)
        nn.init.normal_(self.features.weight, std=0.1)

    def states(self, layers: Sequence[torch.Tensor]) -> torch.Tensor:
        """[B, T, D]: the link states of the encoder's layers, each [B, T, H]."""
        shares = self.mix.softmax(0)
        mixed = shares[0] * layers[0]
        for share, layer in zip(shares[1:], layers[1:], strict=True):
            mixed = mixed + share * layer
        states: torch.Tensor = self.project(self.states_dropout(self.norm(mixed)))
        return states

    def forward(self, states: torch.Tensor, windows: Sequence[WindowLinks]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Scores of the pairs [P, 1 + R] by the first and by the second pass, -inf for impossible roles, and of the events' status
        [E, 4], of all B windows together. `states` [B, T, D].
        """
        batch = _Joined(windows, states.shape[1])
        device = states.device

        def tensor(values: npt.NDArray[np.generic]) -> torch.Tensor:
            return torch.from_numpy(values).to(device)

        flat = states.float().reshape(-1, states.shape[2]) + self.tag(tensor(batch.tags))
        sums = F.pad(flat.double().cumsum(0), (0, 0, 1, 0))

        def mean(start: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
            return ((sums[end] - sums[start]) / (end - start).clamp(min=1)[:, None]).float()

        start, end = tensor(batch.spans).unbind(1)
        spans = self.span_norm(torch.cat([flat[start], flat[end - 1], mean(start, end)], dim=1))
        events = tensor(batch.events)
        told = torch.cat([spans[events], mean(*tensor(batch.event_sentences).unbind(1))], dim=1)
        status = self.status(self.dropout(_gelu(self.status_hidden(self.dropout(told)))))

        event, other = tensor(batch.pairs).unbind(1)
        allowed = tensor(batch.allowed)
        dropped = self.dropout(spans)
        left, right = self.event(dropped), self.participant(dropped)
        low = torch.minimum(end[event], end[other])
        high = torch.maximum(torch.maximum(start[event], start[other]), low)
        mixed = left[event] + right[other] + self.features(tensor(batch.features)) + self.between(mean(low, high))
        product = self.low_event(left)[event] * self.low_participant(right)[other]
        mixed = mixed + self.low(4 * F.normalize(product, dim=-1, eps=1e-6))
        hidden = self.dropout(_gelu(self.hidden(self.dropout(_gelu(mixed)))))
        first = self.first(hidden).masked_fill(~allowed, float("-inf"))
        rivals = _rival_features(first.softmax(1), event, other, len(spans))
        second = self.second(self.dropout(_gelu(hidden + self.rivals(rivals))))
        return first, second.masked_fill(~allowed, float("-inf")), status

    def loss(
        self, states: torch.Tensor, windows: Sequence[WindowLinks | None], *, positions: torch.Tensor | float
    ) -> torch.Tensor:
        """The negative log-likelihood of roles and status in the windows' gold, divided by `positions`, those of the tags, so that tags,
        links and status count as in their joint likelihood but for FIRST_PASS and STATUS. Every weight gets a gradient, of zero where a
        batch teaches nothing.
        """
        idle = 0.0 * (states.sum() + torch.stack([weight.sum() for weight in self.parameters()]).sum())
        rows = [row for row, window in enumerate(windows) if window is not None]
        given = [window for window in windows if window is not None]
        if not given:
            return idle
        first, second, status = self(states[rows], given)
        losses = idle
        for scores, gold, share in (
            (first, [w.roles for w in given], FIRST_PASS),
            (second, [w.roles for w in given], 1.0),
            (status, [w.status for w in given], STATUS),
        ):
            wanted = torch.from_numpy(np.concatenate(gold)).to(states.device)
            each = np.concatenate([np.full(len(part), w.weight, dtype=np.float32) for part, w in zip(gold, given, strict=True)])
            learnt = wanted >= 0
            found = F.cross_entropy(scores[learnt], wanted[learnt], reduction="none")
            losses = losses + share * (found * torch.from_numpy(each).to(states.device)[learnt]).sum()
        return losses / positions

    def pair_network(self, allowed: npt.NDArray[np.bool_]) -> PairNetwork:
        """The layers over pairs and status with their present weights, in numpy; `allowed` as in `LinkScheme.allowed`."""
        weights = {name: weight.detach().float().cpu().numpy() for name, weight in self.named_parameters()}
        return PairNetwork({name: weight for name, weight in weights.items() if not name.startswith(STATES)}, allowed)


class _Joined:
    """The arrays of windows as if their tokens stood behind one another."""

    def __init__(self, windows: Sequence[WindowLinks], width: int) -> None:
        before = np.cumsum([0, *(len(window.spans) for window in windows)])[:-1]
        rows = width * np.arange(len(windows))
        self.spans = np.concatenate([w.spans + row for w, row in zip(windows, rows, strict=True)])
        self.events = np.concatenate([w.events + at for w, at in zip(windows, before, strict=True)])
        self.pairs = np.concatenate([w.pairs + at for w, at in zip(windows, before, strict=True)])
        self.features = np.concatenate([w.features for w in windows])
        self.allowed = np.concatenate([w.allowed for w in windows])
        self.tags = np.concatenate([np.pad(w.tags, (0, width - len(w.tags))) for w in windows])
        self.event_sentences = np.concatenate([_sentences(w) + row for w, row in zip(windows, rows, strict=True)])


def _sentences(window: WindowLinks) -> npt.NDArray[np.int64]:
    """[E, 2]: the tokens of each event's sentence in the window."""
    inside = np.flatnonzero(window.sentences >= 0)
    numbers = window.sentences[inside]
    wanted = window.sentences[window.spans[window.events, 0]]
    first = inside[0] if len(inside) else 0
    return first + np.stack([np.searchsorted(numbers, wanted, side) for side in ("left", "right")], axis=1).astype(np.int64)


def _gelu(values: torch.Tensor) -> torch.Tensor:
    return F.gelu(values, approximate="tanh")


def _rival_features(probabilities: torch.Tensor, event: torch.Tensor, other: torch.Tensor, spans: int) -> torch.Tensor:
    """As `eventtag.links.network.rival_features`; the largest values pass no gradient on."""
    columns = []
    for member in (event, other):
        empty = probabilities.new_zeros((spans, probabilities.shape[1]))
        total = empty.index_add(0, member, probabilities)[member] - probabilities
        kept = probabilities.detach()
        best = empty.scatter_reduce(0, member[:, None].expand_as(kept), kept, "amax")[member] - kept
        columns += [total[:, 1:].clamp(max=4), best]
    return torch.cat([*columns, probabilities[:, 1:]], dim=1)
