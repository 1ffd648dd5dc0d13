"""Training windows: token ids with the tag ids that the loss is computed on.

Letters for shapes: B windows, T tokens of a window (special tokens included), C tags.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from transformers import PreTrainedTokenizerBase

from eventtag.article import Article
from eventtag.corpus.loading import Handling
from eventtag.encoding.align import IGNORED, counted_spans
from eventtag.encoding.tokens import TokenisedText, special_tokens, tokenise
from eventtag.encoding.windows import Window, plan_windows
from eventtag.formats.overlaps import resolve_overlaps
from eventtag.heads.protocol import ModelHead, WindowTargets
from eventtag.heads.rejected import collate_rejected, rejected_in_windows
from eventtag.heads.softmax import SoftmaxHead
from eventtag.labels import LabelSet
from eventtag.ledger import LossLedger
from eventtag.links.scheme import LinkScheme
from eventtag.models.link_layers import WindowLinks
from eventtag.respan import respan
from eventtag.settings import WindowSettings
from eventtag.training.data.link_targets import link_targets
from eventtag.training.data.teachers import SoftTargets

NO_SPANS = np.zeros((0, 3), dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Feature:
    """One window. `input_ids`, `casing_ids` [T]; `tag_ids` [T]: gold on the first token of each word that the window owns and that
    was annotated, IGNORED elsewhere. `unannotated` [C]: tags of labels that the article's annotators were not annotating. `words` [T]:
    whether a token is the first of a word. `weight`: how much its positions count in the loss; the mean over all positions is 1.
    `targets`: further targets of the head, if any. `soft_targets` are the teachers', by token; `tag_ids` then has the teachers' best tag on
    words that they alone decide. `rejected` [N, 3] are spans that are not mentions (`eventtag.heads.rejected`). `links`: what it teaches of
    links and status, if anything.
    """

    article_id: str
    input_ids: npt.NDArray[np.int64]
    casing_ids: npt.NDArray[np.int64]
    tag_ids: npt.NDArray[np.int64]
    unannotated: npt.NDArray[np.bool_]
    words: npt.NDArray[np.bool_]
    weight: float = 1.0
    targets: WindowTargets | None = None
    soft_targets: SoftTargets | None = None
    rejected: npt.NDArray[np.int64] = field(default_factory=lambda: NO_SPANS)
    links: WindowLinks | None = None


def build_features(
    articles: Iterable[Article],
    tokenizer: PreTrainedTokenizerBase,
    labels: LabelSet,
    window: WindowSettings,
    *,
    ledger: LossLedger,
    handling: Callable[[Article], Handling] = lambda _: Handling(),
    head: ModelHead | None = None,
    soft_targets: Mapping[str, SoftTargets] | None = None,
    links: LinkScheme | None = None,
) -> list[Feature]:
    """The windows with a gold position or a rejected span; the ledger records what overlaps, alignment and windows change.

    `handling` says for an article which of overlapping spans are learnt and how much it counts. `head` learns from them (None: a softmax).
    `soft_targets` are the teachers', by article id. `links`: the scheme of a link head, None for a model without one. Raises DataError for
    overlapping spans if `handling` says `error` and the head learns flat spans.
    """
    head = head or SoftmaxHead()
    special = special_tokens(tokenizer)
    prefix, suffix = special
    capacity = window.max_length - len(prefix) - len(suffix)
    features = []
    for article in articles:
        how = handling(article)
        article = learnt_article(article, labels, how, ledger=ledger, overlap=head.overlap)
        tokens = tokenise(article.text, tokenizer)
        plans = plan_windows(tokens, capacity=capacity, stride=window.stride)
        gold = head.targets(article, tokens, plans, labels, ledger=ledger)
        rejected = (
            rejected_in_windows(article, tokens, plans, labels, ledger=ledger) if article.rejected else [NO_SPANS] * len(plans)
        )
        tags = gold.tag_ids
        by_token = None if soft_targets is None else _by_token(soft_targets[article.id], tokens)
        if soft_targets is not None:
            by_word = soft_targets[article.id]
            tags = np.where((tags == IGNORED) & (by_word.share > 0), by_word.probabilities.argmax(axis=1), tags)
        token_tags = np.full(len(tokens.input_ids), IGNORED, dtype=np.int64)
        token_tags[tokens.first_token] = tags
        unannotated = unannotated_tags(article, labels)
        linked = (
            [None] * len(plans)
            if links is None
            else link_targets(article, tokens, plans, labels, links, special=special, ledger=ledger)
        )
        first = np.zeros(len(tokens.input_ids), dtype=np.bool_)
        first[tokens.first_token] = True
        for plan, targets, refused, linking in zip(plans, gold.windows, rejected, linked, strict=True):
            owned = np.full(plan.end - plan.start, IGNORED, dtype=np.int64)
            owned[plan.own_start - plan.start : plan.own_end - plan.start] = token_tags[plan.own_start : plan.own_end]
            if (owned == IGNORED).all() and not len(refused) and linking is None:
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
                    targets,
                    None if by_token is None else _of_window(by_token, plan, len(prefix), len(suffix)),
                    refused,
                    linking,
                )
            )
    return _balanced(features)


def learnt_article(article: Article, labels: LabelSet, how: Handling, *, ledger: LossLedger, overlap: bool) -> Article:
    """The article with the spans that are learnt: those that count and have one of the labels, in one flat layer unless the head learns
    those that `overlap`. Raises DataError as `build_features`.
    """
    counted = counted_spans(article, "aligning", ledger=ledger)
    known = [span for span in counted if span.label in labels.labels]
    learnt = respan(article, known, stage="aligning", ledger=ledger, asked=True)
    if overlap:
        return learnt
    (flat,) = resolve_overlaps([learnt], how.overlaps, ledger=ledger, priority=how.priority)
    return flat


def _by_token(by_word: SoftTargets, tokens: TokenisedText) -> SoftTargets:
    """The targets of each word on its first token; other tokens have none."""
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
    """The same windows with weights scaled to a mean of 1 over gold positions; only ratios matter."""
    if len({feature.weight for feature in features}) < 2:
        return [_weighted(feature, 1.0) for feature in features]
    counts = [int((feature.tag_ids != IGNORED).sum()) for feature in features]
    scale = sum(counts) / sum(count * feature.weight for count, feature in zip(counts, features, strict=True))
    return [_weighted(feature, feature.weight * scale) for feature in features]


def _weighted(feature: Feature, weight: float) -> Feature:
    return replace(feature, weight=weight, links=feature.links and replace(feature.links, weight=weight))


def unannotated_tags(article: Article, labels: LabelSet) -> npt.NDArray[np.bool_]:
    """[C]: the tags of labels that the article's annotators were not annotating."""
    marked = article.annotated_labels(labels.labels)
    return np.array([tag_id > 0 and labels.label_of(tag_id) not in marked for tag_id in range(len(labels.tags))])


def collate(features: Sequence[Feature], *, pad_token_id: int) -> dict[str, Any]:
    """A padded batch: `input_ids`, `attention_mask`, `casing_ids`, `words` and `labels` (tag ids) [B, T], `unannotated` [B, C],
    `weights` [B], `article_ids` (B strings) and `links` (what B windows teach of links, None or `WindowLinks`).

    With teachers also `soft_targets` [B, T, C], their probabilities, and `soft_share` [B, T], how much of a position's loss follows them.
    A head's `WindowTargets` collate its further targets, and `collate_rejected` the rejected spans.
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
        "links": [feature.links for feature in features],
    }
    if features[0].soft_targets is not None:
        batch |= _collate_soft_targets(features, width)
    if features[0].targets is not None:
        batch |= features[0].targets.collate([feature.targets for feature in features], words)
    return batch | collate_rejected([feature.rejected for feature in features])


def _collate_soft_targets(features: Sequence[Feature], width: int) -> dict[str, torch.Tensor]:
    targets = [feature.soft_targets for feature in features if feature.soft_targets is not None]
    probabilities = torch.zeros((len(features), width, targets[0].probabilities.shape[1]))
    share = torch.zeros((len(features), width))
    for row, target in enumerate(targets):
        probabilities[row, : len(target.share)] = torch.from_numpy(target.probabilities)
        share[row, : len(target.share)] = torch.from_numpy(target.share)
    return {"soft_targets": probabilities, "soft_share": share}
