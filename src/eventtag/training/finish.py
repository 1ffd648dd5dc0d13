"""The end of a run: save its best checkpoint, load it again, score it as `evaluate` would, and write all files."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eventtag.corpus.loading import Corpus
from eventtag.corpus.seen import Seen, leave_out_seen
from eventtag.errors import DataError
from eventtag.evaluation import Evaluation, evaluate
from eventtag.exporting.fastest import export_fastest
from eventtag.labels import LabelSet
from eventtag.ledger import LossLedger
from eventtag.models.checkpoint import CheckpointInfo, save_checkpoint
from eventtag.models.lora import merge_lora
from eventtag.reporting.files import write_evaluation
from eventtag.reporting.model_card import render_model_card
from eventtag.reporting.training import TrainingHistory
from eventtag.settings import TrainSettings
from eventtag.staging import write_json
from eventtag.tagging.tagger import Tagger
from eventtag.training.agreement import check_precisions
from eventtag.training.comparing import compare_taggers, describe_comparison, verdict
from eventtag.training.continued import base_checkpoint
from eventtag.training.data.features import learnt_article
from eventtag.training.encoder_defaults import checkpoint_width
from eventtag.training.fitted_calibration import evaluate_calibrated
from eventtag.training.fitted_links import calibrated_links
from eventtag.training.learnt import learns_across_lines, learns_cut_strings
from eventtag.training.link_tuning import tune_links
from eventtag.training.loop.saving import clear_states
from eventtag.training.loop.trainer import ArticleTrainer
from eventtag.training.promises import divide_validation

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

METRICS_FILE = "metrics.json"
"""Written last: it shows that the run is finished."""


@dataclass(frozen=True, repr=False)
class TrainingResult:
    """The folder of the checkpoint, its scores on the validation articles, and the content of metrics.json."""

    checkpoint: Path
    evaluation: Evaluation
    metrics: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"TrainingResult({self.checkpoint}, validation micro F1 {self.f1:.3f})"

    @property
    def f1(self) -> float:
        """Strict micro F1 on the validation articles, which chose the epoch and the thresholds."""
        return self.evaluation.report.strict.micro.f1

    def to_pandas(self) -> pd.DataFrame:
        """Precision, recall, F1 and support on the validation articles, by matching scheme and label, with micro and macro."""
        return self.evaluation.report.to_pandas()


def export_result(result: TrainingResult, *, wanted: bool | None) -> None:
    """Leave the fastest form of the model in the checkpoint, checked on the validation articles; `wanted` is the setting `export`. Raises
    ExportError as `export_fastest` does.
    """
    report, tagged = result.evaluation.report, result.evaluation.tagged
    export_fastest(
        result.checkpoint, [item.article for item in tagged], LabelSet(report.labels), data=report.data,
        wanted=wanted, width=checkpoint_width(result.checkpoint),
    )  # fmt: skip


def finish(
    settings: TrainSettings,
    corpus: Corpus,
    trainer: ArticleTrainer,
    record: Mapping[str, Any],
    speed: Mapping[str, Any],
    seen: Seen,
) -> TrainingResult:
    """Save the best checkpoint, load it again from disk, score it as `evaluate` would, and write all files."""
    run_dir = Path(settings.run_dir)
    merge_lora(trainer.network)
    history = trainer.state.log_history
    best = next(entry for entry in history if entry.get(f"eval_{settings.trainer.metric.value}") == trainer.state.best_metric)
    training = {
        "encoder": settings.model.name,
        "head": settings.model.head.value,
        "data": record["data"]["train"],
        "intermediate": record.get("intermediate"),
        "base": record.get("base"),
        "seed": settings.seed,
        "epoch": best["epoch"],
        "metric": settings.trainer.metric.value,
        "validation": scores_of_epoch(history, best["epoch"]),
        "versions": record["versions"],
    }
    data = {**record["data"]["validation"], "seen": leave_out_seen(corpus.splits["validation"], seen, include=True).about}
    tagger = Tagger(
        trainer.network, trainer.tokenizer, corpus.labels, settings.window,
        crosses_lines=learns_across_lines(corpus), cuts_strings=learns_cut_strings(corpus),
    )  # fmt: skip
    learnt = [
        (learnt_article(article, corpus.labels, how, ledger=LossLedger(), overlap=trainer.head.overlap), how.weight)
        for article in corpus.splits["train"]
        for how in (corpus.handling_of(article),)
    ]
    tune_links(tagger, learnt, seed=settings.seed)
    fitted_on = {key: data[key] for key in ("name", "split", "articles", "sha256")}
    choosing, held = divide_validation(corpus.splits["validation"], settings.evaluation, corpus.cluster_field)
    used, calibration = evaluate_calibrated(
        tagger, choosing, settings.evaluation, held=held, cluster_field=corpus.cluster_field, fitted_on=fitted_on, data=data
    )
    report = used.report
    info = CheckpointInfo(
        corpus.labels,
        settings.window,
        training,
        calibration,
        trainer.head.decoder(trainer.network).transitions,
        check_precisions(tagger, used.tagged, calibration),
        tagger.crosses_lines,
        tagger.cuts_strings,
        calibrated_links(tagger, used.tagged, settings.evaluation, fitted_on=fitted_on),
    )
    card = render_model_card(
        report, name=run_dir.name, training=training, licence=corpus.licence, calibration=asdict(calibration),
        in_pipeline=trainer.head.tags_words, pipeline_note=trainer.head.pipeline_note,
    )  # fmt: skip
    save_checkpoint(run_dir / "checkpoint", trainer.network, trainer.tokenizer, info, model_card=card, seen=seen)
    saved = Tagger.load(run_dir / "checkpoint")
    compared = None if settings.base is None else _compare_with_base(settings, corpus, saved, seen)
    evaluation = evaluate(
        saved,
        corpus.splits["validation"],
        data=data if compared is None else {**data, "base": compared},
        analysis=settings.evaluation,
        cluster_field=corpus.cluster_field,
        training=seen.known_mentions(),
    )
    write_evaluation(
        evaluation.report, evaluation.tagged, run_dir, training=read_history(history, corpus.labels.labels, best["epoch"])
    )
    metrics = {
        "best_epoch": best["epoch"],
        "validation": evaluation.report.to_json(),
        "epochs": [dict(sorted(entry.items())) for entry in history if "eval_micro_f1" in entry],
        "loss": [{key: entry[key] for key in ("epoch", "loss", "learning_rate")} for entry in history if "loss" in entry],
        **speed,
    }
    write_json(run_dir / METRICS_FILE, metrics)
    clear_states(run_dir)
    return TrainingResult(run_dir / "checkpoint", evaluation, metrics)


def _compare_with_base(settings: TrainSettings, corpus: Corpus, new: Tagger, seen: Seen) -> dict[str, Any]:
    """The comparison with the base; its `notes` are logged too."""
    assert settings.base is not None
    path, _, _ = base_checkpoint(settings.base)
    said = f"the base {settings.base} and this checkpoint"
    try:
        compared = compare_taggers({"base": Tagger.load(path), "new": new}, corpus, settings.evaluation, seen=seen)
    except DataError as error:
        found: dict[str, Any] = {"notes": [f"{said} are not compared: {error}"]}
    else:
        sentence = f"{said}: {describe_comparison(compared)}: {verdict(compared['difference'])}"
        found = {**compared, "notes": [sentence, *compared["notes"]]}
    for note in found["notes"]:
        log.info("%s", note)
    return found


def scores_of_epoch(history: list[dict[str, Any]], epoch: float) -> dict[str, float]:
    """The validation scores of an epoch, keys without their `eval_`, sorted as in saved states, so that a resumed run writes the same as an
    uninterrupted one.
    """
    entry = next(entry for entry in history if entry.get("epoch") == epoch and "eval_micro_f1" in entry)
    return {key.removeprefix("eval_"): value for key, value in sorted(entry.items()) if key.startswith("eval_")}


def read_history(history: Sequence[Mapping[str, Any]], labels: Sequence[str], best_epoch: float) -> TrainingHistory:
    """The Trainer's log, for the report page."""

    def curve(key: str) -> list[tuple[float, float]]:
        return [(entry["epoch"], entry[key]) for entry in history if key in entry]

    scores = {name: curve(f"eval_{name}_f1") for name in (*labels, "micro")}
    return TrainingHistory(curve("loss"), curve("learning_rate"), scores, best_epoch)
