"""Running the model with torch, in float32 or wholly in bfloat16, on a CPU or a GPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from eventtag.engines.backend import IntArray, SpanHead
from eventtag.heads.crf import learnt_transitions

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


class TorchBackend:
    """A torch token classifier as a `Backend`.

    bf16 is the whole model in bfloat16: under autocast a CPU casts every weight again at every call, and loses what it wins.
    """

    def __init__(self, model: Any, *, precision: str = "fp32", device: str | None = None) -> None:
        if precision != "fp32" or device is not None:
            model = model.to(device=device, dtype=DTYPES[precision])
        self.model = model
        self.precision = precision
        self.engine = f"torch {torch.__version__}"

    @property
    def batch_tokens(self) -> int:
        """A CPU is fastest while activations stay in its cache, a GPU when it has much to do at once."""
        return 2048 if self.model.device.type == "cpu" else 16384

    @property
    def transitions(self) -> npt.NDArray[np.float64] | None:
        """The model's own, as they are now."""
        return learnt_transitions(self.model)

    def emissions(self, input_ids: IntArray, casing_ids: IntArray) -> npt.NDArray[np.float32]:
        """As `Backend.emissions`; leaves the model in evaluation mode."""
        log_probabilities = torch.log_softmax(self._run(input_ids, casing_ids), dim=-1)
        return np.asarray(log_probabilities.cpu().numpy(), dtype=np.float32)

    @property
    def span_head(self) -> SpanHead | None:
        """What a span head finds; None for a model that gives tags."""
        config = self.model.config
        return SpanHead(config.max_span_width, config.overlap) if getattr(config, "head", None) == "span" else None

    def span_scores(self, input_ids: IntArray, casing_ids: IntArray, word_positions: IntArray) -> npt.NDArray[np.float32]:
        """[B, K, M, L]: log-odds of the spans of a span head, for inputs as those of `emissions`.

        `word_positions` [B, K] are the first tokens of words, negative beyond a window's last.
        """
        scores = self._run(input_ids, casing_ids, word_positions=torch.from_numpy(word_positions).to(self.model.device))
        return np.asarray(scores.cpu().numpy(), dtype=np.float32)

    def _run(self, input_ids: IntArray, casing_ids: IntArray, **more: torch.Tensor) -> torch.Tensor:
        self.model.eval()
        ids = torch.from_numpy(input_ids).to(self.model.device)
        read = {"input_ids": ids, "attention_mask": torch.ones_like(ids), **more}
        if getattr(self.model.config, "casing", False):
            read["casing_ids"] = torch.from_numpy(casing_ids).to(self.model.device)
        with torch.inference_mode():
            logits: torch.Tensor = self.model(**read).logits.float()
        return logits
