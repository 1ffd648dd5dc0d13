import random
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventtag.article import Article
from eventtag.corpus import near_duplicates as module
from eventtag.corpus.near_duplicates import connected, find_near_duplicates
from eventtag.corpus.word_runs import RUN

CHINESE = [chr(0x4E00 + n) for n in range(900)]
THAI = [chr(n) for n in range(0x0E01, 0x0E2E)]
ARABIC = [chr(n) for n in range(0x0627, 0x063A)]


def story(seed: int, words: int = 200) -> list[str]:
    rng = random.Random(seed)
    return [f"word{rng.randrange(4000)}" for _ in range(words)]


def article(name: str, words: list[str]) -> Article:
    return Article(name, " ".join(words))


def others(count: int = 40) -> list[Article]:
    return [article(f"other{n}", story(1000 + n)) for n in range(count)]


def clusters(*articles: Article) -> tuple[tuple[str, ...], ...]:
    return find_near_duplicates(articles).clusters


def test_copies_updates_and_abridgements_are_found_and_other_articles_are_not():
    original = story(1)
    update = [*original[:120], "new", "figures", *original[125:]]
    abridged = original[:110]
    articles = [article("original", original), article("update", update), article("abridged", abridged), *others()]
    duplicates = find_near_duplicates(articles)
    assert duplicates.clusters == (("abridged", "original", "update"),)
    pair = next(p for p in duplicates.pairs if {p.first, p.second} == {"abridged", "original"})
    assert pair.containment == 1.0
    assert 0.7 < pair.similarity < 0.72


ORIGINAL = story(1)
HOST = story(2, 300)


@pytest.mark.parametrize(
    "copy",
    [
        pytest.param(ORIGINAL[:80], id="abridged to 40 %"),
        pytest.param(ORIGINAL[-40:], id="abridged to 20 %, the end"),
        pytest.param([*ORIGINAL[20:50], *ORIGINAL[100:130], *ORIGINAL[150:170]], id="abridged to 40 % in three parts"),
        pytest.param([*HOST[:150], *ORIGINAL, *HOST[150:]], id="inside a longer article"),
        pytest.param([*HOST[:150], *ORIGINAL[50:150], *HOST[150:]], id="half of it inside a longer article"),
        pytest.param([*HOST, *HOST[::-1], *HOST[::3], *ORIGINAL[40:125], *story(3, 400)], id="a paragraph inside a long article"),
        pytest.param([*ORIGINAL[150:], *ORIGINAL[50:100], *ORIGINAL[:50], *ORIGINAL[100:150]], id="paragraphs in another order"),
        pytest.param([w if n % 8 else f"new{n}" for n, w in enumerate(ORIGINAL)], id="every eighth word changed"),
        pytest.param([*story(4, 70), *ORIGINAL[70:]], id="first third rewritten"),
    ],
)
def test_every_kind_of_copy_is_found(copy):
    assert clusters(article("original", ORIGINAL), article("copy", copy), *others()) == (("copy", "original"),)


@pytest.mark.parametrize("letters", [CHINESE, THAI, ARABIC], ids=["Chinese", "Thai", "Arabic"])
@pytest.mark.parametrize("kind", ["abridged", "in another order", "embedded", "apart"])
def test_copies_are_found_in_scripts_with_and_without_blanks(letters, kind):
    def text(seed: int, length: int = 600) -> str:
        rng = random.Random(seed)
        words = [" " * (letters is ARABIC) + "".join(rng.choices(letters, k=rng.randint(1, 5))) for _ in range(length // 3)]
        return "".join(words)

    original = text(1)
    made = {
        "abridged": original[:200],
        "in another order": original[300:] + "。" + original[:300],
        "embedded": text(2) + original[100:500] + text(3),
        "apart": text(4),
    }
    found = clusters(
        Article("original", original), Article("copy", made[kind]), *(Article(f"o{n}", text(10 + n)) for n in range(30))
    )
    assert found == (() if kind == "apart" else (("copy", "original"),))


@pytest.mark.parametrize("count", [12, 60, 300])
def test_boilerplate_that_many_articles_share_joins_none_of_them_and_hides_no_copy(count):
    frame = story(9999, 156)
    articles = [article(f"{n:03}", [*frame[:56], *story(n + 1, 120), *frame[56:]]) for n in range(count)]
    copy = article("copy", [*frame[:56], *story(1, 120)[:70], *frame[56:]])
    empty = article("empty", frame)
    assert clusters(*articles, copy, empty) == (("000", "copy"),)


@pytest.mark.parametrize("quoting", [2, 6, 30])
def test_articles_that_quote_one_sentence_are_no_copies(quoting):
    quote = story(99, 45)
    articles = [article(str(n), [*story(n, 80), *quote]) for n in range(quoting)]
    assert clusters(*articles, *others()) == ()


def test_two_articles_that_share_several_short_quotes_are_no_copies():
    quotes = [story(90 + n, 30) for n in range(4)]
    first, second = (story(seed, 400) for seed in (1, 2))
    mixed = [[w for n in range(4) for w in (*own[n * 100 : n * 100 + 100], *quotes[n])] for own in (first, second)]
    assert clusters(article("a", mixed[0]), article("b", mixed[1]), *others()) == ()


def test_a_text_printed_many_times_is_one_cluster_that_does_not_join_others():
    rng = random.Random(5)
    printed = [
        article(f"p{n:02}", [w if rng.random() < 0.95 else f"e{n}x{i}" for i, w in enumerate(story(1))]) for n in range(60)
    ]
    exact = [article(f"p{n}", story(1)) for n in range(60, 90)]
    assert clusters(*printed, *exact, *others()) == (tuple(sorted(a.id for a in (*printed, *exact))),)


@pytest.mark.parametrize("words", [40, 60])
def test_many_versions_of_a_short_text_are_found_as_few_are(words):
    """A version is like some other ones, which need not stand next to it in the list."""
    rng = random.Random(5)
    versions = []
    for number in range(60):
        version = list(story(1, words))
        for at in rng.sample(range(words), words // 20):
            version[at] = f"new{number}x{at}"
        versions.append(article(f"v{number:02}", version))
    for count in (15, 60):
        assert max(map(len, clusters(*versions[:count], *others(100)))) > 0.85 * count


def test_the_same_words_with_other_punctuation_and_case_are_one_text():
    duplicates = find_near_duplicates([Article("a", "Kyiv fell."), Article("b", "KYIV, fell"), Article("c", "Kyiv held.")])
    assert duplicates.clusters == (("a", "b"),)
    composed = [
        Article("a", "Café in K\u00adyiv"),
        Article("b", "Cafe\u0301 in Kyi\u200bv"),
        Article("c", "\ufeffＣａｆé in Kyiv"),
    ]
    assert find_near_duplicates(composed).clusters == (("a", "b", "c"),)


def test_a_thousand_articles_on_one_subject_are_not_duplicates_of_each_other():
    frame = [f"frame{n}" for n in range(17)]
    articles = [article(str(n), frame + story(n, 150)) for n in range(60)]
    assert find_near_duplicates(articles).pairs == ()


def test_articles_without_words_are_no_duplicates():
    assert find_near_duplicates([Article("a", ""), Article("b", ""), Article("c", "...")]).pairs == ()
    assert find_near_duplicates([]).pairs == ()


def covered(words: list[str], other: list[str]) -> list[bool]:
    """Which words lie in a run that the other text has too, said plainly."""
    runs = {tuple(other[n : n + RUN]) for n in range(len(other) - RUN + 1)}
    found = [False] * len(words)
    for start in range(len(words) - RUN + 1):
        if tuple(words[start : start + RUN]) in runs:
            found[start : start + RUN] = [True] * RUN
    return found


@given(st.integers(0, 10**9).map(random.Random))
@settings(max_examples=60)
def test_the_pairs_are_those_that_a_comparison_of_each_with_each_finds(rng):
    texts = [[f"w{rng.randrange(3000)}" for _ in range(rng.choice([10, 16, 60, 150]))] for _ in range(4)]
    for _ in range(4):
        source, host = rng.choice(texts), rng.choice(texts)
        start = rng.randrange(len(source))
        part = source[start : start + rng.choice([14, 45, 60, 100])]
        texts.append([*host[: rng.randrange(60)], *part, *host[60:]] or ["alone"])
    named = {f"{n}": words for n, words in enumerate(texts)}
    expected = set()
    for a, b in combinations(named, 2):
        one, two = named[a], named[b]
        both = [covered(one, two), covered(two, one)]
        shared = [sum(found) for found in both]
        contained = max(shared[0] / len(one), shared[1] / len(two))
        stretches = [len(part) for part in "".join("x" if found else " " for found in both[0]).split()]
        if (
            one == two
            or (min(len(one), len(two)) >= module.MIN_WORDS and contained >= module.CONTAINED and min(shared) > module.QUOTATION)
            or (min(len(one), len(two)) >= module.MIN_WORDS and contained >= 0.85 and min(shared) >= 0.85 * module.MIN_WORDS)
            or sum(length for length in stretches if length >= module.PASSAGE) >= module.PASSAGES
        ):
            expected.add((a, b))
    articles = [article(name, words) for name, words in named.items()]
    found = find_near_duplicates(articles)
    same = {tuple(words) for words in named.values()}
    if len(same) == len(named):  # of equal texts only one is compared with the others
        assert {(pair.first, pair.second) for pair in found.pairs} == expected
    assert {frozenset(c) for c in found.clusters} == {frozenset(c) for c in connected(expected)}
    rng.shuffle(articles)
    assert find_near_duplicates(articles) == found


def test_links_connect_names_to_groups():
    assert connected([("b", "a"), ("c", "d"), ("e", "d"), ("f", "f")]) == (("a", "b"), ("c", "d", "e"), ("f",))
