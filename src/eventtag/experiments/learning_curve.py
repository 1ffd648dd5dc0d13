"""A learning curve: the same training on nested random subsets of the training articles, all scored on the same articles.

RUN/curve.json                          settings, data fingerprints, versions
RUN/runs/ARTICLES-REPEAT/               one training run (`eventtag.training.run`), without its checkpoint unless it is to be kept
RUN/runs/ARTICLES-REPEAT/score.json     its scores; it shows that the run is done
RUN/intermediate/                       the intermediate checkpoint, for all sizes of a repeat; removed when the curve is finished
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np

from eventtag.article import Article
from eventtag.corpus.loading import Corpus, count_spans, load_corpus
from eventtag.corpus.seen import read_seen
from eventtag.errors import DataError, SettingsError, TrainingError
from eventtag.evaluation import evaluate
from eventtag.ledger import LossLedger
from eventtag.run_folder import RUN_FILES, claimed_folder
from eventtag.scoring.learning_curve import CurveReport, CurveRun, CurveScore, curve_scores, fit_learning_curves
from eventtag.settings import CurveSplit, LearningCurveSettings, TrainSettings
from eventtag.staging import remove_known, remove_partial, remove_whole, write_json
from eventtag.stored_json import read_stored
from eventtag.tagging.tagger import Tagger
from eventtag.training.intermediate import INTERMEDIATE, remove_shared
from eventtag.training.record import build_record, claim_folder
from eventtag.training.run import METRICS_FILE, require_trainable, train

log = logging.getLogger(__name__)

CURVE_FILE = "curve.json"
SCORE_FILE = "score.json"
CURVE_FILES = (CURVE_FILE, INTERMEDIATE, "learning_curve.json", "learning_curve.html")
HALVINGS = 4
LEAST_SIZE = 5
"""The smallest size, unless `sizes` names a smaller one."""
FREE_KEYS = ("sizes", "repeats", "more", "keep_checkpoints")
"""Settings that may change when a curve is continued: they ask for further runs, or for another extrapolation of the same runs."""


def run_learning_curve(settings: LearningCurveSettings) -> CurveReport:
    """Train and score every size and repeat that is not done yet, smallest first, and fit the curves.

    Raises an EventtagError before any training for wrong settings or data, or a run directory that holds anything but this curve or in
    which another process works.
    """
    with claimed_folder(Path(settings.run_dir), "learning-curve"):
        return _run_learning_curve(settings)


def _run_learning_curve(settings: LearningCurveSettings) -> CurveReport:
    corpus = load_corpus(settings.data)
    require_trainable(corpus)
    split = settings.split.value
    if split not in corpus.splits:
        raise DataError(f"corpus {corpus.name!r} has no {split} articles (found: {', '.join(corpus.splits)}); set split=")
    articles = corpus.splits["train"]
    sizes = choose_sizes(len(articles), settings.sizes)
    run_dir = Path(settings.run_dir)
    record = build_record(settings, corpus)
    claim_folder(run_dir / CURVE_FILE, record, free=FREE_KEYS, resume=settings.resume, what="a learning curve")
    remove_partial(run_dir, CURVE_FILES)
    runs = []
    for size in sizes:
        for repeat in range(settings.repeats):
            folder = run_dir / "runs" / f"{size:05d}-{repeat}"
            if not (folder / SCORE_FILE).exists():
                log.info("\n%d training articles, repeat %d of %d", size, repeat + 1, settings.repeats)
                _run(settings, corpus, draw_subset(articles, size, seed=settings.seed + repeat), repeat, folder)
            if not settings.keep_checkpoints:
                remove_whole(folder / "checkpoint")
            runs.append(_read_score(folder / SCORE_FILE))
    remove_shared(run_dir)
    analysis = settings.evaluation
    return fit_learning_curves(runs, more=settings.more, level=analysis.level, seed=analysis.seed, data=corpus.describe(split))


def choose_sizes(available: int, wanted: Sequence[int] | None) -> list[int]:
    """Numbers of articles to train on, ascending: those wanted, or all articles halved up to four times.

    Raises SettingsError for a size that exceeds the articles, and DataError if there are too few articles for a curve.
    """
    if wanted is not None:
        sizes = sorted(set(wanted))
        if sizes[-1] > available:
            raise SettingsError(f"sizes={sizes}: there are {available} training articles; ask for at most that many")
        return sizes
    sizes = sorted({available // 2**halving for halving in range(HALVINGS + 1) if available // 2**halving >= LEAST_SIZE})
    if len(sizes) < 3:
        raise DataError(
            f"{available} training articles are too few for a curve of halves; name three sizes or more by sizes=[...]"
        )
    return sizes


def draw_subset(articles: Sequence[Article], size: int, *, seed: int) -> tuple[Article, ...]:
    """A random subset in the articles' order; with one seed a larger subset holds every smaller one."""
    chosen = np.random.default_rng(seed).permutation(len(articles))[:size]
    return tuple(articles[place] for place in np.sort(chosen).tolist())


def _run(settings: LearningCurveSettings, corpus: Corpus, subset: tuple[Article, ...], repeat: int, folder: Path) -> None:
    own: dict[str, Any] = {item.name: getattr(settings, item.name) for item in fields(TrainSettings)}
    if settings.trainer.epochs is not None:  # else a run has enough updates at any size
        stretch = min(settings.stretch, len(corpus.splits["train"]) / len(subset))
        patience = None if settings.trainer.patience is None else ceil(settings.trainer.patience * stretch)
        own["trainer"] = replace(settings.trainer, epochs=settings.trainer.epochs * stretch, patience=patience)
    own |= {"seed": settings.seed + repeat, "resume": True, "run_dir": str(folder)}
    part = replace(corpus, splits={**corpus.splits, "train": subset}, ledger=LossLedger())
    evaluation = None
    if (folder / METRICS_FILE).exists() and not (folder / "checkpoint").exists():
        remove_known(folder, RUN_FILES)  # its checkpoint was removed before its scores were written
    if not (folder / METRICS_FILE).exists():
        result = train(TrainSettings(**own), corpus=part, whole=corpus, shared=Path(settings.run_dir) / INTERMEDIATE)
        evaluation = result.evaluation if settings.split is CurveSplit.validation else None
    if evaluation is None:
        split = settings.split.value
        evaluation = evaluate(
            Tagger.load(folder / "checkpoint"),
            corpus.splits[split],
            data=corpus.describe(split),
            analysis=settings.evaluation,
            cluster_field=corpus.cluster_field,
            training=read_seen(folder / "checkpoint").known_mentions(),
        )
    score = CurveRun(
        len(subset), repeat, settings.seed + repeat, count_spans(subset, corpus.labels), curve_scores(evaluation.report)
    )
    write_json(folder / SCORE_FILE, asdict(score))


def _read_score(file: Path) -> CurveRun:
    try:
        content = read_stored(file)
        f1 = {row: CurveScore(**score) for row, score in content.pop("f1").items()}
        return CurveRun(**content, f1=f1)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"{file}: cannot be read ({error}); remove {file.parent} to train this size again") from error
