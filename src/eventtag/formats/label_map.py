"""Mapping a corpus's own labels to the tagger's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

from eventtag.article import Article
from eventtag.errors import DataError
from eventtag.ledger import LossEntry, LossLedger
from eventtag.respan import respan
from eventtag.span import Span, merged, other_status


def map_labels(
    articles: Iterable[Article], label_map: Mapping[str, str | None], *, ledger: LossLedger, keep_others: bool = False
) -> Iterator[Article]:
    """Rename span labels by the entry of their name, or else by the first pattern that fits.

    A pattern is a shell pattern such as `HUMAN_PART*`; the value is the new label, or None to drop the span (recorded in the
    ledger as asked for). Two spans that become the same are merged (recorded). `labels` of an article are renamed likewise,
    and those that nothing fits left out. `keep_others`: a label that nothing fits keeps its name. A rejected span is left out (noted in
    the ledger) where several labels become one: not to be a PERSON says nothing about being an ACTOR, if organisations are actors too.

    Raises DataError for a label that nothing fits, naming article and label.
    """
    found: dict[str, str | None] = dict(label_map)

    def mapped(label: str, article_id: str | None) -> str | None:
        if label in found:
            return found[label]
        for pattern, target in label_map.items():
            if fnmatchcase(label, pattern):
                found[label] = target
                return target
        if keep_others or article_id is None:
            return label if keep_others else None
        raise DataError(
            f"article {article_id!r}: label {label!r} has no entry in the label map ({', '.join(label_map)}); "
            f"add `{label}: NEW_LABEL`, or `{label}: null` to drop it"
        )

    def alone(label: str, target: str) -> bool:
        """Whether no other label becomes `target`."""
        sources = {key for key, value in label_map.items() if value == target}
        if keep_others and target not in label_map:
            sources.add(target)
        return sources == {label}

    for article in articles:
        spans: dict[Span, Span] = {}
        moved: dict[Span, Span] = {}
        for span in article.spans:
            label = mapped(span.label, article.id)
            entry = (span.start, span.end, span.label)
            if label is None:
                ledger.add(
                    LossEntry(article.id, "mapping labels", "dropped", f"{span.label} maps to nothing", *entry, asked=True)
                )
                continue
            renamed = moved[span] = replace(span, label=label)
            if renamed in spans:
                detail = other_status(spans[renamed], renamed)
                ledger.add(LossEntry(article.id, "mapping labels", "merged", f"is {label} twice", *entry, detail))
            spans[renamed] = merged(spans.get(renamed, renamed), renamed)
        labels = article.labels
        if labels is not None:
            renamed_labels = (mapped(old, None) for old in labels)
            labels = tuple(dict.fromkeys(label for label in renamed_labels if label is not None))
        rejected = []
        for span in article.rejected:
            label = mapped(span.label, article.id)
            if label is not None and alone(span.label, label):
                rejected.append(replace(span, label=label))
            else:
                reason = "maps to nothing" if label is None else f"becomes {label}, as other labels do"
                ledger.note(article.id, "mapping labels", "rejected", f"rejected spans are left out: {span.label} {reason}")
        how: dict[str, Any] = {"moved": moved, "stage": "mapping labels", "ledger": ledger, "asked": True}
        yield respan(article, spans.values(), **how, labels=labels, rejected=tuple(rejected))


def watch_labels(articles: Iterable[Article], check: Callable[[set[str]], None]) -> Iterator[Article]:
    """The articles; after the last, `check` is called with all of their labels."""
    found: set[str] = set()
    for article in articles:
        found.update(span.label for span in (*article.spans, *article.rejected))
        found.update(article.labels or ())
        yield article
    check(found)
