"""Loading the corpus that settings describe: articles read, labels mapped, splits made, and a fingerprint of each split."""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from eventtag.article import Article
from eventtag.corpus.mixing import CLUSTER_FIELD, CORPUS_FIELD, mix_splits
from eventtag.corpus.near_duplicates import find_near_duplicates, warn_of_copies
from eventtag.corpus.seen import LEARNT_FROM, Seen
from eventtag.corpus.splits import split_articles
from eventtag.errors import DataError, SettingsError, summarise_problems
from eventtag.formats.jsonl import json_line
from eventtag.formats.registry import read_articles
from eventtag.labels import DEFAULT_LABELS, LabelSet
from eventtag.ledger import LossLedger
from eventtag.settings import SPLITS, CorpusSettings, DataSettings
from eventtag.settings.data import require_names

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Handling:
    """How training takes the articles of a corpus: `weight` of their words in the loss, which of overlapping spans are learnt."""

    weight: float = 1.0
    overlaps: str = "error"
    priority: tuple[str, ...] = ()


@dataclass(frozen=True)
class Corpus:
    """Articles by split. `rule` says how the splits came about; `ledger` what was lost in reading.

    `allowed_loss`: number of spans that may be dropped unasked. `cluster_field`: field of `meta` whose values are resampled together.
    `parts`: of several corpora mixed (`eventtag.corpus.mixing`), each by its name, as it was before; their articles say in `meta`
    which corpus they are of. `handling` is that of a single corpus. `declared`: the settings say which articles are which split.
    """

    name: str
    labels: LabelSet
    splits: Mapping[str, tuple[Article, ...]]
    rule: str
    licence: str | None = None
    ledger: LossLedger = field(default_factory=LossLedger)
    allowed_loss: float = 0.0
    cluster_field: str | None = None
    handling: Handling = Handling()
    parts: Mapping[str, Corpus] = field(default_factory=dict)
    declared: bool = True

    def articles(self, split: str) -> tuple[Article, ...]:
        """The articles of a split, or of `all`. Raises DataError if the corpus has no such articles."""
        if split == "all":
            return tuple(article for articles in self.splits.values() for article in articles)
        if split not in self.splits:
            raise DataError(
                f"corpus {self.name!r} has no {split} articles (split {self.rule}); it has {', '.join(self.splits)}: "
                "use one of them, or split=all"
            )
        return self.splits[split]

    def scored_split(self, *, include_seen: bool = False) -> str:
        """The split to score where none is named: test, else validation, else all; with `include_seen`, which scores what a checkpoint
        learnt from too, all where the settings do not say which articles are which.
        """
        undivided = include_seen and not self.declared
        return next((name for name in ("test", "validation") if name in self.splits and not undivided), "all")

    def handling_of(self, article: Article) -> Handling:
        """How training takes an article of the corpus, or one that was added to it."""
        part = self.parts.get(str(article.meta.get(CORPUS_FIELD)))
        return self.handling if part is None else part.handling

    def require_kept(self) -> None:
        """Raise DataError if more gold spans were dropped unasked than `allowed_loss`, naming the first."""
        share = math.ceil(10_000 * self.ledger.dropped / max(self.ledger.seen, 1)) / 10_000
        key = "data.corpora.NAME.max_loss" if self.parts else "data.max_loss"
        self.ledger.require_at_most(self.allowed_loss, f"mend them (`eventtag lint` shows all), or allow it: {key}={share:g}")

    def describe(self, split: str, articles: Sequence[Article] | None = None) -> dict[str, Any]:
        """What a report says of a split, or of those `articles` of it: how many, spans per label, fingerprint, licence; of several
        corpora, of each of them too.
        """
        articles = self.articles(split) if articles is None else articles
        about = {
            "name": self.name,
            "split": split,
            "split_rule": self.rule,
            "articles": len(articles),
            "spans": count_spans(articles, self.labels),
            "sha256": fingerprint(articles),
            "licence": self.licence,
        }
        if self.parts:
            by_part = {name: [article for article in articles if article.meta[CORPUS_FIELD] == name] for name in self.parts}
            about["corpora"] = {
                name: {
                    "articles": len(chosen),
                    "spans": count_spans(chosen, self.labels),
                    "sha256": fingerprint(self.parts[name].articles(split if split in self.parts[name].splits else "all")),
                    "weight": self.parts[name].handling.weight,
                }
                for name, chosen in by_part.items()
                if chosen
            }
        return about


def load_corpus(settings: DataSettings, *, seen: Seen | None = None, articles: Sequence[Article] | None = None) -> Corpus:
    """Read the articles that the settings name, or take those that are given, and divide them into splits; a split without articles is
    absent.

    Where nothing says which articles are which, splits are drawn, near-duplicates together; near-duplicates in two splits that were
    given are warned of. Given what a checkpoint has `seen`, nothing is drawn: what it learnt from is train, what chose its epoch and
    thresholds validation, all others are test; if it has seen none of them, all are one split, `all`. Several corpora are split each
    for itself, then mixed.

    Raises DataError for an empty corpus, a label that is not configured, an id that occurs in two files, an article without the
    split field, or more lost spans than `max_loss`; FormatError and SettingsError as the readers do.
    """
    if not settings.corpora:
        return _load(settings, settings.name, seen, articles)
    parts = {
        name: _load(part if part.labels else replace(part, labels=settings.labels), name, seen, None)
        for name, part in settings.corpora.items()
    }
    ledger = LossLedger()
    for name, part in parts.items():
        ledger.absorb(part.ledger, prefix=f"{name}/")
    return Corpus(
        settings.name,
        LabelSet(tuple(settings.labels or in_order(label for part in parts.values() for label in part.labels.labels))),
        mix_splits(
            {name: (part.splits, part.labels, part.cluster_field) for name, part in parts.items()}, scored=settings.scored
        ),
        "; ".join(f"{name}: {part.rule}" for name, part in parts.items()),
        settings.licence or "; ".join(f"{name}: {part.licence}" for name, part in parts.items() if part.licence) or None,
        ledger,
        sum(part.allowed_loss for part in parts.values()),
        CLUSTER_FIELD if any(part.cluster_field for part in parts.values()) else None,
        parts=parts,
        declared=any(part.declared for part in parts.values()),
    )


def read_corpus_articles(settings: DataSettings, ledger: LossLedger) -> Iterator[Article]:
    """All articles of a corpus, of every split and with whatever labels they have, in no split; of several corpora, one after the other,
    with the corpus's name before each id. Raises DataError for an id that stands in two files.
    """
    seen: dict[str, str] = {}
    for name, part in settings.corpora.items() or [("", settings)]:
        for path in (part.path, part.validation, part.test):
            for article in () if path is None else _read_path(path, part, ledger):
                named = replace(article, id=f"{name}/{article.id}") if name else article
                if seen.setdefault(named.id, str(path)) != path:
                    raise DataError(
                        f"the article id {named.id!r} is in both {seen[named.id]} and {path}; give every article its own id"
                    )
                yield named


def _load(settings: CorpusSettings, name: str, seen: Seen | None, at_hand: Sequence[Article] | None) -> Corpus:
    ledger = LossLedger()
    assert settings.path is not None
    articles = _checked(
        settings.path if at_hand is None else name, settings, at_hand or _read_path(settings.path, settings, ledger)
    )
    files = {"validation": settings.validation, "test": settings.test}
    given = {
        split: _checked(path, settings, _read_path(path, settings, ledger)) for split, path in files.items() if path is not None
    }
    given = _with_ids_of_their_own(articles, given, ledger)
    labels = _labels(settings, name, [*articles, *(article for more in given.values() for article in more)])
    if settings.split_field is not None:
        splits = split_by_field(articles, settings.split_field, settings.splits)
        rule = f"by meta field {settings.split_field!r}"
    elif settings.validation is not None:
        # Whoever gives the validation articles has decided that the rest is for training.
        splits, rule = {"train": articles}, "by file"
    elif seen is None:
        splits, rule = _draw(articles, settings)
    else:
        splits, rule = _by_seen(articles, seen, others="test" if settings.test is None else "all")
    for split, more in given.items():
        splits[split] = more
        rule += f"; {split} from {files[split]}"
    _require_distinct(splits)
    if given or settings.split_field is not None:  # a draw alone parts none
        warn_of_copies(splits)
    if settings.overlap_priority:
        require_names("data.overlap_priority", settings.overlap_priority, among=labels.labels)
    corpus = Corpus(
        name,
        labels,
        {s: splits[s] for s in (*SPLITS, "all") if splits.get(s)},
        rule,
        settings.licence,
        ledger,
        settings.max_loss * ledger.seen,
        settings.cluster_field,
        Handling(getattr(settings, "weight", 1.0), settings.overlaps.value, tuple(settings.overlap_priority)),
        declared=bool(given) or settings.split_field is not None,
    )
    corpus.require_kept()
    return corpus


def _with_ids_of_their_own(
    articles: Sequence[Article], given: Mapping[str, tuple[Article, ...]], ledger: LossLedger
) -> dict[str, tuple[Article, ...]]:
    """The articles of each split's own files; where other articles have their ids, the split's name stands before the id.

    Files of equal names in the folders of two splits give such ids. The same id with the same text is the same article, and stays.
    """
    known = {article.id: article.text for article in articles}
    found = {}
    for split, more in given.items():
        same = [known[article.id] == article.text for article in more if article.id in known]
        if same and not any(same):
            ledger.remark(f"the {split} articles share ids with other articles: their ids are {split}/ID")
            more = tuple(replace(article, id=f"{split}/{article.id}") for article in more)
        known |= {article.id: article.text for article in more}
        found[split] = more
    return found


def _read_path(path: str, settings: CorpusSettings, ledger: LossLedger) -> Iterator[Article]:
    read = read_articles(Path(path), settings.format, ledger=ledger, label_map=settings.label_map, options=settings.options)
    for article in read:
        if article.labels is None and settings.annotated_labels is not None:
            article = replace(article, labels=tuple(settings.annotated_labels))
        yield article


def found_labels(articles: Iterable[Article]) -> tuple[str, ...]:
    """The labels that spans of the articles have or annotators looked for: the project's own first, then by name."""
    return in_order(label for article in articles for label in (*(span.label for span in article.spans), *(article.labels or ())))


def in_order(labels: Iterable[str]) -> tuple[str, ...]:
    """The labels, each once: the project's own first, then by name."""
    found = set(labels)
    return (*(label for label in DEFAULT_LABELS if label in found), *sorted(found.difference(DEFAULT_LABELS)))


def _labels(settings: CorpusSettings, name: str, articles: Sequence[Article]) -> LabelSet:
    """The labels that the settings name, else those of the articles, which the log names where they are not the project's own.

    Raises DataError for a label of the articles that cannot be one.
    """
    if settings.labels is not None:
        return LabelSet(tuple(settings.labels))
    found = found_labels(articles) or DEFAULT_LABELS
    try:
        labels = LabelSet(found)
    except SettingsError as error:
        raise DataError(f"{name}: {error}; map it with data.label_map") from error
    if found != DEFAULT_LABELS:
        counts = count_spans(articles, labels)
        log.info("%s: labels, as the articles have them: %s", name, ", ".join(f"{label} ({n})" for label, n in counts.items()))
    return labels


def _checked(path: str, settings: CorpusSettings, read: Iterable[Article]) -> tuple[Article, ...]:
    """The articles; raises DataError if there is none, or for labels other than those that are configured."""
    articles = tuple(read)
    if not articles:
        raise DataError(f"{path}: holds no article; check the path and data.format={settings.format}")
    problems = [
        f"article {article.id!r}: span {span.start}-{span.end} {article.mention(span)!r} has the label {span.label!r}"
        for article in articles
        for span in article.spans
        if settings.labels is not None and span.label not in settings.labels
    ]
    if problems:
        title = (
            f"{path}: spans with labels that are not configured: {len(problems)} (data.labels={list(settings.labels or ())}); "
            "add the labels, or map them with data.label_map:"
        )
        raise DataError(summarise_problems(title, problems, shown=2))
    return articles


def _draw(articles: Sequence[Article], settings: CorpusSettings) -> tuple[dict[str, tuple[Article, ...]], str]:
    drawn = split_articles(
        articles,
        validation_share=settings.validation_share,
        test_share=0.0 if settings.test is not None else settings.test_share,
        seed=settings.split_seed,
        duplicates=find_near_duplicates(articles),
    )
    return {split: drawn.articles(articles, split) for split in SPLITS}, drawn.rule


def _by_seen(articles: tuple[Article, ...], seen: Seen, *, others: str) -> tuple[dict[str, tuple[Article, ...]], str]:
    """Splits by what a checkpoint has seen; articles that are new to it are in the split `others`."""
    kinds = [seen.kind_of(article) for article in articles]
    if not any(kinds):
        return {"all": articles}, "not split"
    split_of: dict[str | None, str] = {**dict.fromkeys(LEARNT_FROM, "train"), "chose": "validation", None: others}
    splits: dict[str, list[Article]] = {split: [] for split in split_of.values()}
    for article, kind in zip(articles, kinds, strict=True):
        splits[split_of[kind]].append(article)
    return {split: tuple(chosen) for split, chosen in splits.items()}, "by what the checkpoint has seen"


def split_by_field(
    articles: Iterable[Article], field_name: str, values: Mapping[str, Sequence[str]]
) -> dict[str, tuple[Article, ...]]:
    """Splits by the value of a `meta` field.

    `values` names the field's values for each split, `"*"` standing for any other; empty, the values are the splits' names. Raises
    DataError for articles without the field, or with a value that belongs to no split.
    """
    by_value = {str(value): split for split, listed in values.items() for value in listed} or {split: split for split in SPLITS}
    found: dict[str, list[Article]] = {split: [] for split in SPLITS}
    problems = []
    for article in articles:
        value = article.meta.get(field_name)
        split = by_value.get(str(value), by_value.get("*")) if value is not None else None
        if split is None:
            problems.append(f"article {article.id!r}: {'has no such field' if value is None else f'found {value!r}'}")
        else:
            found[split].append(article)
    if problems:
        allowed = ", ".join(by_value)
        raise DataError(
            summarise_problems(
                f"meta field {field_name!r} does not say the split of {len(problems)} articles; allowed: {allowed}",
                problems,
                shown=3,
            )
        )
    return {split: tuple(chosen) for split, chosen in found.items()}


def _require_distinct(splits: Mapping[str, Sequence[Article]]) -> None:
    seen: dict[str, str] = {}
    for split, articles in splits.items():
        for article in articles:
            if seen.setdefault(article.id, split) != split:
                raise DataError(
                    f"the article id {article.id!r} is in both {seen[article.id]} and {split}; an article belongs to one split"
                )


def count_spans(articles: Iterable[Article], labels: LabelSet) -> dict[str, int]:
    """Gold spans that take part in scoring, per label."""
    counts = dict.fromkeys(labels.labels, 0)
    for article in articles:
        for span in article.spans:
            if article.counts(span):
                counts[span.label] += 1
    return counts


def fingerprint(articles: Iterable[Article]) -> str:
    """sha256 over the articles in the project's JSONL, in order: the same articles give the same fingerprint from any file format."""
    digest = hashlib.sha256()
    for article in articles:
        digest.update(json_line(article).encode("utf-8") + b"\n")
    return digest.hexdigest()
