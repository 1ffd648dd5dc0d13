"""`eventtag.score`: the whole report for anybody's predictions, without a checkpoint."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eventtag.api.articles import Source, name_of, require_names
from eventtag.api.gold import read_gold, read_noted
from eventtag.article import Article
from eventtag.corpus.clusters import clusters_of
from eventtag.reporting.files import write_evaluation
from eventtag.scoring.pairing import pair_predictions
from eventtag.scoring.placing import place_predictions
from eventtag.scoring.report import EvaluationReport, analyse_articles
from eventtag.settings import EvaluationSettings
from eventtag.settings.building import build_settings
from eventtag.span import Span

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class ScoredPrediction:
    """A gold article and the spans that were predicted in it."""

    article: Article
    spans: tuple[Span, ...]


@dataclass(frozen=True, repr=False)
class ScoreResult:
    """The report, the predictions, and remarks: what was lost, left out or placed. `folder` holds the files, None where none were asked
    for.
    """

    report: EvaluationReport
    predictions: tuple[ScoredPrediction, ...]
    notes: tuple[str, ...]
    folder: Path | None = None

    def __repr__(self) -> str:
        return f"ScoreResult({self.report.articles} articles, micro F1 {self.f1:.3f})"

    @property
    def f1(self) -> float:
        """Strict micro F1."""
        return self.report.strict.micro.f1

    def to_pandas(self) -> pd.DataFrame:
        """Precision, recall, F1 and support by matching scheme and label, with micro and macro."""
        return self.report.to_pandas()


def score(
    predictions: Source,
    gold: Source,
    *,
    run_dir: str | os.PathLike[str] | None = None,
    split: str = "auto",
    labels: Sequence[str] | None = None,
    clusters: str | None = None,
    format: str = "auto",  # noqa: A002 - the word for it in every command
    options: Mapping[str, Any] | None = None,
    label_map: Mapping[str, str | None] | None = None,
    gold_format: str = "auto",
    gold_options: Mapping[str, Any] | None = None,
    evaluation: EvaluationSettings | Mapping[str, Any] | None = None,
) -> ScoreResult:
    """Score predictions of any program on gold articles: `score("theirs.conll", "gold.jsonl").report`.

    Articles are matched by id, or by their order where no id fits and there are as many of both. Texts must be the same but for white
    space. `gold` is a file, articles, or the settings of a corpus, of which `split` is scored. `clusters`: the metadata field whose
    values are resampled together. `format`, `options` and `label_map` say how the predictions are read, `gold_format` and
    `gold_options` how the gold articles are. `evaluation` are the settings of that group. With `run_dir` the report is written there.

    Raises DataError where articles are missing or texts differ, OutputError where a file of the report exists.
    """
    analysis = evaluation
    if not isinstance(analysis, EvaluationSettings):
        analysis = build_settings(EvaluationSettings, analysis or {}, prefix="evaluation.")
    reading: dict[str, Any] = {"label_map": label_map}
    known = read_gold(
        gold, seen=None, include=True, split=split, labels=labels, format=gold_format, options=gold_options, **reading
    )
    source = name_of(predictions)
    predicted = read_noted(predictions, known.notes, known.before, format=format, options=options, **reading)
    require_names("label_map", label_map or (), known.before, "label")
    placed, remarks = place_predictions(known.articles, predicted)
    pairs, others = pair_predictions(known.articles, placed, source=source)
    if others:
        remarks.append(f"{others} articles are left out, as no gold article has their id")
    notes = (*known.notes, *(f"{source}: {remark}" for remark in remarks))
    articles = [article for article, _ in pairs]
    field_name = clusters or known.cluster_field
    if field_name is not None:
        require_names("clusters", [field_name], {name for article in articles for name in article.meta}, "metadata field")
    units, rule = clusters_of(articles, field_name)
    report = analyse_articles(
        pairs,
        known.labels,
        clusters=units,
        within=units if field_name is None else clusters_of(articles, None)[0],
        fields=analysis.slices,
        resamples=analysis.resamples,
        level=analysis.level,
        seed=analysis.seed,
    )
    about = {
        "name": known.name,
        "split": known.split or "",
        "articles": len(articles),
        "predictions": source,
        "resampled_by": rule,
    }
    report = report.described(data=about)
    scored = tuple(ScoredPrediction(article, tuple(spans)) for article, spans in pairs)
    folder = None if run_dir is None else Path(run_dir)
    if folder is not None:
        write_evaluation(report, scored, folder)
    return ScoreResult(report, scored, notes, folder)
