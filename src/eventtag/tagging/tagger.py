"""The tagger: a checkpoint at work on whole articles.

An article is tokenised once and cut into windows; windows of many articles run through the model sorted by length; each word takes its
emission from the window that owns it; the emissions of the whole article are decoded together. Nothing is truncated. The decoded
spans' scores are then calibrated, and spans below their label's threshold left out.

Letters for shapes: W words of an article, C tags.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from eventtag.articles import Article
from eventtag.decoding.decode import decode
from eventtag.encoding.align import words_inside
from eventtag.encoding.tokens import TokenisedText, tokenise
from eventtag.encoding.windows import Window, plan_windows
from eventtag.errors import SettingsError
from eventtag.labels import LabelSet
from eventtag.modeling.checkpoint import Calibration, load_checkpoint
from eventtag.modeling.crf import learnt_transitions
from eventtag.modeling.encoders import reads_casing
from eventtag.scoring.calibration import calibrate_spans
from eventtag.settings import WindowSettings
from eventtag.spans import ScoredSpan

CHUNK_TOKENS = 65_536
"""Tokens of articles that are taken together for sorting windows by length; bounds memory while streaming."""


@dataclass(frozen=True)
class TaggedArticle:
    """An article as it came in, the spans found in it (sorted, disjoint), its words [W, 2] as character offsets, and the score of
    each span before calibration.
    """

    article: Article
    spans: tuple[ScoredSpan, ...]
    words: npt.NDArray[np.int64]
    raw_scores: tuple[float, ...] = ()


@dataclass(frozen=True)
class Tagger:
    """A model with its tokenizer, labels and windows. `about` is what a report says of it (path, sha256, training).

    `calibration` holds each label's temperature, which makes a span's score the share of such spans that are right
    (`eventtag.scoring.calibration`), and the thresholds: spans with a lower calibrated score are left out.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    labels: LabelSet
    window: WindowSettings
    batch_tokens: int = 4096
    about: dict[str, Any] | None = None
    calibration: Calibration = field(default_factory=Calibration)

    @classmethod
    def load(cls, path: str | Path, *, batch_tokens: int = 4096, device: str | None = None) -> Tagger:
        """The tagger of a checkpoint directory, on `device` (the GPU if there is one, else the CPU).

        `batch_tokens`: tokens, padding included, that the model reads at once. Raises CheckpointError as `load_checkpoint` does.
        """
        checkpoint = load_checkpoint(Path(path))
        model = checkpoint.model.to(device or ("cuda" if torch.cuda.is_available() else "cpu"))  # type: ignore[arg-type]
        about = {"path": str(path), "sha256": checkpoint.sha256, **checkpoint.info.training}
        info = checkpoint.info
        return cls(model, checkpoint.tokenizer, info.labels, info.window, batch_tokens, about, info.calibration)

    def with_thresholds(self, thresholds: Mapping[str, float]) -> Tagger:
        """The same tagger with these thresholds of calibrated scores; labels that are not named keep theirs.

        Raises SettingsError for a label that it does not know.
        """
        unknown = [label for label in thresholds if label not in self.labels.labels]
        if unknown:
            raise SettingsError(f"thresholds.{unknown[0]}: no such label; the labels are {', '.join(self.labels.labels)}")
        merged = {**self.calibration.thresholds, **thresholds}
        return replace(self, calibration=replace(self.calibration, thresholds=merged))

    def tag(self, text: str) -> tuple[ScoredSpan, ...]:
        """The spans of one text, sorted by offset; character offsets (half-open) into `text` as given."""
        return next(iter(self.tag_many([text]))).spans

    def tag_many(self, articles: Iterable[Article | str], *, only_annotated: bool = False) -> Iterator[TaggedArticle]:
        """Tag articles or plain texts lazily, in order; holds about CHUNK_TOKENS tokens at a time.

        With `only_annotated`, windows that own nothing of an article's annotated regions are skipped, and so are spans there: enough
        for scoring, and several times faster where little of a corpus was annotated.
        """
        chunk: list[tuple[Article, TokenisedText]] = []
        size = 0
        for number, item in enumerate(articles):
            article = Article(id=str(number), text=item) if isinstance(item, str) else item
            tokens = tokenise(article.text, self.tokenizer)
            chunk.append((article, tokens))
            size += len(tokens.input_ids)
            if size >= CHUNK_TOKENS:
                yield from self._tag_chunk(chunk, only_annotated=only_annotated)
                chunk, size = [], 0
        if chunk:
            yield from self._tag_chunk(chunk, only_annotated=only_annotated)

    def _tag_chunk(self, chunk: Sequence[tuple[Article, TokenisedText]], *, only_annotated: bool) -> Iterator[TaggedArticle]:
        emissions = self._emissions(chunk, only_annotated=only_annotated)
        words = [tokens.words for _, tokens in chunk]
        spans = decode(emissions, words, self.labels, learnt_transitions(self.model))
        for (article, tokens), found in zip(chunk, spans, strict=True):
            calibrated = calibrate_spans(found, self.calibration.temperatures)
            limits = self.calibration.thresholds
            kept = [(c, raw.score) for c, raw in zip(calibrated, found, strict=True) if c.score >= limits.get(c.label, 0.0)]
            yield TaggedArticle(article, tuple(span for span, _ in kept), tokens.words, tuple(score for _, score in kept))

    def _emissions(
        self, chunk: Sequence[tuple[Article, TokenisedText]], *, only_annotated: bool
    ) -> list[npt.NDArray[np.float32]]:
        """[W, C] log-probabilities for each article; NaN for words that were not run."""
        prefix, suffix = special_tokens(self.tokenizer)
        capacity = self.window.max_length - len(prefix) - len(suffix)
        emissions = [np.full((len(tokens.words), len(self.labels.tags)), np.nan, dtype=np.float32) for _, tokens in chunk]
        jobs: list[tuple[int, Window]] = []
        for index, (article, tokens) in enumerate(chunk):
            wanted = tokens.first_token[words_inside(tokens.words, article)] if only_annotated else tokens.first_token
            for window in plan_windows(tokens, capacity=capacity, stride=self.window.stride):
                if np.searchsorted(wanted, window.own_start) < np.searchsorted(wanted, window.own_end):
                    jobs.append((index, window))
        jobs.sort(key=lambda job: job[1].end - job[1].start)
        self.model.eval()
        for batch in _token_batches(jobs, self.batch_tokens, extra=len(prefix) + len(suffix)):
            inputs = [np.concatenate([prefix, chunk[index][1].input_ids[w.start : w.end], suffix]) for index, w in batch]
            casings = [np.pad(chunk[index][1].casing[w.start : w.end], (len(prefix), len(suffix))) for index, w in batch]
            log_probabilities = self._run(inputs, casings)
            for row, (index, window) in enumerate(batch):
                first = chunk[index][1].first_token
                low, high = np.searchsorted(first, [window.own_start, window.own_end])
                emissions[index][low:high] = log_probabilities[row, first[low:high] - window.start + len(prefix)]
        return emissions

    def _run(self, inputs: Sequence[npt.NDArray[np.int64]], casings: Sequence[npt.NDArray[np.int64]]) -> npt.NDArray[np.float32]:
        width = max(len(item) for item in inputs)
        ids = np.full((len(inputs), width), self.tokenizer.pad_token_id or 0, dtype=np.int64)
        mask = np.zeros((len(inputs), width), dtype=np.int64)
        casing = np.zeros((len(inputs), width), dtype=np.int64)
        for row, (item, casing_ids) in enumerate(zip(inputs, casings, strict=True)):
            ids[row, : len(item)] = item
            mask[row, : len(item)] = 1
            casing[row, : len(item)] = casing_ids
        device = self.model.device
        read = {"input_ids": ids, "attention_mask": mask}
        if reads_casing(self.model):
            read["casing_ids"] = casing
        with torch.inference_mode():
            logits = self.model(**{name: torch.from_numpy(value).to(device) for name, value in read.items()}).logits
            result: npt.NDArray[np.float32] = torch.log_softmax(logits.float(), dim=-1).cpu().numpy()
        return result


def special_tokens(tokenizer: PreTrainedTokenizerBase) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The ids that the tokenizer puts before and behind one sequence (`[CLS]` and `[SEP]`, say)."""
    with_special = tokenizer("a", return_special_tokens_mask=True)
    special = np.array(with_special["special_tokens_mask"], dtype=np.bool_)
    ids = np.array(with_special["input_ids"], dtype=np.int64)
    inner = np.flatnonzero(~special)
    return ids[: inner[0]], ids[inner[-1] + 1 :]


def with_spans(tagged: TaggedArticle) -> Article:
    """The article with the predicted spans in place of whatever it came with; all of it counts as looked at."""
    return replace(tagged.article, spans=tagged.spans, annotated=None, labels=None)


def _token_batches(jobs: Sequence[tuple[int, Window]], budget: int, *, extra: int) -> Iterator[list[tuple[int, Window]]]:
    """Batches of jobs (sorted by length) of at most `budget` tokens, padding included; a longer job is alone."""
    batch: list[tuple[int, Window]] = []
    for job in jobs:
        if batch and (len(batch) + 1) * (job[1].end - job[1].start + extra) > budget:
            yield batch
            batch = []
        batch.append(job)
    if batch:
        yield batch
