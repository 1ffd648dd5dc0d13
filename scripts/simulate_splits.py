"""Is a drawn split like the corpus it was drawn from? Redraws corpora many times, for docs/evidence/data-checks.md.

    python scripts/simulate_splits.py
    python scripts/simulate_splits.py --corpora gum_news litbank re3d

`made` corpora have articles of log-normal lengths; their number of spans follows the length, one label is rare, and a made-up tagger
finds less in longer articles. A tenth of them comes in groups (topics of one to eight articles) where the name says so. Every draw is
beside a plain random one of the same sizes. Columns:

* longest tenth: share of the longest tenth of the articles that is in validation or test (0.30 are due), mean and standard deviation.
* label off: the largest difference, over the labels, between the share of a label's spans that is in test and the share of articles
  there, in points; mean over draws. For the random draw in brackets.
* test F1 off: mean and standard deviation, over draws, of the difference between F1 on the test articles and on a population of
  100,000 articles (of a corpus that exists: on all of its articles), in points. In brackets the random draw's standard deviation.
* coverage: share of draws whose 95 % interval, from the test articles, holds the population's F1, in percent.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from eventtag.article import Article
from eventtag.cli.hydra_task import compose_data
from eventtag.corpus.loading import load_corpus
from eventtag.corpus.splits import SPLITS, split_articles
from eventtag.scoring.bootstrap import bootstrap
from eventtag.scoring.tally import Tally
from eventtag.span import Span

LABELS = ("ACTOR", "EVENT", "RARE")


@dataclass(frozen=True)
class Corpus:
    """Articles with the counts [A, L, 3] of a made-up tagger: correct, missed, spurious; and the F1 that the tagger is known to have."""

    articles: Sequence[Article]
    counts: np.ndarray
    labels: Sequence[str]
    truth: float
    group_field: str | None = None


def tag(lengths: np.ndarray, gold: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """[A, L, 3]: correct, missed and spurious spans of a tagger that finds less in longer articles, and is uneven besides."""
    ease = 1.2 - 0.6 * np.log(lengths / np.median(lengths)) + random.normal(0, 0.5, len(lengths))
    share = 1 / (1 + np.exp(-ease))[:, None]
    correct = random.binomial(gold, np.broadcast_to(share, gold.shape))
    return np.stack([correct, gold - correct, random.poisson(0.8 * gold * (1 - share))], axis=2)


def f1_of(counts: np.ndarray) -> float:
    """Micro F1 of counts [A, L, 3]."""
    correct, missed, spurious = counts.sum(axis=(0, 1))
    return float(2 * correct / (2 * correct + missed + spurious))


def made(size: int, random: np.random.Generator, truth: float | None = None, *, groups: bool = False) -> Corpus:
    """A corpus of so many articles; `truth` is worked out where it is not given."""

    def draw(number: int) -> tuple[np.ndarray, np.ndarray]:
        lengths = random.lognormal(5.5, 0.9, number)
        rates = np.stack([lengths / 40, lengths / 30, lengths / 800], axis=1) * random.gamma(4, 1 / 4, (number, 1))
        return lengths, random.poisson(rates)

    if truth is None:
        lengths, gold = draw(100_000)
        truth = f1_of(tag(lengths, gold, random))
    lengths, gold = draw(size)
    topics = np.repeat(np.arange(size), random.integers(1, 9, size))[:size]
    articles = [
        Article(
            str(number),
            f"{number:06}" + "x" * (5 * int(lengths[number])),
            tuple(Span(0, 4, label) for label, count in zip(LABELS, gold[number], strict=True) for _ in range(count)),
            meta={"topic": str(topics[number])},
        )
        for number in range(size)
    ]
    return Corpus(articles, tag(lengths, gold, random), LABELS, truth, "topic" if groups else None)


def existing(name: str, random: np.random.Generator) -> Corpus:
    """The articles of a data config, with the counts of the made-up tagger."""
    loaded = load_corpus(compose_data([f"data={name}"]))
    articles = [article for split in loaded.splits.values() for article in split]
    labels = loaded.labels.labels
    gold = np.array([[sum(s.label == label for s in a.spans) for label in labels] for a in articles])
    counts = tag(np.array([len(a.text) for a in articles], dtype=float), gold, random)
    return Corpus(articles, counts, labels, f1_of(counts))


def at_random(corpus: Corpus, sizes: Mapping[str, int], random: np.random.Generator) -> dict[str, str]:
    """A plain random split of the same sizes."""
    names = [name for name in SPLITS for _ in range(sizes[name])]
    return dict(zip((a.id for a in corpus.articles), random.permutation(names).tolist(), strict=True))


def label_off(corpus: Corpus, in_test: np.ndarray) -> float:
    """The largest difference between a label's share of spans in test and the articles' share, in points."""
    gold = corpus.counts[:, :, :2].sum(axis=2)
    shares = gold[in_test].sum(axis=0) / np.maximum(gold.sum(axis=0), 1)
    return float(100 * np.abs(shares[gold.sum(axis=0) > 0] - in_test.mean()).max())


def covered(corpus: Corpus, in_test: np.ndarray, *, resamples: int, seed: int) -> bool:
    """Whether the interval of the test articles' F1 holds the truth."""
    chosen = corpus.counts[in_test]
    values = np.zeros((len(chosen), 1, len(corpus.labels), 8), dtype=np.int64)
    values[:, 0, :, 0] = values[:, 0, :, 4] = chosen[:, :, 0]
    values[:, 0, :, 3] = chosen[:, :, 1]
    values[:, 0, :, 7] = chosen[:, :, 2]
    articles = [article for article, chosen_one in zip(corpus.articles, in_test, strict=True) if chosen_one]
    clusters = {a.id: str(a.meta[corpus.group_field]) for a in articles} if corpus.group_field else None
    tally = Tally(tuple(a.id for a in articles), ("strict",), tuple(corpus.labels), values)
    found = bootstrap(tally, resamples=resamples, seed=seed, clusters=clusters).interval("strict", "micro", "f1")
    return bool(found.low <= corpus.truth <= found.high)


def row(name: str, corpora: Sequence[Corpus], *, coverage: bool, random: np.random.Generator) -> str:
    """One row of the table: one draw of each corpus."""
    longest, off, plain_off, f1, plain_f1, hits = [], [], [], [], [], []
    for seed, corpus in enumerate(corpora):
        split_of = split_articles(corpus.articles, seed=seed, group_field=corpus.group_field).split_of
        plain = at_random(corpus, Counter(split_of.values()), random)
        order = np.argsort([-len(a.text) for a in corpus.articles], kind="stable")[: max(len(corpus.articles) // 10, 1)]
        longest.append(np.mean([split_of[corpus.articles[number].id] != "train" for number in order]))
        for chosen, offs, scores in ((split_of, off, f1), (plain, plain_off, plain_f1)):
            in_test = np.array([chosen[a.id] == "test" for a in corpus.articles])
            offs.append(label_off(corpus, in_test))
            scores.append(100 * (f1_of(corpus.counts[in_test]) - corpus.truth))
        if coverage:
            in_test = np.array([split_of[a.id] == "test" for a in corpus.articles])
            hits.append(covered(corpus, in_test, resamples=500, seed=seed))
    cells = [
        name, str(len(corpora)), f"{np.mean(longest):.2f} ({np.std(longest):.2f})",
        f"{np.mean(off):.1f} ({np.mean(plain_off):.1f})", f"{np.mean(f1):+.2f}",
        f"{np.std(f1):.2f} ({np.std(plain_f1):.2f})", f"{100 * np.mean(hits):.1f}" if coverage else "",
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Redraw everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=400)
    parser.add_argument("--corpora", nargs="*", default=["sample"], help="data configs whose articles are redrawn as well")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    random = np.random.default_rng(options.seed)
    print("| corpus | draws | longest tenth | label off | test F1 off, mean | standard deviation | coverage |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    truth = made(1, random).truth
    for size in (120, 150, 300, 1000):
        for groups in (False, True):
            corpora = [made(size, random, truth, groups=groups) for _ in range(max(options.draws * 150 // max(size, 150), 20))]
            name = f"made, {size} articles" + (", in groups" if groups else "")
            print(row(name, corpora, coverage=True, random=random), flush=True)
    for name in options.corpora:
        print(row(name, [existing(name, random)] * options.draws, coverage=False, random=random), flush=True)


if __name__ == "__main__":
    main()
