"""Near-duplicate articles: wire copies, updates and abridgements of one text.

Candidates share many runs of words, found by MinHash and locality-sensitive hashing (Broder 1997; datasketch); each pair is then
confirmed on its words in order (rapidfuzz): they are near-duplicates when the longest common subsequence covers most of both, or
nearly all of the shorter. News corpora are full of such copies (Silcock et al. 2023, https://arxiv.org/abs/2210.04261), and one
that is in train and in test makes the test easier than the world.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from datasketch import MinHash, MinHashLSH
from rapidfuzz.distance import LCSseq

from eventtag.articles import Article

log = logging.getLogger(__name__)

PERMUTATIONS = 128
CANDIDATE_SIMILARITY = 0.4
"""Estimated Jaccard similarity of word runs from which a pair is looked at closely: low, as an abridged copy shares few of them."""
RUN = 3
"""Words in a run."""
MIN_WORDS = 20
"""A shorter article is a near-duplicate only of one with the same words."""

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True, order=True)
class DuplicatePair:
    """Two articles and the shares of both texts, and of the shorter one, that are common words in common order."""

    first: str
    second: str
    similarity: float
    containment: float


@dataclass(frozen=True)
class Duplicates:
    """All confirmed pairs, sorted by id."""

    pairs: tuple[DuplicatePair, ...]

    @cached_property
    def clusters(self) -> tuple[tuple[str, ...], ...]:
        """Articles that pairs connect, the ids of each sorted; single articles are in none."""
        return connected((pair.first, pair.second) for pair in self.pairs)

    @cached_property
    def cluster_of(self) -> Mapping[str, int]:
        """Article id to the number of its cluster; articles without a duplicate are not in it."""
        return {name: number for number, cluster in enumerate(self.clusters) for name in cluster}


def find_near_duplicates(
    articles: Iterable[Article], *, similarity: float = 0.8, containment: float = 0.9, seed: int = 1
) -> Duplicates:
    """Find all near-duplicate pairs; keeps the words of every article in memory, as numbers.

    A pair is confirmed when common words in common order are at least `similarity` of both articles together (2 x common / sum
    of lengths), or `containment` of the shorter. Candidates are found with high probability, not certainty; the same `seed`
    finds the same ones.
    """
    numbers: dict[str, int] = {}
    words: dict[str, tuple[int, ...]] = {}
    index = MinHashLSH(threshold=CANDIDATE_SIMILARITY, num_perm=PERMUTATIONS)
    same: dict[tuple[int, ...], str] = {}
    found: list[DuplicatePair] = []
    for article in articles:
        own = tuple(numbers.setdefault(match[0].casefold(), len(numbers)) for match in _WORD.finditer(article.text))
        if not own:
            continue
        if own in same:
            found.append(_pair(same[own], article.id, 1.0, 1.0))
            continue
        same[own] = article.id
        if len(own) < MIN_WORDS:
            continue
        signature = MinHash(num_perm=PERMUTATIONS, seed=seed)
        signature.update_batch({b"%d %d %d" % own[start : start + RUN] for start in range(len(own) - RUN + 1)})
        for candidate in index.query(signature):
            pair = _confirm(candidate, article.id, words[candidate], own, similarity, containment)
            if pair is not None:
                found.append(pair)
        words[article.id] = own
        index.insert(article.id, signature)
    return Duplicates(tuple(sorted(found)))


def _confirm(
    first: str, second: str, a: Sequence[int], b: Sequence[int], similarity: float, containment: float
) -> DuplicatePair | None:
    common = LCSseq.similarity(a, b)
    shared = 2 * common / (len(a) + len(b))
    contained = common / min(len(a), len(b))
    return _pair(first, second, shared, contained) if shared >= similarity or contained >= containment else None


def _pair(first: str, second: str, similarity: float, containment: float) -> DuplicatePair:
    first, second = sorted((first, second))
    return DuplicatePair(first, second, similarity, containment)


def connected(links: Iterable[tuple[str, str]]) -> tuple[tuple[str, ...], ...]:
    """The groups of names that links connect, each sorted, in the order of their first names."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        parent.setdefault(name, name)
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for first, second in links:
        parent[root(first)] = root(second)
    groups: dict[str, list[str]] = {}
    for name in parent:
        groups.setdefault(root(name), []).append(name)
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
