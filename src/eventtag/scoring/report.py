"""The evaluation report: all figures of a set of predictions, as one value.

Macro is the mean over the configured labels that were being annotated in the scored articles, also those without gold (their
figures are 0.0). A label that nobody was annotating has no score. Weighted is the mean weighted by support. The zero-division rule
is that of `eventtag.scoring.counts`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import reduce
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from eventtag.errors import DataError
from eventtag.labels import LabelSet
from eventtag.scoring.bootstrap import RESAMPLES, Bootstrap, bootstrap
from eventtag.scoring.calibration import CalibrationReport, calibration_report, collect_predictions
from eventtag.scoring.ceiling import Ceiling
from eventtag.scoring.conventional import ConventionalScore, FirstComeTally, conventional_scores
from eventtag.scoring.counts import STATISTICS, Counts
from eventtag.scoring.crosscheck import CrossCheck, WordScores, WordTags, cross_check
from eventtag.scoring.error_kinds import ErrorReport, find_errors
from eventtag.scoring.event_report import EventScores, score_events
from eventtag.scoring.links import PredictedLinks
from eventtag.scoring.matching import SCHEMES
from eventtag.scoring.mentions import Mentions
from eventtag.scoring.scored_rows import Resampling
from eventtag.scoring.selection import Selection
from eventtag.scoring.slices import Slice, slice_scores, standard_slicers
from eventtag.scoring.tally import (
    WORD_SCHEME,
    Pair,
    Tally,
    Words,
    marked_labels,
    require_distinct,
    scored_spans,
    tally_spans,
    tally_words,
    words_by_region,
    words_of,
)

if TYPE_CHECKING:
    import pandas as pd

SCHEMA_VERSION = 2
"""Raised when a key of report.json changes its meaning or is removed; new keys do not raise it."""


@dataclass(frozen=True, slots=True)
class Average:
    """A mean of several labels' figures, and their gold spans together."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class SchemeScores:
    """Counts and scores of each label under one matching scheme, in the label set's order; `unannotated` are the labels that nobody
    was annotating in these articles.
    """

    labels: dict[str, Counts]
    unannotated: tuple[str, ...] = ()

    @property
    def micro(self) -> Counts:
        """All labels together."""
        return reduce(Counts.__add__, self.labels.values())

    @property
    def macro(self) -> Average:
        """The mean over all labels that were being annotated; zeros if there is none."""
        return self._average([float(label not in self.unannotated) for label in self.labels])

    @property
    def weighted(self) -> Average:
        """The mean over labels weighted by support; zeros if there is no gold."""
        return self._average([float(counts.support) for counts in self.labels.values()])

    def _average(self, weights: list[float]) -> Average:
        total = sum(weights) or 1.0
        rows = [(c.precision, c.recall, c.f1) for c in self.labels.values()]
        precision, recall, f1 = (sum(w * row[k] for w, row in zip(weights, rows, strict=True)) / total for k in range(3))
        return Average(precision, recall, f1, sum(counts.support for counts in self.labels.values()))


@dataclass(frozen=True)
class EvaluationReport:
    """Scores of one set of predictions on one set of articles.

    `schemes` holds the scores by matching scheme and, where words are known, on words; `strict` is the one that counts. `left_out`
    is the number of further articles that are not scored, because none of their regions or none of the labels was annotated.
    `selection` says what these articles chose about the tagger, None if they chose nothing; `ceiling` compares its scores with
    those of a second annotator. `events` are the scores of links and status, None if neither gold nor predictions have any;
    `given_gold` those of a link head given the gold spans. `checkpoint` and `data` say what was evaluated on what; they are
    JSON-like and carried along. `tally` holds the per-article counts from which intervals and tests are computed.
    """

    schemes: dict[str, SchemeScores]
    articles: int
    left_out: int = 0
    cross_check: CrossCheck | None = None
    conventional: tuple[ConventionalScore, ...] = ()
    intervals: Bootstrap | None = field(default=None, compare=False)
    slices: tuple[Slice, ...] = ()
    errors: ErrorReport | None = None
    calibration: CalibrationReport | None = None
    selection: Selection | None = None
    ceiling: Ceiling | None = None
    events: EventScores | None = None
    given_gold: EventScores | None = None
    checkpoint: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    tally: Tally | None = field(default=None, repr=False, compare=False)

    @property
    def strict(self) -> SchemeScores:
        """Scores by exact offsets and label."""
        return self.schemes["strict"]

    @property
    def labels(self) -> tuple[str, ...]:
        """The configured labels."""
        return tuple(self.strict.labels)

    @property
    def in_clusters(self) -> str:
        """In how many clusters the articles are resampled, and by which rule; empty where each is its own."""
        if self.intervals is None or self.intervals.units == self.articles:
            return ""
        rule = self.data.get("resampled_by")
        return f" in {self.intervals.units} clusters{f' by {rule}' if rule else ''}"

    @property
    def notes(self) -> list[str]:
        """Remarks on the scored articles and labels, a sentence each: what the articles chose about the tagger, how many are left
        out, labels that none was annotated for, what is scored of links and status, what the checkpoint has seen, and how it
        compares with the checkpoint that it continued.
        """
        found = [] if self.selection is None else [self.selection.note]
        if self.left_out:
            found.append(
                f"{self.left_out} more articles are left out: no region of theirs is annotated with these labels, so that nobody knows "
                "what is right there"
            )
        if unannotated := self.strict.unannotated:
            found.append(
                f"no score for {', '.join(unannotated)}: no scored article was annotated for {'it' if len(unannotated) == 1 else 'them'}; "
                "macro is the mean over the other labels"
            )
        found += () if self.events is None else self.events.notes
        return [*found, *self.data.get("seen", {}).get("notes", []), *self.data.get("base", {}).get("notes", [])]

    def described(
        self, *, checkpoint: Mapping[str, Any] | None = None, data: Mapping[str, Any] | None = None
    ) -> EvaluationReport:
        """The same report with what it says about its checkpoint and data filled in."""
        return replace(
            self,
            checkpoint=self.checkpoint if checkpoint is None else dict(checkpoint),
            data=self.data if data is None else dict(data),
        )

    def to_pandas(self) -> pd.DataFrame:
        """The scores as a table: precision, recall, F1 and support for each matching scheme and label, micro and macro, and of links and
        status if there are any.
        """
        import pandas as pd

        rows: list[tuple[object, ...]] = []
        for scheme, found in self.schemes.items():
            for label, row in (*found.labels.items(), ("micro", found.micro)):
                rows.append((scheme, label, row.precision, row.recall, row.f1, row.support))
            macro = found.macro
            rows.append((scheme, "macro", macro.precision, macro.recall, macro.f1, found.micro.support))
        rows += [] if self.events is None else self.events.rows
        if self.given_gold is not None:
            rows += [(f"{what}, given gold spans", *row) for what, *row in self.given_gold.rows]
        return pd.DataFrame(rows, columns=["scheme", "label", "precision", "recall", "f1", "support"])

    def to_json(self) -> dict[str, Any]:
        """The report as JSON-like values in full precision; the schema is documented in docs/reference/report.md."""
        return {
            "schema_version": SCHEMA_VERSION,
            **_scheme_json(self.strict),
            "unannotated": list(self.strict.unannotated),
            "articles": self.articles,
            "left_out": self.left_out,
            "selection": None if self.selection is None else self.selection.to_json(),
            "ceiling": None if self.ceiling is None else self.ceiling.to_json(),
            "checkpoint": self.checkpoint,
            "data": self.data,
            "schemes": {name: _scheme_json(scores) for name, scores in self.schemes.items()},
            "cross_check": None if self.cross_check is None else {**asdict(self.cross_check), "note": self.cross_check.note},
            "conventional": [asdict(score) for score in self.conventional],
            "intervals": None if self.intervals is None else self.intervals.to_json(),
            "slices": [asdict(part) for part in self.slices],
            "errors": None if self.errors is None else self.errors.to_json(),
            "calibration": None if self.calibration is None else self.calibration.to_json(),
            "events": None if self.events is None else self.events.to_json(),
            "events_given_gold_spans": None if self.given_gold is None else self.given_gold.to_json(),
        }


def _counts_json(counts: Counts) -> dict[str, float | int]:
    return {
        "precision": counts.precision,
        "recall": counts.recall,
        "f1": counts.f1,
        "support": counts.support,
        "predicted": counts.predicted,
        **{name: getattr(counts, name) for name in STATISTICS},
    }


def _scheme_json(scores: SchemeScores) -> dict[str, Any]:
    return {
        "labels": {label: _counts_json(counts) for label, counts in scores.labels.items()},
        "micro": _counts_json(scores.micro),
        "macro": asdict(scores.macro),
        "weighted": asdict(scores.weighted),
    }


def score_tally(tally: Tally) -> dict[str, SchemeScores]:
    """Scores by scheme from a tally."""
    unannotated = () if tally.marked is None else tuple(label for label in tally.labels if label not in tally.marked)
    return {
        scheme: SchemeScores({label: tally.counts(scheme, label) for label in tally.labels}, unannotated)
        for scheme in tally.schemes
    }


def score_articles(
    pairs: Iterable[Pair], labels: LabelSet, *, words: Words | None = words_of, others: bool = True
) -> EvaluationReport:
    """Score the predicted spans of articles against all gold of their annotated regions and labels.

    `words` gives the words for the word-level scores and seqeval; None leaves both out. `others`: whether to add what other scorers
    would print. `pairs` is read once, so it may stream.

    Raises DataError for no article at all, an article given twice, or a gold or predicted label outside `labels`.
    """
    ids: list[str] = []
    marked: set[str] = set()
    rows = []
    tags = WordTags(labels)
    first_come = FirstComeTally()
    for article, predicted in pairs:
        gold, tagged = scored_spans(article, predicted, labels)
        ids.append(article.id)
        marked.update(marked_labels(article, labels))
        counts = tally_spans(gold, tagged, labels)
        if others:
            first_come.add(gold, tagged)
        if words is not None:
            groups = words_by_region(words(article), article.regions)
            tags.add(article, gold, tagged, groups)
            counts = np.concatenate([counts, tally_words(gold, tagged, list(chain(*groups)), labels)[None]])
        rows.append(counts)
    require_distinct(ids)
    if not rows:
        raise DataError("there is no article to score; check the data and its split")
    names = SCHEMES if words is None else (*SCHEMES, WORD_SCHEME)
    tally = Tally(tuple(ids), names, labels.labels, np.stack(rows), tuple(label for label in labels.labels if label in marked))
    schemes = score_tally(tally)
    check = None
    conventional = conventional_scores(tally, first_come, None if words is None else tags) if others else ()
    if words is not None:
        strict = schemes["strict"]
        check = cross_check(tags, {label: _word_scores(c) for label, c in strict.labels.items()}, _word_scores(strict.micro))
    return EvaluationReport(schemes, len(ids), cross_check=check, conventional=conventional, tally=tally)


def analyse_articles(
    pairs: Sequence[Pair],
    labels: LabelSet,
    *,
    words: Words | None = words_of,
    links: PredictedLinks | None = None,
    given_gold: tuple[Sequence[Pair], PredictedLinks] | None = None,
    clusters: Mapping[str, Hashable] | None = None,
    within: Mapping[str, Hashable] | None = None,
    training: Mentions | None = None,
    fields: Sequence[str] | None = None,
    resamples: int = RESAMPLES,
    level: float = 0.95,
    seed: int = 12345,
) -> EvaluationReport:
    """`score_articles` with everything else: intervals, slices, error kinds, calibration if predictions have scores, and the scores of
    links and status if there are any.

    `links` are the predicted links by article id; the status of a predicted event is that of its span. `given_gold` are the gold spans with
    the status, and the links, that a link head gave them. `clusters` says which articles are resampled together, `within` which are
    so inside a cluster (None: none), for slices that lie in a single cluster; `training` are the mentions of the training articles
    (`count_mentions`) and adds the seen/unseen slices; `fields` are metadata fields to slice by (None: those that suit).

    Raises DataError as `score_articles` does, and for an article without a cluster; SettingsError for a field that no article has.
    """
    report = score_articles(pairs, labels, words=words)
    assert report.tally is not None
    slicers = standard_slicers([article for article, _ in pairs], training=training, fields=fields)
    how = Resampling(clusters, within, resamples, level, seed)
    scored = all(span.score is not None for _, spans in pairs for span in spans)
    return replace(
        report,
        intervals=bootstrap(report.tally, clusters=clusters, resamples=resamples, level=level, seed=seed),
        slices=slice_scores(
            pairs, labels, slicers, clusters=clusters, within=within, resamples=resamples, level=level, seed=seed
        ),
        errors=find_errors(pairs, labels, training=training),
        calibration=calibration_report(collect_predictions(pairs, labels)) if scored else None,
        events=score_events(pairs, links or {}, labels, how, fields=fields),
        given_gold=None if given_gold is None else score_events(*given_gold, labels, how, fields=fields),
    )


def _word_scores(counts: Counts) -> WordScores:
    return WordScores(counts.precision, counts.recall, counts.f1, counts.support)
