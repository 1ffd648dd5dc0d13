"""How fast a run trains, compared with the limit that this machine's matrix products set.

A step of a transformer costs about 6 floating-point operations for each weight of a matrix and token (2 forward, 4 backward: Kaplan et
al. 2020, https://arxiv.org/abs/2001.08361, section 2.1), and 12 H T for each layer and token in attention (H its width, T the window's
tokens). The limit is the rate of matrix products of the model's own shape in the precision of the run, measured in the same process.
"""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import PreTrainedModel

from eventtag.training.loop.precision import Arithmetic

LIMIT_SECONDS = 0.2
"""CPU seconds that measuring the limit takes."""


@dataclass
class SpeedMeter:
    """Counts tokens and padding; `pause` and `go_on` leave out the scoring between epochs. All counts are of this process."""

    tokens: int = 0
    padding: int = 0
    passed: int = 0
    """Tokens that went through the model: more than `tokens` if a batch is read twice."""
    squares: int = 0
    """Sum over windows that went through the model of their squared number of tokens, which attention costs."""
    scoring_seconds: float = 0.0
    scoring_cpu_seconds: float = 0.0
    _started: tuple[float, float] = field(default_factory=lambda: (time.perf_counter(), time.process_time()))
    _paused: tuple[float, float] | None = None

    def count(self, attention_mask: torch.Tensor) -> None:
        """Count a batch by its mask [B, T]."""
        tokens = int(attention_mask.sum())
        self.tokens += tokens
        self.padding += attention_mask.numel() - tokens

    def count_pass(self, attention_mask: torch.Tensor) -> None:
        """Count a forward and backward pass by its mask [B, T]."""
        lengths = attention_mask.sum(dim=1)
        self.passed += int(lengths.sum())
        self.squares += int((lengths * lengths).sum())

    def start(self) -> None:
        """Count time from now on."""
        self._started = (time.perf_counter(), time.process_time())

    def pause(self) -> None:
        """Scoring begins."""
        self._paused = (time.perf_counter(), time.process_time())

    def go_on(self) -> None:
        """Scoring has ended."""
        if self._paused is not None:
            self.scoring_seconds += time.perf_counter() - self._paused[0]
            self.scoring_cpu_seconds += time.process_time() - self._paused[1]
        self._paused = None

    def report(self, model: PreTrainedModel, arithmetic: Arithmetic) -> dict[str, Any]:
        """For metrics.json: seconds, tokens per second and per CPU second (each counted once), how often each went through the
        model, padding as a share of all positions, and, on a CPU, the share of the limit that the steps reached.
        """
        seconds = time.perf_counter() - self._started[0]
        cpu_seconds = time.process_time() - self._started[1]
        steps, cpu_steps = max(seconds - self.scoring_seconds, 1e-9), max(cpu_seconds - self.scoring_cpu_seconds, 1e-9)
        found: dict[str, Any] = {
            "seconds": seconds,
            "cpu_seconds": cpu_seconds,
            "evaluation_seconds": self.scoring_seconds,
            "tokens": self.tokens,
            "passes": self.passed / max(self.tokens, 1),
            "tokens_per_second": self.tokens / steps,
            "tokens_per_cpu_second": self.tokens / cpu_steps,
            "padding_share": self.padding / max(self.padding + self.tokens, 1),
            "arithmetic": arithmetic.to_json(),
        }
        if model.device.type == "cpu":
            limit = matmul_limit(int(_of(model, "hidden_size")), arithmetic)
            found["matmul_limit_gflops_per_cpu_second"] = limit / 1e9
            found["matmul_share"] = self._operations(model) / cpu_steps / limit
        return found

    def _operations(self, model: PreTrainedModel) -> float:
        tables = {id(module.weight) for module in model.modules() if isinstance(module, torch.nn.Embedding)}
        weights = sum(p.numel() for p in model.parameters() if p.dim() == 2 and id(p) not in tables)
        width, layers = int(_of(model, "hidden_size")), int(_of(model, "num_hidden_layers"))
        return 6.0 * weights * self.passed + 12.0 * width * layers * self.squares


@functools.cache
def matmul_limit(width: int, arithmetic: Arithmetic) -> float:
    """Floating-point operations per CPU second of products [1024, H] by [H, 4 H] on this machine, measured once in a process."""
    dtype = torch.bfloat16 if arithmetic.precision == "bf16" else torch.float32
    left, right = torch.ones(1024, width, dtype=dtype), torch.ones(width, 4 * width, dtype=dtype)
    done, started = 0, time.process_time()
    while (spent := time.process_time() - started) < LIMIT_SECONDS:
        torch.mm(left, right)
        done += 1
    return done * 2.0 * 1024 * width * 4 * width / spent


def _of(model: PreTrainedModel, name: str) -> Any:
    config: Any = model.config
    return getattr(getattr(config, "encoder", config), name)
