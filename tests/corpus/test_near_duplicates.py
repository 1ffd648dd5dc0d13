import random

from eventtag.articles import Article
from eventtag.corpus.near_duplicates import connected, find_near_duplicates


def story(seed: int, words: int = 200) -> list[str]:
    rng = random.Random(seed)
    return [f"word{rng.randrange(4000)}" for _ in range(words)]


def article(name: str, words: list[str]) -> Article:
    return Article(name, " ".join(words))


def test_copies_updates_and_abridgements_are_found_and_other_articles_are_not():
    original = story(1)
    update = [*original[:120], "new", "figures", *original[125:]]
    abridged = original[:110]
    articles = [article("original", original), article("update", update), article("abridged", abridged)]
    articles += [article(f"other{n}", story(n)) for n in range(2, 40)]
    duplicates = find_near_duplicates(articles)
    assert duplicates.clusters == (("abridged", "original", "update"),)
    pair = next(p for p in duplicates.pairs if {p.first, p.second} == {"abridged", "original"})
    assert pair.containment == 1.0
    assert 0.7 < pair.similarity < 0.72


def test_the_same_words_with_other_punctuation_and_case_are_one_text():
    duplicates = find_near_duplicates([Article("a", "Kyiv fell."), Article("b", "KYIV, fell"), Article("c", "Kyiv held.")])
    assert duplicates.clusters == (("a", "b"),)


def test_a_thousand_articles_on_one_subject_are_not_duplicates_of_each_other():
    frame = [
        "officials",
        "in",
        "the",
        "capital",
        "said",
        "that",
        "the",
        "talks",
        "on",
        "the",
        "border",
        "would",
        "go",
        "on",
        "after",
        "the",
        "weekend",
    ]
    articles = [article(str(n), frame + story(n, 150)) for n in range(60)]
    assert find_near_duplicates(articles).pairs == ()


def test_articles_without_words_are_no_duplicates():
    assert find_near_duplicates([Article("a", ""), Article("b", ""), Article("c", "...")]).pairs == ()


def test_links_connect_names_to_groups():
    assert connected([("b", "a"), ("c", "d"), ("e", "d"), ("f", "f")]) == (("a", "b"), ("c", "d", "e"), ("f",))
