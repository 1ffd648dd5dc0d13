"""Running the model with torch, in float32 or wholly in bfloat16, on a CPU or a GPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from eventtag.engines.backend import IntArray
from eventtag.heads.protocol import Decoder
from eventtag.heads.registry import head_of

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


class TorchBackend:
    """A torch token classifier as a `Backend`.

    bf16 is the whole model in bfloat16, because autocast on a CPU casts every weight at every call, which takes as long as it saves.
    """

    def __init__(self, model: Any, *, precision: str = "fp32", device: str | None = None) -> None:
        if precision != "fp32" or device is not None:
            model = model.to(device=device, dtype=DTYPES[precision])
        self.model = model
        self.head = head_of(model.config)
        self.precision = precision
        self.engine = f"torch {torch.__version__}"

    @property
    def batch_tokens(self) -> int:
        """A CPU is fastest while activations fit its cache, a GPU with large batches."""
        return 2048 if self.model.device.type == "cpu" else 16384

    @property
    def decoder(self) -> Decoder:
        """The decoder of the model's head, with its present weights."""
        return self.head.decoder(self.model)

    def emissions(self, input_ids: IntArray, casing_ids: IntArray, word_positions: IntArray) -> npt.NDArray[np.float32]:
        """As `Backend.emissions`; leaves the model in evaluation mode."""
        self.model.eval()
        ids = torch.from_numpy(input_ids).to(self.model.device)
        read = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        if getattr(self.model.config, "casing", False):
            read["casing_ids"] = torch.from_numpy(casing_ids).to(self.model.device)
        if self.head.reads_words:
            read["word_positions"] = torch.from_numpy(word_positions).to(self.model.device)
        with torch.inference_mode():
            return self.head.emissions(self.model(**read).logits.float(), word_positions)
