"""transformers' Trainer with complete states on disk, and resumed runs that repeat what was interrupted.

The stock Trainer writes the files of a state one after another under their final names, and continues silently if one is missing. Here a
state gets its name when it is complete (`saving`); it can be saved every few steps; SIGTERM saves one and ends the process with code 143; a
run that had stopped early when it was interrupted stays stopped; the best state is found again if the run directory was moved; gradients
or weights that are not finite stop the run before they are used.
"""

from __future__ import annotations

import logging
import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import nn
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_callback import ExportableState

from eventtag.manifest import check_manifest
from eventtag.training.loop import guards
from eventtag.training.loop.processes import in_any, process_count
from eventtag.training.loop.saving import STATE_FILE, remove_older, staged_state, state_path

log = logging.getLogger(__name__)

TERMINATED = 128 + signal.SIGTERM
"""Exit code of a process that SIGTERM ended."""


class ResumableTrainer(Trainer):
    """`save_every` also saves a state every so many updates, between those that end an epoch."""

    def __init__(self, *args: Any, save_every: int | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self.over = False
        """Whether the state that the run continues from was its last."""
        self.batch_articles: list[str] = []
        """Ids of the articles behind the current update."""
        self.termination = Termination()
        self.add_callback(SaveWhenDue(save_every, self.termination))

    def train(self, *args: Any, **options: Any) -> Any:
        """As the stock one; after SIGTERM it saves the state and raises SystemExit with code 143. Processes draw different dropout."""
        if self.args.process_index:
            torch.manual_seed(self.args.seed + self.args.process_index)
        with self.termination:
            return super().train(*args, **options)

    def _save_checkpoint(self, *_: Any) -> None:
        guards.require_finite_weights(self.accelerator.unwrap_model(self.model), step=self.state.global_step)
        self.store_flos()
        folder = Path(str(self.args.output_dir))
        best = self.state.best_global_step
        self.state.best_model_checkpoint = str(state_path(folder, best)) if best else None
        with staged_state(state_path(folder, self.state.global_step)) as staging:
            self.save_model(str(staging), _internal_call=True)
            self._save_optimizer_and_scheduler(str(staging))
            self._save_scaler(str(staging))
            self._save_rng_state(str(staging))
            if self.args.should_save:
                parts = [part for part in (*self.callback_handler.callbacks, self.control) if isinstance(part, ExportableState)]
                callbacks: Any = {type(part).__name__: part.state() for part in parts}
                self.state.stateful_callbacks = callbacks
                self.state.save_to_json(str(staging / STATE_FILE))
        if self.args.should_save and self.args.save_total_limit:
            remove_older(folder, keep=self.args.save_total_limit)

    def _init_training_state(self, max_steps: int, *args: Any) -> tuple[int, int]:
        begun: tuple[int, int] = super()._init_training_state(max_steps, *args)
        if self.state.global_step:
            self.over = self.control.should_training_stop or self.state.global_step >= max_steps
            best = self.state.best_global_step
            self.state.best_model_checkpoint = str(state_path(Path(str(self.args.output_dir)), best)) if best else None
        return begun

    def _load_best_model(self) -> None:
        folder = Path(str(self.state.best_model_checkpoint))
        check_manifest(folder)
        super()._load_best_model()

    def _run_epoch(self, *args: Any, **options: Any) -> None:
        if self.over:
            self.control.should_training_stop = True
            return
        super()._run_epoch(*args, **options)  # type: ignore[no-untyped-call]

    def _get_grad_norm(self, model: nn.Module, grad_norm: Any = None) -> Any:
        norm = super()._get_grad_norm(model, grad_norm=grad_norm)  # type: ignore[no-untyped-call]
        if getattr(self.accelerator, "scaler", None) is None:  # with loss scaling, an overflow only skips the update
            guards.require_finite_gradients(norm, step=self.state.global_step + 1, articles=self.batch_articles)
        self.batch_articles.clear()
        return norm


class Termination:
    """In this context the first SIGTERM is recorded and does not end the process; a second one ends it."""

    def __init__(self) -> None:
        self.asked = False
        self._before: Any = None

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():  # in Python only the main thread may set a handler
            self._before = signal.signal(signal.SIGTERM, self._note)

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True
        signal.signal(signal.SIGTERM, self._before)


class SaveWhenDue(TrainerCallback):
    """Saves every few updates and after SIGTERM. Each save also logs, so that a resumed run logs the same means."""

    def __init__(self, every: int | None, termination: Termination) -> None:
        self.every = every
        self.termination = termination
        self.stopping = False

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Ask for a state, unless the end of the epoch saves one next."""
        self.stopping = in_any(self.termination.asked, device=args.device)
        ends_epoch = float(state.epoch or 0).is_integer() or control.should_training_stop
        if not ends_epoch and (self.stopping or (self.every is not None and state.global_step % self.every == 0)):
            control.should_save = control.should_log = True

    def on_epoch_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:  # noqa: ARG002
        """Log the mean loss of the epoch's last steps."""
        control.should_log = True

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:  # noqa: ARG002
        """End the process after SIGTERM."""
        if self.stopping or (process_count() == 1 and self.termination.asked):
            log.warning(
                "stopped by SIGTERM after step %d of %d, saved in %s; continue with the same command and resume=true",
                state.global_step, state.max_steps, state_path(Path(str(args.output_dir)), state.global_step),
            )  # fmt: skip
            raise SystemExit(TERMINATED)
