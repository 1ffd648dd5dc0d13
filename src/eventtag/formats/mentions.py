"""The spans of one article while it is read: each once, those of several fragments by one rule, all of them counted in the ledger.

A span is one stretch of text. A discontinuous mention ("checked <herself> into") therefore becomes, by default, the stretch from its
first to its last character, and the ledger records it as moved: no mention disappears, and of ECB+'s 70 (among 23,693 markables) 45
have a gap of one word. The other policies keep the longest fragment only, or refuse.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal

from eventtag.article import Region
from eventtag.errors import DataError
from eventtag.ledger import LossLedger
from eventtag.span import Span, merged, other_status

Discontinuous = Literal["cover", "longest", "error"]


def joined(pieces: Iterable[Region], text: str) -> list[Region]:
    """The pieces of a text, sorted; those with nothing or only white space between them are one."""
    runs: list[Region] = []
    for start, end in sorted(pieces):
        if runs and not text[runs[-1][1] : start].strip():
            runs[-1] = (runs[-1][0], max(end, runs[-1][1]))
        else:
            runs.append((start, end))
    return runs


class Mentions:
    """Collects the spans of an article; a span that occurs twice is named in the ledger as merged."""

    def __init__(self, article_id: str, ledger: LossLedger, discontinuous: Discontinuous = "cover") -> None:
        self.article_id = article_id
        self.ledger = ledger
        self._policy = discontinuous
        self._found: dict[Span, Span] = {}

    @property
    def spans(self) -> tuple[Span, ...]:
        """The spans, sorted. Where some have a score and some have none, the scores are dropped, because not all spans are by a model."""
        if len({span.score is None for span in self._found}) > 1:
            return tuple(sorted(replace(span, score=None) for span in self._found.values()))
        return tuple(sorted(self._found.values()))

    def add(self, span: Span, detail: str = "") -> None:
        """Take one span."""
        self.ledger.seen += 1
        earlier = self._found.get(span)
        if earlier is not None:
            detail = "; ".join(filter(None, (detail, other_status(earlier, span))))
            self.ledger.add_span(self.article_id, "reading", "merged", "is marked twice", span, detail=detail)
        self._found[span] = span if earlier is None else merged(earlier, span)

    def drop(self, span: Span, reason: str, detail: str = "") -> None:
        """Name a span that cannot be kept."""
        self.ledger.seen += 1
        self.ledger.add_span(self.article_id, "reading", "dropped", reason, span, detail=detail)

    def add_words(self, words: Sequence[Region], label: str, detail: str = "") -> None:
        """Take a mention from the first to the last of these words, by their places; a word of white space only has an empty one."""
        filled = [word for word in words if word[0] < word[1]]
        if filled:
            self.add(Span(filled[0][0], filled[-1][1], label), detail)
        else:
            self.drop(Span(words[0][0], words[0][0], label), "holds only white space", detail)

    def add_fragments(
        self, fragments: Iterable[Region], label: str, text: str, detail: str = "", *, status: str | None = None
    ) -> Span:
        """Take a mention of one or more fragments, in any order; the span that it becomes is returned.

        Raises DataError for a discontinuous mention under the policy `error`.
        """
        runs = joined(fragments, text)
        whole = Span(runs[0][0], runs[-1][1], label, status=status)
        if len(runs) == 1:
            self.add(whole, detail)
            return whole
        found = ", ".join(f"{start}-{end}" for start, end in runs)
        if self._policy == "error":
            raise DataError(
                f"article {self.article_id!r}: the {label} mention at {found} is discontinuous; allow it "
                "(discontinuous=cover or longest)"
            )
        chosen, reason = whole, "discontinuous: the gap is covered"
        if self._policy == "longest":
            start, end = max(runs, key=lambda run: (run[1] - run[0], -run[0]))
            chosen, reason, found = (
                Span(start, end, label, status=status),
                "discontinuous: the longest fragment is kept",
                f"{found} to {start}-{end}",
            )
        self.ledger.add_span(self.article_id, "reading", "moved", reason, whole, detail=found)
        self.add(chosen, detail)
        return chosen
