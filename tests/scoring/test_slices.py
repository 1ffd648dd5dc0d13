import random
from types import SimpleNamespace

import pytest

from eventtag.article import Article
from eventtag.errors import SettingsError
from eventtag.evaluation import evaluate
from eventtag.labels import LabelSet
from eventtag.scoring.mentions import count_mentions
from eventtag.scoring.report import score_articles
from eventtag.scoring.slices import slice_scores, standard_slicers
from eventtag.settings import EvaluationSettings
from eventtag.span import Span

LABELS = LabelSet()
TEXT = "He said the army entered KIEV on Monday. President Zelensky of Ukraine condemned it."


def at(words, label="ACTOR", text=TEXT):
    start = text.index(words)
    return Span(start, start + len(words), label)


def value(dimension, span, *, training=None, text=TEXT, **meta):
    article = Article("a", text, (span,), meta=meta)
    return standard_slicers([article], training=training, fields=list(meta))[dimension](article, span)


@pytest.mark.parametrize(
    ("dimension", "words", "expected"),
    [
        ("form", "He", "pronoun"),
        ("form", "the army", "nominal"),
        ("form", "President Zelensky", "named"),
        ("form", "KIEV", "named"),
        ("casing", "the army", "lower case"),
        ("casing", "KIEV", "UPPER CASE"),
        ("casing", "President Zelensky", "Capitalised"),
        ("casing", "of Ukraine", "mixed"),
        ("span length", "the army entered", "3-4 words"),
        ("span length", "He", "1 word"),
        ("position", "He", "first quarter"),
        ("position", "condemned", "last quarter"),
        ("label", "He", "ACTOR"),
    ],
)
def test_a_mention_falls_in_its_slice(dimension, words, expected):
    assert value(dimension, at(words)) == expected


def test_a_common_noun_that_opens_a_sentence_is_nominal():
    assert value("form", Span(0, 6, "ACTOR"), text="Police came.") == "nominal"
    assert value("form", Span(0, 4, "ACTOR"), text="NATO came.") == "named"


def test_seen_mentions_ignore_case_and_white_space_but_not_the_label():
    training = count_mentions([Article("t", "The  Army", (Span(0, 9, "ACTOR"),))])
    assert value("seen in training", at("the army"), training=training) == "seen"
    assert value("seen in training", at("the army", "EVENT"), training=training) == "unseen"
    assert value("frequency in training", at("the army"), training=training) == "1 time"


def test_metadata_fields_with_few_values_are_dimensions_by_themselves():
    articles = [Article(str(n), "x", meta={"source": f"s{n % 3}", "url": str(n), "same": 1, "list": [n]}) for n in range(30)]
    names = standard_slicers(articles)
    assert "meta.source" in names
    assert not {"meta.url", "meta.same", "meta.list"} & set(names)


def corpus(articles=80, seed=0):
    rng = random.Random(seed)
    pairs = []
    for number in range(articles):
        source = ("good", "poor")[number % 2]
        gold = tuple(Span(10 * k, 10 * k + 5, rng.choice(LABELS.labels)) for k in range(6))
        predicted = [span for span in gold if rng.random() < (0.95 if source == "good" else 0.4)]
        pairs.append((Article(str(number), "x" * 60, gold, meta={"source": source, "half": str(number // 40)}), predicted))
    return pairs


def test_the_slice_that_falls_behind_is_named_first_and_alone():
    pairs = corpus()
    slices = slice_scores(pairs, LABELS, standard_slicers([article for article, _ in pairs]), resamples=1000)
    assert (slices[0].dimension, slices[0].value, slices[0].behind) == ("meta.source", "poor", True)
    assert [s for s in slices if s.behind] == [slices[0]]
    assert slices[0].gap_high < 0
    good = next(s for s in slices if s.value == "good")
    assert not good.behind
    assert good.gap == pytest.approx(-slices[0].gap)


def test_slices_of_a_dimension_add_up_to_the_whole():
    pairs = corpus()
    whole = score_articles(pairs, LABELS, words=None).strict
    slices = slice_scores(pairs, LABELS, standard_slicers([article for article, _ in pairs]), resamples=200)
    for dimension in {s.dimension for s in slices}:
        parts = [s for s in slices if s.dimension == dimension]
        assert sum(s.support for s in parts) == whole.micro.support
        assert sum(s.predicted for s in parts) == whole.micro.predicted
    for part in (s for s in slices if s.dimension == "label"):
        assert part.f1 == pytest.approx(whole.labels[part.value].f1)
        assert part.low <= part.f1 <= part.high


def test_a_single_slice_has_no_gap():
    article = Article("a", TEXT, (at("KIEV", "LOCATION"),))
    [only] = slice_scores([(article, [])], LABELS, {"label": lambda a, s: s.label}, resamples=100)
    assert (only.gap, only.behind, only.support, only.predicted, only.articles) == (None, False, 1, 0, 1)


def test_no_span_gives_no_slice():
    assert slice_scores([(Article("a", TEXT), [])], LABELS, standard_slicers([]), resamples=10) == ()


def test_a_tiny_slice_is_never_called_behind():
    pairs = corpus()
    rare = Article("rare", "x" * 60, (Span(0, 5, "ACTOR"),), meta={"source": "rare", "half": "0"})
    slices = slice_scores([*pairs, (rare, [])], LABELS, standard_slicers([a for a, _ in pairs], fields=["source"]), resamples=500)
    assert not next(s for s in slices if s.value == "rare").behind


TRUE_F1 = {"easy": 2 * 0.9 / 1.9, "hard": 2 * 0.6 / 1.6}


def topics(rng, *, per_topic=12):
    """Articles of five topics; a gold span of an easy topic is found in nine cases of ten, of a hard one in six."""
    pairs = []
    for topic in range(5):
        kind = ("easy", "hard")[topic % 2]
        for number in range(per_topic):
            gold = tuple(Span(10 * k, 10 * k + 5, "ACTOR") for k in range(6))
            predicted = [span for span in gold if rng.random() < (0.9 if kind == "easy" else 0.6)]
            meta = {"topic": f"{kind} {topic}"}
            pairs.append((Article(f"{topic}-{number}", "x" * 60, gold, meta=meta), predicted))
    return pairs


def topic_slices(pairs, **more):
    clusters = {article.id: article.meta["topic"] for article, _ in pairs}
    slicers = standard_slicers([article for article, _ in pairs], fields=["topic"])
    found = slice_scores(pairs, LABELS, {"meta.topic": slicers["meta.topic"]}, clusters=clusters, resamples=400, **more)
    return {part.value: part for part in found}


def test_slices_by_the_resampled_field_have_intervals_that_hold_the_truth():
    rng, held, widths = random.Random(0), [], []
    for _ in range(60):
        for topic, part in topic_slices(topics(rng)).items():
            held.append(part.low <= TRUE_F1[topic.split()[0]] <= part.high)
            widths.append(part.high - part.low)
    assert sum(held) / len(held) >= 0.92
    assert max(widths) < 0.4


def test_a_slice_in_one_cluster_says_so_and_is_compared_by_its_articles():
    found = topic_slices(topics(random.Random(1), per_topic=30))
    assert all(part.one_cluster and part.units == 30 for part in found.values())
    assert {topic for topic, part in found.items() if part.behind} == {"hard 1", "hard 3"}


def test_a_cluster_whose_articles_hang_together_gives_no_interval():
    pairs = topics(random.Random(0))
    found = topic_slices(pairs, within={article.id: article.meta["topic"] for article, _ in pairs})
    assert {(part.low, part.high, part.gap_low, part.units, part.behind) for part in found.values()} == {
        (None, None, None, 1, False)
    }


def test_a_slice_in_few_articles_has_the_width_of_few():
    """Two of 200 articles hold the slice: one right, one wrong."""
    gold = (Span(0, 5, "ACTOR"),)
    rare = [(Article(f"rare{n}", "x" * 60, gold, meta={"source": "rare"}), gold[:n]) for n in range(2)]
    many = [(Article(str(n), "x" * 60, gold, meta={"source": "usual"}), gold) for n in range(198)]
    slicers = {"source": standard_slicers([a for a, _ in rare], fields=["source"])["meta.source"]}
    part = next(s for s in slice_scores([*many, *rare], LABELS, slicers, resamples=500) if s.value == "rare")
    assert part.units == 2
    assert part.high - part.low > 0.8


def test_scores_that_do_not_vary_give_no_interval_of_their_gap():
    gold = (Span(0, 5, "ACTOR"), Span(10, 15, "EVENT"))
    pairs = [(Article(str(n), "x" * 60, gold), gold) for n in range(20)]
    found = slice_scores(pairs, LABELS, {"label": lambda a, s: s.label}, resamples=200)
    assert {(part.gap, part.gap_low, part.gap_high) for part in found} == {(0.0, None, None)}


@pytest.mark.parametrize("meta", [{"topic": "a", "tags": ["x"]}, {"tags": ["x"]}])
def test_a_field_that_no_article_has_is_an_error_that_names_those_there_are(meta):
    articles = [Article("a", "x", meta=meta)]
    remedy = "name one of: topic" if "topic" in meta else "no field to slice by"
    with pytest.raises(
        SettingsError, match=f"evaluation.slices: the metadata field 'nope' is in none of the 1 articles; .*{remedy}"
    ):
        standard_slicers(articles, fields=["nope"])
    with pytest.raises(SettingsError, match="'tags' holds lists or objects"):
        standard_slicers(articles, fields=["tags"])


def test_articles_without_the_field_are_a_slice_of_their_own():
    gold = (Span(0, 5, "ACTOR"),)
    pairs = [(Article(str(n), "x" * 60, gold, meta={"source": "s"} if n % 2 else {}), gold) for n in range(10)]
    slicers = standard_slicers([article for article, _ in pairs], fields=["source"])
    found = slice_scores(pairs, LABELS, {"meta.source": slicers["meta.source"]}, resamples=100)
    assert {part.value: part.support for part in found} == {"s": 5, "not given": 5}


def test_a_wrong_field_is_found_before_anything_is_tagged():
    untouched = SimpleNamespace(labels=LABELS)
    with pytest.raises(SettingsError, match="name one of: topic"):
        evaluate(untouched, [Article("a", "x", meta={"topic": "t"})], analysis=EvaluationSettings(slices=["nope"]))
