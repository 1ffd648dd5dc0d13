"""`eventtag.evaluate`: a checkpoint on annotated articles that it did not learn from."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eventtag.api.articles import Source, corpus_beside, data_settings
from eventtag.article import Article
from eventtag.corpus.loading import load_corpus
from eventtag.corpus.seen import UNKNOWN, Seen, leave_out_seen, read_seen
from eventtag.encoding.align import record_unmatchable
from eventtag.errors import SettingsError
from eventtag.evaluation import evaluate as evaluate_tagger
from eventtag.evaluation import tag_annotated
from eventtag.ledger import LossLedger
from eventtag.link import ROLES
from eventtag.models.checkpoint import checkpoint_folder
from eventtag.reporting.files import write_evaluation
from eventtag.reporting.losses import write_losses
from eventtag.scoring.calibration import choose_thresholds, collect_predictions
from eventtag.scoring.report import EvaluationReport
from eventtag.settings import MISSING, EvaluateSettings, EvaluateSplit, EvaluationSettings, SeenArticles
from eventtag.settings.building import with_values
from eventtag.span import STATUSES
from eventtag.tagging.tagged import TaggedArticle
from eventtag.tagging.tagger import Tagger

if TYPE_CHECKING:
    import pandas as pd

    from eventtag.labels import LabelSet


@dataclass(frozen=True, repr=False)
class EvaluationResult:
    """The report, the scored articles with their predictions, losses in reading, and further remarks; `folder` holds the files,
    None if none were asked for. `name` and `split` say which articles these are.
    """

    report: EvaluationReport
    predictions: tuple[TaggedArticle, ...]
    ledger: LossLedger
    notes: tuple[str, ...]
    name: str
    split: str
    folder: Path | None = None

    def __repr__(self) -> str:
        return f"EvaluationResult({self.name} {self.split}, {self.report.articles} articles, micro F1 {self.f1:.3f})"

    @property
    def f1(self) -> float:
        """Strict micro F1."""
        return self.report.strict.micro.f1

    def to_pandas(self) -> pd.DataFrame:
        """Precision, recall, F1 and support by matching scheme and label, with micro and macro."""
        return self.report.to_pandas()


def evaluate(
    checkpoint: str | os.PathLike[str] | Tagger | EvaluateSettings, data: Source | None = None, **settings: Any
) -> EvaluationResult:
    """Score a checkpoint (or a run, or a tagger) on annotated articles: `evaluate("outputs/mine", "gold.jsonl").report`.

    `data` is a file, a folder, articles, or a mapping of the settings `data`; None: the articles of the run that made the checkpoint.
    Further keyword arguments are the settings of `eventtag evaluate` (docs/reference/settings.md), groups as mappings:
    `evaluation={"resamples": 1000}`. With `run_dir` the report is written there. Articles that the checkpoint learnt from are left out
    unless `seen="include"`.

    Raises SettingsError, DataError or CheckpointError for wrong settings, articles or checkpoints, OutputError if a file exists.
    """
    tagger = checkpoint if isinstance(checkpoint, Tagger) else None
    if isinstance(checkpoint, EvaluateSettings):
        wanted = with_values(checkpoint, settings)
    else:
        path = (tagger.about or {}).get("path", MISSING) if tagger is not None else os.fspath(checkpoint)  # type: ignore[arg-type]
        wanted = with_values(EvaluateSettings(checkpoint=str(path)), settings)
    articles: Sequence[Article] | None = None
    if data is not None:
        described, articles = data_settings(data)
        wanted = replace(wanted, data=described)
    return _evaluate(wanted, tagger, articles)


def _evaluate(settings: EvaluateSettings, tagger: Tagger | None, articles: Sequence[Article] | None) -> EvaluationResult:
    folder = checkpoint_folder(settings.checkpoint)
    if tagger is None:
        tagger = Tagger.load(folder, precision=settings.precision.value, batch_tokens=settings.batch_tokens)
    tagger = tagger.with_thresholds(settings.thresholds).with_stride(settings.stride)
    seen = read_seen(folder) if settings.checkpoint != MISSING else Seen(unknown=(UNKNOWN,))
    include = settings.seen is SeenArticles.include
    expected = None
    if settings.data is None:
        expected = _expected(tagger)
        corpus = corpus_beside(folder, "data.path=FILE or data=NAME", seen=seen, labels=tagger.labels.labels)
    else:
        data = settings.data if settings.data.labels else replace(settings.data, labels=list(tagger.labels.labels))
        unknown = [label for label in data.labels or () if label not in tagger.labels.labels]
        if unknown:
            raise SettingsError(
                f"data.labels: the checkpoint does not know {unknown[0]!r}; it knows {list(tagger.labels.labels)}. "
                "Map the label with data.label_map, or take it out"
            )
        corpus = load_corpus(data, seen=seen, articles=articles)
    split = settings.split.value
    if settings.split is EvaluateSplit.auto:
        split = corpus.scored_split(include_seen=include)
    unseen = leave_out_seen(corpus.articles(split), seen, include=include, among=corpus.articles("all"), expected=expected)
    evaluation = evaluate_tagger(
        tagger,
        unseen.articles,
        labels=corpus.labels,
        data={**corpus.describe(split, unseen.articles), "seen": unseen.about},
        analysis=settings.evaluation,
        cluster_field=corpus.cluster_field,
        training=seen.known_mentions(),
    )
    head = tagger.decoder
    for item in evaluation.tagged:
        record_unmatchable(
            item.article, item.words, ledger=corpus.ledger,
            overlap=head.overlap, max_width=head.max_width, crosses_lines=tagger.crosses_lines, cuts_strings=tagger.cuts_strings,
        )  # fmt: skip
    run_dir = None if settings.run_dir == MISSING else Path(settings.run_dir)
    if run_dir is not None:
        write_evaluation(evaluation.report, evaluation.tagged, run_dir)
        write_losses(corpus.ledger, run_dir / "losses.jsonl")
    notes = tuple(_targets(tagger, unseen.articles, corpus.labels, settings.evaluation))
    return EvaluationResult(evaluation.report, evaluation.tagged, corpus.ledger, notes, corpus.name, split, run_dir)


def _expected(tagger: Tagger) -> int | None:
    """How many articles of its own run a checkpoint learnt from or was chosen by; None if it continued another, whose articles are
    compared with what it recorded.
    """
    about = tagger.about or {}
    counts = [about.get("data", {}).get("articles"), tagger.calibration.fitted_on.get("articles")]
    return None if about.get("base") is not None or None in counts else sum(counts)


def _targets(tagger: Tagger, articles: Sequence[Article], labels: LabelSet, settings: EvaluationSettings) -> Iterator[str]:
    """For every target, the threshold that would reach it here. It is not applied, because articles that choose a threshold cannot
    judge it.
    """
    if not (settings.target_precision or settings.target_recall):
        return
    if settings.confidence is not None:
        yield "evaluation.confidence has no effect here: `train` chooses the thresholds that keep a target with a confidence"
    unlimited = replace(tagger, calibration=replace(tagger.calibration, thresholds={}))
    predictions = collect_predictions(
        [(item.article, item.spans) for item in tag_annotated(unlimited, articles, labels=labels)], labels
    )
    for key in ("target_precision", "target_recall"):
        for label, target in getattr(settings, key).items():
            if label not in labels.labels and label in (*ROLES, *STATUSES):
                yield f"evaluation.{key}.{label} has no effect here: `train` chooses the thresholds of roles and statuses"
                continue
            try:
                point = choose_thresholds(predictions, **{key: {label: target}})[label]
            except SettingsError as error:
                yield f"evaluation.{error}"
                continue
            yield (
                f"evaluation.{key}.{label}={target:g} would be reached here by thresholds.{label}={point.threshold:.4f} "
                f"(precision {point.precision:.3f}, recall {point.recall:.3f}); not applied, as articles that choose a threshold "
                "cannot judge it"
            )
