"""A training on corrections, in a process of its own: the run of the checkpoint once more, with the corrections among what it learns.

The validation and test articles stay where they were. Corrections of an article that is there are left out, and a correction of a
training article takes its place. Then both checkpoints, that in force and the new one, are scored on the test articles.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from eventtag.article import Article
from eventtag.corpus.clusters import clusters_of
from eventtag.corpus.loading import Corpus, fingerprint, load_corpus
from eventtag.corpus.mixing import CORPUS_FIELD
from eventtag.corpus.near_duplicates import find_near_duplicates
from eventtag.corpus.seen import article_key
from eventtag.errors import DataError, EventtagError, SettingsError
from eventtag.evaluation import evaluate
from eventtag.formats.jsonl import read_jsonl
from eventtag.ledger import LossLedger
from eventtag.models.checkpoint import checkpoint_folder
from eventtag.scoring.compare import compare_systems
from eventtag.scoring.report import EvaluationReport
from eventtag.scoring.tally import Tally
from eventtag.settings import MISSING, TrainSettings
from eventtag.settings.building import build_settings
from eventtag.staging import write_json
from eventtag.stored_json import read_stored
from eventtag.tagging.tagger import Tagger
from eventtag.training.run import require_trainable, train

REQUEST_FILE = "request.json"
ARTICLES_FILE = "corrections.jsonl"
RESULT_FILE = "result.json"
RUN = "run"
NICENESS = 10
"""Tagging goes before training, so that requests are answered."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Added:
    """The corpus with the corrections that are learnt, how many these are, and what became of the others."""

    corpus: Corpus
    count: int
    notes: tuple[str, ...]


def settings_of_run(checkpoint: Path) -> TrainSettings:
    """The settings of the run that made a checkpoint. Raises SettingsError where there is no run beside it, or its articles are unknown."""
    file = checkpoint_folder(checkpoint).resolve().parent / "settings.yaml"
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
        found = build_settings(TrainSettings, {key: value for key, value in values.items() if key != "run_dir"})
    except OSError as error:
        raise SettingsError(
            f"{file}: there is no run beside the checkpoint, and training on corrections repeats it with more articles; give checkpoint= "
            "the folder of a run, with all that `eventtag train` left there"
        ) from error
    except (yaml.YAMLError, TypeError, AttributeError, SettingsError) as error:
        raise SettingsError(f"{file}: the settings of the run cannot be read ({error}); train it anew") from error
    if found.data.path == MISSING and not found.data.corpora:
        raise SettingsError(f"{file}: the run learnt from articles that were given in Python; train it from a file")
    return found


def add_corrections(corpus: Corpus, corrections: Sequence[Article]) -> Added:
    """The corpus with the corrections among its training articles. Raises DataError where none can be learnt.

    Of several corrections of one text the last counts. Spans with a label that the corpus does not have are left out.
    """
    notes = []
    latest = {article_key(article.text): article for article in corrections if article.regions}
    if skipped := sum(not article.regions for article in corrections):
        notes.append(f"{skipped} articles were looked at nowhere (skipped)")
    if several := len(corrections) - skipped - len(latest):
        notes.append(f"{several} corrections are of a text of which a later one counts")
    held_out = [article for split in ("validation", "test") for article in corpus.splits.get(split, ())]
    marked = [replace(article, id=f"held out/{number}") for number, article in enumerate(held_out)]
    named = {f"correction/{number}": article for number, article in enumerate(latest.values())}
    pairs = find_near_duplicates([*marked, *(replace(article, id=name) for name, article in named.items())]).clusters
    copies = {name for cluster in pairs if any(one.startswith("held out/") for one in cluster) for name in cluster}
    if left_out := len(copies & named.keys()):
        notes.append(f"{left_out} corrections are of articles that score or choose the checkpoints, and are not learnt")
    learnt = [article for name, article in named.items() if name not in copies]
    if not learnt:
        raise DataError("there is no correction to learn from" + "".join(f"; {note}" for note in notes))
    replaced = {article_key(article.text) for article in learnt}
    kept = [article for article in corpus.splits["train"] if article_key(article.text) not in replaced]
    if taken := len(corpus.splits["train"]) - len(kept):
        notes.append(f"{taken} training articles are taken as they were corrected")
    known = set(corpus.labels.labels)
    if strange := sum(span.label not in known for article in learnt for span in article.spans):
        notes.append(f"{strange} spans have labels that the checkpoint does not have, and are not learnt")
    part = dict.fromkeys([CORPUS_FIELD] if corpus.parts else [], next(iter(corpus.parts), None))
    notes += [f"corrections are taken as articles of the corpus {name}" for name in part.values()]
    ids = {article.id for articles in corpus.splits.values() for article in articles}
    added = []
    for article in learnt:
        name = article.id if article.id not in ids else f"corrected/{article.id}"
        while name in ids:
            name += "'"
        ids.add(name)
        spans = tuple(span for span in article.spans if span.label in known)
        added.append(replace(article, id=name, spans=spans, meta={**article.meta, **part}))
    return Added(replace(corpus, splits={**corpus.splits, "train": (*kept, *added)}), len(added), tuple(notes))


def retrain(folder: Path) -> dict[str, Any]:
    """Train as REQUEST_FILE in the folder says, and score both checkpoints; what is to be shown of it."""
    request = read_stored(folder / REQUEST_FILE)
    settings = settings_of_run(Path(request["base"]))
    corpus = load_corpus(settings.data)
    require_trainable(corpus)
    corrections = list(read_jsonl(folder / ARTICLES_FILE, ledger=LossLedger()))
    added = add_corrections(corpus, corrections)
    for note in added.notes:
        log.info("%s", note)
    train(replace(settings, run_dir=str(folder / RUN)), corpus=added.corpus)
    split = corpus.scored_split()
    articles = corpus.articles(split)
    reports: dict[str, EvaluationReport] = {}
    for name, path in (("in_force", Path(request["in_force"])), ("new", folder / RUN / "checkpoint")):
        tagger = Tagger.load(path)
        reports[name] = evaluate(
            tagger, articles, labels=corpus.labels, analysis=settings.evaluation, cluster_field=corpus.cluster_field
        ).report
    units, _ = clusters_of(articles, corpus.cluster_field)
    compared = compare_systems({name: _tally(report) for name, report in reports.items()}, clusters=units)
    difference = compared.pairs[0].difference("strict", "micro")
    return {
        "corrections": added.count,
        "notes": [*added.notes, *_about_split(split)],
        "split": split,
        "articles": reports["new"].articles,
        "sha256": fingerprint(articles),
        "scores": {name: _score(report) for name, report in reports.items()},
        "difference": {"value": difference.difference, "low": difference.low, "high": difference.high},
    }


def _about_split(split: str) -> Iterator[str]:
    if split != "test":
        yield f"there are no test articles, so the scores are of {split} articles, which chose the epoch too, so that both are too high"


def _tally(report: EvaluationReport) -> Tally:
    assert report.tally is not None
    return report.tally


def _score(report: EvaluationReport) -> dict[str, Any]:
    assert report.intervals is not None
    interval = report.intervals.interval("strict", "micro", "f1")
    low, high = (None, None) if interval is None else (interval.low, interval.high)
    return {"f1": report.strict.micro.f1, "low": low, "high": high, "level": report.intervals.level}


def main() -> None:
    """Train in the folder that the command line names; a message is the result where that fails. Ends when its parent has ended."""
    folder = Path(sys.argv[1])
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.nice(NICENESS)
    try:
        result = retrain(folder)
    except EventtagError as error:
        result = {"problem": str(error)}
    write_json(folder / RESULT_FILE, result)


def _end_with_parent() -> None:
    sys.stdin.buffer.read()  # ends when nobody holds the other end of the pipe any more
    os._exit(1)
