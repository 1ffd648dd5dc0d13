"""Near-duplicate articles: wire copies, updates, abridgements, and articles that hold another or its paragraphs.

News corpora are full of copies (Silcock et al. 2023, https://arxiv.org/abs/2210.04261). A copy in train and in test makes scores
too high. Every run of words (`word_runs`) is looked up in all articles (Broder 1997). Runs that a few articles share make
candidates; a pair is confirmed by how many of its words lie in shared runs, in whatever order. Runs that many articles share are
boilerplate (headers, footers, slogans) and do not count, unless an article has almost nothing else.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

import numpy as np

from eventtag.article import Article
from eventtag.corpus.word_runs import Mask, Numbers, Texts, Vocabulary, Weights, cover, hash_runs

log = logging.getLogger(__name__)
Member = TypeVar("Member", int, str)

MIN_WORDS = 15
"""A shorter article is a near-duplicate only of one with the same words."""
CONTAINED = 0.4
"""Share of an article from which it is contained in another ..."""
QUOTATION = 50
"""... if more words are shared than a quotation has: articles that quote one speaker are not copies of each other."""
NEARLY_ALL = 0.85
"""Share of an article from which it is contained in another, however short it is."""
PASSAGE = 40
"""Shared words in a row that are a passage, as they are more than a sentence."""
PASSAGES = 80
"""Words in shared passages from which two articles of any length are near-duplicates."""
MANY = 20
"""Articles in which a run may be before it is boilerplate; in small corpora a quarter of the articles, but `FEW` at least."""
FEW = 8
OWN = 0.1
"""Share of an article's words outside boilerplate below which it is one of many copies itself; stretches shorter than `MIN_WORDS` are
left out, as they are what an editor changed."""


@dataclass(frozen=True, slots=True, order=True)
class DuplicatePair:
    """Two articles, and the shares of both texts, and of the one that is more contained in the other, that lie in shared runs."""

    first: str
    second: str
    similarity: float
    containment: float


@dataclass(frozen=True)
class Duplicates:
    """Confirmed pairs, sorted by id. Of copies of which there are many, those pairs that connect them stand for all."""

    pairs: tuple[DuplicatePair, ...]

    @cached_property
    def clusters(self) -> tuple[tuple[str, ...], ...]:
        """Articles that pairs connect, the ids of each sorted; single articles are in none."""
        return connected((pair.first, pair.second) for pair in self.pairs)


def find_near_duplicates(articles: Iterable[Article]) -> Duplicates:
    """Find all near-duplicates; takes about 100 bytes of memory a word.

    A pair shares two fifths of one article and more than a quotation, nearly all of a short one, or whole passages. What is found depends
    neither on chance nor on the order of the articles. Of articles with the same words each is paired with the one whose id comes
    first. Of copies of which there are many, pairs are looked for until all are connected: clusters are whole, but not every pair is
    listed.
    """
    vocabulary = Vocabulary()
    same: dict[bytes, list[str]] = {}
    for article in articles:
        words = vocabulary.number_words(article.text)
        if len(words):
            same.setdefault(words.tobytes(), []).append(article.id)
    groups = sorted((sorted(names), words) for words, names in same.items())
    found = [DuplicatePair(names[0], name, 1.0, 1.0) for names, _ in groups for name in names[1:]]
    texts = hash_runs([np.frombuffer(words, dtype=np.int32) for _, words in groups], vocabulary)
    corpus = _Corpus(texts)
    groups_of_copies = _Groups[int]()
    for first, second in corpus.candidates():
        many = bool(corpus.copied[first] and corpus.copied[second])
        if many and groups_of_copies.root(first) == groups_of_copies.root(second):
            continue
        shares = corpus.compare(first, second)
        if shares is not None:
            found.append(DuplicatePair(groups[first][0][0], groups[second][0][0], *shares))
            if many:
                groups_of_copies.join(first, second)
    return Duplicates(tuple(sorted(found)))


class _Corpus:
    """Texts with what is boilerplate in them."""

    def __init__(self, texts: Texts) -> None:
        self.texts = texts
        text_of_runs = texts.text_of_runs()
        order = np.argsort(texts.hashes, kind="stable")
        hashes, in_text = texts.hashes[order], text_of_runs[order]
        new = np.concatenate([[True], hashes[1:] != hashes[:-1]])[: len(order)]
        first_in_text = new | np.concatenate([[True], in_text[1:] != in_text[:-1]])[: len(order)]
        run = np.cumsum(new) - 1
        spread = np.bincount(run, weights=first_in_text)[run]
        self.many = min(MANY, max(FEW, len(texts) // 4))
        common = spread > self.many
        boilerplate = order[common]
        words = len(texts.weights)
        self.own: Mask = ~cover(texts.starts[boilerplate], texts.ends[boilerplate], words)
        self.length = texts.sums(texts.weights)
        self.copied: Mask = texts.sums(_in_stretches(texts, self.own, MIN_WORDS)) < OWN * self.length
        """Texts of which there are so many copies that all of their words look like boilerplate."""
        distinct = np.bincount(in_text[first_in_text], minlength=len(texts))
        own = np.bincount(in_text[first_in_text & ~common], minlength=len(texts))
        self.runs = np.where(self.copied, distinct, own)
        long_enough = self.length >= MIN_WORDS
        self._rare = _postings(run, in_text, first_in_text & ~common & (spread > 1) & long_enough[in_text])
        self._common = _postings(run, in_text, first_in_text & common & (self.copied & long_enough)[in_text])

    def candidates(self) -> Iterator[tuple[int, int]]:
        """Pairs of texts that share enough runs for a closer look, in order."""
        count = len(self.texts)
        keys, shared = _count_pairs(*self._rare, count, reach=self.many)
        linked, by = _count_pairs(*self._common, count, reach=self.many)
        keys, shared = _merge(np.concatenate([keys, linked]), np.concatenate([shared, by]))
        first, second = keys // max(count, 1), keys % max(count, 1)
        fewest = np.minimum(self.runs[first], self.runs[second])
        chosen = (shared >= PASSAGES // 2) | (shared >= np.maximum(CONTAINED / 3 * fewest, 1))
        return zip(first[chosen].tolist(), second[chosen].tolist(), strict=True)

    def compare(self, first: int, second: int) -> tuple[float, float] | None:
        """Similarity and containment of two texts; None if they are not near-duplicates."""
        hashes = [self.texts.hashes[self.texts.runs_of(text)] for text in (first, second)]
        everything = bool(self.copied[first] and self.copied[second])
        own_shared = [
            self._shared(text, np.isin(hashes[side], hashes[1 - side]), everything) for side, text in enumerate((first, second))
        ]
        shared = [float(weights.sum()) for weights, _ in own_shared]
        lengths = [own for _, own in own_shared]
        contained = max(part / own for part, own in zip(shared, lengths, strict=True) if own) if any(lengths) else 0.0
        is_copy = (
            (contained >= CONTAINED and min(shared) > QUOTATION)
            or (contained >= NEARLY_ALL and min(shared) >= NEARLY_ALL * MIN_WORDS)
            or _passages(own_shared[0][0]) >= PASSAGES
        )
        return (sum(shared) / sum(lengths), contained) if is_copy else None

    def _shared(self, text: int, runs: Mask, everything: bool) -> tuple[Weights, float]:
        """The weights of a text's own words, 0 where no shared run covers them, and how many words are its own in all."""
        at = self.texts.words_of(text)
        starts, ends = (bounds[self.texts.runs_of(text)][runs] - at.start for bounds in (self.texts.starts, self.texts.ends))
        weights = self.texts.weights[at] if everything else self.texts.weights[at] * self.own[at]
        return weights * cover(starts, ends, at.stop - at.start), float(weights.sum())


def _postings(run: Numbers, in_text: Numbers, chosen: Mask) -> tuple[Numbers, Numbers]:
    return run[chosen], in_text[chosen]


def _count_pairs(run: Numbers, in_text: Numbers, texts: int, *, reach: int) -> tuple[Numbers, Numbers]:
    """Pairs of texts (first x number of texts + second) with how many runs they share, of texts that are at most `reach` apart in
    the list of a run.
    """
    keys, shared = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    for distance in range(1, reach + 1):
        together = np.flatnonzero(run[distance:] == run[:-distance])
        if not len(together):
            break
        found, times = np.unique(in_text[together] * texts + in_text[together + distance], return_counts=True)
        keys, shared = _merge(np.concatenate([keys, found]), np.concatenate([shared, times]))
    return keys, shared


def _merge(keys: Numbers, shared: Numbers) -> tuple[Numbers, Numbers]:
    """Each key once, with the sum of what it shares."""
    distinct, place = np.unique(keys, return_inverse=True)
    return distinct, np.bincount(place, weights=shared, minlength=len(distinct)).astype(np.int64)


def _passages(shared: Weights) -> float:
    """The words, by weight, that stand in passages."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], shared > 0, [False]])))
    total = np.concatenate([[0.0], np.cumsum(shared)])
    stretches = total[edges[1::2]] - total[edges[::2]]
    return float(stretches[stretches >= PASSAGE].sum())


def _in_stretches(texts: Texts, chosen: Mask, least: float) -> Weights:
    """The weights of the chosen words that stand in a row of so many; 0 for all others."""
    begins = chosen.copy()
    begins[1:] &= ~chosen[:-1]
    begins[texts.first_word[:-1]] = chosen[texts.first_word[:-1]]
    weights = texts.weights * chosen
    stretch = np.maximum(np.cumsum(begins) - 1, 0)
    return weights * (np.bincount(stretch, weights=weights)[stretch] >= least) if len(weights) else weights


class _Groups(Generic[Member]):
    """Members that are joined one by one (union-find)."""

    def __init__(self) -> None:
        self.parent: dict[Member, Member] = {}

    def root(self, member: Member) -> Member:
        """One member of its group, the same for all of them."""
        self.parent.setdefault(member, member)
        while self.parent[member] != member:
            self.parent[member] = self.parent[self.parent[member]]
            member = self.parent[member]
        return member

    def join(self, first: Member, second: Member) -> None:
        """Make one group of those of two members."""
        self.parent[self.root(first)] = self.root(second)


def connected(links: Iterable[tuple[str, str]]) -> tuple[tuple[str, ...], ...]:
    """The groups of names that links connect, each sorted, in the order of their first names."""
    joined = _Groups[str]()
    for first, second in links:
        joined.join(first, second)
    groups: dict[str, list[str]] = {}
    for name in joined.parent:
        groups.setdefault(joined.root(name), []).append(name)
    return tuple(sorted(tuple(sorted(group)) for group in groups.values()))


def crossing_pairs(duplicates: Duplicates, split_of: Mapping[str, str]) -> Iterator[DuplicatePair]:
    """The pairs whose articles are in different splits."""
    for pair in duplicates.pairs:
        if split_of.get(pair.first) != split_of.get(pair.second):
            yield pair


def warn_of_copies(splits: Mapping[str, Sequence[Article]], counted: Callable[[DuplicatePair], bool] = lambda _: True) -> None:
    """Say in the log how many pairs of near-duplicates, of those that are `counted`, are in two splits, and which is the first."""
    if len(splits) < 2:
        return
    split_of = {article.id: split for split, chosen in splits.items() for article in chosen}
    found = find_near_duplicates(article for chosen in splits.values() for article in chosen)
    pairs = [pair for pair in crossing_pairs(found, split_of) if counted(pair)]
    if pairs:
        first = pairs[0]
        log.warning(
            "%d pairs of near-duplicates are in two splits, the first %s (%s) and %s (%s); scores will be too high: "
            "leave one of each out, or let `eventtag split` keep them together",
            len(pairs), first.first, split_of[first.first], first.second, split_of[first.second],
        )  # fmt: skip
