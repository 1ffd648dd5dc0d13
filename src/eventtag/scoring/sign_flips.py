"""A paired test of two systems on the same articles: sign flips of the contributions to the difference.

Each article (or cluster) contributes to the difference of a score what it would if both systems were equally good, so the
contributions add up to the difference. If the systems are alike, each contribution might as well have the other sign. Two-sided; all
signs are tried where there are few articles, else (c + 1) / (trials + 1).

This is the test of Hemerik, Goeman and Finos 2020 (https://doi.org/10.1111/rssb.12369). Where both systems predict as many spans it is
approximate randomisation (Yeh 2000, https://aclanthology.org/C00-2137/), which swaps outputs. At unequal numbers of predictions swapping
tests for equal numbers as well, so that its p for precision is too small.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from eventtag.scoring.bootstrap import BATCH_CELLS, Floats, divide, figures, one_thread

TOLERANCE = 1e-12
"""Differences of scores within this are equal: it only has to exceed the rounding of a few divisions."""


def contributions(first: Floats, second: Floats) -> Floats:
    """[U, S, N, 3]: what each unit contributes to the difference (second minus first) of each score, from two [U, S, L, 4] sums.

    Rows are the labels, micro, macro and weighted, metrics precision, recall and F1, as in `figures`.
    """
    totals = first.sum(axis=0), second.sum(axis=0)
    common = figures(totals[0] + totals[1])[..., : first.shape[-2] + 1, :]
    (one, one_change, one_share), (two, two_change, two_share) = _changes(first), _changes(second)
    plain = two_change - one_change + (two - common) * two_share - (one - common) * one_share
    labels = plain[..., :-1, :]
    support = first[..., 3]
    gold = support.sum(axis=(0, -1))[..., None]
    weights = divide(support.sum(axis=0), gold)
    weight_changes = divide(support - weights * support.sum(axis=-1, keepdims=True), gold)
    weighted = weights[..., None] * labels + weight_changes[..., None] * (two - one)[..., :-1, :]
    averages = [labels.mean(axis=-2, keepdims=True), weighted.sum(axis=-2, keepdims=True)]
    return np.concatenate([plain, *averages], axis=-2)


def _changes(units: Floats) -> tuple[Floats, Floats, Floats]:
    """Scores [S, L + 1, 3] of labels and micro; by unit, [U, S, L + 1, 3], the change of each score for a small weight on the unit,
    and its share of the score's denominator.
    """
    each = np.concatenate([units, units.sum(axis=-2, keepdims=True)], axis=-2)
    total = each.sum(axis=0)
    credit, predicted, gold_credit, gold = (each[..., column] for column in range(4))
    scores = figures(units.sum(axis=0))[..., : units.shape[-2] + 1, :]
    precision, recall = scores[..., 0], scores[..., 1]
    by_precision = divide(credit / 2 - precision * predicted, total[..., 1])
    by_recall = divide(gold_credit / 2 - recall * gold, total[..., 3])
    by_f1 = divide(2 * (recall**2 * by_precision + precision**2 * by_recall), (precision + recall) ** 2)
    shares = [(predicted, total[..., 1]), (gold, total[..., 3]), (predicted + gold, total[..., 1] + total[..., 3])]
    return (
        scores,
        np.stack([by_precision, by_recall, by_f1], axis=-1),
        np.stack([divide(part, whole) for part, whole in shares], axis=-1),
    )


def sign_flip_p(values: Floats, *, trials: int, seed: int) -> Floats:
    """[...] two-sided p-values of the sums of [U, ...] contributions; 1.0 where none differs from 0."""
    flat = values.reshape(values.shape[0], -1)
    flat = flat[np.any(np.abs(flat) > TOLERANCE, axis=1)]
    units = len(flat)
    if not units:
        return np.ones(values.shape[1:])
    observed = np.abs(flat.sum(axis=0))
    exact = 2**units <= trials
    reached = np.zeros(flat.shape[1])
    for signs in _all_signs(units) if exact else _random_signs(units, trials, seed):
        with one_thread():
            flipped = signs @ flat
        reached += (np.abs(flipped) >= observed - TOLERANCE).sum(axis=0)
    return np.asarray(reached / 2**units if exact else (reached + 1) / (trials + 1)).reshape(values.shape[1:])


def _all_signs(count: int) -> Iterator[Floats]:
    numbers = np.arange(2**count)
    yield np.asarray(1.0 - 2.0 * ((numbers[:, None] >> np.arange(count)) & 1), dtype=np.float64)


def _random_signs(count: int, trials: int, seed: int) -> Iterator[Floats]:
    rng = np.random.default_rng(seed)
    batch = max(1, BATCH_CELLS // count)
    for done in range(0, trials, batch):
        size = min(batch, trials - done)
        bits = np.unpackbits(np.frombuffer(rng.bytes(size * (-(-count // 8))), dtype=np.uint8).reshape(size, -1), axis=1)
        yield np.asarray(1.0 - 2.0 * bits[:, :count], dtype=np.float64)
