"""Links and status of the sample corpus in figures, for data/README.md, and how far its two annotators agree on them.

python scripts/describe_links.py
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from eventtag.api.score import score
from eventtag.article import Article
from eventtag.corpus.agreement import measure_agreement
from eventtag.formats.registry import read_articles
from eventtag.ledger import LossLedger
from eventtag.link import ROLES
from eventtag.span import STATUSES
from eventtag.text.sentences import sentences_of_spans

SAMPLE = Path(__file__).resolve().parent.parent / "data" / "sample"
AGREEMENT = (SAMPLE / "agreement" / "links-first.jsonl", SAMPLE / "agreement" / "links-second.jsonl")
SPLITS = ("train", "validation", "test")


def read(path: Path) -> list[Article]:
    """The articles of a file of the sample."""
    return list(read_articles(path, ledger=LossLedger()))


def counts_table(articles: Sequence[Article]) -> str:
    """Links by role and events by status, for each split and for all articles."""
    rows = [f"| | {' | '.join(ROLES)} | {' | '.join(STATUSES)} |", "|---|" + "---:|" * (len(ROLES) + len(STATUSES))]
    for name in (*SPLITS, "all"):
        chosen = [article for article in articles if name in ("all", article.meta["split"])]
        roles = Counter(link.role for article in chosen for link in article.links or ())
        statuses = Counter(span.status for article in chosen for span in article.spans)
        cells = [f"{count:,}" for count in (*(roles[role] for role in ROLES), *(statuses[status] for status in STATUSES))]
        rows.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(rows)


def shares(articles: Sequence[Article]) -> dict[str, float]:
    """What the README says of all articles in per cent: who takes part in nothing, links across sentences, events not asserted."""
    links = [(article, link) for article in articles for link in article.links or ()]
    linked = {(article.id, span) for article, link in links for span in (link.event, link.participant)}
    spans = [(article.id, span) for article in articles for span in article.spans]
    sentence = {article.id: sentences_of_spans(article) for article in articles}

    def alone(label: str) -> float:
        return float(np.mean([where not in linked for where in spans if where[1].label == label]))

    apart = [sentence[article.id][link.event] != sentence[article.id][link.participant] for article, link in links]
    status = [span.status != "asserted" for _, span in spans if span.label == "EVENT"]
    return {
        "events without a participant": 100 * alone("EVENT"),
        "actors in no event": 100 * alone("ACTOR"),
        "places in no event": 100 * alone("LOCATION"),
        "links across sentences": 100 * float(np.mean(apart)),
        "events not asserted": 100 * float(np.mean(status)),
        "too many if all events are counted": 100 * (len(status) / status.count(False) - 1),
    }


def agreement_table(first: Sequence[Article], second: Sequence[Article]) -> str:
    """Agreement of two annotators of the same spans of the same articles: the scores of `eventtag score` of the second against the first,
    with their intervals, and Cohen's kappa of the status.
    """
    events = score(second, first).report.events
    assert events is not None
    assert events.links is not None
    assert events.status is not None
    if not events.links.on_gold_spans:
        raise SystemExit("the two annotators did not have the same spans")
    links, roles, status = events.links.measures, events.links.roles["strict"], events.status.accuracy
    found = {
        "links, F1": (links["unlabelled"].f1, links["unlabelled"].intervals["f1"]),
        "links with role, F1": (links["strict"].f1, links["strict"].intervals["f1"]),
        **{f"{role}, F1": (roles[role].f1, roles[role].intervals["f1"]) for role in ROLES},
        "events with all links equal": (links["records"].f1, links["records"].intervals["f1"]),
        "status equal": (status.accuracy, status.accuracy_interval),
        "status, Cohen's kappa": (measure_agreement(first, second).links.kappa, None),
    }
    rows = ["| | agreement | 95 % interval |", "|---|---:|---:|"]
    for name, (value, interval) in found.items():
        rows.append(f"| {name} | {value:.3f} | {f'{interval.low:.3f} to {interval.high:.3f}' if interval else ''} |")
    return "\n".join(rows)


def main() -> int:
    """Print the figures."""
    articles = read(SAMPLE / "articles.jsonl")
    print(counts_table(articles))
    print("\n".join(f"{name}: {share:.1f} %" for name, share in shares(articles).items()))
    print(agreement_table(*map(read, AGREEMENT)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
