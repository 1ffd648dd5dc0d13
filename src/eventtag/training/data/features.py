"""Training windows: token ids with the tag ids that the loss is computed on.

Letters for shapes: B windows, T tokens of a window (special tokens included), C tags.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from transformers import PreTrainedTokenizerBase

from eventtag.article import Article
from eventtag.corpus.loading import Handling
from eventtag.encoding.align import IGNORED, align_overlapping, align_spans, counted_spans, record_cuts, words_inside
from eventtag.encoding.tokens import TokenisedText, special_tokens, tokenise
from eventtag.encoding.windows import Window, plan_windows
from eventtag.formats.overlaps import resolve_overlaps
from eventtag.labels import LabelSet
from eventtag.ledger import LossLedger
from eventtag.settings import WindowSettings
from eventtag.training.data.teachers import SoftTargets


@dataclass(frozen=True, slots=True)
class SpanGold:
    """Gold of a window for a span head. `inside` [K]: which of the window's words lie in annotated regions. `spans` [S, 3]: first word,
    number of words - 1, and label of the spans whose first word the window owns; words are numbered in the window.
    """

    inside: npt.NDArray[np.bool_]
    spans: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SpanOptions:
    """What a span head learns: spans of at most `max_width` words, which may overlap or not."""

    max_width: int
    overlap: bool


@dataclass(frozen=True, slots=True)
class Feature:
    """One window. `input_ids`, `casing_ids` [T]; `tag_ids` [T]: gold on the first token of each word that the window owns and that
    was annotated, IGNORED elsewhere. `unannotated` [C]: tags of labels that the article's annotators were not marking. `words` [T]:
    whether a token is the first of a word. `weight`: how much its positions count in the loss; over all windows the mean of a
    position is 1. `span_gold` is there for a span head; `tag_ids` then says only where there is gold (`O` everywhere).
    `soft_targets` are the teachers' probabilities, by token: then `tag_ids` has their best tag on words of the window that they alone
    decide.
    """

    article_id: str
    input_ids: npt.NDArray[np.int64]
    casing_ids: npt.NDArray[np.int64]
    tag_ids: npt.NDArray[np.int64]
    unannotated: npt.NDArray[np.bool_]
    words: npt.NDArray[np.bool_]
    weight: float = 1.0
    span_gold: SpanGold | None = None
    soft_targets: SoftTargets | None = None


def build_features(
    articles: Iterable[Article],
    tokenizer: PreTrainedTokenizerBase,
    labels: LabelSet,
    window: WindowSettings,
    *,
    ledger: LossLedger,
    handling: Callable[[Article], Handling] = lambda _: Handling(),
    span_options: SpanOptions | None = None,
    soft_targets: Mapping[str, SoftTargets] | None = None,
) -> list[Feature]:
    """The windows of the articles that have any gold position; what overlaps, alignment and windows change goes to the ledger.

    `handling` says for an article which of overlapping spans are learnt and how much it counts. With `span_options` the gold is
    that of a span head. `soft_targets` are the teachers', by article id. Raises DataError for overlapping spans where `handling`
    says `error` and the head learns one layer.
    """
    prefix, suffix = special_tokens(tokenizer)
    capacity = window.max_length - len(prefix) - len(suffix)
    features = []
    for article in articles:
        how = handling(article)
        counted = counted_spans(article, "aligning", ledger=ledger)
        learnt = replace(article, spans=tuple(span for span in counted if span.label in labels.labels))
        article = learnt
        if span_options is None or not span_options.overlap:
            (article,) = resolve_overlaps([learnt], how.overlaps, ledger=ledger, priority=how.priority)
        tokens = tokenise(article.text, tokenizer)
        plans = plan_windows(tokens, capacity=capacity, stride=window.stride)
        if span_options is None:
            tags = align_spans(article, tokens.words, labels, ledger=ledger)
            record_cuts(article, tokens, plans, ledger=ledger)
        else:
            inside = words_inside(tokens.words, article)
            tags = np.where(inside, 0, IGNORED)
            spans = align_overlapping(article, tokens, plans, labels, max_width=span_options.max_width, ledger=ledger)
        by_token = None if soft_targets is None else _by_token(soft_targets[article.id], tokens)
        if soft_targets is not None:
            by_word = soft_targets[article.id]
            tags = np.where((tags == IGNORED) & (by_word.share > 0), by_word.probabilities.argmax(axis=1), tags)
        token_tags = np.full(len(tokens.input_ids), IGNORED, dtype=np.int64)
        token_tags[tokens.first_token] = tags
        unannotated = unannotated_tags(article, labels)
        first = np.zeros(len(tokens.input_ids), dtype=np.bool_)
        first[tokens.first_token] = True
        for plan in plans:
            owned = np.full(plan.end - plan.start, IGNORED, dtype=np.int64)
            owned[plan.own_start - plan.start : plan.own_end - plan.start] = token_tags[plan.own_start : plan.own_end]
            if (owned == IGNORED).all():
                continue
            features.append(
                Feature(
                    article.id,
                    np.concatenate([prefix, tokens.input_ids[plan.start : plan.end], suffix]),
                    np.pad(tokens.casing[plan.start : plan.end], (len(prefix), len(suffix))),
                    np.concatenate([np.full(len(prefix), IGNORED), owned, np.full(len(suffix), IGNORED)]),
                    unannotated,
                    np.pad(first[plan.start : plan.end], (len(prefix), len(suffix))),
                    how.weight,
                    None if span_options is None else _span_gold(tokens, plan, inside, spans),
                    None if by_token is None else _of_window(by_token, plan, len(prefix), len(suffix)),
                )
            )
    return _balanced(features)


def _span_gold(tokens: TokenisedText, plan: Window, inside: npt.NDArray[np.bool_], spans: npt.NDArray[np.int64]) -> SpanGold:
    low, own_low, own_high, high = np.searchsorted(tokens.first_token, [plan.start, plan.own_start, plan.own_end, plan.end])
    owned = spans[(spans[:, 0] >= own_low) & (spans[:, 0] < own_high)]
    return SpanGold(inside[low:high], owned - [low, 0, 0])


def _by_token(by_word: SoftTargets, tokens: TokenisedText) -> SoftTargets:
    """Those of each word on its first token; other tokens have none."""
    probabilities = np.zeros((len(tokens.input_ids), by_word.probabilities.shape[1]), dtype=np.float16)
    share = np.zeros(len(tokens.input_ids), dtype=np.float32)
    probabilities[tokens.first_token], share[tokens.first_token] = by_word.probabilities, by_word.share
    return SoftTargets(probabilities, share)


def _of_window(by_token: SoftTargets, plan: Window, before: int, behind: int) -> SoftTargets:
    part = slice(plan.start, plan.end)
    return SoftTargets(
        np.pad(by_token.probabilities[part], ((before, behind), (0, 0))), np.pad(by_token.share[part], (before, behind))
    )


def _balanced(features: list[Feature]) -> list[Feature]:
    """The same windows, their weights scaled so that the mean over gold positions is 1: only their ratios matter."""
    if len({feature.weight for feature in features}) < 2:
        return [replace(feature, weight=1.0) for feature in features]
    counts = [int((feature.tag_ids != IGNORED).sum()) for feature in features]
    scale = sum(counts) / sum(count * feature.weight for count, feature in zip(counts, features, strict=True))
    return [replace(feature, weight=feature.weight * scale) for feature in features]


def unannotated_tags(article: Article, labels: LabelSet) -> npt.NDArray[np.bool_]:
    """[C]: the tags of labels that the article's annotators were not marking."""
    marked = article.annotated_labels(labels.labels)
    return np.array([tag_id > 0 and labels.label_of(tag_id) not in marked for tag_id in range(len(labels.tags))])


def collate(features: Sequence[Feature], *, pad_token_id: int) -> dict[str, Any]:
    """A padded batch: `input_ids`, `attention_mask`, `casing_ids`, `words` and `labels` (tag ids) [B, T], `unannotated` [B, C],
    `weights` [B] and `article_ids` (B strings).

    With teachers also `soft_targets` [B, T, C], their probabilities, and `soft_share` [B, T], how much of a position's loss follows them.
    For a span head also `word_positions` [B, K], the first token of each word of the window (-1 beyond its last), `inside` [B, K], and
    `spans` [B, S, 3]: first word (-1 beyond the last span), number of words - 1, label.
    """
    width = max(len(feature.input_ids) for feature in features)
    input_ids = torch.full((len(features), width), pad_token_id, dtype=torch.long)
    attention_mask = torch.zeros((len(features), width), dtype=torch.long)
    casing_ids = torch.zeros((len(features), width), dtype=torch.long)
    tag_ids = torch.full((len(features), width), IGNORED, dtype=torch.long)
    words = torch.zeros((len(features), width), dtype=torch.bool)
    for row, feature in enumerate(features):
        length = len(feature.input_ids)
        input_ids[row, :length] = torch.from_numpy(feature.input_ids)
        attention_mask[row, :length] = 1
        casing_ids[row, :length] = torch.from_numpy(feature.casing_ids)
        tag_ids[row, :length] = torch.from_numpy(feature.tag_ids)
        words[row, :length] = torch.from_numpy(feature.words)
    unannotated = torch.from_numpy(np.stack([feature.unannotated for feature in features]))
    batch = {
        "input_ids": input_ids,
        "attention_mask": attention_mask,
        "casing_ids": casing_ids,
        "labels": tag_ids,
        "unannotated": unannotated,
        "words": words,
        "weights": torch.tensor([feature.weight for feature in features]),
        "article_ids": [feature.article_id for feature in features],
    }
    if features[0].soft_targets is not None:
        batch |= _collate_soft_targets(features, width)
    if features[0].span_gold is not None:
        batch |= _collate_span_gold(features, words)
    return batch


def _collate_soft_targets(features: Sequence[Feature], width: int) -> dict[str, torch.Tensor]:
    targets = [feature.soft_targets for feature in features if feature.soft_targets is not None]
    probabilities = torch.zeros((len(features), width, targets[0].probabilities.shape[1]))
    share = torch.zeros((len(features), width))
    for row, target in enumerate(targets):
        probabilities[row, : len(target.share)] = torch.from_numpy(target.probabilities)
        share[row, : len(target.share)] = torch.from_numpy(target.share)
    return {"soft_targets": probabilities, "soft_share": share}


def _collate_span_gold(features: Sequence[Feature], words: torch.Tensor) -> dict[str, torch.Tensor]:
    counts = words.sum(dim=1)
    word_positions = torch.full((len(features), max(int(counts.max()), 1)), -1, dtype=torch.long)
    inside = torch.zeros(word_positions.shape, dtype=torch.bool)
    most = max(len(feature.span_gold.spans) for feature in features if feature.span_gold is not None)
    spans = torch.full((len(features), max(most, 1), 3), -1, dtype=torch.long)
    for row, feature in enumerate(features):
        assert feature.span_gold is not None
        word_positions[row, : counts[row]] = words[row].nonzero()[:, 0]
        inside[row, : counts[row]] = torch.from_numpy(feature.span_gold.inside)
        spans[row, : len(feature.span_gold.spans)] = torch.from_numpy(feature.span_gold.spans)
    return {"word_positions": word_positions, "inside": inside, "spans": spans}
