from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventtag.article import Article
from eventtag.corpus.near_duplicates import DuplicatePair, Duplicates
from eventtag.corpus.splits import SPLITS, extend_split, leakage, split_articles
from eventtag.errors import DataError, SettingsError
from eventtag.span import Span


def articles(count: int) -> list[Article]:
    made = []
    for n in range(count):
        span = Span(0, 5, "LOC" if n % 10 == 0 else "ACTOR")
        made.append(Article(str(n), f"Name{n % 7} did it", (span,), meta={"topic": str(n % 5), "date": f"2022-{n % 12 + 1:02}"}))
    return made


def test_shares_are_kept_and_labels_are_stratified():
    corpus = articles(200)
    split = split_articles(corpus, validation_share=0.2, test_share=0.3, seed=1)
    assert Counter(split.split_of.values()) == {"train": 100, "validation": 40, "test": 60}
    rare = Counter(split.split_of[a.id] for a in corpus if a.spans[0].label == "LOC")
    assert rare == {"train": 10, "validation": 4, "test": 6}
    assert split.rule == "drawn with seed 1, stratified by label"


def test_the_seed_decides_the_draw():
    corpus = articles(60)
    assert split_articles(corpus, seed=1) == split_articles(corpus, seed=1)
    assert split_articles(corpus, seed=1).split_of != split_articles(corpus, seed=2).split_of


@given(
    groups=st.lists(st.integers(0, 8), min_size=3, max_size=40),
    pairs=st.lists(st.tuples(st.integers(0, 39), st.integers(0, 39)), max_size=10),
    seed=st.integers(0, 5),
    stratify=st.booleans(),
)
@settings(max_examples=60)
def test_groups_and_duplicates_never_cross_a_split_and_every_article_is_in_one(groups, pairs, seed, stratify):
    corpus = [Article(str(n), "ab", (Span(0, 1, "X"),) * (n % 3 > 0), meta={"g": g}) for n, g in enumerate(groups)]
    found = Duplicates(tuple(DuplicatePair(str(a), str(b), 1.0, 1.0) for a, b in pairs if a < len(groups) and b < len(groups)))
    try:
        split = split_articles(corpus, seed=seed, stratify=stratify, group_field="g", duplicates=found)
    except DataError:
        return
    assert set(split.split_of) == {a.id for a in corpus}
    assert set(split.split_of.values()) == {"train", "validation", "test"}
    for value in set(groups):
        assert len({split.split_of[a.id] for a in corpus if a.meta["g"] == value}) == 1
    assert leakage(corpus, split.split_of, duplicates=found, group_field="g").duplicate_pairs == 0
    assert leakage(corpus, split.split_of, duplicates=found, group_field="g").shared_values == ()


def test_by_time_train_is_older_than_validation_and_validation_than_test():
    corpus = articles(120)
    split = split_articles(corpus, time_field="date", validation_share=0.25, test_share=0.25)
    dates = {name: [a.meta["date"] for a in split.articles(corpus, name)] for name in ("train", "validation", "test")}
    assert max(dates["train"]) <= min(dates["validation"])
    assert max(dates["validation"]) <= min(dates["test"])
    assert {name: len(found) for name, found in dates.items()} == {"train": 60, "validation": 30, "test": 30}


def test_articles_without_a_date_are_named():
    with pytest.raises(
        DataError,
        match=r"meta field 'day' holds no date .* in 2 articles:\n  article 'a': has no such field\n  article 'b': found 'May'",
    ):
        split_articles(
            [Article("a", "x"), Article("b", "y", meta={"day": "May"}), Article("c", "z", meta={"day": "2022-01"})],
            time_field="day",
        )


@pytest.mark.parametrize(("validation", "test"), [(-0.1, 0.2), (0.5, 0.5), (0.9, 0.3)])
def test_shares_that_cannot_be_are_errors(validation, test):
    with pytest.raises(SettingsError, match="give shares from 0 that leave some for train"):
        split_articles(articles(10), validation_share=validation, test_share=test)


def test_too_few_units_are_an_error():
    with pytest.raises(DataError, match="10 articles make 1 units that stay together, too few for train, validation, test"):
        split_articles([Article(str(n), "x", meta={"g": 1}) for n in range(10)], group_field="g")


def test_leakage_counts_duplicates_groups_and_seen_mentions():
    corpus = [
        Article("a", "Kyiv fell", (Span(0, 4, "LOC"),), meta={"g": "1"}),
        Article("b", "KYIV held, Lviv too", (Span(0, 4, "LOC"), Span(11, 15, "LOC"), Span(5, 9, "EV")), meta={"g": "1"}),
        Article("c", "x", meta={"g": "2"}),
    ]
    found = Duplicates((DuplicatePair("a", "b", 0.9, 0.9),))
    report = leakage(corpus, {"a": "train", "b": "test", "c": "test"}, duplicates=found, group_field="g")
    assert (report.duplicate_pairs, report.shared_values) == (1, ("1",))
    assert (report.mentions, report.seen_mentions) == ({"EV": 1, "LOC": 2}, {"EV": 0, "LOC": 1})
    assert report.seen_share == pytest.approx(1 / 3)


@given(
    groups=st.lists(st.integers(0, 8), min_size=1, max_size=30),
    places=st.lists(st.sampled_from([None, *SPLITS]), min_size=30, max_size=30),
    pairs=st.lists(st.tuples(st.integers(0, 29), st.integers(0, 29)), max_size=10),
    seed=st.integers(0, 5),
)
@settings(max_examples=80)
def test_an_extended_split_moves_nothing_and_no_copy_of_a_test_article_is_learnt(groups, places, pairs, seed):
    corpus = [Article(str(n), "ab", meta={"g": g}) for n, g in enumerate(groups)]
    found = Duplicates(tuple(DuplicatePair(str(a), str(b), 1.0, 1.0) for a, b in pairs if max(a, b) < len(corpus) and a != b))
    place = dict(zip((a.id for a in corpus), places, strict=False))
    old = {split: [a for a in corpus if place[a.id] == split] for split in SPLITS}
    new = [a for a in corpus if place[a.id] is None]
    extended = extend_split(old, new, seed=seed, group_field="g", duplicates=found)
    split_of = extended.split.split_of
    assert set(split_of) == {a.id for a in corpus}
    assert all(split_of[a.id] == split for split in SPLITS for a in old[split])
    group = {a.id: a.meta["g"] for a in corpus}
    links = [(p.first, p.second) for p in found.pairs] + [
        (a.id, b.id) for a in corpus for b in corpus if group[a.id] == group[b.id]
    ]
    for one, other in [*links, *((b, a) for a, b in links)]:
        if place[one] is None and place[other] == "test":
            assert split_of[one] == "test"
            assert one in extended.tied
        if place[one] is None and place[other] is None:
            assert split_of[one] == split_of[other]


@pytest.mark.parametrize("count", [1, 2, 7])
def test_few_new_articles_are_drawn_with_the_shares(count):
    drawn = Counter()
    rounds = 600 // count
    for number in range(rounds):
        new = [Article(str(n), f"text {number} {n}") for n in range(count)]
        extended = extend_split({"test": [Article("t", "old")]}, new, validation_share=0.15, test_share=0.25, seed=3)
        drawn += Counter(extended.split.split_of[a.id] for a in new)
    shares = {split: drawn[split] / (rounds * count) for split in SPLITS}
    assert shares["test"] == pytest.approx(0.25, abs=0.05)
    assert shares["validation"] == pytest.approx(0.15, abs=0.05)
