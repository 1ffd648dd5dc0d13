"""`eventtag evaluate checkpoint=DIR key=value ...`"""

from __future__ import annotations

import logging
from pathlib import Path

from eventtag.app.hydra_task import run_hydra
from eventtag.settings import EvaluateSettings, EvaluateSplit

log = logging.getLogger(__name__)


def run() -> int:
    """Evaluate as the command line says; the value that a sweep sees is micro F1."""
    return run_hydra("evaluate", EvaluateSettings, _task)


def _task(settings: EvaluateSettings) -> float:
    from eventtag.corpus.loading import load_corpus
    from eventtag.errors import SettingsError
    from eventtag.evaluation import evaluate
    from eventtag.reporting.console import render_table
    from eventtag.reporting.files import write_evaluation
    from eventtag.scoring.error_kinds import count_mentions
    from eventtag.tagging.tagger import Tagger

    tagger = Tagger.load(settings.checkpoint, batch_tokens=settings.batch_tokens)
    unknown = [label for label in settings.data.labels if label not in tagger.labels.labels]
    if unknown:
        raise SettingsError(
            f"data.labels: the checkpoint does not know {unknown[0]!r}; it knows {list(tagger.labels.labels)}. "
            "Map the label with data.label_map, or take it out"
        )
    corpus = load_corpus(settings.data, trained_on=(tagger.about or {}).get("data", {}).get("sha256", ""))
    split = settings.split.value
    if settings.split is EvaluateSplit.auto:
        split = next((name for name in ("test", "validation") if name in corpus.splits), "all")
    train = corpus.splits.get("train", ()) if split != "train" else ()
    evaluation = evaluate(
        tagger,
        corpus.articles(split),
        labels=corpus.labels,
        data=corpus.describe(split),
        analysis=settings.evaluation,
        cluster_field=settings.data.cluster_field,
        training=count_mentions(train) if train else None,
    )
    write_evaluation(evaluation.report, evaluation.tagged, Path(settings.run_dir))
    for line in corpus.ledger.summary():
        log.info("%s", line)
    log.info("%s, %s articles:\n%s", corpus.name, split, render_table(evaluation.report))
    log.info("\nreport: %s", Path(settings.run_dir) / "report.html")
    return evaluation.report.strict.micro.f1
