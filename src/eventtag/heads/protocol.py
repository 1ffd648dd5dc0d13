"""The protocol of heads: the layers on the encoder, their targets and loss, and how their scores become spans.

A `ModelHead` needs torch. Its `Decoder` needs numpy alone, so that an exported model tags without torch.
The heads are listed in `eventtag.heads.registry`.

Letters for shapes: B windows, T tokens, K words of the longest window, W words of an article, C tags, H width of the encoder. "..." are
the dimensions of one word's scores: `Decoder.shape`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from eventtag.article import Article
from eventtag.encoding.tokens import TokenisedText
from eventtag.encoding.windows import Window
from eventtag.labels import LabelSet
from eventtag.ledger import LossLedger
from eventtag.span import Span

if TYPE_CHECKING:
    import torch
    from torch import nn

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]


class Decoder(Protocol):
    """From the emissions of articles, which are a head's scores of each word [W, ...], to spans.

    `overlap`: whether the spans found may overlap. `max_width`: the most words of a span, None without a limit. `usual_threshold`: the
    score below which spans of a label are left out where no threshold was chosen for it. `tags_words`: whether emissions are
    log-probabilities of the tags of each word; only such a head can be exported, teach, or judge single words. `transitions` [C, C]:
    learnt scores of tag j after tag i, None for a head without them.
    """

    @property
    def overlap(self) -> bool: ...  # noqa: D102
    @property
    def max_width(self) -> int | None: ...  # noqa: D102
    @property
    def usual_threshold(self) -> float | None: ...  # noqa: D102
    @property
    def tags_words(self) -> bool: ...  # noqa: D102
    @property
    def transitions(self) -> npt.NDArray[np.float64] | None: ...  # noqa: D102

    def shape(self, labels: LabelSet) -> tuple[int, ...]:
        """The shape of one word's scores."""
        ...

    def keep_within_lines(self, emissions: FloatArray, begins_line: npt.NDArray[np.bool_]) -> None:
        """Change emissions [W, ...] of an article so that no span is found that crosses the beginning of a line, `begins_line` [W]."""
        ...

    def decode(self, emissions: Sequence[FloatArray], words: Sequence[IntArray], labels: LabelSet) -> list[tuple[Span, ...]]:
        """The spans of each article, sorted, with their probabilities as scores. `words` [W, 2] are character offsets; NaN stands for
        words that no model read.
        """
        ...

    def tag_probabilities(self, emissions: Sequence[FloatArray], labels: LabelSet) -> list[npt.NDArray[np.float64]]:
        """[W, C] for each article: the probability of each tag at each word over all legal sequences, NaN for words that no model read.

        Raises SettingsError for a head that does not tag words.
        """
        ...

    def expected_errors(self, emissions: Sequence[FloatArray], labels: LabelSet) -> list[npt.NDArray[np.float64]]:
        """[W] for each article: the expected number of wrong decisions at each word if the more probable answer is taken each time; 0
        for words that no model read.
        """
        ...

    def soft_targets(self, emissions: FloatArray, labels: LabelSet) -> npt.NDArray[np.floating[Any]]:
        """[W, C]: the probabilities of tags that a student learns, as the head's own loss defines them. Raises as `tag_probabilities`."""
        ...


class WindowTargets(Protocol):
    """What a head learns from one window besides the tags of its words."""

    def collate(self, targets: Sequence[Any], words: torch.Tensor) -> dict[str, torch.Tensor]:
        """Entries of a batch for windows with these `targets`, each [B, ...]; `words` [B, T] marks the first tokens of words."""
        ...


@dataclass(frozen=True, slots=True)
class ArticleTargets:
    """What a head learns from an article: `tag_ids` [W], negative for words without gold, and further targets of each window."""

    tag_ids: IntArray
    windows: Sequence[WindowTargets | None]


class ModelHead(Protocol):
    """A kind of head with its options.

    `plain`: whether transformers' own token classifier holds its layers. `overlap` and `tags_words` as in `Decoder`. `weights`: how the
    names of its weights begin. `reads_words`: whether it needs to know where words begin. `pipeline_note`: what the model card says
    about using it with a pipeline of transformers.
    """

    @property
    def plain(self) -> bool: ...  # noqa: D102
    @property
    def overlap(self) -> bool: ...  # noqa: D102
    @property
    def tags_words(self) -> bool: ...  # noqa: D102
    @property
    def weights(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def reads_words(self) -> bool: ...  # noqa: D102
    @property
    def pipeline_note(self) -> str: ...  # noqa: D102

    @classmethod
    def from_options(cls, options: Any) -> ModelHead:
        """The head with the options that are attributes of the model's settings or of a checkpoint's configuration."""
        ...

    def options(self) -> dict[str, Any]:
        """What a checkpoint's configuration keeps of the head: its name as `head`, and what `from_options` reads."""
        ...

    def layers(self, width: int, tags: int, *, dropout: float) -> dict[str, nn.Module | nn.Parameter]:
        """New layers for an encoder of `width` H, by their names in the network; the first is a module."""
        ...

    def initialise(self, network: Any, module: nn.Module) -> bool:
        """Set the first weights of `module`, a part of the network or the network itself; returns False if the module is not the head's."""
        ...

    def scores(self, network: Any, hidden: torch.Tensor, word_positions: torch.Tensor | None) -> torch.Tensor:
        """Unnormalised scores from the encoder's output [B, T, H].

        `word_positions` [B, K] is the first token of each word, negative beyond a window's last. Raises ValueError if the head needs
        them and they are None.
        """
        ...

    def emissions(self, scores: torch.Tensor, word_positions: IntArray) -> FloatArray:
        """[B, K, ...]: the scores of words, as the head's decoder reads them."""
        ...

    def targets(
        self, article: Article, tokens: TokenisedText, windows: Sequence[Window], labels: LabelSet, *, ledger: LossLedger
    ) -> ArticleTargets:
        """The targets that the article's spans make. The ledger records every span that is changed or cannot be learnt."""
        ...

    def loss(
        self, network: Any, scores: torch.Tensor, batch: Mapping[str, Any], labels: LabelSet, *, positions: torch.Tensor | None
    ) -> torch.Tensor:
        """The loss of a batch (`eventtag.training.data.features.collate`) divided by `positions` (default: its gold positions); a
        scalar.
        """
        ...

    def decoder(self, network: Any) -> Decoder:
        """The decoder with the network's present weights."""
        ...
