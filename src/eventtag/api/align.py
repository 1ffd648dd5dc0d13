"""`eventtag.align`: places mentions that a language model quoted from articles."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eventtag.api.articles import Source, read_source
from eventtag.article import Article
from eventtag.corpus.quoted import STAGE, align_mentions, read_mentions
from eventtag.formats.registry import format_of_suffix, write_articles
from eventtag.ledger import LossLedger
from eventtag.staging import require_absent

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False)
class AlignResult:
    """How many articles were written, how many mentions were quoted, and how many spans they became; the ledger names all others."""

    articles: int
    mentions: int
    spans: int
    ledger: LossLedger

    def __repr__(self) -> str:
        return f"AlignResult({self.spans} of {self.mentions} mentions placed in {self.articles} articles)"

    def to_pandas(self) -> pd.DataFrame:
        """The mentions that were not placed, each with its article and the reason; if there are very many, only the first ones."""
        import pandas as pd

        entries = [entry for entry in self.ledger.entries if entry.stage == STAGE and not entry.asked]
        rows = [(entry.article_id, entry.label, entry.reason, entry.detail) for entry in entries]
        return pd.DataFrame(rows, columns=["id", "label", "reason", "quote"])


def align(articles: Source, mentions: str | os.PathLike[str], output: str | os.PathLike[str], **reading: Any) -> AlignResult:
    """Place quoted mentions in articles: `align("articles.jsonl", "mentions.jsonl", "silver.jsonl")`.

    `mentions` is JSON Lines with `id`, `label`, `quote` and, if they are known, `before` and `after` (`eventtag.corpus.quoted`). The
    articles with these mentions as spans are written to `output`, in the format of its suffix. `reading` are `format`, `options` and
    `label_map` of the articles.

    Raises FormatError for a file that cannot be read, DataError if no mention is of one of the articles, SettingsError for a suffix
    of no format, OutputError if the output exists.
    """
    require_absent(Path(output))
    format_of_suffix(Path(output))
    quoted = read_mentions(Path(mentions))
    given, ledger = LossLedger(), LossLedger()
    counts = {"articles": 0, "spans": 0}
    aligned = align_mentions(read_source(articles, given, **reading), quoted, ledger=ledger)
    write_articles(_counted(aligned, counts), output, ledger=ledger)
    ledger.remarks |= given.remarks
    return AlignResult(counts["articles"], sum(map(len, quoted.values())), counts["spans"], ledger)


def _counted(articles: Iterator[Article], counts: dict[str, int]) -> Iterator[Article]:
    for article in articles:
        counts["articles"] += 1
        counts["spans"] += len(article.spans)
        yield article
