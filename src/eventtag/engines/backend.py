"""The interface to what runs the model, so that tagging imports neither torch nor ONNX Runtime.

Letters for shapes: B windows, T tokens, K words of the longest window, D width of the link states.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from eventtag.heads.protocol import Decoder
from eventtag.links.network import PairNetwork

IntArray = npt.NDArray[np.int64]


@runtime_checkable
class Backend(Protocol):
    """A token classifier behind an engine and a precision.

    `precision` is fp32, bf16 or int8, `engine` the library and its version. `batch_tokens`: the number of tokens at once with which it is
    fastest, about. `decoder` finds spans in its emissions.
    """

    @property
    def engine(self) -> str: ...  # noqa: D102
    @property
    def precision(self) -> str: ...  # noqa: D102
    @property
    def batch_tokens(self) -> int: ...  # noqa: D102
    @property
    def decoder(self) -> Decoder: ...  # noqa: D102

    def emissions(self, input_ids: IntArray, casing_ids: IntArray, word_positions: IntArray) -> npt.NDArray[np.float32]:
        """[B, K, ...]: the head's scores of words as the decoder reads them, for windows of equal length: no position of `input_ids`
        [B, T] is padding.

        `casing_ids` [B, T] are those of `eventtag.encoding.casing`; a model that does not read them ignores them. `word_positions`
        [B, K] are the first tokens of words, negative beyond a window's last.
        """
        ...


@runtime_checkable
class LinkBackend(Backend, Protocol):
    """A backend that may have a link head; `pair_network` is None for a model without one."""

    @property
    def pair_network(self) -> PairNetwork | None: ...  # noqa: D102

    def emissions_and_states(
        self, input_ids: IntArray, casing_ids: IntArray, word_positions: IntArray
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """`emissions`, and the link states [B, T, D] of the tokens, by a model with a link head."""
        ...
