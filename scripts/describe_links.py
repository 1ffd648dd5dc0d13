"""Links and status of the sample corpus in figures, for data/README.md, and how far its two annotators agree on them.

python scripts/describe_links.py

Intervals are those of `evaluate` (`eventtag.scoring.bootstrap`): whole articles are drawn with replacement.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from eventtag.article import Article
from eventtag.formats.registry import read_articles
from eventtag.ledger import LossLedger
from eventtag.link import ROLES
from eventtag.scoring.bootstrap import RESAMPLES, Floats, divide, resampled_sums
from eventtag.scoring.interval_ends import share_interval
from eventtag.span import STATUSES, Span
from eventtag.text.sentences import sentences_of_spans

SAMPLE = Path(__file__).resolve().parent.parent / "data" / "sample"
AGREEMENT = (SAMPLE / "agreement" / "links-first.jsonl", SAMPLE / "agreement" / "links-second.jsonl")
SPLITS = ("train", "validation", "test")
KINDS = ("links, F1", "links with role, F1", *(f"{role}, F1" for role in ROLES))
STATISTICS = (*KINDS, "events with all links equal", "status equal", "status, Cohen's kappa")


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
    """Agreement of two annotators of the same spans of the same articles, with 95 % intervals over articles."""
    units = np.array([_counts(a, b) for a, b in zip(first, second, strict=True)], dtype=np.float64)
    total = units.sum(axis=0)
    estimate, left_out = _statistics(total), _statistics(total - units)
    samples = np.concatenate([_statistics(sums) for sums in resampled_sums(units, resamples=RESAMPLES, seed=12345)])
    events = total[-1 - len(STATUSES) ** 2]
    sizes = np.array([*(total[: 3 * len(KINDS)].reshape(-1, 3)[:, 1:].mean(axis=1)), events, events, events])
    low, high, _ = share_interval(samples, estimate, left_out, sizes, level=0.95)
    rows = ["| | agreement | 95 % interval |", "|---|---:|---:|"]
    rows += [
        f"| {name} | {value:.3f} | {least:.3f} to {most:.3f} |"
        for name, value, least, most in zip(STATISTICS, estimate, low, high, strict=True)
    ]
    return "\n".join(rows)


def _counts(a: Article, b: Article) -> list[int]:
    """Links of each kind that both, A and B have; events with all links equal; events; A's status by B's."""
    if (a.id, a.text, a.spans) != (b.id, b.text, b.spans):
        raise SystemExit(f"the annotators of {a.id!r} and {b.id!r} did not have the same text and spans")
    links = [{(link.event, link.participant, link.role) for link in article.links or ()} for article in (a, b)]
    pairs = [{link[:2] for link in own} for own in links]
    kinds = [pairs, links, *([{link for link in own if link[2] == role} for own in links] for role in ROLES)]
    found = [count for one, other in kinds for count in (len(one & other), len(one), len(other))]
    events = [span for span in a.spans if span.label == "EVENT"]
    statuses = dict(zip(b.spans, b.spans, strict=True))
    table = Counter((span.status, statuses[span].status) for span in events)

    def of(own: set[tuple[Span, Span, str]], event: Span) -> set[tuple[Span, Span, str]]:
        return {link for link in own if link[0] == event}

    equal = sum(of(links[0], event) == of(links[1], event) for event in events)
    return [*found, equal, len(events), *(table[one, other] for one in STATUSES for other in STATUSES)]


def _statistics(sums: Floats) -> Floats:
    """[..., S]: STATISTICS of sums [..., C] of `_counts`."""
    kinds = sums[..., : 3 * len(KINDS)].reshape(*sums.shape[:-1], len(KINDS), 3)
    f1 = divide(2 * kinds[..., 0], kinds[..., 1] + kinds[..., 2])
    equal, events = sums[..., 3 * len(KINDS)], sums[..., 3 * len(KINDS) + 1]
    table = sums[..., 3 * len(KINDS) + 2 :].reshape(*sums.shape[:-1], len(STATUSES), len(STATUSES))
    same = divide(np.trace(table, axis1=-2, axis2=-1), events)
    chance = divide((table.sum(axis=-1) * table.sum(axis=-2)).sum(axis=-1), events**2)
    return np.concatenate([f1, np.stack([divide(equal, events), same, divide(same - chance, 1 - chance)], axis=-1)], axis=-1)


def main() -> int:
    """Print the figures."""
    articles = read(SAMPLE / "articles.jsonl")
    print(counts_table(articles))
    print("\n".join(f"{name}: {share:.1f} %" for name, share in shares(articles).items()))
    print(agreement_table(*map(read, AGREEMENT)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
