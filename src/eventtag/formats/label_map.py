"""Mapping a corpus's own labels, and the roles of its links, to ours."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

from eventtag.article import Article
from eventtag.errors import DataError
from eventtag.ledger import LossEntry, LossLedger
from eventtag.link import Link
from eventtag.respan import respan
from eventtag.span import Span, merged, other_status

ROLE = "role:"
"""What stands before the name of a role in a label map: `role:Attacker`."""
_STAGE = "mapping labels"


def labels_only(label_map: Mapping[str, str | None]) -> dict[str, str | None]:
    """The entries of a label map that are about labels, not roles."""
    return {name: target for name, target in label_map.items() if not name.startswith(ROLE)}


def map_labels(
    articles: Iterable[Article], label_map: Mapping[str, str | None], *, ledger: LossLedger, keep_others: bool = False
) -> Iterator[Article]:
    """Rename span labels by the entry of their name, or else by the first pattern that fits; roles of links by the entries that begin
    with `role:`.

    A pattern is a shell pattern such as `HUMAN_PART*`; the value is the new label, or None to drop the span (recorded in the
    ledger as asked for). Two spans that become the same are merged (recorded). `labels` of an article are renamed likewise,
    and those that nothing fits left out. `keep_others`: a label that nothing fits keeps its name, as it does where all entries are about
    roles. A role that nothing fits keeps its name. A rejected span is left out (noted in
    the ledger) where several labels become one: not to be a PERSON says nothing about being an ACTOR, if organisations are actors too.

    Raises DataError for a label that nothing fits, naming article and label.
    """
    of_labels = labels_only(label_map)
    of_roles = {name.removeprefix(ROLE): target for name, target in label_map.items() if name.startswith(ROLE)}
    keep_others = keep_others or not of_labels
    find_label, find_role = _finder(of_labels), _finder(of_roles)

    def mapped(label: str, article_id: str | None) -> str | None:
        fits, target = find_label(label)
        if fits:
            return target
        if keep_others or article_id is None:
            return label if keep_others else None
        raise DataError(
            f"article {article_id!r}: label {label!r} has no entry in the label map ({', '.join(of_labels)}); "
            f"add `{label}: NEW_LABEL`, or `{label}: null` to drop it"
        )

    def alone(label: str, target: str) -> bool:
        """Whether no other label becomes `target`."""
        sources = {key for key, value in of_labels.items() if value == target}
        if keep_others and target not in of_labels:
            sources.add(target)
        return sources == {label}

    for article in articles:
        if of_roles and article.links:
            article = replace(article, links=_with_roles(article, find_role, ledger))
        spans: dict[Span, Span] = {}
        moved: dict[Span, Span] = {}
        for span in article.spans:
            label = mapped(span.label, article.id)
            entry = (span.start, span.end, span.label)
            if label is None:
                ledger.add(LossEntry(article.id, _STAGE, "dropped", f"{span.label} maps to nothing", *entry, asked=True))
                continue
            renamed = moved[span] = replace(span, label=label)
            if renamed in spans:
                detail = other_status(spans[renamed], renamed)
                ledger.add(LossEntry(article.id, _STAGE, "merged", f"is {label} twice", *entry, detail))
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
                ledger.note(article.id, _STAGE, "rejected", f"rejected spans are left out: {span.label} {reason}")
        how: dict[str, Any] = {"moved": moved, "stage": _STAGE, "ledger": ledger, "asked": True}
        yield respan(article, spans.values(), **how, labels=labels, rejected=tuple(rejected))


def _finder(entries: Mapping[str, str | None]) -> Callable[[str], tuple[bool, str | None]]:
    """What finds (whether an entry fits a name, its target): the entry of that name, or the first pattern that fits."""
    known: dict[str, tuple[bool, str | None]] = {name: (True, target) for name, target in entries.items()}

    def find(name: str) -> tuple[bool, str | None]:
        if name not in known:
            fitting = (target for pattern, target in entries.items() if fnmatchcase(name, pattern))
            known[name] = next(((True, target) for target in fitting), (False, None))
        return known[name]

    return find


def _with_roles(article: Article, find: Callable[[str], tuple[bool, str | None]], ledger: LossLedger) -> tuple[Link, ...]:
    links: dict[Link, None] = {}
    for link in article.links or ():
        fits, role = find(link.role)
        ends = (link.role, link.event, link.participant)
        if fits and role is None:
            ledger.add_link(article.id, _STAGE, "dropped", f"{link.role} maps to nothing", *ends, asked=True)
            continue
        renamed = replace(link, role=role if fits and role is not None else link.role)
        if renamed in links:
            ledger.add_link(article.id, _STAGE, "merged", f"are {renamed.role} twice", *ends)
        links.setdefault(renamed)
    return tuple(links)


def watch_labels(articles: Iterable[Article], check: Callable[[set[str]], None]) -> Iterator[Article]:
    """The articles; after the last, `check` is called with all of their labels, and their roles as `role:NAME`."""
    found: set[str] = set()
    for article in articles:
        found.update(span.label for span in (*article.spans, *article.rejected))
        found.update(article.labels or ())
        found.update(ROLE + link.role for link in article.links or ())
        yield article
    check(found)
