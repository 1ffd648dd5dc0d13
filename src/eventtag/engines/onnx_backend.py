"""Running an exported model with ONNX Runtime (https://onnxruntime.ai/docs/api/python/), which needs neither torch nor transformers.

Input is what `eventtag.exporting.onnx_export` writes: token ids and, for models that read them, casing ids; output is log-probabilities.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

from eventtag.engines.backend import IntArray
from eventtag.heads.tag_decoding import TagDecoder, at_words
from eventtag.links.network import PairNetwork

SLOW_FUSIONS = ["SkipLayerNormFusion"]
"""Optimisations of ONNX Runtime that cost time on a CPU: its fused addition and normalisation takes three times as long as the two apart
(version 1.32)."""


class OnnxBackend:
    """An exported model as a `Backend`.

    In int8 every window runs alone, because the range of the activations is measured over the whole batch, and spans would depend on the
    other windows. It costs no time at the usual lengths.
    """

    def __init__(
        self,
        file: Path,
        *,
        precision: str,
        decoder: TagDecoder | None = None,
        threads: int | None = None,
        pair_network: PairNetwork | None = None,
    ) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or int(os.environ.get("OMP_NUM_THREADS") or 0)  # 0: one for each core
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            str(file), options, providers=["CPUExecutionProvider"], disabled_optimizers=SLOW_FUSIONS
        )
        self._inputs = [node.name for node in self._session.get_inputs()]
        self.precision = precision
        self.engine = f"onnxruntime {onnxruntime.__version__}"
        self.batch_tokens = 1024
        self.decoder = decoder or TagDecoder()
        self.pair_network = pair_network

    def emissions(self, input_ids: IntArray, casing_ids: IntArray, word_positions: IntArray) -> npt.NDArray[np.float32]:
        """As `Backend.emissions`."""
        (found,) = self._run(["emissions"], input_ids, casing_ids)
        return at_words(found, word_positions)

    def emissions_and_states(
        self, input_ids: IntArray, casing_ids: IntArray, word_positions: IntArray
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """As `LinkBackend.emissions_and_states`."""
        found, states = self._run(["emissions", "link_states"], input_ids, casing_ids)
        return at_words(found, word_positions), states

    def _run(self, outputs: list[str], input_ids: IntArray, casing_ids: IntArray) -> list[npt.NDArray[np.float32]]:
        given = {"input_ids": input_ids, "casing_ids": casing_ids}
        rows = range(len(input_ids)) if self.precision == "int8" else [slice(None)]
        parts = [self._session.run(outputs, {name: np.atleast_2d(given[name][row]) for name in self._inputs}) for row in rows]
        return [np.concatenate(part) for part in zip(*parts, strict=True)]
