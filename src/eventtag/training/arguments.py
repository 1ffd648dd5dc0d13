"""Our trainer settings as transformers' TrainingArguments."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import TrainingArguments

from eventtag.errors import SettingsError
from eventtag.settings import Precision, PretrainTrainerSettings, TrainerSettings

OURS = {
    "num_train_epochs": "trainer.epochs",
    "per_device_train_batch_size": "trainer.batch_size",
    "learning_rate": "trainer.learning_rate",
    "bf16": "trainer.precision",
    "fp16": "trainer.precision",
    "weight_decay": "trainer.weight_decay",
    "warmup_steps": "trainer.warmup",
    "warmup_ratio": "trainer.warmup",
    "metric_for_best_model": "trainer.metric",
    "greater_is_better": "trainer.metric",
    "seed": "seed",
    "output_dir": "run_dir",
    "resume_from_checkpoint": "resume",
}
"""TrainingArguments that have a key of their own here."""

FIXED = {
    "train_sampling_strategy": "windows are always grouped by length, in an order that a resumed run repeats",
    "eval_strategy": "the validation articles are scored after every epoch",
    "save_strategy": "a checkpoint is kept after every epoch",
    "load_best_model_at_end": "the best checkpoint is always the one that is kept",
    "remove_unused_columns": "training windows hold nothing unused",
    "trust_remote_code": "code that comes with a model is never run",
}
"""TrainingArguments that the run itself depends on, and why."""


def build_arguments(settings: TrainerSettings, *, seed: int, output_dir: Path) -> TrainingArguments:
    """The arguments of a run. Raises SettingsError for an `extra` that does not exist, that has its own key, or has a bad value."""
    autocast = settings.precision is not Precision.fp32 and torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    metric = f"eval_{settings.metric.value}"
    return _build(settings, seed, output_dir, metric=metric, greater_is_better=True, bf16=autocast)


def build_pretraining_arguments(settings: PretrainTrainerSettings, *, seed: int, output_dir: Path) -> TrainingArguments:
    """The arguments of pre-training; the held-out loss chooses the state that is kept. Raises SettingsError as `build_arguments`."""
    if "lr_scheduler_type" in settings.extra:
        raise SettingsError("trainer.extra.lr_scheduler_type cannot be changed: pre-training's rates rise and fall linearly")
    return _build(settings, seed, output_dir, metric="eval_loss", greater_is_better=False)


def _build(
    settings: TrainerSettings | PretrainTrainerSettings,
    seed: int,
    output_dir: Path,
    *,
    metric: str,
    greater_is_better: bool,
    bf16: bool = False,
) -> TrainingArguments:
    require_known_arguments(settings.extra)
    options = {
        "disable_tqdm": not sys.stderr.isatty(),
        "logging_strategy": "steps",
        "logging_steps": 10,
        "logging_nan_inf_filter": False,
        "report_to": "none",
        "dataloader_pin_memory": torch.cuda.is_available(),
        "save_total_limit": 2,
        "lr_scheduler_type": "linear",
        "bf16": bf16,
        **settings.extra,
    }
    try:
        return TrainingArguments(
            output_dir=str(output_dir),
            num_train_epochs=settings.epochs,
            per_device_train_batch_size=settings.batch_size,
            learning_rate=settings.learning_rate,
            weight_decay=settings.weight_decay,
            warmup_steps=settings.warmup,
            eval_strategy="epoch",
            save_strategy="epoch",
            load_best_model_at_end=True,
            metric_for_best_model=metric,
            greater_is_better=greater_is_better,
            remove_unused_columns=False,
            seed=seed,
            data_seed=seed,
            **options,
        )
    except (TypeError, ValueError) as error:
        raise SettingsError(
            f"trainer.extra: transformers refuses these arguments ({error}); correct {sorted(settings.extra)}"
        ) from error


def require_known_arguments(extra: Mapping[str, Any]) -> None:
    """Raise SettingsError for a key of `trainer.extra` that transformers does not know, or that is not free here."""
    known = {field.name for field in dataclasses.fields(TrainingArguments) if field.init}
    for key in extra:
        if key in OURS:
            raise SettingsError(f"trainer.extra.{key} has a key of its own here; use {OURS[key]}=...")
        if key in FIXED:
            raise SettingsError(f"trainer.extra.{key} cannot be changed: {FIXED[key]}")
        if key not in known:
            near = sorted(known, key=lambda name: -_shared_words(name, key))[:3]
            raise SettingsError(
                f"trainer.extra.{key}: transformers' TrainingArguments has no such argument; near to it: {', '.join(near)}"
            )


def _shared_words(one: str, other: str) -> int:
    return len(set(one.split("_")) & set(other.split("_")))
