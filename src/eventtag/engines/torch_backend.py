"""Running the model with torch, in float32 or wholly in bfloat16, on a CPU or a GPU."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from eventtag.engines.backend import IntArray
from eventtag.heads.protocol import Decoder
from eventtag.heads.registry import head_of
from eventtag.links.network import PairNetwork
from eventtag.links.scheme import scheme_from_json
from eventtag.models.network import labels_of

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def cpu_has_bf16() -> bool:
    """Whether this processor has instructions for bfloat16."""
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


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
        return self.head.emissions(self._run(input_ids, casing_ids, word_positions).logits.float(), word_positions)

    def emissions_and_states(
        self, input_ids: IntArray, casing_ids: IntArray, word_positions: IntArray
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """As `LinkBackend.emissions_and_states`."""
        output = self._run(input_ids, casing_ids, word_positions)
        return self.head.emissions(output.logits.float(), word_positions), output.link_states.float().cpu().numpy()

    @cached_property
    def pair_network(self) -> PairNetwork | None:
        """With the weights that the model has when it is first asked for."""
        layers = getattr(self.model, "link_layers", None)
        if layers is None:
            return None
        return layers.pair_network(scheme_from_json(self.model.config.links).allowed(labels_of(self.model.config)))  # type: ignore[no-any-return]

    def _run(self, input_ids: IntArray, casing_ids: IntArray, word_positions: IntArray) -> Any:
        self.model.eval()
        ids = torch.from_numpy(input_ids).to(self.model.device)
        read = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        if getattr(self.model.config, "casing", False):
            read["casing_ids"] = torch.from_numpy(casing_ids).to(self.model.device)
        if self.head.reads_words:
            read["word_positions"] = torch.from_numpy(word_positions).to(self.model.device)
        with torch.inference_mode():
            return self.model(**read)
