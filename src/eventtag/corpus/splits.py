"""Splits of whole articles, in which groups and near-duplicates stay together, so that scores are not too high.

Articles that must stay together (one topic, one source, copies of one text) are one unit. Units are drawn for test and validation
at random, each with the same probability, and the rest is train. A stratified draw is balanced: each split has its share of
articles, of every label's spans, and of long and short articles. By time, the oldest units are train and the newest test.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from eventtag.article import Article
from eventtag.corpus.balanced_draw import draw_balanced
from eventtag.corpus.near_duplicates import Duplicates, connected, crossing_pairs
from eventtag.errors import DataError, SettingsError, summarise_problems

SPLITS = ("train", "validation", "test")

_DATE = re.compile(r"\d{4}-\d{2}(?:-\d{2}(?:[T ]\d{2}:\d{2}.*)?)?")


@dataclass(frozen=True)
class Split:
    """The split of every article (id to its name) and, in words, how it came about."""

    split_of: Mapping[str, str]
    rule: str

    def articles(self, articles: Sequence[Article], split: str) -> tuple[Article, ...]:
        """The articles of one split, in their order."""
        return tuple(article for article in articles if self.split_of.get(article.id) == split)


@dataclass(frozen=True)
class Leakage:
    """What training has in common with the measured split (test, or another one).

    `duplicate_pairs`: near-duplicates across any two splits. `shared_values`: values of the group field that are in train and
    in the split. `mentions` and `seen_mentions`: of the split's mentions, how many there are and how many are in train with the
    same label, letter case aside; per label.
    """

    split: str
    duplicate_pairs: int
    shared_values: tuple[str, ...]
    mentions: Mapping[str, int]
    seen_mentions: Mapping[str, int]

    @property
    def seen_share(self) -> float:
        """Share of all mentions that training has seen; 0 where there are none."""
        total = sum(self.mentions.values())
        return sum(self.seen_mentions.values()) / total if total else 0.0


def split_articles(
    articles: Sequence[Article],
    *,
    validation_share: float = 0.15,
    test_share: float = 0.15,
    seed: int = 13,
    stratify: bool = True,
    group_field: str | None = None,
    time_field: str | None = None,
    duplicates: Duplicates | None = None,
) -> Split:
    """Divide the articles; the rest is train.

    `group_field`: articles with one value of this metadata field stay together; an article without it is a group of its own.
    `time_field`: the metadata field with an ISO date (2022-03 or longer), which then decides instead of the draw. `duplicates`:
    their clusters stay together. Every split with a share has a unit as long as there are enough.

    Raises SettingsError for shares that cannot be, DataError for too few units, or articles without a date.
    """
    shares = _shares(validation_share, test_share)
    units = _units(articles, group_field, duplicates)
    wanted = [split for split in SPLITS if shares[split] > 0]
    if len(units) < len(wanted):
        raise DataError(f"{len(articles)} articles make {len(units)} units that stay together, too few for {', '.join(wanted)}")
    rule = [
        f"by time ({time_field})" if time_field else f"drawn with seed {seed}" + (", stratified by label" if stratify else "")
    ]
    rule += [f"grouped by {group_field}"] if group_field else []
    rule += ["near-duplicates together"] if duplicates is not None else []
    chosen = _by_time(units, shares, time_field) if time_field else _by_draw(units, shares, seed, stratify=stratify)
    split_of = {article.id: split for unit, split in zip(units, chosen, strict=True) for article in unit}
    return Split({article.id: split_of[article.id] for article in articles}, "; ".join(rule))


@dataclass(frozen=True)
class ExtendedSplit:
    """The split of every article, old and new. `tied` are the new ones that went where old articles are to which they belong (by id), and
    `torn` those of them whose old articles are in several splits.
    """

    split: Split
    tied: frozenset[str]
    torn: frozenset[str]


def extend_split(
    old: Mapping[str, Sequence[Article]],
    new: Sequence[Article],
    *,
    validation_share: float = 0.15,
    test_share: float = 0.15,
    seed: int = 13,
    stratify: bool = True,
    group_field: str | None = None,
    duplicates: Duplicates | None = None,
) -> ExtendedSplit:
    """Add new articles to a split, whose `old` articles by split stay where they are; ids are distinct over all of them.

    New articles that belong to old ones (near-duplicates, the same group, also by way of others) go where these are, if these are in
    several splits, to test before validation before train: no near-duplicate of an old test article goes to train. The others are drawn:
    each has the probability of a share to go there, also where they are few.

    Raises SettingsError for shares that cannot be.
    """
    shares = _shares(validation_share, test_share)
    split_of = {article.id: split for split, articles in old.items() for article in articles}
    units = _units([*(article for articles in old.values() for article in articles), *new], group_field, duplicates)
    free, tied, torn = [], set[str](), set[str]()
    for unit in units:
        there = {split_of[article.id] for article in unit if article.id in split_of}
        names = {article.id for article in unit} - split_of.keys()
        if not there:
            free.append(unit)
            continue
        split_of |= dict.fromkeys(names, next(split for split in reversed(SPLITS) if split in there))
        tied |= names
        torn |= names if len(there) > 1 else set()
    chosen = _by_draw(free, shares, seed, stratify=stratify, every=False) if free else []
    split_of |= {article.id: split for unit, split in zip(free, chosen, strict=True) for article in unit}
    rule = [f"{len(split_of) - len(new)} articles as before", f"{len(new) - len(tied)} new ones drawn with seed {seed}"]
    rule += [f"{len(tied)} new ones where earlier articles are to which they belong"] if tied else []
    rule += ["stratified by label"] if stratify else []
    rule += [f"grouped by {group_field}"] if group_field else []
    rule += ["near-duplicates together"] if duplicates is not None else []
    return ExtendedSplit(Split(split_of, "; ".join(rule)), frozenset(tied), frozenset(torn))


def _shares(validation_share: float, test_share: float) -> dict[str, float]:
    shares = {"train": 1 - validation_share - test_share, "validation": validation_share, "test": test_share}
    if min(validation_share, test_share) < 0 or shares["train"] <= 0:
        raise SettingsError(
            f"validation_share={validation_share} and test_share={test_share}: give shares from 0 that leave some for train"
        )
    return shares


def fold_articles(
    articles: Sequence[Article],
    folds: int,
    *,
    seed: int = 13,
    duplicates: Duplicates | None = None,
    group_field: str | None = None,
) -> list[tuple[Article, ...]]:
    """Divide the articles into folds of about one size, each with its share of every label's spans; near-duplicates and articles with one
    value of the metadata field `group_field` stay together.

    Raises SettingsError for fewer than two folds, DataError for fewer units that stay together than folds.
    """
    if folds < 2:
        raise SettingsError(f"{folds} folds: give 2 or more")
    units = _units(articles, group_field, duplicates)
    if len(units) < folds:
        raise DataError(f"{len(articles)} articles make {len(units)} units that stay together, too few for {folds} folds")
    names = [str(number) for number in range(folds)]
    chosen = _by_draw(units, dict.fromkeys(names, 1 / folds), seed, stratify=True)
    fold_of = {article.id: name for unit, name in zip(units, chosen, strict=True) for article in unit}
    return [tuple(article for article in articles if fold_of[article.id] == name) for name in names]


def _units(articles: Sequence[Article], group_field: str | None, duplicates: Duplicates | None) -> list[list[Article]]:
    """The articles that stay together, in the order of their first articles."""
    links = [(f"a{article.id}", f"a{article.id}") for article in articles]
    if group_field is not None:
        links += [(f"a{a.id}", f"g{a.meta[group_field]}") for a in articles if a.meta.get(group_field) is not None]
    if duplicates is not None:
        known = {article.id for article in articles}
        links += [(f"a{p.first}", f"a{p.second}") for p in duplicates.pairs if {p.first, p.second} <= known]
    unit_of = {name: number for number, group in enumerate(connected(links)) for name in group}
    units: dict[int, list[Article]] = {}
    for article in articles:
        units.setdefault(unit_of[f"a{article.id}"], []).append(article)
    return list(units.values())


def _by_draw(
    units: Sequence[Sequence[Article]], shares: Mapping[str, float], seed: int, *, stratify: bool, every: bool = True
) -> list[str]:
    """The split of every unit. The draw depends on the articles' texts and the seed, not on their order or ids.

    The smallest share is drawn first, from all units; the largest is what remains. A unit that holds more articles than a split
    is to have is not drawn for it, as long as there are others. With `every`, each split gets a unit; without, the numbers of units are
    rounded at random, so that a split has its share on average however few units there are.
    """
    labels = sorted({span.label for unit in units for article in unit for span in article.spans}) if stratify else []
    counts = np.array([[len(unit), *_label_counts(unit, labels)] for unit in units], dtype=np.float64)
    # The rarest label has the fewest units to balance it with, so it comes first; lengths come last.
    rarest_first = 1 + np.argsort((counts[:, 1:] > 0).sum(axis=0), kind="stable")
    lengths = np.array([float(sum(len(article.text) for article in unit)) for unit in units])
    measures = np.column_stack([counts[:, 0], counts[:, rarest_first], lengths] if stratify else [counts[:, 0]])
    keys = [_content_key(unit) for unit in units]
    content = hashlib.sha256(repr(sorted(keys)).encode("utf-8", "surrogatepass")).digest()
    random = np.random.default_rng(seed if every else [seed, *content])
    shuffled = random.permutation(np.array(sorted(range(len(units)), key=lambda number: keys[number]), dtype=np.intp))
    order = shuffled[np.argsort(-lengths[shuffled], kind="stable")] if stratify else shuffled
    splits = sorted((split for split in shares if shares[split] > 0), key=lambda split: shares[split])
    chosen = [splits[-1]] * len(units)
    left = order
    ahead = 1.0
    for rank, split in enumerate(splits[:-1]):
        if not len(left):
            break
        goal = shares[split] * counts[:, 0].sum() if every else shares[split] / ahead * counts[left, 0].sum()
        ahead -= shares[split]
        later = len(splits) - 1 - rank
        fitting = left[counts[left, 0] <= goal]
        pool = fitting if len(fitting) else left
        wanted = goal / counts[pool, 0].mean()
        number = min(max(round(wanted), 1), len(left) - later) if every else int(wanted + random.random())
        drawn = pool[draw_balanced(measures[pool], min(number, len(pool)), random)] if number else pool[:0]
        for unit in drawn:
            chosen[unit] = split
        left = left[~np.isin(left, drawn)]
    return chosen


def _content_key(unit: Sequence[Article]) -> tuple[list[bytes], list[str]]:
    """What a unit is sorted by: its texts' digests, and its ids where two units have the same texts."""
    digests = sorted(hashlib.sha256(article.text.encode("utf-8", "surrogatepass")).digest() for article in unit)
    return digests, sorted(article.id for article in unit)


def _label_counts(unit: Sequence[Article], labels: Sequence[str]) -> list[int]:
    counts = Counter(span.label for article in unit for span in article.spans if article.counts(span))
    return [counts[label] for label in labels]


def _by_time(units: Sequence[Sequence[Article]], shares: Mapping[str, float], time_field: str) -> list[str]:
    """Train the oldest, test the newest; a unit is as new as its newest article."""
    dates = []
    problems = []
    for unit in units:
        latest = ""
        for article in unit:
            value = article.meta.get(time_field)
            if isinstance(value, str) and _DATE.fullmatch(value):
                latest = max(latest, value)
            else:
                problems.append(f"article {article.id!r}: {'has no such field' if value is None else f'found {value!r}'}")
        dates.append(latest)
    if problems:
        title = f"meta field {time_field!r} holds no date such as 2022-03-01 in {len(problems)} articles:"
        raise DataError(summarise_problems(title, problems, shown=3))
    total = sum(map(len, units))
    chosen = [""] * len(units)
    order = sorted(range(len(units)), key=lambda number: (dates[number], units[number][0].id))
    names = [split for split in SPLITS if shares[split] > 0]
    before = 0
    position = 0
    for rank, number in enumerate(order):
        left = len(order) - rank
        middle = (before + len(units[number]) / 2) / total
        while (
            position < len(names) - 1
            and names[position] in chosen
            and (left <= len(names) - 1 - position or middle > sum(shares[name] for name in names[: position + 1]))
        ):
            position += 1
        chosen[number] = names[position]
        before += len(units[number])
    return chosen


def leakage(
    articles: Sequence[Article],
    split_of: Mapping[str, str],
    *,
    split: str = "test",
    duplicates: Duplicates | None = None,
    group_field: str | None = None,
) -> Leakage:
    """What training has of a split: near-duplicates, groups and mentions."""
    train = [article for article in articles if split_of.get(article.id) == "train"]
    measured = [article for article in articles if split_of.get(article.id) == split]
    values: tuple[str, ...] = ()
    if group_field is not None:
        groups = [{str(a.meta[group_field]) for a in part if a.meta.get(group_field) is not None} for part in (train, measured)]
        values = tuple(sorted(groups[0] & groups[1]))
    known = {(article.mention(span).casefold(), span.label) for article in train for span in article.spans}
    mentions: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    for article in measured:
        for span in article.spans:
            if article.counts(span):
                mentions[span.label] += 1
                seen[span.label] += (article.mention(span).casefold(), span.label) in known
    pairs = sum(1 for _ in crossing_pairs(duplicates, split_of)) if duplicates is not None else 0
    return Leakage(split, pairs, values, dict(sorted(mentions.items())), dict(sorted(seen.items())))
