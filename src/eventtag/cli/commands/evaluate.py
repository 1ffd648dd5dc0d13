"""`eventtag evaluate checkpoint=DIR key=value ...`"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from eventtag.cli.hydra_task import run_hydra
from eventtag.settings import EvaluateSettings, EvaluateSplit, SeenArticles

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from eventtag.article import Article
    from eventtag.labels import LabelSet
    from eventtag.settings import EvaluationSettings
    from eventtag.tagging.tagger import Tagger

log = logging.getLogger(__name__)


def run() -> int:
    """Evaluate as the command line says; the value that a sweep sees is micro F1."""
    return run_hydra("evaluate", EvaluateSettings, _task)


def _task(settings: EvaluateSettings) -> float:
    from eventtag.cli.run_data import data_of_run
    from eventtag.corpus.loading import load_corpus
    from eventtag.corpus.seen import leave_out_seen, read_seen
    from eventtag.encoding.align import record_unmatchable
    from eventtag.errors import SettingsError
    from eventtag.evaluation import evaluate
    from eventtag.reporting.console import render_table
    from eventtag.reporting.files import write_evaluation
    from eventtag.reporting.losses import write_losses
    from eventtag.tagging.tagger import Tagger

    tagger = Tagger.load(settings.checkpoint, precision=settings.precision.value, batch_tokens=settings.batch_tokens)
    tagger = tagger.with_thresholds(settings.thresholds).with_stride(settings.stride)
    data = data_of_run(Path(settings.checkpoint), "data.path=FILE or data=NAME") if settings.data is None else settings.data
    unknown = [label for label in data.labels or () if label not in tagger.labels.labels]
    if unknown:
        raise SettingsError(
            f"data.labels: the checkpoint does not know {unknown[0]!r}; it knows {list(tagger.labels.labels)}. "
            "Map the label with data.label_map, or take it out"
        )
    seen, include = read_seen(Path(settings.checkpoint)), settings.seen is SeenArticles.include
    corpus = load_corpus(data if data.labels else replace(data, labels=list(tagger.labels.labels)), seen=seen)
    split = settings.split.value
    if settings.split is EvaluateSplit.auto:
        split = corpus.scored_split(include_seen=include)
    unseen = leave_out_seen(corpus.articles(split), seen, include=include, among=corpus.articles("all"))
    evaluation = evaluate(
        tagger,
        unseen.articles,
        labels=corpus.labels,
        data={**corpus.describe(split, unseen.articles), "seen": unseen.about},
        analysis=settings.evaluation,
        cluster_field=corpus.cluster_field,
        training=seen.known_mentions(),
    )
    write_evaluation(evaluation.report, evaluation.tagged, Path(settings.run_dir))
    head = tagger.decoder
    for item in evaluation.tagged:
        record_unmatchable(item.article, item.words, ledger=corpus.ledger, overlap=head.overlap, max_width=head.max_width)
    write_losses(corpus.ledger, Path(settings.run_dir) / "losses.jsonl")
    for line in [*corpus.ledger.remarks, *corpus.ledger.summary()]:
        log.info("%s", line)
    log.info("%s, %s articles:\n%s", corpus.name, split, render_table(evaluation.report))
    for line in _targets(tagger, unseen.articles, corpus.labels, settings.evaluation):
        log.info("%s", line)
    log.info("\nreport: %s", Path(settings.run_dir) / "report.html")
    return evaluation.report.strict.micro.f1


def _targets(tagger: Tagger, articles: Sequence[Article], labels: LabelSet, settings: EvaluationSettings) -> Iterator[str]:
    """For every target, the threshold that would reach it here. It is not applied: these articles would then judge their own choice."""
    from eventtag.errors import SettingsError
    from eventtag.evaluation import tag_annotated
    from eventtag.scoring.calibration import choose_thresholds, collect_predictions

    if not (settings.target_precision or settings.target_recall):
        return
    unlimited = replace(tagger, calibration=replace(tagger.calibration, thresholds={}))
    predictions = collect_predictions(
        [(item.article, item.spans) for item in tag_annotated(unlimited, articles, labels=labels)], labels
    )
    for key in ("target_precision", "target_recall"):
        for label, target in getattr(settings, key).items():
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
