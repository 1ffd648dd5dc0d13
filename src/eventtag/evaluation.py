"""Evaluation of a tagger on gold articles. Checkpoint selection, the final report and `evaluate` use this one function."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from eventtag.article import Article
from eventtag.corpus.clusters import clusters_of
from eventtag.errors import DataError
from eventtag.labels import LabelSet
from eventtag.link import Link
from eventtag.models.checkpoint import Calibration
from eventtag.scoring.calibration import CalibrationReport, calibration_report, collect_predictions
from eventtag.scoring.mentions import Mentions
from eventtag.scoring.report import EvaluationReport, analyse_articles, score_articles
from eventtag.scoring.selection import Selection
from eventtag.scoring.slices import require_fields
from eventtag.settings import EvaluationSettings
from eventtag.span import Span
from eventtag.tagging.tagged import TaggedArticle, only_labels
from eventtag.tagging.tagger import Tagger


@dataclass(frozen=True)
class Evaluation:
    """A report and the predictions that it was computed from, in the articles' order."""

    report: EvaluationReport
    tagged: tuple[TaggedArticle, ...]


def evaluate(
    tagger: Tagger,
    articles: Iterable[Article],
    *,
    labels: LabelSet | None = None,
    data: Mapping[str, Any] | None = None,
    analysis: EvaluationSettings | None = None,
    cluster_field: str | None = None,
    training: Mentions | None = None,
) -> Evaluation:
    """Tag the annotated regions of the articles and score the spans against all of their gold.

    `labels` are those to score, the tagger's by default; predictions of other labels are left out. Articles without an annotated region, or
    in which none of the labels was being marked, are left out and counted (`left_out`). `data` describes the articles in the report. With
    `analysis` the report also has intervals, slices, error kinds and calibration, and for a link head its scores given the gold spans;
    `cluster_field` is the `meta` field whose values are
    resampled together (None: near-duplicates are), `training` the mentions of the training articles. Raises DataError if no article
    remains, none has that field, or a gold label is not among `labels`; SettingsError for a field to slice by that no article has.
    """
    labels = labels or tagger.labels
    articles = list(articles)
    if analysis is not None:
        require_fields(articles, analysis.slices or ())  # fail before tagging
    tagged = tag_annotated(tagger, articles, labels=labels)
    left_out = len(articles) - len(tagged)
    if articles and not tagged:
        raise DataError(
            f"none of the {len(articles)} articles has an annotated region where one of {list(labels.labels)} was marked, so that "
            "nothing can be scored; check the annotated regions and labels of the articles"
        )
    if analysis is None:
        return score_tagged(tagged, tagger, labels=labels, data=data, left_out=left_out)
    scored = [item.article for item in tagged]
    clusters, rule = clusters_of(scored, cluster_field)
    data = {**(data or {}), "resampled_by": rule}
    report = analyse_articles(
        [(item.article, item.spans) for item in tagged],
        labels,
        words=_words_in(tagged),
        links={item.article.id: item.links for item in tagged},
        given_gold=_given_gold(tagger, scored, labels),
        clusters=clusters,
        within=clusters if cluster_field is None else clusters_of(scored, None)[0],
        training=training,
        fields=analysis.slices,
        resamples=analysis.resamples,
        level=analysis.level,
        seed=analysis.seed,
    )
    report = replace(report, calibration=_calibration(report.calibration, tagger, tagged, labels, data))
    return _described(replace(report, left_out=left_out), tagger, tagged, data)


def _given_gold(
    tagger: Tagger, articles: Sequence[Article], labels: LabelSet
) -> tuple[list[tuple[Article, tuple[Span, ...]]], dict[str, tuple[Link, ...] | None]] | None:
    """The gold spans of the articles with the status, and the links, that the tagger's link head gives them; None where it has none, or no
    gold article has links or status.
    """
    if tagger.links is None or not any(a.links is not None or any(span.status for span in a.spans) for a in articles):
        return None
    items = [only_labels(item, labels) for item in tagger.link_given(articles)]
    return [(item.article, item.spans) for item in items], {item.article.id: item.links for item in items}


def tag_annotated(tagger: Tagger, articles: Iterable[Article], *, labels: LabelSet | None = None) -> tuple[TaggedArticle, ...]:
    """The articles that have an annotated region where one of `labels` (the tagger's) was being marked, tagged there; spans of other
    labels are left out.
    """
    labels = labels or tagger.labels
    known = (article for article in articles if article.may_be_scored(labels.labels))
    return tuple(only_labels(item, labels) for item in tagger.tag_many(known, only_annotated=True))


def score_tagged(
    tagged: tuple[TaggedArticle, ...],
    tagger: Tagger,
    *,
    labels: LabelSet | None = None,
    data: Mapping[str, Any] | None = None,
    left_out: int = 0,
    spans_alone: bool = False,
) -> Evaluation:
    """The evaluation, without an analysis, of articles that `tagger` has tagged; arguments and errors as for `evaluate`. `spans_alone`
    leaves out scores of words and those of other scorers, which take most of the time.
    """
    words = None if spans_alone else _words_in(tagged)
    pairs = [(item.article, item.spans) for item in tagged]
    report = score_articles(pairs, labels or tagger.labels, words=words, others=not spans_alone)
    return _described(replace(report, left_out=left_out), tagger, tagged, data)


def _words_in(tagged: Iterable[TaggedArticle]) -> Callable[[Article], Sequence[tuple[int, int]]]:
    """The function that gives the words of an article, as character offsets."""
    words = {item.article.id: [(int(start), int(end)) for start, end in item.words] for item in tagged}
    return lambda article: words[article.id]


def _described(
    report: EvaluationReport, tagger: Tagger, tagged: tuple[TaggedArticle, ...], data: Mapping[str, Any] | None
) -> Evaluation:
    about = {**(tagger.about or {}), "thresholds": dict(tagger.calibration.thresholds)}
    report = replace(report, selection=_selection(tagger, data or {}, links=report.events is not None))
    return Evaluation(report.described(checkpoint=about, data=data or {}), tagged)


def _selection(tagger: Tagger, data: Mapping[str, Any], *, links: bool) -> Selection | None:
    """What the articles that `data` describes chose about the tagger; None if they chose nothing. `links`: whether links or status are
    scored.
    """
    used = tagger.calibration
    same = _fitted_here(used, data)
    if not same and not 0 < _chosen_by(data) == data.get("articles"):
        return None
    chose = ["the epoch"]
    if used.temperatures:
        chose.append("the temperatures of the scores")
    if used.thresholds or used.overlapping:
        chose.append("the thresholds")
    if links and tagger.links is not None:
        chose.append("the temperatures and thresholds of links and status")
    return Selection(tuple(chose), used.cross_fitted if same else {})


def _fitted_here(used: Calibration, data: Mapping[str, Any]) -> bool:
    """Whether these are the validation articles as they were in training."""
    return "sha256" in used.fitted_on and used.fitted_on["sha256"] == data.get("sha256")


def _chosen_by(data: Mapping[str, Any]) -> int:
    """How many of the articles chose something about the tagger, also if they are given in another form."""
    count: int = data.get("seen", {}).get("scored", {}).get("chose", 0)
    return count


def _calibration(
    found: CalibrationReport | None,
    tagger: Tagger,
    tagged: Sequence[TaggedArticle],
    labels: LabelSet,
    data: Mapping[str, Any],
) -> CalibrationReport | None:
    """The calibration with the scores before the temperatures, and which articles fitted these."""
    used = tagger.calibration
    if found is None:
        return None
    found = replace(
        found,
        thresholds={k: v for k, v in used.thresholds.items() if k in labels.labels},
        overlapping={k: v for k, v in used.overlapping.items() if k in labels.labels},
    )
    temperatures = {k: v for k, v in used.temperatures.items() if k in labels.labels}
    if not temperatures:
        return found
    raw = [
        (item.article, [replace(span, score=score) for span, score in zip(item.spans, item.raw_scores, strict=True)])
        for item in tagged
    ]
    return replace(
        found,
        raw=calibration_report(collect_predictions(raw, labels)),
        temperatures=temperatures,
        fitted_here=_fitted_here(used, data) or _chosen_by(data) > 0,
        cross_fitted_ece=used.cross_fitted_ece if _fitted_here(used, data) else None,
        cross_fitted_expected=used.cross_fitted_expected if _fitted_here(used, data) else None,
    )
