"""The arithmetic of training steps, and the choice of the fastest on this machine.

`bf16` keeps weights, gradients and the optimizer in float32 and casts the weights to bfloat16 once a step, so that matrix products read and
write half the bytes. Small updates are not lost, as they would be in weights with 8 bits of precision (mixed precision: Micikevicius et
al. 2018, https://arxiv.org/abs/1710.03740). Autocast casts every weight and activation at every use, which costs more on a CPU than it
gains. On a GPU it costs nothing, and `bf16` means autocast.

On a CPU the fused attention kernel, above all its gradient, can be slower in bfloat16 than plain matrix products, so the way to compute
attention is chosen together with the precision.
"""

from __future__ import annotations

import logging
import statistics
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from eventtag.engines.torch_backend import cpu_has_bf16
from eventtag.errors import SettingsError
from eventtag.settings import Precision

log = logging.getLogger(__name__)

GAIN = 1.15
"""How many times faster than in float32 a step must be for `auto` to choose bfloat16."""
ROUNDS = 3
FUSED, PLAIN = "sdpa", "eager"


@dataclass(frozen=True)
class Arithmetic:
    """`precision` (fp32, bf16) and transformers' name of the `attention` implementation (sdpa, eager)."""

    precision: str = "fp32"
    attention: str = FUSED

    def to_json(self) -> dict[str, str]:
        """For the record of a run."""
        return asdict(self)


def choose_arithmetic(model: PreTrainedModel, inputs: Mapping[str, torch.Tensor], wanted: Precision) -> Arithmetic:
    """The arithmetic that `wanted` means for this model on this machine.

    bf16 on a CPU takes plain attention, so that the same settings mean the same arithmetic. `auto` on a CPU times each possible arithmetic
    on `inputs`, one batch of the model's arguments (forward and backward, CPU seconds, medians of interleaved rounds). It takes bf16 if a
    step is at least GAIN times faster. Neither weights nor random numbers change. Raises SettingsError if bf16 is wanted but the processor
    has no instructions for it, or the model recomputes its activations.
    """
    usual = FUSED if _takes(model, FUSED) else PLAIN
    exact = Arithmetic(attention=usual)
    if wanted is Precision.fp32:
        return exact
    problem = _why_not_bf16(model)
    if problem is not None:
        if wanted is Precision.bf16:
            raise SettingsError(f"trainer.precision=bf16: {problem}; use trainer.precision=fp32 or auto")
        return exact
    if torch.cuda.is_available():
        return Arithmetic("bf16", usual)
    if wanted is Precision.bf16:
        return Arithmetic("bf16", PLAIN)
    candidates = [exact, *(Arithmetic("bf16", attention) for attention in (FUSED, PLAIN) if _takes(model, attention))]
    seconds = _time(model, inputs, candidates)
    best = min(candidates, key=seconds.__getitem__)
    if seconds[exact] < GAIN * seconds[best]:
        best = exact
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        agreed = [best]
        torch.distributed.broadcast_object_list(agreed)
        (best,) = agreed
    log.info(
        "arithmetic of training: %s, %s attention (%s)", best.precision, best.attention,
        ", ".join(f"{c.precision} {c.attention} {1000 * s:.0f} ms a step" for c, s in seconds.items()),
    )  # fmt: skip
    return best


def run_model(model: nn.Module, inputs: Mapping[str, torch.Tensor], arithmetic: Arithmetic) -> Any:
    """The output of `model` for `inputs` in the given arithmetic on a CPU; gradients arrive at its float32 weights."""
    if arithmetic.precision != "bf16" or next(model.parameters()).device.type != "cpu":
        return model(**inputs)
    # Only the rows that are looked up in embedding tables are cast (`EventtagForTokenClassification`), not whole tables.
    tables = _tables(model)
    weights = {name: weight.to(torch.bfloat16) for name, weight in model.named_parameters() if id(weight) not in tables}
    return torch.func.functional_call(model, weights, kwargs=dict(inputs))


@contextmanager
def attention_of(model: PreTrainedModel, implementation: str) -> Iterator[None]:
    """Within the block, the model computes attention in the given way, if it has it."""
    encoder = _encoder(model)
    before = encoder.config._attn_implementation
    if not _takes(model, implementation) or before == implementation:
        yield
        return
    encoder.set_attn_implementation(implementation)
    try:
        yield
    finally:
        encoder.set_attn_implementation(before)


def _tables(model: nn.Module) -> set[int]:
    """Embedding tables that the model itself looks up and casts."""
    inner: Any = model.module if hasattr(model, "module") else model
    if inner.config.model_type != "eventtag":
        return set()
    found = {id(inner.get_input_embeddings().weight)}
    return found if inner.casing is None else found | {id(inner.casing.weight)}


def _encoder(model: PreTrainedModel) -> Any:
    return model.encoder if model.config.model_type == "eventtag" else model


def _takes(model: PreTrainedModel, attention: str) -> bool:
    return attention == PLAIN or bool(getattr(_encoder(model), "_supports_sdpa", False))


def _why_not_bf16(model: PreTrainedModel) -> str | None:
    if torch.cuda.is_available():
        return None if torch.cuda.is_bf16_supported() else "this GPU has no bfloat16"
    if not cpu_has_bf16():
        return "this processor has no bfloat16 instructions"
    if any(getattr(module, "gradient_checkpointing", False) for module in model.modules()):
        return "not together with trainer.gradient_checkpointing"
    return None


def _time(model: PreTrainedModel, inputs: Mapping[str, torch.Tensor], candidates: list[Arithmetic]) -> dict[Arithmetic, float]:
    """CPU seconds of a step in each arithmetic. A first round warms up and is not counted."""
    times: dict[Arithmetic, list[float]] = {candidate: [] for candidate in candidates}
    with torch.random.fork_rng(devices=[]):
        model.train()
        for _ in range(1 + ROUNDS):
            for candidate in candidates:
                with attention_of(model, candidate.attention):
                    started = time.process_time()
                    run_model(model, inputs, candidate).logits.float().logsumexp(-1).mean().backward()
                    times[candidate].append(time.process_time() - started)
        model.zero_grad(set_to_none=True)
    return {candidate: statistics.median(found[1:]) for candidate, found in times.items()}
