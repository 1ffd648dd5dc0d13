"""Settings of `eventtag select`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum

from eventtag.settings.commands import InferencePrecision, require_thresholds, text_encoding
from eventtag.settings.data import MISSING, require_given, require_setting


class Unit(Enum):
    """What is chosen."""

    article = "article"
    """Whole articles."""
    sentence = "sentence"
    """Sentences; only these are open in their articles."""


class Strategy(Enum):
    """By what articles or sentences are chosen."""

    errors = "errors"
    """The most expected errors for a word read: for each word, 1 minus the probability of its most probable tag; with `model.head=span`,
    the probability of the less probable answer for each span."""
    mentions = "mentions"
    """The most mentions found; with `words`, for a word read."""
    random = "random"
    """By chance."""


@dataclass
class SelectSettings:
    """`eventtag select`."""

    checkpoint: str = MISSING
    """Checkpoint directory, or the run that made it. With the run, its test articles and near-duplicates of all its articles are left out
    too."""
    input: str = MISSING
    """The pool: what `predict` reads, or annotated articles in any format (docs/reference/formats.md), of which only what nobody has
    annotated is offered."""
    output: str = MISSING
    """File or folder to make. What was chosen, and how, is recorded beside it."""
    format: str = "auto"
    """Format of the output (docs/reference/formats.md); `auto`: by its suffix."""
    unit: Unit = Unit.article
    strategy: Strategy = Strategy.mentions
    n: int | None = None
    """Articles or sentences to choose; null: 50, or as many as `words` allows."""
    words: int | None = None
    """Words to read, in place of `n`."""
    random_share: float = 0.2
    """Share of the budget that goes to articles drawn at random with known probabilities (docs/how-to/select.md)."""
    suggestions: bool = False
    """Write the spans that the tagger finds into what the strategy chose. The articles drawn at random never have any."""
    seed: int = 13
    """Seed of the draw and of the order of the output."""
    encoding: str | None = None
    """Encoding of texts, pages, JSONL and CSV, as for `predict`."""
    text_field: str = "text"
    """Field of a JSONL line that holds the text."""
    id_field: str = "id"
    """Field of a row that holds the article's id."""
    max_row_bytes: int = 8_000_000
    """A longer row is a bad row."""
    page_seconds: float = 30
    """Seconds that reading a web page may take; after that it is a bad row."""
    article_seconds: float = 600
    """Seconds that tagging an article may take; after that it is a bad row."""
    thresholds: dict[str, float] = field(default_factory=dict)
    """By label, the score below which spans are left out, in place of the checkpoint's thresholds."""
    precision: InferencePrecision = InferencePrecision.auto
    """How exactly the model is computed (docs/how-to/speed.md)."""
    batch_tokens: int | None = None
    """Tokens that the model reads at once; null: as many as suit the engine."""
    threads: int | None = None
    """Threads of tagging; null: the engine's default."""
    max_bad_rows: float = 0.05
    """Largest number of bad rows with which the exit code is 0: a share of all rows if below 1, else a number."""

    def __post_init__(self) -> None:
        if self.encoding is not None:
            self.encoding = text_encoding(self.encoding)
        for key in ("checkpoint", "input", "output", "format", "text_field", "id_field"):
            require_given(key, getattr(self, key))
        require_setting(self.output != "-", "output", "-", "the name of a file or folder, beside which the record is written")
        require_setting(self.n is None or self.n >= 1, "n", self.n, "at least 1, or null")
        require_setting(self.words is None or self.words >= 1, "words", self.words, "at least 1, or null")
        require_setting(self.n is None or self.words is None, "n", self.n, "not with words, which is a budget too")
        require_setting(0 <= self.random_share <= 1, "random_share", self.random_share, "0 to 1")
        require_setting(0 <= self.seed < 2**32, "seed", self.seed, "0 <= seed < 2**32")
        require_setting(
            self.batch_tokens is None or self.batch_tokens >= 1, "batch_tokens", self.batch_tokens, "at least 1, or null"
        )
        require_setting(self.threads is None or self.threads >= 1, "threads", self.threads, "at least 1, or null")
        require_setting(self.max_row_bytes >= 1, "max_row_bytes", self.max_row_bytes, "at least 1")
        for key in ("page_seconds", "article_seconds"):
            require_setting(0 < getattr(self, key) < math.inf, key, getattr(self, key), "above 0")
        require_setting(0 <= self.max_bad_rows < math.inf, "max_bad_rows", self.max_bad_rows, "0 or above")
        require_thresholds(self.thresholds)

    @property
    def budget(self) -> int:
        """How many units, or how many words if `words` is given."""
        return self.words or self.n or 50
