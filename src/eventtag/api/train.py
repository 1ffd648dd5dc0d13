"""`eventtag.train`: annotated articles in, a checkpoint and its scores out."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from eventtag.api.articles import Source, data_settings
from eventtag.article import Article
from eventtag.settings import TrainSettings
from eventtag.settings.building import with_values
from eventtag.training.continued import corpus_of, with_base
from eventtag.training.finish import export_result
from eventtag.training.loop.processes import is_first_process
from eventtag.training.run import AfterEpoch, TrainingResult, require_trainable
from eventtag.training.run import train as run_training


def train(
    data: Source | TrainSettings,
    run_dir: str | os.PathLike[str] | None = None,
    *,
    after_epoch: AfterEpoch | None = None,
    **settings: Any,
) -> TrainingResult:
    """Train a tagger: `train("articles.jsonl", "outputs/mine", trainer={"epochs": 4}).checkpoint`.

    `data` is a file, a folder, articles, or a mapping of the settings `data` (labels, splits, label map). `run_dir` is the directory of the
    run. Further keyword arguments are the settings of `eventtag train` (docs/reference/settings.md), groups as mappings;
    `base="outputs/earlier"` continues from the checkpoint of that run. `after_epoch` is called with the epoch and its validation scores.

    Raises SettingsError, DataError or CheckpointError before anything is computed; OutputError for a run directory that is in use
    or holds another run; RunFinishedError if `resume=True` finds the run finished; TrainingError if the loss is not finite; ExportError if
    `export=True` and no faster form passes.
    """
    articles: Sequence[Article] | None = None
    if isinstance(data, TrainSettings):
        wanted = data
    else:
        described, articles = data_settings(data)
        wanted = TrainSettings(data=described)
    if run_dir is not None:
        settings["run_dir"] = os.fspath(run_dir)
    wanted = with_values(wanted, settings)
    if not isinstance(data, TrainSettings):
        wanted = with_base(wanted, _keys(settings))
    corpus = None
    if articles is not None:
        corpus = corpus_of(wanted, articles)
        require_trainable(corpus)
    result = run_training(wanted, corpus=corpus, after_epoch=after_epoch)
    if is_first_process():
        export_result(result, wanted=wanted.export)
    return result


def _keys(settings: Mapping[str, Any], prefix: str = "") -> set[str]:
    """The dotted keys that are set."""
    inner = [_keys(value, f"{prefix}{key}.") for key, value in settings.items() if isinstance(value, Mapping)]
    return {f"{prefix}{key}" for key in settings}.union(*inner)
