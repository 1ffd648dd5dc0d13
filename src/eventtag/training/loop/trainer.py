"""transformers' Trainer that chooses checkpoints by article-level span scores.

Differences to the stock Trainer: `evaluate` tags whole validation articles and scores their spans; the loss is that of the model's head
(`eventtag.heads`); the head has its own learning rate; training windows come from `LengthPoolSampler`, which divides each update's windows
among the processes; a loss that is not finite stops training before the update and is not logged as 0. `ResumableTrainer` saves and
resumes states.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader
from transformers import (
    EarlyStoppingCallback,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PrinterCallback,
    ProgressCallback,
    SchedulerType,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from eventtag.heads.registry import head_of
from eventtag.labels import LabelSet
from eventtag.models.encoders import reads_casing
from eventtag.scoring.report import EvaluationReport
from eventtag.settings import TrainerSettings
from eventtag.training.data.features import Feature, collate
from eventtag.training.loop import guards
from eventtag.training.loop.adversarial import movable_words
from eventtag.training.loop.micro_batches import split_batch
from eventtag.training.loop.optimizer import parameter_groups
from eventtag.training.loop.precision import Arithmetic, attention_of, run_model
from eventtag.training.loop.processes import from_first, is_first_process
from eventtag.training.loop.resumable import ResumableTrainer
from eventtag.training.loop.sampler import LengthPoolSampler, TokenBatchSampler, TrainingWindows
from eventtag.training.loop.schedule import rise_and_fall
from eventtag.training.loop.speed import SpeedMeter

log = logging.getLogger(__name__)

Score = Callable[[PreTrainedModel], EvaluationReport]


class ArticleTrainer(ResumableTrainer):
    """`settings` are the run's, with its number of epochs; `score` tags and scores the validation articles with the present model."""

    def __init__(
        self,
        model: PreTrainedModel,
        args: TrainingArguments,
        features: Sequence[Feature],
        tokenizer: PreTrainedTokenizerBase,
        labels: LabelSet,
        settings: TrainerSettings,
        *,
        score: Score,
    ) -> None:
        pad = tokenizer.pad_token_id or 0
        super().__init__(
            model=model,
            args=args,
            train_dataset=TrainingWindows(features),
            eval_dataset=[],
            data_collator=lambda batch: collate(batch, pad_token_id=pad),
            processing_class=tokenizer,
            callbacks=[] if settings.patience is None else [EarlyStoppingCallback(early_stopping_patience=settings.patience)],
            save_every=settings.save_every_steps,
        )
        self.features = features
        self.tokenizer = tokenizer
        self.labels = labels
        self.score = score
        self.settings = settings
        self.head = head_of(model.config)
        self.arithmetic = Arithmetic()
        self.sampler: LengthPoolSampler | TokenBatchSampler
        self.speed = SpeedMeter()
        self.model_accepts_loss_kwargs = True  # compute_loss below divides by the gold positions of the whole step itself
        self.remove_callback(PrinterCallback)
        if self.pop_callback(ProgressCallback) is not None:
            self.add_callback(QuietProgress())
        self.add_callback(EpochLog(settings.patience))

    @property
    def network(self) -> PreTrainedModel:
        """The model itself, without accelerate's wrapper."""
        network: PreTrainedModel = self.accelerator.unwrap_model(self.model)
        return network

    def create_optimizer(self, *_: Any) -> torch.optim.Optimizer:
        """The optimizer of the arguments over the groups of `parameter_groups`."""
        if self.optimizer is None:
            optimizer_class, options = self.get_optimizer_cls_and_kwargs(self.args, self.network)
            groups = parameter_groups(
                self.network,
                learning_rate=self.args.learning_rate,
                head_learning_rate=self.settings.head_learning_rate,
                weight_decay=self.args.weight_decay,
                decayed=set(self.get_decay_parameter_names(self.network)),
            )
            self.optimizer = optimizer_class(groups, **options)
        return self.optimizer

    def create_scheduler(self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None) -> Any:
        """The schedule of the arguments; a linear one lets its first update learn."""
        if self.args.lr_scheduler_type != SchedulerType.LINEAR:
            return super().create_scheduler(num_training_steps, optimizer)
        warmup = self.args.get_warmup_steps(num_training_steps)
        self.lr_scheduler = LambdaLR(
            optimizer or self.create_optimizer(), partial(rise_and_fall, steps=num_training_steps, warmup=warmup)
        )
        return self.lr_scheduler

    def _get_train_sampler(self, *_: Any) -> LengthPoolSampler:
        lengths = [len(feature.input_ids) for feature in self.features]
        seed = self.args.seed if self.args.data_seed is None else self.args.data_seed
        processes = self.args.world_size
        sampler = LengthPoolSampler(lengths, batch_size=processes * self.args.train_batch_size, seed=seed, fill=processes > 1)
        self.sampler = sampler
        return sampler

    def _run_epoch(self, *args: Any, **options: Any) -> None:
        self.sampler.set_epoch(options["epoch"])  # accelerate does not reach it through all wrappers
        super()._run_epoch(*args, **options)

    def get_train_dataloader(self) -> DataLoader[Any]:
        """The training windows in batches by number of windows or of tokens."""
        if self.settings.batch_tokens is None:
            return super().get_train_dataloader()
        lengths = [len(feature.input_ids) for feature in self.features]
        batches = TokenBatchSampler(
            lengths, batch_tokens=self.settings.batch_tokens, seed=self.args.seed, processes=self.args.world_size
        )
        self.sampler = batches
        loader: DataLoader[Any] = DataLoader(
            self.train_dataset,  # type: ignore[arg-type]
            batch_sampler=batches,
            collate_fn=self.data_collator,
            num_workers=self.args.dataloader_num_workers,
            pin_memory=self.args.dataloader_pin_memory,
        )
        prepared: DataLoader[Any] = self.accelerator.prepare(loader)
        return prepared

    def training_step(
        self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: torch.Tensor | int | None = None
    ) -> torch.Tensor:
        """Add up the gradients of a batch; returns its loss. With `adversarial` it is read a second time with its words moved by this
        length.
        """
        self.speed.count(inputs["attention_mask"])
        if not self.settings.adversarial:
            return self._pass(model, inputs, num_items_in_batch)
        accumulating = self.args.gradient_accumulation_steps > 1
        with movable_words(self.network, inputs["input_ids"], accumulating=accumulating) as move:
            loss = self._pass(model, inputs, num_items_in_batch)
            move(self.settings.adversarial)
            self._pass(model, inputs, num_items_in_batch)
        return loss

    def _pass(self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: torch.Tensor | int | None) -> torch.Tensor:
        """Add up the gradients of a batch's parts; returns its loss. Each part's loss is divided by the gold positions of all."""
        *first, last = split_batch(inputs, self.settings.micro_batch_tokens)
        losses = []
        for part in first:
            with self.accelerator.no_sync(model):  # processes exchange gradients once a batch, with its last part
                losses.append(super().training_step(model, part, num_items_in_batch))
        losses.append(super().training_step(model, last, num_items_in_batch))
        return torch.stack(losses).sum()

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        """The loss of a batch under the model's head, divided by the gold positions of the whole optimizer step."""
        given = model_inputs(self.network, inputs)
        with attention_of(self.network, self.arithmetic.attention):
            outputs = run_model(model, given, self.arithmetic)
        positions = None
        if num_items_in_batch is not None:
            positions = torch.as_tensor(num_items_in_batch, device=outputs.logits.device)
        loss = self.head.loss(self.network, outputs.logits, inputs, self.labels, positions=positions)
        layers = getattr(self.network, "link_layers", None)
        if layers is not None:
            gold = (inputs["labels"] >= 0).sum() if positions is None else positions
            loss = loss + layers.loss(outputs.link_states, inputs["links"], positions=gold.clamp(min=1))
        if positions is not None and self.args.average_tokens_across_devices:
            loss = loss * self.accelerator.num_processes
        guards.require_finite_loss(loss, step=self.state.global_step + 1, articles=inputs["article_ids"])
        self.batch_articles += inputs["article_ids"]
        self.speed.count_pass(given["attention_mask"])
        return (loss, outputs) if return_outputs else loss

    def evaluate(self, *_: Any, metric_key_prefix: str = "eval", **__: Any) -> dict[str, float]:
        """Strict span scores of the validation articles, as the metrics that choose the checkpoint and stop training."""
        self.speed.pause()
        metrics = self._score(metric_key_prefix)
        self.speed.go_on()
        self.network.train()
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _score(self, prefix: str) -> dict[str, float]:
        """Scores of the present model, computed by the first process for all."""
        return from_first(self._score_here(prefix) if is_first_process() else {})

    def _score_here(self, prefix: str) -> dict[str, float]:
        strict = self.score(self.network).strict
        return {
            f"{prefix}_micro_f1": strict.micro.f1,
            f"{prefix}_micro_precision": strict.micro.precision,
            f"{prefix}_micro_recall": strict.micro.recall,
            f"{prefix}_macro_f1": strict.macro.f1,
            **{f"{prefix}_{label}_f1": counts.f1 for label, counts in strict.labels.items()},
        }


def model_inputs(model: PreTrainedModel, batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The entries of a batch (`features.collate`) that are arguments of the model."""
    names = ["input_ids", "attention_mask", *(["casing_ids"] if reads_casing(model) else [])]
    names += ["word_positions"] if "word_positions" in batch else []
    return {name: batch[name] for name in names}


def typical_inputs(trainer: ArticleTrainer) -> dict[str, torch.Tensor]:
    """The model's arguments for one batch of windows of medium length."""
    features = sorted(trainer.features, key=lambda feature: len(feature.input_ids))
    size = min(len(features), trainer.args.train_batch_size)
    start = (len(features) - size) // 2
    batch = collate(features[start : start + size], pad_token_id=trainer.tokenizer.pad_token_id or 0)
    return {name: value.to(trainer.network.device) for name, value in model_inputs(trainer.network, batch).items()}


class QuietProgress(ProgressCallback):
    """The Trainer's progress bar, which does not print every log."""

    def on_log(self, *args: Any, **kwargs: Any) -> None:
        """Leave logging to EpochLog."""


class EpochLog(TrainerCallback):
    """Logs a line for each epoch: training loss, validation scores, and the time that is left at most. Where the run stops early, a
    further line says why.
    """

    def __init__(self, patience: int | None = None) -> None:
        self.patience = patience
        self.losses: list[float] = []
        self.begun = (0.0, 0)

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:  # noqa: ARG002
        """Note the time and the update from which the time left is reckoned."""
        self.begun = (time.monotonic(), state.global_step)

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:  # noqa: ARG002
        """Say why the run ends before its last epoch."""
        if self.patience is not None and state.global_step < state.max_steps:
            metric = str(args.metric_for_best_model).removeprefix("eval_")
            log.info(
                "stopped early after epoch %.3g of %g: for %d epochs no %s of the validation articles was above %.4f (trainer.patience)",
                state.epoch, state.num_train_epochs, self.patience, metric, state.best_metric,
            )  # fmt: skip

    def on_log(
        self,
        args: TrainingArguments,  # noqa: ARG002 - the Trainer passes it by name
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        """Collect losses; write the line when validation scores come."""
        logs = logs or {}
        if "loss" in logs:
            self.losses.append(logs["loss"])
        if "eval_micro_f1" in logs:
            loss = f"loss {sum(self.losses) / len(self.losses):.3f}, " if self.losses else ""
            labels = ", ".join(
                f"{key.removeprefix('eval_').removesuffix('_f1')} {value:.3f}"
                for key, value in logs.items()
                if key.startswith("eval_") and key.endswith("_f1") and key not in ("eval_micro_f1", "eval_macro_f1")
            )
            log.info(
                "epoch %.3g: %svalidation F1 %.4f (%s)%s",
                state.epoch or 0,
                loss,
                logs["eval_micro_f1"],
                labels,
                self._left(state),
            )
            self.losses.clear()

    def _left(self, state: TrainerState) -> str:
        started, step = self.begun
        if not step < state.global_step < state.max_steps:
            return ""
        seconds = (time.monotonic() - started) / (state.global_step - step) * (state.max_steps - state.global_step)
        return f"; at most {seconds / 60:.0f} min left" if seconds >= 90 else f"; at most {seconds:.0f} s left"


class EpochWatch(TrainerCallback):
    """Calls a function with the validation scores of every epoch."""

    def __init__(self, watch: Callable[[float, dict[str, float]], None]) -> None:
        self.watch = watch

    def on_evaluate(
        self,
        args: TrainingArguments,  # noqa: ARG002 - the Trainer passes it by name
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        **given: Any,
    ) -> None:
        """Call it."""
        self.watch(state.epoch or 0.0, given["metrics"])
