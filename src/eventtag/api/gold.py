"""The gold articles for `compare` and `score`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eventtag.api.articles import Source, data_settings, name_of, read_source, require_names, watch_labels
from eventtag.article import Article
from eventtag.corpus.loading import found_labels, load_corpus
from eventtag.corpus.seen import Seen, Unseen, leave_out_seen
from eventtag.errors import DataError
from eventtag.formats.label_map import map_labels
from eventtag.labels import LabelSet
from eventtag.ledger import LossLedger
from eventtag.settings import DataSettings


@dataclass(frozen=True)
class Gold:
    """The articles by id, the labels to score, and `notes`: what was lost or left out. `before` are all labels that were read,
    before they were renamed. Both grow while systems are read.

    `split` and `cluster_field` are those of a corpus that settings describe.
    """

    name: str
    articles: Mapping[str, Article]
    labels: LabelSet
    unseen: Unseen
    notes: list[str]
    before: set[str]
    split: str | None = None
    cluster_field: str | None = None


def read_gold(
    source: Source, *, seen: Seen | None, include: bool, split: str, labels: Sequence[str] | None, **reading: Any
) -> Gold:
    """The gold articles without those that a checkpoint among the systems learnt from, unless these are included.

    Raises DataError if no article remains, or none has anything annotated.
    """
    notes: list[str] = []
    before: set[str] = set()
    others: dict[str, Any] = {"include": include, "who": "a checkpoint", "remedy": "--seen include"}
    name = name_of(source)
    if not isinstance(source, DataSettings | Mapping):
        articles = read_noted(source, notes, before, **reading)
        if not articles:
            raise DataError(f"{name}: holds no article; check the path and --gold-from")
        unseen = leave_out_seen(articles, seen or Seen(), **others)
        found = {article.id: article for article in unseen.articles}
        wanted = _label_set(labels, found)
        return Gold(name, _only_known(found, wanted, name, notes), wanted, unseen, notes, before)
    corpus = load_corpus(data_settings(source)[0], seen=seen)
    chosen = split if split != "auto" else corpus.scored_split(include_seen=include and seen is not None)
    unseen = leave_out_seen(corpus.articles(chosen), seen or Seen(), among=corpus.articles("all"), **others)
    found = {article.id: article for article in unseen.articles}
    notes += [f"{corpus.name}: {line}" for line in corpus.ledger.summary()]
    wanted = corpus.labels if labels is None else _label_set(labels, found)
    known = _only_known(found, wanted, corpus.name, notes)
    return Gold(corpus.name, known, wanted, unseen, notes, before, chosen, corpus.cluster_field)


def read_noted(
    source: Source, notes: list[str], before: set[str], *, label_map: Mapping[str, str | None] | None = None, **reading: Any
) -> list[Article]:
    """The articles of a source with renamed labels; losses in reading are added to the notes, the labels before renaming to
    `before`.
    """
    ledger = LossLedger()
    found = list(watch_labels(read_source(source, ledger, **reading), before.update))
    if label_map:
        found = list(map_labels(found, label_map, ledger=ledger, keep_others=True))
    notes += [f"{name_of(source)}: {line}" for line in ledger.summary()]
    return found


def _only_known(articles: Mapping[str, Article], labels: LabelSet, source: str, notes: list[str]) -> dict[str, Article]:
    """The articles in which an annotator looked for some of the labels; the others would count as units without contributing."""
    known = {name: article for name, article in articles.items() if article.may_be_scored(labels.labels)}
    unknown = [name for name in articles if name not in known]
    if not known:
        raise DataError(
            f"{source}: none of its {len(articles)} articles has an annotated region where one of {list(labels.labels)} was marked, so "
            "that nothing can be scored; check the annotated regions and labels of the articles, or --labels"
        )
    if unknown:
        notes.append(
            f"{source}: {len(unknown)} of {len(articles)} articles are left out, the first is {unknown[0]!r}: no region of theirs is "
            "annotated with these labels, so that nobody knows what is right there"
        )
    return known


def _label_set(wanted: Sequence[str] | None, gold: Mapping[str, Article]) -> LabelSet:
    """The labels asked for, or those of the gold articles: the project's own first, then by name."""
    if wanted is not None:
        named = tuple(dict.fromkeys(map(str.strip, wanted)))
        require_names("labels", named, found_labels(gold.values()), "label")
        return LabelSet(named)
    found = found_labels(gold.values())
    if not any(article.spans for article in gold.values()):
        raise DataError("the gold articles hold no span, so every prediction is spurious; check --gold, or name --labels")
    return LabelSet(found)
