"""Our trainer settings as transformers' TrainingArguments."""

from __future__ import annotations

import dataclasses
import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import TrainingArguments

from eventtag.errors import SettingsError
from eventtag.settings import Precision, TrainerSettings
from eventtag.settings.pretrain import PretrainTrainerSettings
from eventtag.training.loop.processes import process_count
from eventtag.training.tracking import PROJECT

log = logging.getLogger(__name__)

OURS = {
    "num_train_epochs": "trainer.epochs",
    "per_device_train_batch_size": "trainer.batch_size",
    "activation_checkpointing": "trainer.gradient_checkpointing",
    "gradient_checkpointing": "trainer.gradient_checkpointing",
    "learning_rate": "trainer.learning_rate",
    "bf16": "trainer.precision",
    "fp16": "trainer.precision",
    "weight_decay": "trainer.weight_decay",
    "warmup_steps": "trainer.warmup",
    "warmup_ratio": "trainer.warmup",
    "metric_for_best_model": "trainer.metric",
    "greater_is_better": "trainer.metric",
    "seed": "seed",
    "data_seed": "seed",
    "output_dir": "run_dir",
    "resume_from_checkpoint": "resume",
    "save_steps": "trainer.save_every_steps",
    "report_to": "trainer.tracking",
    "project": "trainer.tracking",
}
"""TrainingArguments that have a key of their own in eventtag."""

FIXED = {
    "label_smoothing_factor": "it has no effect on the losses of the heads",
    "train_sampling_strategy": "windows are always grouped by length, in an order that a resumed run repeats",
    "eval_strategy": "the validation articles are scored after every epoch",
    "save_strategy": "a checkpoint is kept after every epoch",
    "load_best_model_at_end": "the best checkpoint is always the one that is kept",
    "remove_unused_columns": "training windows hold nothing unused",
    "trust_remote_code": "code that comes with a model is never run",
    "eval_on_start": "the validation articles are scored after every epoch",
    "dataloader_persistent_workers": "workers would continue with the windows of the epoch in which they began",
    "save_only_model": "a run is resumed from its whole state",
    "ignore_data_skip": "a resumed run repeats the order of the windows",
    "restore_callback_states_from_checkpoint": "a resumed run continues to count the epochs without a better score",
    "enable_jit_checkpoint": "SIGTERM saves the state of a run already",
    "push_to_hub": "states of a run stay in its directory",
    "fsdp": "several processes train by DDP (docs/how-to/gpu.md)",
    "deepspeed": "several processes train by DDP (docs/how-to/gpu.md)",
}
"""TrainingArguments that the run itself depends on, and why."""


def build_arguments(settings: TrainerSettings, *, seed: int, output_dir: Path) -> TrainingArguments:
    """The arguments of a run. Raises SettingsError for an `extra` that does not exist, that has its own key, or has a bad value."""
    options: dict[str, Any] = {"bf16": settings.precision is not Precision.fp32 and _autocasts()}
    options |= {"report_to": settings.tracking or "none", "run_name": output_dir.parent.name, "project": PROJECT}
    if settings.batch_tokens is not None:
        # Batches differ in size; every process has the same number.
        options["accelerator_config"] = {"even_batches": False}
    metric = f"eval_{settings.metric.value}"
    return _build(settings, seed, output_dir, metric=metric, greater_is_better=True, options=options)


def build_pretraining_arguments(settings: PretrainTrainerSettings, *, seed: int, output_dir: Path) -> TrainingArguments:
    """The arguments of pre-training; the held-out loss chooses the state that is kept. Raises SettingsError as `build_arguments`."""
    if "lr_scheduler_type" in settings.extra:
        raise SettingsError("trainer.extra.lr_scheduler_type cannot be changed: pre-training's rates rise and fall linearly")
    return _build(settings, seed, output_dir, metric="eval_loss", greater_is_better=False, options={"bf16": _autocasts()})


def _autocasts() -> bool:
    return torch.cuda.is_available() and torch.cuda.is_bf16_supported()


def _build(
    settings: TrainerSettings | PretrainTrainerSettings,
    seed: int,
    output_dir: Path,
    *,
    metric: str,
    greater_is_better: bool,
    options: Mapping[str, Any],
) -> TrainingArguments:
    require_known_arguments(settings.extra)
    assert settings.epochs is not None, "how long a run trains is decided before (`training/duration.py`)"
    assert settings.learning_rate is not None, "it is chosen by the encoder before (`training/encoder_defaults.py`)"
    further = {
        "disable_tqdm": not sys.stderr.isatty(),
        "logging_strategy": "steps",
        "logging_steps": 10,
        "logging_nan_inf_filter": False,
        "report_to": "none",
        "dataloader_pin_memory": torch.cuda.is_available(),
        "save_total_limit": 2,
        "ddp_find_unused_parameters": False,
        # Without this, accelerate takes several processes without an accelerator for several runs.
        "use_cpu": process_count() > 1 and not torch.accelerator.is_available(),
        "lr_scheduler_type": "linear",
        **options,
        **settings.extra,
    }
    try:
        arguments = TrainingArguments(
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
            restore_callback_states_from_checkpoint=True,
            remove_unused_columns=False,
            seed=seed,
            data_seed=seed,
            **further,
        )
    except (TypeError, ValueError) as error:
        raise SettingsError(
            f"trainer.extra: transformers refuses these arguments ({error}); correct {sorted(settings.extra)}"
        ) from error
    if arguments.n_gpu > 1:
        log.info("one of %d GPUs is used; torchrun starts a process for each (docs/how-to/gpu.md)", arguments.n_gpu)
        arguments._n_gpu = 1  # else one process would divide batches among threads, and a step's gold positions with them
    return arguments


def require_known_arguments(extra: Mapping[str, Any]) -> None:
    """Raise SettingsError for a key of `trainer.extra` that transformers does not know or that eventtag sets itself."""
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
