"""`eventtag.score`: the report of `evaluate` for predictions of any program, without a checkpoint."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eventtag.api.articles import Source, name_of
from eventtag.api.gold import read_noted
from eventtag.api.pairing import pair_with_gold
from eventtag.article import Article
from eventtag.corpus.ceiling import measure_ceiling
from eventtag.link import Link
from eventtag.reporting.files import write_evaluation
from eventtag.scoring.report import EvaluationReport, analyse_articles
from eventtag.settings import EvaluationSettings
from eventtag.settings.building import build_settings
from eventtag.span import Span

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class ScoredPrediction:
    """A gold article and what was predicted in it; `links` None: nothing is said of links."""

    article: Article
    spans: tuple[Span, ...]
    links: tuple[Link, ...] | None = None


@dataclass(frozen=True, repr=False)
class ScoreResult:
    """The report, the predictions, and remarks: what was lost, left out or placed. `folder` holds the files; None if none were
    asked for.
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
    second: Source | None = None,
    evaluation: EvaluationSettings | Mapping[str, Any] | None = None,
) -> ScoreResult:
    """Score predictions of any program on gold articles: `score("theirs.conll", "gold.jsonl").report`.

    If gold and predictions have links or the status of events, these are scored too. Articles are matched by id, or by their order
    if no id fits and both have the same number of articles. Texts must be the same except for white space. `gold` is a file,
    articles, or the settings of a corpus, of which `split` is scored. `clusters`: the metadata field whose values are resampled
    together. `format`, `options` and `label_map` say how the predictions are read, `gold_format` and `gold_options` how the gold
    articles are. `second` is a second annotation of gold articles, in a recognised format: the report then compares the scores with
    the agreement of the two annotators. `evaluation` are the settings of that group. With `run_dir`, the report is written there.

    Raises DataError if articles are missing or texts differ, OutputError if a file of the report exists.
    """
    analysis = evaluation
    if not isinstance(analysis, EvaluationSettings):
        analysis = build_settings(EvaluationSettings, analysis or {}, prefix="evaluation.")
    found = pair_with_gold(
        predictions,
        gold,
        split=split,
        labels=labels,
        clusters=clusters,
        format=format,
        options=options,
        label_map=label_map,
        gold_format=gold_format,
        gold_options=gold_options,
    )
    report = analyse_articles(
        found.pairs,
        found.gold.labels,
        links=found.links,
        clusters=found.clusters,
        within=found.within,
        fields=analysis.slices,
        resamples=analysis.resamples,
        level=analysis.level,
        seed=analysis.seed,
    )
    about = {
        "name": found.gold.name,
        "split": found.gold.split or "",
        "articles": len(found.pairs),
        "predictions": name_of(predictions),
        "resampled_by": found.rule,
    }
    notes = list(found.notes)
    if second is not None:
        other = {article.id: article for article in read_noted(second, notes, set(), label_map=label_map)}
        measured = measure_ceiling(
            found.pairs,
            other,
            found.gold.labels,
            clusters=found.clusters,
            resamples=analysis.resamples,
            level=analysis.level,
            seed=analysis.seed,
        )
        report = replace(report, ceiling=measured)
        notes.append(f"{name_of(second)}: {measured.articles} of {len(found.pairs)} articles are annotated twice")
    report = report.described(data=about)
    scored = tuple(ScoredPrediction(article, tuple(spans), found.links[article.id]) for article, spans in found.pairs)
    folder = None if run_dir is None else Path(run_dir)
    if folder is not None:
        write_evaluation(report, scored, folder)
    return ScoreResult(report, scored, tuple(notes), folder)
