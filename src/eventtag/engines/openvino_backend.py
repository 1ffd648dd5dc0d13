"""Running an exported model with OpenVINO (https://docs.openvino.ai), in bfloat16, without torch and transformers.

Input and output are those of `eventtag.exporting.onnx_export`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

from eventtag.engines.backend import IntArray
from eventtag.heads.tag_decoding import TagDecoder, at_words
from eventtag.links.network import PairNetwork

sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
# Without that module, OpenVINO does not report to its makers that it was imported and what it converted.
import openvino  # noqa: E402

PRECISIONS = {"fp32": "f32", "bf16": "bf16"}


class OpenVinoBackend:
    """An exported model as a `Backend`. Matrix products and the operations after them are in bfloat16, sums and the result in float32."""

    def __init__(
        self,
        file: Path,
        *,
        precision: str = "bf16",
        decoder: TagDecoder | None = None,
        threads: int | None = None,
        pair_network: PairNetwork | None = None,
    ) -> None:
        options = {
            "INFERENCE_PRECISION_HINT": PRECISIONS[precision],
            "INFERENCE_NUM_THREADS": threads or int(os.environ.get("OMP_NUM_THREADS") or 0),  # 0: one for each core
            "NUM_STREAMS": 1,
        }
        with file.open("rb") as content:
            is_xml = content.read(5) == b"<?xml"
        if not is_xml:  # OpenVINO reads files of five other kinds, whatever their names
            raise ValueError(f"{file.name} is not XML")
        compiled = openvino.Core().compile_model(str(file), "CPU", options)
        self._inputs = [node.get_any_name() for node in compiled.inputs]
        self._request = compiled.create_infer_request()
        self.precision = precision
        self.engine = f"openvino {openvino.__version__.partition('-')[0]}"
        self.batch_tokens = 1024
        self.decoder = decoder or TagDecoder()
        self.pair_network = pair_network

    def emissions(self, input_ids: IntArray, casing_ids: IntArray, word_positions: IntArray) -> npt.NDArray[np.float32]:
        """As `Backend.emissions`."""
        return at_words(self._run(input_ids, casing_ids)[0], word_positions)

    def emissions_and_states(
        self, input_ids: IntArray, casing_ids: IntArray, word_positions: IntArray
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """As `LinkBackend.emissions_and_states`."""
        found, states = self._run(input_ids, casing_ids)
        return at_words(found, word_positions), states

    def _run(self, input_ids: IntArray, casing_ids: IntArray) -> list[npt.NDArray[np.float32]]:
        given = {"input_ids": input_ids, "casing_ids": casing_ids}
        found = self._request.infer({name: given[name] for name in self._inputs}, share_outputs=True)
        return [np.asarray(values, dtype=np.float32) for values in found.to_tuple()]


def to_openvino(fp32: Path, file: Path) -> None:
    """Write an export in ONNX as OpenVINO's `file` (.xml) and its .bin, with weights in float16, more exact than bfloat16."""
    openvino.save_model(openvino.convert_model(str(fp32)), str(file), compress_to_fp16=True)
