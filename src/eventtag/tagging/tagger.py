"""The tagger: tags whole articles with a checkpoint.

An article is tokenised once and cut into windows. Windows of many articles run through the model, sorted by length
(`eventtag.tagging.emissions`), and the emissions of these articles are decoded together. Nothing is truncated. Then the spans' scores are
calibrated, and spans below their label's threshold are left out. A link head then says the status of the events that are left, and who
takes part in them.

Letters for shapes: W words of an article, C tags.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from eventtag.article import Article
from eventtag.encoding.align import words_inside
from eventtag.encoding.tokens import SpecialTokens, TokenisedText, special_tokens, tokenise
from eventtag.engines.backend import Backend, LinkBackend
from eventtag.engines.choice import as_backend, load_backend
from eventtag.errors import SettingsError
from eventtag.heads.protocol import Decoder
from eventtag.heads.whole_strings import whole_strings
from eventtag.labels import LabelSet
from eventtag.links.calibration import LinkInfo
from eventtag.links.candidates import Candidates, find_candidates
from eventtag.links.decoding import decode_links
from eventtag.links.network import PairNetwork, PairScores
from eventtag.models.checkpoint import Calibration, checkpoint_folder
from eventtag.settings import WindowSettings
from eventtag.span import Span, score_of
from eventtag.tagging.emissions import article_emissions
from eventtag.tagging.tagged import JudgedArticle, TaggedArticle, calibrated
from eventtag.text.strings import inside_string

CHUNK_TOKENS = 65_536
"""Tokens of the articles whose windows are sorted by length together; bounds memory while streaming."""
CHUNK_SCORES = 1 << 23
"""Scores of words that are in memory at a time, 32 MB, except for those of one article: a span head has some for each width and label."""


Chunk = list[tuple[Article, TokenisedText]]
States = list[npt.NDArray[np.float32]]


@dataclass(frozen=True, repr=False)
class Tagger:
    """A model with its tokenizer, labels and windows. `about` describes it in reports (path, sha256, training, engine, precision).

    `model` is a torch token classifier or a `Backend`; `tokenizer` one of tokenizers or of transformers (a fast one). `batch_tokens`: about
    how many tokens the model reads at once (None: the backend's number). `calibration` holds each label's temperature, which makes a span's
    score the share of such spans that are right (`eventtag.scoring.calibration`), and the thresholds: spans with a lower calibrated score
    are left out (`calibrated`). Without `crosses_lines` no span that crosses the end of a line is found (`eventtag.text.lines`). Without
    `cuts_strings` no span begins or ends inside a string of a text whose strings are words (`eventtag.text.strings`). With
    `links`, whose model has a link head, events have a status, and links are found.
    """

    model: Any
    tokenizer: Any
    labels: LabelSet
    window: WindowSettings
    batch_tokens: int | None = None
    about: dict[str, Any] | None = None
    calibration: Calibration = field(default_factory=Calibration)
    crosses_lines: bool = True
    cuts_strings: bool = True
    links: LinkInfo | None = None

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        precision: str = "fp32",
        batch_tokens: int | None = None,
        device: str | None = None,
        threads: int | None = None,
    ) -> Tagger:
        """The tagger of a checkpoint directory, or of the run that it lies in.

        `precision` is fp32, bf16, int8 or auto (`eventtag.engines.choice`). If ONNX Runtime runs it, neither torch nor transformers is
        imported. `device` is torch's (None: a GPU if there is one, else the CPU), `threads` the number for arithmetic (None: the engine's
        default). Raises CheckpointError as `load_checkpoint` does, SettingsError for a precision that this checkpoint or machine does not
        have.
        """
        path = checkpoint_folder(path)
        loaded = load_backend(path, precision, device=device, threads=threads)
        about = {"path": str(path), "sha256": loaded.sha256, **loaded.info.training}
        about |= {"engine": loaded.backend.engine, "precision": loaded.backend.precision}
        info, calibration = loaded.info, loaded.info.calibration
        usual_threshold = loaded.backend.decoder.usual_threshold
        if usual_threshold is not None:
            usual = dict.fromkeys(info.labels.labels, usual_threshold)
            calibration = replace(calibration, thresholds={**usual, **calibration.thresholds})
        return cls(
            loaded.backend,
            loaded.tokenizer,
            info.labels,
            info.window,
            batch_tokens,
            about,
            calibration,
            info.crosses_lines,
            info.cuts_strings,
            info.links,
        )

    def __repr__(self) -> str:
        return f"Tagger({(self.about or {}).get('path', type(self.model).__name__)!s}, {', '.join(self.labels.labels)})"

    @cached_property
    def backend(self) -> Backend:
        """What runs the model."""
        return as_backend(self.model)

    @property
    def decoder(self) -> Decoder:
        """Finds spans in the model's emissions."""
        return self.backend.decoder

    @cached_property
    def _special(self) -> SpecialTokens:
        return special_tokens(self.tokenizer)

    def with_thresholds(self, thresholds: Mapping[str, float]) -> Tagger:
        """The same tagger with these thresholds of calibrated scores; labels that are not named keep theirs. The threshold 0 keeps all
        spans of a label, also those that overlap others.

        Raises SettingsError for an unknown label.
        """
        unknown = [label for label in thresholds if label not in self.labels.labels]
        if unknown:
            raise SettingsError(f"thresholds.{unknown[0]}: no such label; the labels are {', '.join(self.labels.labels)}")
        merged = {**self.calibration.thresholds, **thresholds}
        overlapping = {label: least for label, least in self.calibration.overlapping.items() if thresholds.get(label) != 0}
        # The fitted thresholds' scores on other folds are not those of the given thresholds.
        cross_fitted = {} if thresholds else self.calibration.cross_fitted
        return replace(
            self,
            calibration=replace(self.calibration, thresholds=merged, overlapping=overlapping, cross_fitted=cross_fitted),
        )

    def with_stride(self, stride: int | None) -> Tagger:
        """The same tagger with windows that share at most `stride` tokens with their neighbours; None leaves them as in training.

        A smaller stride reads fewer tokens (docs/how-to/speed.md). Raises SettingsError if the windows are too short for it.
        """
        if stride is None:
            return self
        return replace(self, window=replace(self.window, stride=stride), about={**(self.about or {}), "stride": stride})

    def tag(self, text: str) -> tuple[Span, ...]:
        """The spans of one text, sorted by offset; character offsets (half-open) into `text` as given."""
        return next(iter(self.tag_many([text]))).spans

    def tag_many(self, articles: Iterable[Article | str], *, only_annotated: bool = False) -> Iterator[TaggedArticle]:
        """Tag articles or plain texts lazily, in order; holds about CHUNK_TOKENS tokens and CHUNK_SCORES scores at a time.

        With `only_annotated`, windows that own nothing of an article's annotated regions are skipped, and no spans are found there. That is
        enough for scoring, and several times faster if little of a corpus was annotated.
        """
        for chunk in self._chunks(articles):
            yield from self._tag_chunk(chunk, only_annotated=only_annotated)

    def tag_with_errors(self, articles: Iterable[Article | str]) -> Iterator[tuple[TaggedArticle, npt.NDArray[np.float64]]]:
        """As `tag_many`, each article with the expected number of errors at each of its words [W]."""
        for chunk in self._chunks(articles):
            texts = [tokens for _, tokens in chunk]
            states = self._states(texts)
            emissions = self._decodable(texts, states=states)
            errors = self.decoder.expected_errors(emissions, self.labels)
            yield from zip(self._decoded(chunk, emissions, states), errors, strict=True)

    def tag_with_certainty(self, articles: Iterable[Article | str]) -> Iterator[tuple[TaggedArticle, float]]:
        """As `tag_many`, each article with its certainty from 0 to 1: 1 minus the expected number of errors for each word.

        An article without spans has one too.
        """
        for item, errors in self.tag_with_errors(articles):
            yield item, max(0.0, 1 - float(errors.sum()) / max(len(item.words), 1))

    def judge_words(self, articles: Iterable[Article]) -> Iterator[JudgedArticle]:
        """The model's judgement of each word in the annotated regions of the articles, lazily, in order.

        Raises SettingsError for a model that scores spans, not words.
        """
        for chunk in self._chunks(articles):
            texts = [tokens for _, tokens in chunk]
            emissions = self._decodable(texts, _wanted(chunk, only_annotated=True))
            judged = self.decoder.tag_probabilities(emissions, self.labels)
            for (article, tokens), probabilities in zip(chunk, judged, strict=True):
                probabilities[~words_inside(tokens.words, article)] = np.nan
                yield JudgedArticle(article, tokens.words, probabilities)

    def _chunks(self, articles: Iterable[Article | str]) -> Iterator[Chunk]:
        chunk: Chunk = []
        size = scores = 0
        of_a_word = math.prod(self.decoder.shape(self.labels))
        for number, item in enumerate(articles):
            article = Article(id=str(number), text=item) if isinstance(item, str) else item
            tokens = tokenise(article.text, self.tokenizer)
            more = len(tokens.words) * of_a_word
            if chunk and scores + more > CHUNK_SCORES:
                yield chunk
                chunk, size, scores = [], 0, 0
            chunk.append((article, tokens))
            size, scores = size + len(tokens.input_ids), scores + more
            if size >= CHUNK_TOKENS:
                yield chunk
                chunk, size, scores = [], 0, 0
        if chunk:
            yield chunk

    def _tag_chunk(self, chunk: Chunk, *, only_annotated: bool) -> Iterator[TaggedArticle]:
        wanted = _wanted(chunk, only_annotated=only_annotated)
        texts = [tokens for _, tokens in chunk]
        states = self._states(texts)
        yield from self._decoded(chunk, self._decodable(texts, wanted, states), states)

    def _decoded(
        self, chunk: Chunk, emissions: Sequence[npt.NDArray[np.float32]], states: States | None = None
    ) -> Iterator[TaggedArticle]:
        spans = self.decoder.decode(emissions, [tokens.words for _, tokens in chunk], self.labels)
        if not self.cuts_strings:
            spans = [
                whole_strings(of, tokens.words, inside_string(article.text, tokens.words), overlap=self.decoder.overlap)
                for (article, tokens), of in zip(chunk, spans, strict=True)
            ]
        found = (
            TaggedArticle(article, spans_of, tokens.words, tuple(score_of(span) for span in spans_of), len(tokens.input_ids))
            for (article, tokens), spans_of in zip(chunk, spans, strict=True)
        )
        items = calibrated(list(found), self.calibration)
        if states is None or self.links is None:
            yield from items
            return
        for item, (_, tokens), of_tokens in zip(items, chunk, states, strict=True):
            pairs = self.scored_pairs(item.article.text, tokens, item.spans, of_tokens)
            linked, links = decode_links(item.article.text, item.spans, *pairs, self.links)
            yield replace(item, spans=linked, links=links)

    def link_given(self, articles: Iterable[Article]) -> Iterator[TaggedArticle]:
        """The articles, in order, with their own spans of the tagger's labels in place of predicted ones, and the status and links that the
        link head gives these. Raises SettingsError for a tagger without one.
        """
        for article, tokens, states in self.link_states(articles):
            assert self.links is not None
            spans = tuple(span for span in article.spans if span.label in self.labels.labels)
            pairs = self.scored_pairs(article.text, tokens, spans, states)
            linked, links = decode_links(article.text, spans, *pairs, self.links)
            yield TaggedArticle(article, linked, tokens.words, (), len(tokens.input_ids), links)

    def link_states(self, articles: Iterable[Article]) -> Iterator[tuple[Article, TokenisedText, npt.NDArray[np.float32]]]:
        """The articles, in order, with their tokens and the link states [N, D] of these. Raises SettingsError for a tagger without a link
        head.
        """
        if self.links is None:
            raise SettingsError("links: this tagger has no link head; train it with model.links=true")
        for chunk in self._chunks(articles):
            texts = [tokens for _, tokens in chunk]
            states = self._states(texts)
            self.emissions(texts, states=states)
            for (article, tokens), of_tokens in zip(chunk, states or (), strict=True):
                yield article, tokens, of_tokens

    def scored_pairs(
        self, text: str, tokens: TokenisedText, spans: Sequence[Span], states: npt.NDArray[np.float32]
    ) -> tuple[Candidates, PairScores]:
        """The candidate pairs among spans of a text, and their scores by its `link_states`. Raises SettingsError for a tagger without a
        link head.
        """
        if self.links is None:
            raise SettingsError("links: this tagger has no link head; train it with model.links=true")
        found = find_candidates(text, tokens, spans, self.labels, self.links.scheme)
        return found, self._pair_network(states, found)

    @cached_property
    def _pair_network(self) -> PairNetwork:
        network = cast(LinkBackend, self.backend).pair_network
        if network is None:
            raise SettingsError("links: the model has no link head; train it with model.links=true")
        return network

    def _states(self, texts: Sequence[TokenisedText]) -> States | None:
        """Room for the link states [N, D] of each text, NaN until they are read; None for a tagger that finds no links."""
        if self.links is None:
            return None
        return [np.full((len(tokens.input_ids), self._pair_network.width), np.nan, dtype=np.float32) for tokens in texts]

    def _decodable(
        self,
        texts: Sequence[TokenisedText],
        wanted: Sequence[npt.NDArray[np.int64]] | None = None,
        states: States | None = None,
    ) -> list[npt.NDArray[np.float32]]:
        """The emissions without those of spans that may not be found."""
        emissions = self.emissions(texts, wanted, states)
        if not self.crosses_lines:
            for item, tokens in zip(emissions, texts, strict=True):
                self.decoder.keep_within_lines(item, tokens.begins_line)
        return emissions

    def emissions(
        self,
        texts: Sequence[TokenisedText],
        wanted: Sequence[npt.NDArray[np.int64]] | None = None,
        states: States | None = None,
    ) -> list[npt.NDArray[np.float32]]:
        """[W, ...]: the head's emissions of each text's words (`eventtag.heads.protocol.Decoder`).

        Windows that own none of the tokens `wanted` (None: all) are not run, and NaN stands for their words. The link states of each text's
        tokens are put into `states`.
        """
        return article_emissions(
            texts, wanted if wanted is not None else [tokens.first_token for tokens in texts], self.backend,
            special=self._special, window=self.window, shape=self.decoder.shape(self.labels),
            batch_tokens=self.batch_tokens or self.backend.batch_tokens, states=states,
        )  # fmt: skip


def _wanted(chunk: Chunk, *, only_annotated: bool) -> list[npt.NDArray[np.int64]]:
    """The tokens of each text that windows are run for."""
    return [
        tokens.first_token[words_inside(tokens.words, article)] if only_annotated else tokens.first_token
        for article, tokens in chunk
    ]
