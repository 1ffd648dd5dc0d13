"""Estimates on real articles of which the truth is known: ECB+ as the pool, samples of it as the annotated articles.

    python scripts/estimate_ecbplus.py CORPORA/ecbplus [--tagged tagged.jsonl | --made 0.79 0.75]

ECB+ is annotated in some sentences of each article; these sentences are the pool's articles. The tagger learns from half of the topics and
tags the others: each word is an EVENT if it was one in most of its occurrences in the topics learnt from. With `--tagged` it is any
tagger, whose output (`eventtag predict`) is read; with `--made` one that finds events with this recall and precision, its errors falling
anywhere. A sample is drawn again and again, and the figures are compared with those of all people's annotations. Prints a Markdown
table, which stands in docs/evidence/estimates.md.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from simulate_estimates import Outcome, corrected, held, narrowing

from eventtag import Article, Span, read_articles
from eventtag.estimates.corrected import Annotated, Tagged, estimate_mean
from eventtag.estimates.sampling import draw, inclusion_probabilities, sizes_by_counts
from eventtag.text.words import find_words

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Pool:
    """People's and the tagger's number of events [N] in articles; recall and precision of exact spans."""

    gold: Floats
    tagged: Floats
    recall: float
    precision: float


def read_sentences(path: Path) -> list[Article]:
    """The completely annotated sentences of each article, as articles of their own, with their events."""
    found = []
    for article in read_articles(path, "cat", options={"sentences": "ECBplus_coreference_sentences.csv"}):
        text, spans = "", []
        for start, end in article.regions:
            shift = len(text) - start
            spans += [
                Span(span.start + shift, span.end + shift, "EVENT")
                for span in article.spans
                if span.label.startswith(("ACTION_", "NEG_ACTION_")) and start <= span.start and span.end <= end
            ]
            text += article.text[start:end] + "\n"
        found.append(Article(article.id, text, tuple(dict.fromkeys(spans)), meta=article.meta))
    return found


def learn_words(articles: Sequence[Article]) -> frozenset[str]:
    """The words that are an event in most of their occurrences."""
    seen: Counter[str] = Counter()
    events: Counter[str] = Counter()
    for article in articles:
        inside = {(span.start, span.end) for span in article.spans}
        for start, end in find_words(article.text).tolist():
            word = article.text[start:end].lower()
            seen[word] += 1
            events[word] += (start, end) in inside
    return frozenset(word for word, count in seen.items() if events[word] * 2 > count)


def tag_words(article: Article, words: frozenset[str]) -> list[tuple[int, int]]:
    """Where the article has one of the words."""
    return [(start, end) for start, end in find_words(article.text).tolist() if article.text[start:end].lower() in words]


def make_tags(articles: Sequence[Article], recall: float, precision: float, *, seed: int) -> dict[str, list[tuple[int, int]]]:
    """Each event with the chance `recall`; and words that are none, each with the same chance, so that `precision` is reached."""
    random = np.random.default_rng(seed)
    events = {article.id: {(span.start, span.end) for span in article.spans} for article in articles}
    others = {
        article.id: [place for place in map(tuple, find_words(article.text).tolist()) if place not in events[article.id]]
        for article in articles
    }
    wrong = recall * (1 / precision - 1) * sum(map(len, events.values())) / sum(map(len, others.values()))
    return {
        name: [place for place in sorted(places) if random.random() < recall]
        + [place for place in others[name] if random.random() < wrong]
        for name, places in events.items()
    }


def make_pool(articles: Sequence[Article], tags: Mapping[str, Sequence[tuple[int, int]]]) -> Pool:
    """Numbers of the articles that have been tagged."""
    gold = [{(span.start, span.end) for span in article.spans} for article in articles]
    tagged = [set(tags[article.id]) for article in articles]
    right = sum(len(one & other) for one, other in zip(gold, tagged, strict=True))
    return Pool(
        np.array([len(spans) for spans in gold], dtype=float),
        np.array([len(spans) for spans in tagged], dtype=float),
        right / max(sum(map(len, gold)), 1),
        right / max(sum(map(len, tagged)), 1),
    )


def sample_again(pool: Pool, articles: int, *, share: bool, by_counts: bool, samples: int, seed: int) -> list[Outcome]:
    """The estimates of many samples; `share` counts articles with at least `MANY` events."""
    gold, tagged = (pool.gold, pool.tagged) if not share else ((pool.gold >= MANY) * 1.0, (pool.tagged >= MANY) * 1.0)
    count = len(gold)
    strata = np.zeros(count, dtype=np.int64)
    sizes = sizes_by_counts(pool.tagged) if by_counts else np.full(count, 1 / count)
    shares = inclusion_probabilities(sizes, strata, articles)
    numbers = Tagged(count, float(tagged.sum()), float((tagged**2).sum()))
    found = []
    for number in range(samples):
        drawn = np.flatnonzero(draw(shares, strata, np.random.default_rng([seed, number])))
        places = np.arange(len(drawn))
        sample = Annotated(gold[drawn], tagged[drawn], 1 / shares[drawn], places, strata[drawn])
        bounds = (0.0, 1.0 if share else np.inf)
        found.append(Outcome(float(gold.mean()), estimate_mean(numbers, sample, np.ones(len(drawn), dtype=bool), bounds=bounds)))
    return found


MANY = 5
"""Events from which on an article counts for the share."""


def rows(pool: Pool, sizes: Sequence[int], *, samples: int, seed: int) -> Iterator[str]:
    """The rows of the table."""
    for share, figure in ((False, "events an article"), (True, f"share with {MANY} events or more")):
        for by_counts in (False, True):
            for articles in sizes:
                found = sample_again(pool, articles, share=share, by_counts=by_counts, samples=samples, seed=seed)
                truth, naive = found[0].truth, found[0].estimate.naive
                means = np.array([outcome.estimate.mean for outcome in found])
                covered, without = held(corrected(found))
                drawn = "by counts" if by_counts else "evenly"
                yield (
                    f"| {figure} | {drawn} | {articles} | {truth:.3f} | {naive.value:.3f} | {means.mean():.3f} | {covered:.1f} "
                    f"({without:.0f} none) | {narrowing(found):.2f} |"
                )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--tagged", type=Path)
    parser.add_argument("--made", type=float, nargs=2, metavar=("RECALL", "PRECISION"))
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 200])
    parser.add_argument("--seed", type=int, default=17)
    arguments = parser.parse_args()
    articles = read_sentences(arguments.corpus)
    if arguments.tagged is not None:
        tags = {
            article.id: [(span.start, span.end) for span in article.spans if span.label == "EVENT"]
            for article in read_articles(arguments.tagged)
        }
    else:
        words = learn_words([article for article in articles if int(article.meta["topic"]) % 2])
        tags = {article.id: tag_words(article, words) for article in articles if int(article.meta["topic"]) % 2 == 0}
    if arguments.made is not None:
        tags = make_tags([article for article in articles if article.id in tags], *arguments.made, seed=arguments.seed)
    pool = make_pool([article for article in articles if article.id in tags], tags)
    print(f"{len(pool.gold)} articles; recall {pool.recall:.2f}, precision {pool.precision:.2f} of exact spans\n")
    print(
        "| figure | drawn | annotated | truth | naive | mean of the corrected | intervals that contain the truth | half-width |"
    )
    print("|---|---|---:|---:|---:|---:|---:|---:|")
    for row in rows(pool, arguments.sizes, samples=arguments.samples, seed=arguments.seed):
        print(row, flush=True)


if __name__ == "__main__":
    main()
