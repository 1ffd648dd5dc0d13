"""transformers' Trainer for guessing hidden words.

Differences to the stock Trainer: the hidden tokens depend on the seed, the step and the batch alone, so that a resumed run hides the same;
`evaluate` hides the same words of the held-out windows every time; a new head learns alone at first and has its own learning rate; windows
come from `LengthPoolSampler`.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from math import exp
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.optim.lr_scheduler import LambdaLR
from transformers import PrinterCallback, ProgressCallback, TrainerCallback, TrainingArguments

from eventtag.pretraining.masked import MaskedEncoder, masked_logits
from eventtag.pretraining.masking import Masking, mask_windows
from eventtag.pretraining.text_windows import TextWindow, collate_text
from eventtag.training.loop import guards
from eventtag.training.loop.resumable import ResumableTrainer
from eventtag.training.loop.sampler import LengthPoolSampler
from eventtag.training.loop.schedule import rise_and_fall
from eventtag.training.loop.trainer import QuietProgress

log = logging.getLogger(__name__)


class MaskedTrainer(ResumableTrainer):
    """`head_first`: share of the steps in which a new head learns alone. `model` is on the device after the Trainer is made."""

    def __init__(
        self,
        encoder: MaskedEncoder,
        args: TrainingArguments,
        windows: Sequence[TextWindow],
        held_out: Sequence[TextWindow],
        masking: Masking,
        *,
        head_learning_rate: float,
        head_first: float,
    ) -> None:
        pad = encoder.tokenizer.pad_token_id or 0
        self.network = encoder.model
        # Weights that share memory are saved once. With this transformers does not warn of the others when it reads them.
        self.network._keys_to_ignore_on_save = set(self.network.all_tied_weights_keys)
        self.collate: Callable[[Sequence[TextWindow]], dict[str, torch.Tensor]] = partial(collate_text, pad_token_id=pad)
        super().__init__(
            model=encoder.model,
            args=args,
            train_dataset=list(windows),
            eval_dataset=[],
            data_collator=self.collate,
            processing_class=encoder.tokenizer,
        )
        self.windows = windows
        self.held_out = sorted(held_out, key=lambda window: len(window.input_ids))
        self.masking = masking
        self.head_learning_rate = head_learning_rate if encoder.new_head else args.learning_rate
        self.head_first = head_first if encoder.new_head else 0.0
        self.remove_callback(PrinterCallback)
        if self.pop_callback(ProgressCallback) is not None:
            self.add_callback(QuietProgress())
        self.add_callback(HeadAlone(self))

    def create_optimizer(self, *_: Any) -> torch.optim.Optimizer:
        """The optimizer of the arguments over four groups: encoder and head, each with and without weight decay."""
        if self.optimizer is None:
            optimizer_class, options = self.get_optimizer_cls_and_kwargs(self.args, self.network)
            decayed = set(self.get_decay_parameter_names(self.network))
            prefix = f"{self.network.base_model_prefix}."
            groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
            for name, parameter in self.network.named_parameters():
                groups.setdefault((name.startswith(prefix), name in decayed), []).append(parameter)
            self.optimizer = optimizer_class(
                [
                    {
                        "params": parameters,
                        "lr": self.args.learning_rate if in_encoder else self.head_learning_rate,
                        "weight_decay": self.args.weight_decay if decay else 0.0,
                        "in_encoder": in_encoder,
                    }
                    for (in_encoder, decay), parameters in groups.items()
                ],
                **options,
            )
        return self.optimizer

    def create_scheduler(self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None) -> LambdaLR:
        """A linear rise and fall for each group; the encoder's begins after the steps of the head alone."""
        scheduled = optimizer or self.create_optimizer()
        share = partial(rise_and_fall, steps=num_training_steps, warmup=max(1, self.args.get_warmup_steps(num_training_steps)))
        alone = self.steps_alone(num_training_steps)
        rates: list[Callable[[int], float]] = [
            partial(share, start=alone if group["in_encoder"] else 0) for group in scheduled.param_groups
        ]
        self.lr_scheduler = LambdaLR(scheduled, rates)
        return self.lr_scheduler

    def steps_alone(self, steps: int) -> int:
        """The number of `steps` in which the head learns alone."""
        return round(self.head_first * steps)

    def _get_train_sampler(self, *_: Any) -> LengthPoolSampler:
        lengths = [len(window.input_ids) for window in self.windows]
        return LengthPoolSampler(lengths, batch_size=self.args.train_batch_size, seed=self.args.seed)

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,  # noqa: ARG002 - the Trainer passes it by name
    ) -> Any:
        """Mean negative log-likelihood of the hidden tokens of a batch."""
        content = zlib.crc32(inputs["input_ids"].cpu().numpy().tobytes())
        random = np.random.default_rng([self.args.seed, self.state.global_step, content])
        total, hidden = self._guess(model, inputs, random)
        loss = total / max(hidden, 1)
        guards.require_finite_loss(loss, step=self.state.global_step + 1)
        return (loss, None) if return_outputs else loss

    def _guess(self, model: nn.Module, batch: dict[str, torch.Tensor], random: np.random.Generator) -> tuple[torch.Tensor, int]:
        """Summed negative log-likelihood of the hidden tokens, and their number."""
        ids, hidden = mask_windows(batch["input_ids"].cpu().numpy(), batch["words"].cpu().numpy(), self.masking, random)
        masked = torch.from_numpy(hidden).to(batch["input_ids"].device)
        inputs = {"input_ids": torch.from_numpy(ids).to(masked.device), "attention_mask": batch["attention_mask"]}
        logits = masked_logits(model, self.network.base_model, inputs, masked)
        return cross_entropy(logits.float(), batch["input_ids"][masked], reduction="sum"), int(hidden.sum())

    def held_out_loss(self) -> float:
        """Mean negative log-likelihood (nats) of the same hidden tokens of the held-out windows each time."""
        self.network.eval()
        random = np.random.default_rng(self.args.seed)
        total, count = 0.0, 0
        with torch.inference_mode():
            for start in range(0, len(self.held_out), self.args.train_batch_size):
                batch = self.collate(self.held_out[start : start + self.args.train_batch_size])
                loss, hidden = self._guess(self.network, {k: v.to(self.args.device) for k, v in batch.items()}, random)
                total, count = total + float(loss), count + hidden
        self.network.train()
        return total / max(count, 1)

    def evaluate(self, *_: Any, metric_key_prefix: str = "eval", **__: Any) -> dict[str, float]:
        """The held-out loss and its perplexity, logged."""
        loss = self.held_out_loss()
        metrics = {f"{metric_key_prefix}_loss": loss, f"{metric_key_prefix}_perplexity": exp(loss)}
        self.log(metrics)
        log.info("epoch %.3g: held-out loss %.4f, perplexity %.1f", self.state.epoch or 0, loss, exp(loss))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


class HeadAlone(TrainerCallback):
    """Logs the held-out loss after a new head has learnt alone, with the encoder still unchanged."""

    def __init__(self, trainer: MaskedTrainer) -> None:
        self.trainer = trainer

    def on_step_end(self, args: TrainingArguments, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Measure once, at the last step of the head alone."""
        if state.global_step and state.global_step == self.trainer.steps_alone(state.max_steps):
            loss = self.trainer.held_out_loss()
            self.trainer.log({"head_alone_loss": loss})
            log.info("the new head alone: held-out loss %.4f, perplexity %.1f", loss, exp(loss))
