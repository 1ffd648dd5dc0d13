"""The sample corpus in figures, for data/README.md: sizes, kinds, variety, and how far it repeats itself.

python scripts/describe_sample.py [OTHER.jsonl or a folder ...]     other corpora are described beside it
"""

from __future__ import annotations

import re
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from eventtag.article import Article
from eventtag.formats.registry import read_articles
from eventtag.ledger import LossLedger

SAMPLE = Path(__file__).resolve().parent.parent / "data" / "sample" / "articles.jsonl"
TOKENS_COMPARED = 15_000
"""Type-token ratio and repeated n-grams depend on length: each corpus is judged on its first articles up to so many words."""


def words(article: Article) -> list[str]:
    """Lower-cased runs of letters and digits."""
    return re.findall(r"\w+", article.text.lower())


def variety(articles: Sequence[Article]) -> str:
    """Type-token ratio, share of 4-grams that are repeats, and 8-word sequences that two articles share."""
    chosen: list[list[str]] = []
    for article in articles:
        if sum(map(len, chosen)) >= TOKENS_COMPARED:
            break
        chosen.append(words(article))
    tokens = [word for text in chosen for word in text][:TOKENS_COMPARED]
    grams = Counter(tuple(tokens[at : at + 4]) for at in range(len(tokens) - 3))
    repeated = sum(count for count in grams.values() if count > 1) / max(sum(grams.values()), 1)
    owners: dict[tuple[str, ...], set[str]] = defaultdict(set)
    openings = Counter()
    for article in articles:
        text = words(article)
        openings[tuple(text[:3])] += 1
        for at in range(len(text) - 7):
            owners[tuple(text[at : at + 8])].add(article.id)
    shared = sum(len(ids) > 1 for ids in owners.values())
    return (
        f"on {len(tokens)} words: type-token ratio {len(set(tokens)) / max(len(tokens), 1):.3f}, "
        f"repeated 4-grams {100 * repeated:.1f} %; 8-word sequences in two articles: {shared}; "
        f"distinct three-word openings: {len(openings)} of {len(articles)}"
    )


def main() -> int:
    """Print the figures."""
    sources = [SAMPLE, *map(Path, sys.argv[1:])]
    for path in sources:
        articles = list(read_articles(path, ledger=LossLedger()))
        lengths = np.array([len(article.text.split()) for article in articles])
        quartiles = ", ".join(f"{value:.0f}" for value in np.percentile(lengths, [0, 25, 50, 75, 100]))
        print(f"== {path}: {len(articles)} articles, {lengths.sum()} words; words an article (min, quartiles, max): {quartiles}")
        labels = Counter(span.label for article in articles for span in article.spans)
        surfaces = {label: len({a.mention(s).lower() for a in articles for s in a.spans if s.label == label}) for label in labels}
        for label, count in sorted(labels.items()):
            print(f"{label}: {count} spans, {surfaces[label]} distinct surfaces")
        print(variety(articles))
        for field in ("split", "desk", "form", "region"):
            counts = Counter(article.meta[field] for article in articles if field in article.meta)
            if counts:
                print(f"{field}: " + ", ".join(f"{value} {count}" for value, count in counts.most_common()))
        years = Counter(str(article.meta["date"])[:4] for article in articles if "date" in article.meta)
        if years:
            print("year: " + ", ".join(f"{year} {count}" for year, count in sorted(years.items())))
        text = [article.text for article in articles]
        print(
            "articles with non-breaking spaces {}, curly quotes {}, dashes {}, bullets {}, hashtags or handles {}, emoji {}".format(
                *(
                    sum(bool(re.search(p, t)) for t in text)
                    for p in ("\u00a0", "[“”’]", "[–—]", r"(?m)^\s*[•*-] ", r"[#@]\w", "[\U0001f300-\U0001faff☀-⛿]")
                )
            )
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
