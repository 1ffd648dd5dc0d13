"""Checks of annotated articles before training.

Each article is checked separately (`article_rules`), then all together for mentions that are annotated in different ways
(`consistency`). A finding says what is wrong, where, how bad it is and what to do; `error` is what makes spans useless or figures
wrong, `warning` what is probably a mistake, `info` what one should know.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, get_args

from eventtag.article import Article
from eventtag.corpus.article_rules import check_article, fix_article, name_invisible
from eventtag.corpus.consistency import Consistency, Doubt
from eventtag.corpus.link_rules import check_links
from eventtag.ledger import LossLedger, Outcome
from eventtag.respan import respan
from eventtag.span import Span, merged

if TYPE_CHECKING:
    import pandas as pd

Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")
RARE = 20
"""Spans of a label below which no figure for it means much: at 20, one span is five points of recall."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, or probably wrong.

    `start`, `end` and `label` are those of a span. For a link, they are its event's offsets and its role. They are None if the finding is
    about an article or the corpus. `rank` sorts the findings of one rule; the most certain have the highest rank and come first.
    """

    rule: str
    severity: Severity
    message: str
    fix: str
    article_id: str | None = None
    start: int | None = None
    end: int | None = None
    label: str | None = None
    context: str = ""
    fixable: bool = False
    rank: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """The finding as JSON-like data."""
        return asdict(self)


@dataclass(repr=False)
class LintReport:
    """All findings, with what was looked at; `notes` say what was not."""

    findings: list[Finding] = field(default_factory=list)
    articles: int = 0
    spans: int = 0
    notes: list[str] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"LintReport({self.articles} articles, {len(self.findings)} findings)"

    def to_pandas(self) -> pd.DataFrame:
        """A row for each finding."""
        import pandas as pd

        return pd.DataFrame(map(asdict, self.findings), columns=[column.name for column in fields(Finding)])

    def counts(self) -> dict[tuple[Severity, str], int]:
        """Findings per severity and rule, errors first, then the most frequent."""
        counts = Counter((finding.severity, finding.rule) for finding in self.findings)
        return dict(sorted(counts.items(), key=lambda item: (SEVERITIES.index(item[0][0]), -item[1], item[0][1])))

    def add(self, findings: Iterable[Finding]) -> None:
        """Add findings, and sort all again: errors first, then by rule, the most certain of each first."""
        self.findings += findings
        self.findings.sort(key=lambda finding: (SEVERITIES.index(finding.severity), finding.rule, -finding.rank))

    def at_least(self, severity: Severity) -> int:
        """How many findings are as bad as this, or worse."""
        allowed = SEVERITIES[: SEVERITIES.index(severity) + 1]
        return sum(finding.severity in allowed for finding in self.findings)


def lint(read: Callable[[LossLedger], Iterable[Article]], *, max_words: int = 350, max_span_words: int = 25) -> LintReport:
    """Check the articles that `read(ledger)` gives; it is called twice, so that they need not stay in memory.

    `max_words`: about how many words fit into one window. `max_span_words`: from where on a span is suspiciously long. What
    reading itself moved, dropped or found illegal is among the findings.
    """
    report = LintReport()
    ledger = LossLedger()
    consistency = Consistency()
    labels: Counter[str] = Counter()
    for article in read(ledger):
        report.articles += 1
        report.spans += len(article.spans)
        labels.update(span.label for span in article.spans if article.counts(span))
        report.findings += (
            _finding(*found, article)
            for found in (
                *check_article(article, max_words=max_words, max_span_words=max_span_words),
                *check_links(article),
            )
        )
        consistency.learn(article)
    places: list[tuple[Doubt, str, str]] = []
    for article in read(LossLedger()):
        places += (
            (doubt, article.id, show_context(article.text, doubt.start, doubt.end)) for doubt in consistency.places(article)
        )
    report.findings += _inconsistencies(places, consistency)
    report.findings += _from_ledger(ledger)
    report.add(_rare_labels(labels))
    return report


def fix_articles(articles: Iterable[Article], *, ledger: LossLedger) -> Iterator[Article]:
    """The articles with everything repaired that can be without a judgement (`article_rules.fix_article`).

    The ledger names the links that go with a span that is removed.
    """
    for article in articles:
        moved = fix_article(article)
        spans: dict[Span, Span] = {}
        for span in moved.values():
            spans[span] = merged(spans.get(span, span), span)
        same = tuple(sorted(spans)) == article.spans
        yield article if same else respan(article, spans.values(), moved=moved, stage="repairing", ledger=ledger)


RULES: dict[str, tuple[Severity, str, str]] = {
    "half character": ("error", "begins or ends inside a character as it is seen", "widened to whole characters by --fix"),
    "white space only": ("error", "holds only white space or invisible characters", "removed by --fix"),
    "white space at edge": ("error", "begins or ends with white space", "trimmed by --fix"),
    "invisible character at edge": (
        "error",
        "begins or ends with an invisible character (zero width, soft hyphen, byte order mark, direction)",
        "trimmed by --fix",
    ),
    "HTML entity": ("warning", "is HTML that was not decoded", "decode the source before it is annotated"),
    "HTML entity at edge": (
        "warning",
        "begins or ends with an HTML entity, or inside one",
        "leave the entity out unless it is a letter; better decode the source and annotate that",
    ),
    "twice": ("error", "stands there twice", "one is removed by --fix"),
    "no letter or digit": ("warning", "holds no letter or digit", "remove it, or widen it to the mention"),
    "two labels": ("warning", "has the same offsets as a span of another label", "decide for one label"),
    "inside a word": ("warning", "begins or ends inside a word", "widen it to the word, unless the guidelines ask for this"),
    "punctuation at edge": ("warning", "begins or ends with punctuation", "leave the punctuation out"),
    "crosses a sentence": ("warning", "runs over the end of a sentence or paragraph", "split it, or shorten it"),
    "overlap": ("info", "overlaps another span", "a tagger learns one layer; choose which stays by data.overlaps"),
    "not annotated there": (
        "info",
        "lies outside the annotated regions and counts for nothing",
        "annotate the region, or leave it",
    ),
    "half annotated": ("warning", "runs over the edge of an annotated region", "move the region's edge, or the span's"),
    "long span": ("warning", "is very long", "shorten it to the mention"),
    "no span": ("info", "has annotated text and no span", "check that it was annotated"),
    "not annotated": ("info", "has no annotated region: nothing is learned from it", "annotate it, or leave it out"),
    "empty text": ("warning", "has no text", "leave it out"),
    "encoding damage": (
        "warning",
        "looks as if it was decoded wrongly",
        "decode the source again as what it is (UTF-8, windows-1252)",
    ),
    "unknown role": (
        "warning",
        "is a link with a role that the guidelines do not have",
        "use AGENT, TARGET or PLACE, or extend the guidelines",
    ),
    "link to itself": ("error", "is a link from a span to itself", "take the link away"),
    "link from no event": ("error", "is a link that begins at an actor or a place", "links begin at the event; turn it round"),
    "AGENT is a LOCATION": ("warning", "is a link with a LOCATION as AGENT", "mark who acts as ACTOR, or give another role"),
    "PLACE is an ACTOR": ("warning", "is a link with an ACTOR as PLACE", "mark the place as LOCATION, or give another role"),
    "two roles": ("warning", "is one of several links between the same two spans", "decide for one role"),
    "status of no event": ("error", "has a status and is no event", "take the status away, or correct the label"),
    "event without status": ("warning", "has no status, unlike other events of the article", "give it one"),
    "long article": ("info", "is longer than one window", "nothing: it is read in overlapping windows"),
}
"""Of each rule for one article: severity, message, what to do."""
MODEL_RULE = "likely error"
ALL_RULES = (
    *RULES,
    *("unlabelled repeat", "other label elsewhere", "illegal tags", "rare label", MODEL_RULE),
    *(f"{outcome} in reading" for outcome in get_args(Outcome)),
)
"""Every rule that a finding may have."""


def _finding(rule: str, start: int | None, end: int | None, label: str | None, article: Article) -> Finding:
    severity, message, fix = RULES[rule]
    context = "" if start is None or end is None else show_context(article.text, start, end)
    if rule == "invisible character at edge":
        context = name_invisible(context)
    return Finding(rule, severity, message, fix, article.id, start, end, label, context, fixable="--fix" in fix)


def show_context(text: str, start: int, end: int, *, around: int = 25) -> str:
    """The place in its text on one line, marked by brackets."""
    before = " ".join(text[max(start - around, 0) : start].split())
    inside = " ".join(text[start : min(end, start + 80)].split())
    after = " ".join(text[end : end + around].split())
    return f"{before} [{inside}] {after}".strip()


def _inconsistencies(places: Iterable[tuple[Doubt, str, str]], consistency: Consistency) -> Iterator[Finding]:
    for doubt, article_id, context in places:
        usage = consistency.usage(doubt)
        if usage is None:
            continue
        where = (article_id, doubt.start, doubt.end, doubt.label, context)
        often = f"{usage.usual} in {usage.times} of {usage.total} places"
        if doubt.label is None:
            message, fix = f"is not annotated here, but {often}", "annotate it, unless it is not a mention here"
            yield Finding("unlabelled repeat", "warning", message, fix, *where, rank=usage.rank)
        else:
            message, fix = f"is {doubt.label} here, but {often}", "decide which label is right here"
            yield Finding("other label elsewhere", "warning", message, fix, *where, rank=usage.rank)


def _from_ledger(ledger: LossLedger) -> Iterator[Finding]:
    for entry in ledger.entries:
        severity: Severity = "info" if entry.asked or entry.outcome != "dropped" else "error"
        message = f"is {entry.outcome} at {entry.stage}: {entry.reason}"
        where = (entry.article_id, entry.start, entry.end, entry.label, entry.detail)
        yield Finding(f"{entry.outcome} in reading", severity, message, "correct it in the source", *where)
    for link in ledger.links:
        severity = "info" if link.asked or link.outcome != "dropped" else "warning"
        message = f"is a link that is {link.outcome} at {link.stage}: {link.reason}"
        where = (link.article_id, *(link.event or (None, None)), link.role, link.detail)
        yield Finding(f"{link.outcome} in reading", severity, message, "correct it in the source", *where)
    for note in ledger.notes:
        if note.part == "tags":
            yield Finding(
                "illegal tags", "warning", f"has {note.reason}", "correct the tag", note.article_id, context=note.detail
            )


def _rare_labels(labels: Counter[str]) -> Iterator[Finding]:
    for label, count in sorted(labels.items()):
        if count < RARE:
            message = f"has {count} span{'s' if count > 1 else ''} in all: too few to learn it or to measure it"
            yield Finding("rare label", "warning", message, f"annotate at least {RARE}, or drop the label", label=label)
