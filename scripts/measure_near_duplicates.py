"""How many near-duplicates are found, of which kinds, and how many pairs are wrong: the table of docs/evidence/data-checks.md.

python scripts/measure_near_duplicates.py --articles 20000

Copies are made of the articles of the sample, and of made-up texts in scripts without blanks and without capitals. Each kind is looked
for among all articles that it was made of. A pair is right when both have a source in common, found when it is listed, wrong otherwise.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from eventtag.article import Article
from eventtag.corpus.near_duplicates import find_near_duplicates
from eventtag.formats.registry import read_articles
from eventtag.ledger import LossLedger

SAMPLE = Path(__file__).resolve().parent.parent / "data" / "sample" / "articles.jsonl"
COPIES = 100
BOILERPLATE = 156

Make = Callable[[str, str, np.random.Generator], str]
"""A text, that of another article and a source of chance to a copy."""


def sentences(text: str) -> list[str]:
    """The sentences of a text."""
    return re.split(r"(?<=[.!?。])\s*(?=\S)", text)


def first_words(share: float) -> Make:
    """A copy with the first words only."""

    def make(text: str, _: str, __: np.random.Generator) -> str:
        words = text.split(" ")
        return " ".join(words[: round(share * len(words))])

    return make


def first_letters(share: float) -> Make:
    """A copy with the first letters only."""
    return lambda text, _, __: text[: round(share * len(text))]


def drawn_sentences(share: float) -> Make:
    """A copy with some of the sentences, in their order."""

    def make(text: str, _: str, rng: np.random.Generator) -> str:
        parts = sentences(text)
        kept = np.sort(rng.choice(len(parts), max(1, round(share * len(parts))), replace=False))
        return " ".join(parts[number] for number in kept)

    return make


def changed_words(share: float) -> Make:
    """A copy with some words replaced by words that are nowhere else."""

    def make(text: str, _: str, rng: np.random.Generator) -> str:
        return " ".join(f"new{rng.integers(10**6)}" if rng.random() < share else word for word in text.split(" "))

    return make


def changed_letters(share: float) -> Make:
    """A copy with some letters replaced."""

    def make(text: str, _: str, rng: np.random.Generator) -> str:
        return "".join(chr(ord(letter) ^ 1) if rng.random() < share else letter for letter in text)

    return make


def retyped(text: str, _: str, __: np.random.Generator) -> str:
    """A copy in capitals, with other punctuation and without line breaks."""
    return re.sub(r"[.,]", " -", text.upper()).replace("\n", " ")


def updated(text: str, _: str, rng: np.random.Generator) -> str:
    """A copy whose first third is replaced by new sentences."""
    parts = sentences(text)
    new = [" ".join(f"new{rng.integers(10**6)}" for _ in range(20)) + "." for _ in range(len(parts) // 3)]
    return " ".join(new + parts[len(new) :])


def reordered(text: str, _: str, rng: np.random.Generator) -> str:
    """A copy with paragraphs of three sentences in another order."""
    parts = sentences(text)
    paragraphs = [" ".join(parts[at : at + 3]) for at in range(0, len(parts), 3)]
    return "\n\n".join(paragraphs[number] for number in rng.permutation(len(paragraphs)))


def embedded(share: float) -> Make:
    """Another article, and as many words again, with the first words of the text in it."""

    def make(text: str, other: str, _: np.random.Generator) -> str:
        words, host = text.split(" "), other.split(" ")
        part = words[: round(share * len(words))]
        return " ".join([*host[: len(host) // 2], *part, *host[len(host) // 2 :], *host[::-1]])

    return make


def passage(words: int) -> Make:
    """Another article with some words of the text, from the 31st on, in it."""

    def make(text: str, other: str, _: np.random.Generator) -> str:
        host = other.split(" ")
        return " ".join([*host[: len(host) // 3], *text.split(" ")[30 : 30 + words], *host[len(host) // 3 :]])

    return make


KINDS: dict[str, Make] = {
    "other case, punctuation, line breaks": retyped,
    "every tenth word changed": changed_words(0.1),
    "every fifth word changed": changed_words(0.2),
    "first third rewritten": updated,
    "abridged to 60 %": first_words(0.6),
    "abridged to 40 %": first_words(0.4),
    "abridged to 20 %": first_words(0.2),
    "40 % of the sentences": drawn_sentences(0.4),
    "20 % of the sentences": drawn_sentences(0.2),
    "paragraphs in another order": reordered,
    "whole, inside a longer article": embedded(1.0),
    "half, inside a longer article": embedded(0.5),
    "100 words, inside another article": passage(100),
}
LETTER_KINDS: dict[str, Make] = {
    "copied": changed_letters(0.02),
    "abridged to 40 %": first_letters(0.4),
    "abridged to 20 %": first_letters(0.2),
    "sentences in another order": reordered,
}
SCRIPTS = {
    "Chinese": (0x4E00, 0x5A00, 2, "", "。"),
    "Arabic": (0x0621, 0x063A, 5, " ", "."),
    "Thai": (0x0E01, 0x0E2E, 5, "", " . "),
}
"""First and last letter, longest word, what parts words, and what ends a sentence."""


def invented(name: str, count: int, rng: np.random.Generator) -> list[str]:
    """Texts of about 300 words in a script, with words as frequent as in news (Zipf)."""
    first, last, longest, blank, stop = SCRIPTS[name]
    words = ["".join(map(chr, rng.integers(first, last, rng.integers(1, longest + 1)))) for _ in range(4000)]
    chances = 1 / np.arange(10, 4010)
    drawn = rng.choice(4000, (count, 15, 20), p=chances / chances.sum())
    return ["".join(blank.join(words[number] for number in sentence) + stop for sentence in text) for text in drawn]


def pairs_of(articles: list[Article]) -> Iterator[tuple[bool, str]]:
    """Of every pair that is found: whether a source is shared, and the two ids. An id names its sources: `a+b#copy`."""
    for pair in find_near_duplicates(articles).pairs:
        sources = [set(name.partition("#")[0].split("+")) for name in (pair.first, pair.second)]
        yield bool(sources[0] & sources[1]), f"{pair.first} {pair.second}"


def row(kind: str, articles: list[Article], expected: set[str]) -> str:
    """One row of the table."""
    found = list(pairs_of(articles))
    right = sum(names in expected for _, names in found)
    wrong = sum(not shared for shared, _ in found)
    recall = f"{100 * right / len(expected):.0f} %" if expected else ""
    return f"| {kind} | {len(expected)} | {recall} | {wrong} |"


def measure(kind: str, make: Make, texts: list[str], rng: np.random.Generator) -> str:
    """Copies of the first texts; what they are put into are the texts after these."""
    articles = [Article(f"{number:03}", text) for number, text in enumerate(texts)]
    expected = set()
    for number in range(COPIES):
        host = COPIES + number
        copy = Article(f"{number:03}+{host:03}#copy", make(texts[number], texts[host], rng))
        expected.add(f"{number:03} {copy.id}")
        articles.append(copy)
    return row(kind, articles, expected)


def framed(texts: list[str], rng: np.random.Generator) -> Iterator[str]:
    """Boilerplate, copies within it, quotations, and one text printed fifty times."""
    words = " ".join(f"frame{number}" for number in range(BOILERPLATE)).split()
    head, foot = " ".join(words[:56]), " ".join(words[56:])

    def frame(text: str) -> str:
        return f"{head}\n\n{text}\n\n{foot}"

    articles = [Article(f"{number:03}", frame(text)) for number, text in enumerate(texts)]
    yield row(f"{BOILERPLATE} words of boilerplate in all articles", articles, set())
    copies = [Article(f"{number:03}#copy", frame(first_words(0.4)(texts[number], "", rng))) for number in range(COPIES)]
    expected = {f"{copy.id[:3]} {copy.id}" for copy in copies}
    yield row("abridged to 40 %, in this boilerplate", [*articles, *copies], expected)
    quote = " ".join(f"quote{number}" for number in range(45))
    quoting = [Article(f"{number:03}", f"{text} “{quote}”") for number, text in enumerate(texts[:15])]
    yield row("one sentence of 45 words quoted by 15 articles", [*quoting, *articles[15:]], set())
    story = texts[0]
    printed = [Article(f"000#{number:02}", changed_words(0.05)(story, "", rng)) for number in range(50)]
    plain = [Article(f"{number:03}", text) for number, text in enumerate(texts[1:], 1)]
    clusters = find_near_duplicates([*printed, *plain]).clusters
    together = max((sum(name.startswith("000#") for name in cluster) for cluster in clusters), default=0)
    yield f"| one text printed 50 times, every twentieth word changed (in one cluster) | 50 | {2 * together} % | {len(clusters) - 1} |"


def many(texts: list[str], count: int, rng: np.random.Generator) -> list[Article]:
    """Articles of 400 words that follow each other as in the sample, every tenth of them an abridged copy of the one before."""
    words = " ".join(texts).split()
    numbers = {word: number for number, word in enumerate(dict.fromkeys(words))}
    chain = np.array([numbers[word] for word in words])
    order = np.argsort(chain[:-1], kind="stable")
    counts = np.bincount(chain[:-1], minlength=len(numbers))
    starts = np.cumsum(counts) - counts
    followers = chain[1:][order]
    rows = [rng.integers(len(numbers), size=count)]
    for _ in range(399):
        last = np.where(counts[rows[-1]] > 0, rows[-1], chain[0])
        rows.append(followers[starts[last] + rng.integers(counts[last])])
    spelt = np.array(list(numbers), dtype=object)
    made = [" ".join(spelt[line]) for line in np.stack(rows, axis=1)]
    for number in range(9, count, 10):
        made[number] = first_words(0.4)(made[number - 1], "", rng)
    return [Article(str(number), text) for number, text in enumerate(made)]


def main() -> None:
    """Print the table, and what many articles take."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--articles", type=int, default=20_000, metavar="N", help="articles for the measurement of time")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    texts = [article.text for article in read_articles(SAMPLE, ledger=LossLedger())]
    print("| copies | pairs | found | wrong pairs |\n|---|---|---|---|")
    for kind, make in KINDS.items():
        print(measure(kind, make, texts, rng), flush=True)
    for line in framed(texts, rng):
        print(line, flush=True)
    for name in SCRIPTS:
        made = invented(name, 2 * COPIES, rng)
        for kind, make in LETTER_KINDS.items():
            print(measure(f"{name}: {kind}", make, made, rng), flush=True)
    articles = many(texts, arguments.articles, rng)
    began = time.process_time()
    found = find_near_duplicates(articles)
    seconds = time.process_time() - began
    listed = {(pair.first, pair.second) for pair in found.pairs}
    expected = {tuple(sorted((str(number - 1), str(number)))) for number in range(9, arguments.articles, 10)}
    print(f"\n{arguments.articles} articles of 400 words: {seconds:.1f} CPU seconds")
    print(f"{len(listed & expected)} of {len(expected)} copies found, {len(listed - expected)} wrong pairs")


if __name__ == "__main__":
    main()
