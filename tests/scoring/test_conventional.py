import random
import warnings

import pytest
from nervaluate.entities import Entity
from nervaluate.strategies import EntityTypeEvaluation, ExactEvaluation, PartialEvaluation, StrictEvaluation
from seqeval.metrics import precision_score, recall_score
from seqeval.metrics.sequence_labeling import get_entities

from eventtag.article import Article
from eventtag.labels import LabelSet
from eventtag.scoring.conventional import first_come_counts, lenient_chunks
from eventtag.scoring.report import score_articles
from eventtag.span import Span

LABELS = LabelSet()
STRATEGIES = {
    "strict": StrictEvaluation(),
    "exact": ExactEvaluation(),
    "partial": PartialEvaluation(),
    "type": EntityTypeEvaluation(),
}


def random_spans(rng):
    spans = set()
    for _ in range(rng.randint(0, 5)):
        start = rng.randrange(150)
        spans.add(Span(start, start + rng.choice((1, 2, 5, 140)), rng.choice(LABELS.labels)))
    return sorted(spans)


@pytest.mark.parametrize("scheme", STRATEGIES)
def test_first_come_counts_are_those_of_nervaluate(scheme):
    rng = random.Random(3)
    for _ in range(1500):
        gold, predicted = random_spans(rng), random_spans(rng)
        ours = first_come_counts(gold, predicted, scheme)
        theirs, _ = STRATEGIES[scheme].evaluate(
            *([Entity(s.label, s.start, s.end - 1) for s in side] for side in (gold, predicted)), list(LABELS.labels)
        )
        assert (ours.gold_correct, ours.gold_incorrect, ours.gold_partial, ours.missed, ours.spurious) == (
            theirs.correct, theirs.incorrect, theirs.partial, theirs.missed, theirs.spurious
        )  # fmt: skip


def test_lenient_chunks_are_those_of_seqeval_default_mode():
    rng = random.Random(4)
    tags = ["O", "B-A", "I-A", "B-B", "I-B"]
    for _ in range(500):
        sequence = [rng.choice(tags) for _ in range(8)]
        assert lenient_chunks(sequence) == {(start, end + 1, label) for label, start, end in get_entities(sequence)}


def test_word_tag_scorers_name_the_articles_that_differ():
    text = "Police arrested two men."
    pairs = [
        (Article("inside-word", text, (Span(0, 6, "ACTOR"),)), [Span(0, 5, "ACTOR")]),
        (Article("fine", text, (Span(0, 6, "ACTOR"),)), [Span(0, 6, "ACTOR")]),
    ]
    report = score_articles(pairs, LABELS)
    by_scorer = {score.scorer: score for score in report.conventional if score.scheme == "strict"}
    assert by_scorer["seqeval default mode"].f1 == 1.0
    assert by_scorer["seqeval default mode"].first_articles == ("inside-word",)
    assert by_scorer["nervaluate"].cause == ""


def test_default_mode_figures_equal_seqeval_itself():
    rng = random.Random(5)
    text = " ".join("x" * 4 for _ in range(30))
    words = [(5 * n, 5 * n + 4) for n in range(30)]
    pairs, gold_tags, predicted_tags = [], [], []
    for number in range(30):
        sides = []
        for store in (gold_tags, predicted_tags):
            tags, spans = ["O"] * 30, []
            for first in rng.sample(range(0, 30, 3), 4):
                label = rng.choice(LABELS.labels[:2])
                spans.append(Span(words[first][0], words[first + 1][1], label))
                tags[first : first + 2] = [f"B-{label}", f"I-{label}"]
            sides.append(spans)
            store.append(tags)
        pairs.append((Article(str(number), text, tuple(sides[0])), sides[1]))
    score = next(s for s in score_articles(pairs, LABELS).conventional if s.scorer == "seqeval default mode")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert score.precision == pytest.approx(float(precision_score(gold_tags, predicted_tags)))
        assert score.recall == pytest.approx(float(recall_score(gold_tags, predicted_tags)))
