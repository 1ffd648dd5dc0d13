"""What runs the model: one small interface, so that tagging needs to know neither torch nor ONNX Runtime.

Letters for shapes: B windows, T tokens, C tags.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SpanHead:
    """A backend whose model scores spans rather than tags has this as its `span_head`: the most words of a span, and whether spans may
    overlap. It has `span_scores` in place of `emissions`.
    """

    max_width: int
    overlap: bool


@runtime_checkable
class Backend(Protocol):
    """A token classifier behind an engine and a precision.

    `precision` is fp32, bf16 or int8, `engine` the library and its version. `batch_tokens`: about how many tokens it reads fastest
    at once. `transitions` [C, C]: learnt scores of tag j behind tag i, None without any.
    """

    @property
    def engine(self) -> str: ...  # noqa: D102
    @property
    def precision(self) -> str: ...  # noqa: D102
    @property
    def batch_tokens(self) -> int: ...  # noqa: D102
    @property
    def transitions(self) -> npt.NDArray[np.float64] | None: ...  # noqa: D102

    def emissions(self, input_ids: IntArray, casing_ids: IntArray) -> npt.NDArray[np.float32]:
        """[B, T, C]: log-probabilities of the tags, for windows of equal length: no position of `input_ids` [B, T] is padding.

        `casing_ids` [B, T] are those of `eventtag.encoding.casing`; a model that does not read them ignores them.
        """
        ...


def as_backend(model: Any) -> Backend:
    """`model` itself if it is a backend; a torch model is run by torch as it is."""
    if isinstance(model, Backend):
        return model
    from eventtag.engines.torch_backend import TorchBackend

    return TorchBackend(model)
