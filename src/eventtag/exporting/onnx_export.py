"""A model as an ONNX file (https://onnx.ai/onnx/operators/), by torch.onnx.export and a few rewritings, in float32 or int8.

The graph reads `input_ids` [B, T] and, if the model does, `casing_ids` [B, T], and gives `emissions` [B, T, C], log-probabilities, and for
a model with a link head `link_states` [B, T, D]. Windows of one length run together, so it has no mask for padding.

int8 is dynamic: weights are rounded once, channel by channel, activations while the model runs.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

OPSET = 23
"""The first with an operator for attention, which ONNX Runtime computes in one step."""


class _Emissions(torch.nn.Module):
    """A model as a function of tensors alone."""

    def __init__(self, model: Any, *, casing: bool) -> None:
        super().__init__()
        self.model = model
        self.casing = casing

    def forward(self, input_ids: torch.Tensor, casing_ids: torch.Tensor | None = None) -> tuple[torch.Tensor, ...]:
        read = {"casing_ids": casing_ids} if self.casing else {}
        output = self.model(input_ids=input_ids, **read)
        emissions = torch.log_softmax(output.logits, dim=-1)
        states = getattr(output, "link_states", None)
        return (emissions,) if states is None else (emissions, states)


def export_fp32(model: Any, file: Path, *, max_length: int) -> None:
    """Write a torch token classifier, in float32 and on the CPU, for windows of up to `max_length` tokens."""
    casing = bool(getattr(model.config, "casing", False))
    names = ["input_ids", "casing_ids"] if casing else ["input_ids"]
    linked = getattr(model.config, "links", None) is not None
    example = tuple(torch.ones((2, min(16, max_length)), dtype=torch.long) for _ in names)
    sizes = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), _quiet("torch.onnx"), _quiet(None):
        warnings.simplefilter("ignore")  # about details of the exporter's own
        torch.onnx.export(
            _Emissions(model, casing=casing).eval(),
            example,
            str(file),
            input_names=names,
            output_names=["emissions"] + ["link_states"] * linked,
            dynamic_shapes=tuple(sizes for _ in names),
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    graph = onnx.load(file)
    _repeat_rotations(graph.graph)
    _drop_idle_masks(graph, max_length=max_length)
    heads = getattr(getattr(model.config, "encoder", model.config), "num_attention_heads", None)
    if heads is not None:
        _join_heads(graph.graph, int(heads))
    _remove_unused(graph.graph)
    onnx.save(graph, file)


def export_int8(fp32: Path, file: Path) -> None:
    """Write the int8 form of what `export_fp32` wrote; the last products before each output, which are small, stay in float32."""
    graph = onnx.load(fp32).graph
    with _quiet(None):
        quantize_dynamic(
            fp32,
            file,
            weight_type=QuantType.QInt8,
            per_channel=True,
            op_types_to_quantize=["MatMul"],
            nodes_to_exclude=[_last_product(graph, output.name) for output in graph.output],
            extra_options={"MatMulConstBOnly": True},
        )


def _last_product(graph: onnx.GraphProto, output: str) -> str:
    """The name of the last matrix product before an output."""
    makers = {name: node for node in graph.node for name in node.output}
    wanted = [output]
    while wanted:
        node = makers.get(wanted.pop(0))
        if node is not None and node.op_type in ("MatMul", "Gemm"):
            return str(node.name)
        wanted += [] if node is None else node.input
    raise ValueError(f"no matrix product before {output}")


@contextlib.contextmanager
def _quiet(name: str | None) -> Any:
    """Errors only from a logger."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _drop_idle_masks(model: onnx.ModelProto, *, max_length: int) -> None:
    """Remove attention masks that hide nothing in windows of up to `max_length` tokens.

    The mask is computed to see whether it hides anything (a sliding window's does).
    """
    nodes = [node for node in model.graph.node if node.op_type == "Attention" and len(node.input) > 3 and node.input[3]]
    masks = sorted({node.input[3] for node in nodes})
    if not masks:
        return
    asked = onnx.ModelProto()
    asked.CopyFrom(model)
    asked.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in masks)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(asked.SerializeToString(), options, providers=["CPUExecutionProvider"])
    idle = set(masks)
    for shape in ((2, min(8, max_length)), (1, max_length)):
        found = session.run(masks, {node.name: np.ones(shape, dtype=np.int64) for node in session.get_inputs()})
        for name, mask in zip(masks, found, strict=True):
            if not (mask.all() if mask.dtype == np.bool_ else (mask == 0).all()):
                idle.discard(name)
    for node in nodes:
        if node.input[3] in idle:
            node.input[3] = ""
            while not node.input[-1]:
                node.input.pop()


def _join_heads(graph: onnx.GraphProto, heads: int) -> None:
    """Let attention itself read and write [B, T, H] if the graph only transposes to split `heads` heads before it and to join them after
    it.

    Models with rotary positions stay as they are, since those work on single heads.
    """
    makers = {name: node for node in graph.node for name in node.output}
    users: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)

    def before_split(name: str) -> str | None:
        """The tensor that was reshaped to [B, T, heads, width] and transposed to `name`."""
        transpose = makers.get(name)
        reshape = makers.get(transpose.input[0]) if transpose is not None and _swaps_heads(transpose) else None
        return reshape.input[0] if reshape is not None and reshape.op_type == "Reshape" else None

    def only_user(name: str) -> onnx.NodeProto | None:
        return users[name][0] if len(users.get(name, [])) == 1 else None

    for node in [node for node in graph.node if node.op_type == "Attention"]:
        whole = [name for name in map(before_split, node.input[:3]) if name is not None]
        transpose = only_user(node.output[0])
        reshape = only_user(transpose.output[0]) if transpose is not None and _swaps_heads(transpose) else None
        if len(whole) < 3 or transpose is None or reshape is None or reshape.op_type != "Reshape":
            continue
        for place, name in enumerate(whole):
            node.input[place] = name
        node.attribute.extend(helper.make_attribute(name, heads) for name in ("q_num_heads", "kv_num_heads"))
        node.output[0] = reshape.output[0]
        graph.node.remove(transpose)
        graph.node.remove(reshape)


def _repeat_rotations(graph: onnx.GraphProto) -> None:
    """Give rotary positions a row for each window, as the operator requires; the exporter computes one for all windows."""
    turning = [node for node in graph.node if node.op_type == "RotaryEmbedding" and len(node.input) == 3]
    if not turning:
        return
    graph.initializer.append(numpy_helper.from_array(np.array([1, 1]), "rotary_ones"))
    for name in {name: None for node in turning for name in node.input[1:]}:
        reader = next(place for place, node in enumerate(graph.node) if node in turning and name in node.input)
        graph.node.insert(reader, helper.make_node("Expand", [name, "rotary_shape"], [f"{name}_repeated"]))
    for node in turning:
        node.input[1], node.input[2] = (f"{name}_repeated" for name in node.input[1:])
    graph.node.insert(0, helper.make_node("Shape", [graph.input[0].name], ["rotary_windows"], start=0, end=1))
    graph.node.insert(1, helper.make_node("Concat", ["rotary_windows", "rotary_ones"], ["rotary_shape"], axis=0))


def _swaps_heads(node: onnx.NodeProto) -> bool:
    """Whether a node swaps the second and third of four axes."""
    return node.op_type == "Transpose" and [list(a.ints) for a in node.attribute if a.name == "perm"] == [[0, 2, 1, 3]]


def _remove_unused(graph: onnx.GraphProto) -> None:
    """Remove nodes and constants that nothing reads any more."""
    while True:
        read = {name for node in graph.node for name in node.input} | {output.name for output in graph.output}
        unused = [node for node in graph.node if not any(name in read for name in node.output)]
        if not unused:
            break
        for node in unused:
            graph.node.remove(node)
    for item in [item for item in graph.initializer if item.name not in read]:
        graph.initializer.remove(item)
    for item in list(graph.value_info):
        graph.value_info.remove(item)
