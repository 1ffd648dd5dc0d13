from dataclasses import dataclass, replace

import numpy as np
import pytest
from conftest import make_article, make_distinct, plain_model, plain_trainer

from eventtag.article import Article
from eventtag.encoding.align import align_spans
from eventtag.errors import DataError, SettingsError
from eventtag.experiments import cross_validation
from eventtag.experiments.cross_validation import cross_validate
from eventtag.experiments.likely_errors import find_likely_errors
from eventtag.formats.jsonl import json_line
from eventtag.labels import LabelSet
from eventtag.ledger import LossLedger
from eventtag.settings import (
    DataSettings,
    Head,
    IntermediateSettings,
    TrainSettings,
    WindowSettings,
)
from eventtag.span import Span
from eventtag.text.words import find_words
from eventtag.training.intermediate import plan_intermediate

LABELS = LabelSet()


@dataclass(frozen=True)
class Judged:
    article: Article
    words: np.ndarray
    probabilities: np.ndarray


def sure_of(truth: Article, given: Article) -> Judged:
    """A model that is nearly certain of `truth`, asked about the annotation `given` of the same text."""
    words = find_words(truth.text)
    tags = align_spans(truth, words, LABELS, ledger=LossLedger())
    probabilities = np.full((len(words), len(LABELS.tags)), 0.01)
    probabilities[np.arange(len(words)), tags] = 0.94
    return Judged(given, words, probabilities)


def spoil(article: Article, kind: str) -> tuple[Article, tuple[int, int]]:
    """The article with one error, and where it is."""
    first, *rest = article.spans
    match kind:
        case "removed":
            return replace(article, spans=tuple(rest)), (first.start, first.end)
        case "swapped":
            return replace(article, spans=(replace(first, label="LOCATION"), *rest)), (first.start, first.end)
        case "added":
            start = article.text.index(" in ") + 1
            return replace(article, spans=(*article.spans, Span(start, start + 2, "EVENT"))), (start, start + 2)
    raise AssertionError(kind)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("removed", "is not annotated, the model says ACTOR (0.95)"),
        ("swapped", "is LOCATION, the model says ACTOR (0.95)"),
        ("added", "is EVENT, the model says no mention (0.94)"),
    ],
)
def test_an_annotation_against_which_the_model_is_sure_is_found_with_what_it_says(articles, kind, message):
    spoilt, (start, end) = spoil(articles[3], kind)
    judged = [sure_of(article, spoilt if article.id == spoilt.id else article) for article in articles]
    (finding,) = find_likely_errors(judged, LABELS)
    assert (finding.rule, finding.severity, finding.article_id) == ("likely error", "warning", "a3")
    assert (finding.start, finding.end, finding.message) == (start, end, message)
    assert finding.rank > 0.9
    assert f"[{spoilt.text[start:end]}]" in finding.context


def test_words_that_the_model_takes_to_a_mention_are_of_its_finding_and_weigh_less(articles):
    whole = make_article("w", "Reuters-Moscow/ACTOR met/EVENT Police/ACTOR in Paris/LOCATION .")
    cut = replace(whole, spans=(Span(8, 14, "ACTOR"), *whole.spans[1:]))
    judged = [sure_of(whole, cut), *(sure_of(article, article) for article in articles)]
    (finding,) = find_likely_errors(judged, LABELS)
    assert (finding.start, finding.end, finding.label) == (8, 14, "ACTOR")
    assert finding.message == "is ACTOR, the model says that 'Reuters-' belongs to it (0.95)"
    assert 0.5 < finding.rank < 0.7


def test_articles_that_are_annotated_as_the_model_says_have_no_finding(articles):
    assert find_likely_errors([sure_of(article, article) for article in articles], LABELS) == []


def test_a_label_that_nobody_marked_and_places_where_nobody_looked_are_no_errors(articles):
    judged = []
    for article in articles:
        unannotated = replace(article, spans=tuple(s for s in article.spans if s.label != "EVENT"), labels=("ACTOR", "LOCATION"))
        half = len(article.text) // 2
        unseen = replace(article, spans=tuple(s for s in article.spans if s.end <= half), annotated=((0, half),))
        judged += [sure_of(article, unannotated), sure_of(article, unseen), sure_of(article, article)]
    assert find_likely_errors(judged, LABELS) == []


def test_labels_that_the_model_does_not_know_are_left_out(articles):
    known = LabelSet(("ACTOR", "EVENT"))
    judged = []
    for article in articles:
        tags = align_spans(article, find_words(article.text), known, ledger=LossLedger())
        probabilities = np.full((len(tags), len(known.tags)), 0.01)
        probabilities[np.arange(len(tags)), tags] = 0.96
        judged.append(Judged(article, find_words(article.text), probabilities))
    assert find_likely_errors(judged, known) == []


def test_without_an_annotated_word_there_is_nothing_to_judge():
    with pytest.raises(DataError, match="no article has an annotated word"):
        find_likely_errors([sure_of(make_article("a", "Kyiv/LOCATION"), Article("a", "Kyiv", annotated=()))], LABELS)


def test_a_head_that_scores_spans_is_refused_before_anything_is_trained(articles):
    settings = TrainSettings(
        data=DataSettings(path="unused"),
        model=plain_model(name="tiny", head=Head.span, attention_dropout=None),
        run_dir="unused",
    )
    with pytest.raises(SettingsError, match=r"model.head=span gives no probabilities for single words"):
        next(cross_validate(articles, LABELS, settings, folds=2))


def test_intermediate_fine_tuning_learns_nothing_that_is_to_be_judged(tmp_path, monkeypatch):
    """The intermediate is a larger corpus that holds the articles to be judged."""
    larger = make_distinct(34, train=30)
    (tmp_path / "larger.jsonl").write_text("".join(json_line(article) + "\n" for article in larger))
    intermediate = IntermediateSettings(
        data=DataSettings(name="larger", path=str(tmp_path / "larger.jsonl"), split_field="split")
    )
    settings = TrainSettings(
        data=DataSettings(path="unused"),
        model=plain_model(name="a model", intermediate=intermediate),
        run_dir=str(tmp_path / "run"),
    )

    class PlannedError(Exception):
        pass

    def plan(own, *, corpus, whole, shared):
        raise PlannedError(plan_intermediate(own, whole))

    monkeypatch.setattr(cross_validation, "train", plan)
    linted = larger[:12]
    with pytest.raises(PlannedError) as planned:
        next(cross_validate(linted, LABELS, settings, folds=3))
    (run,) = planned.value.args
    assert len(run.corpus.splits["train"]) == 18
    assert not {article.text for article in linted} & {article.text for article in run.corpus.splits["train"]}


def test_planted_errors_come_out_on_top_of_cross_validation(articles):
    """Each article is judged by a tiny model that was trained on other articles, their own planted errors among them."""
    kinds = ("removed", "swapped", "added")
    planted = {article.id: spoil(article, kinds[number % 3]) for number, article in enumerate(articles[::4])}
    spoilt = [planted[article.id][0] if article.id in planted else article for article in articles]
    settings = TrainSettings(
        data=DataSettings(path="unused"),
        model=plain_model(name="tiny", attention_dropout=None),
        window=WindowSettings(max_length=64, stride=8),
        trainer=plain_trainer(epochs=16, batch_size=4, learning_rate=1e-2, head_learning_rate=1e-2, patience=None),
        run_dir="unused",
    )
    judged = list(cross_validate(spoilt, LABELS, settings, folds=2))
    assert sorted(item.article.id for item in judged) == sorted(article.id for article in articles)
    findings = {(finding.article_id, finding.start, finding.end) for finding in find_likely_errors(judged, LABELS)}
    places = {(name, *place): kinds[number % 3] for number, (name, (_, place)) in enumerate(planted.items())}
    assert findings <= places.keys()
    assert {place for place, kind in places.items() if kind != "added"} <= findings
