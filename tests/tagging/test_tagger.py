import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import PretrainedConfig

from eventtag.article import Article
from eventtag.errors import DataError, SettingsError
from eventtag.evaluation import evaluate
from eventtag.labels import LabelSet
from eventtag.manifest import MANIFEST_FILE, write_manifest
from eventtag.models.checkpoint import Calibration
from eventtag.models.tiny import build_tiny_tokenizer
from eventtag.scoring.temperature import apply_temperature
from eventtag.settings import EvaluationSettings, WindowSettings
from eventtag.span import Span
from eventtag.tagging import tagger as tagger_module
from eventtag.tagging.tagged import with_spans
from eventtag.tagging.tagger import Tagger

LABELS = LabelSet()


class WordModel(torch.nn.Module):
    """A perfect tagger: the tag of a token depends on its id alone. Counts the tokens that it reads."""

    def __init__(self, tag_of: dict[int, int]) -> None:
        super().__init__()
        self.config = PretrainedConfig()
        self.device = torch.device("cpu")
        self.tag_of = tag_of
        self.tokens_read = 0
        self.widest = 0

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> SimpleNamespace:
        self.tokens_read += int(attention_mask.sum())
        self.widest = max(self.widest, input_ids.shape[1])
        logits = torch.zeros((*input_ids.shape, len(LABELS.tags)))
        for token, tag in self.tag_of.items():
            logits[input_ids == token, tag] = 9.0
        logits[..., 0] += 5.0
        return SimpleNamespace(logits=logits)


def perfect(articles, **window) -> Tagger:
    tokenizer = build_tiny_tokenizer([article.text for article in articles])
    tag_of = {}
    for article in articles:
        for span in article.spans:
            for token in tokenizer(article.mention(span), add_special_tokens=False)["input_ids"][:1]:
                tag_of[token] = LABELS.begin_id(span.label)
    return Tagger(WordModel(tag_of), tokenizer, LABELS, WindowSettings(**window))  # type: ignore[arg-type]


@pytest.mark.parametrize(("max_length", "stride"), [(8, 0), (8, 2), (12, 4), (24, 6), (24, 10), (64, 0), (256, 48)])
def test_a_perfect_model_gives_back_all_gold_whatever_the_windows(articles, max_length, stride):
    tagger = perfect(articles, max_length=max_length, stride=stride)
    for item in tagger.tag_many(articles):
        assert [Span(s.start, s.end, s.label) for s in item.spans] == list(item.article.spans)
    assert tagger.model.widest <= max_length


def test_an_article_of_200_000_characters_is_tagged_to_its_end(articles):
    tagger = perfect(articles, max_length=64, stride=16)
    text = "\n".join([articles[0].text] * (200_000 // len(articles[0].text) + 1))
    spans = tagger.tag(text)
    per_copy = len(articles[0].spans)
    assert len(spans) == per_copy * (text.count("\n") + 1)
    assert text[spans[-1].start : spans[-1].end] == articles[0].mention(articles[0].spans[-1])
    assert len(text) - spans[-1].end < 5


def test_a_model_that_gives_no_numbers_is_an_error_and_not_an_article_without_spans(articles, monkeypatch):
    tagger = perfect(articles, max_length=64, stride=16)
    numbers = WordModel.forward

    def forward(self, input_ids, attention_mask):
        output = numbers(self, input_ids, attention_mask)
        output.logits[-1, -2] = float("nan")
        return output

    monkeypatch.setattr(WordModel, "forward", forward)
    with pytest.raises(DataError, match="the model's scores are not numbers"):
        list(tagger.tag_many(articles))


@pytest.mark.parametrize("text", ["", " \n\t ", "\u200b", "\x00"])
def test_a_text_without_words_has_no_spans(checkpoint, text):
    assert Tagger.load(checkpoint).tag(text) == ()


def test_spans_do_not_depend_on_batch_size_or_company(checkpoint, articles):
    texts = [a.text * (1 + number % 3) for number, a in enumerate(articles)]
    alone = [Tagger.load(checkpoint).tag(text) for text in texts]
    for batch_tokens in (1, 100, 4096, None):
        for step in (1, -1):
            together = list(Tagger.load(checkpoint, batch_tokens=batch_tokens).tag_many(texts[::step]))[::step]
            for one, other in zip(alone, together, strict=True):
                assert [(s.start, s.end, s.label) for s in one] == [(s.start, s.end, s.label) for s in other.spans]
                assert [s.score for s in one] == pytest.approx([s.score for s in other.spans], abs=1e-5)


def test_articles_are_taken_together_up_to_so_many_scores(checkpoint, articles, monkeypatch):
    tagger = Tagger.load(checkpoint)
    of_a_word = int(np.prod(tagger.decoder.shape(tagger.labels)))
    alone = [tagger.tag(article.text) for article in articles]
    monkeypatch.setattr(tagger_module, "CHUNK_SCORES", 60 * of_a_word)
    chunks = list(tagger._chunks(articles))
    words = [sum(len(tokens.words) for _, tokens in chunk) for chunk in chunks]
    assert [article for chunk in chunks for article, _ in chunk] == list(articles)
    assert all(count <= 60 or len(chunk) == 1 for count, chunk in zip(words, chunks, strict=True))
    assert max(map(len, chunks)) > 1
    assert len(chunks) > 1
    assert [len(found.spans) for found in tagger.tag_many(articles)] == [len(spans) for spans in alone]


def test_an_article_knows_how_many_tokens_it_has(checkpoint, articles):
    tagger = Tagger.load(checkpoint)
    for tagged in tagger.tag_many([articles[0].text, "", articles[1].text * 9]):
        bare = tagger.tokenizer.backend_tokenizer.encode(tagged.article.text, add_special_tokens=False)
        assert tagged.tokens == len(bare.ids)


def test_a_smaller_stride_reads_less_and_is_told(articles):
    tagger = perfect(articles, max_length=24, stride=8)
    text = " ".join(article.text for article in articles)
    read, spans = [], []
    for stride in (None, 4, 0):
        other = tagger.with_stride(stride)
        tagger.model.tokens_read = 0
        spans.append(other.tag(text))
        read.append(tagger.model.tokens_read)
        assert (other.about or {}).get("stride") == stride
    assert read[0] > read[1] > read[2]
    assert [(s.start, s.end, s.label) for s in spans[0]] == [(s.start, s.end, s.label) for s in spans[2]]
    with pytest.raises(SettingsError, match="stride=11 is not allowed"):
        tagger.with_stride(11)


def test_tagging_is_lazy(checkpoint, articles):
    taken = []

    def endless():
        while True:
            taken.append(1)
            yield articles[0].text * 40

    first = next(iter(Tagger.load(checkpoint).tag_many(endless())))
    assert first.spans
    assert len(taken) < 200


def test_only_annotated_regions_are_read_for_scoring(articles):
    long = Article("long", "\n".join(a.text for a in articles), annotated=((0, 30),))
    tagger = perfect(articles, max_length=32, stride=8)
    list(tagger.tag_many([long], only_annotated=True))
    part = tagger.model.tokens_read
    list(tagger.tag_many([long]))
    assert part * 5 < tagger.model.tokens_read - part


@pytest.mark.parametrize("region", [(0, 40), (17, 90), (60, 61)])
def test_gold_outside_annotated_regions_changes_no_score(checkpoint, articles, region):
    tagger = Tagger.load(checkpoint)
    masked = [
        replace(a, annotated=(region,), spans=tuple(s for s in a.spans if s.end > region[0] and s.start < region[1]))
        for a in articles
    ]
    noisy = []
    for article in masked:
        free = [at for at in range(len(article.text)) if not region[0] <= at < region[1]]
        noisy.append(replace(article, spans=article.spans + tuple(Span(at, at + 1, "EVENT") for at in free)))
    assert evaluate(tagger, masked).report.to_json() == evaluate(tagger, noisy).report.to_json()


def test_scores_are_probabilities_and_tagged_articles_keep_what_they_came_with(checkpoint, articles):
    item = next(iter(Tagger.load(checkpoint).tag_many([articles[0]])))
    assert all(0.0 <= span.score <= 1.0 for span in item.spans)
    article = with_spans(item)
    assert (article.id, article.text, article.meta) == (articles[0].id, articles[0].text, articles[0].meta)
    assert article.spans == item.spans


def test_scores_are_calibrated_by_label_and_spans_below_the_threshold_left_out(articles):
    raw = perfect(articles)
    plain = list(raw.tag_many(articles[:4]))
    calibrated = replace(raw, calibration=Calibration(temperatures={"EVENT": 3.0}))
    for before, after in zip(plain, calibrated.tag_many(articles[:4]), strict=True):
        assert after.raw_scores == before.raw_scores == tuple(span.score for span in before.spans)
        for one, other in zip(before.spans, after.spans, strict=True):
            expected = float(apply_temperature(np.array([one.score]), 3.0)[0]) if one.label == "EVENT" else one.score
            assert other == replace(one, score=expected)
    limit = calibrated.with_thresholds({"EVENT": 1.0, "ACTOR": 0.1})
    assert {span.label for item in limit.tag_many(articles[:4]) for span in item.spans} == {"ACTOR", "LOCATION"}
    with pytest.raises(SettingsError, match=r"thresholds.PLACE: no such label; the labels are ACTOR, EVENT, LOCATION"):
        raw.with_thresholds({"PLACE": 0.5})


def test_the_report_measures_scores_before_and_after_and_says_where_they_were_fitted(articles):
    settings = EvaluationSettings(resamples=100)
    tagger = perfect(articles)
    tagger = replace(tagger, calibration=Calibration({"EVENT": 3.0}, {"ACTOR": 0.2}, {"sha256": "these"}, 0.07))
    found = evaluate(tagger, articles, data={"sha256": "these"}, analysis=settings).report
    assert found.calibration.fitted_here
    assert found.calibration.raw.labels["EVENT"].reliability.ece < found.calibration.labels["EVENT"].reliability.ece
    assert "so the first figure is too low (0.0700 with temperatures fitted on other folds" in found.calibration.note
    assert "thresholds used: ACTOR 0.2000" in found.calibration.note
    assert found.checkpoint["thresholds"] == {"ACTOR": 0.2}
    elsewhere = evaluate(tagger, articles, data={"sha256": "those"}, analysis=settings).report.calibration
    assert not elsewhere.fitted_here
    assert "too low" not in elsewhere.note


def test_odd_characters_move_no_span(checkpoint):
    """NUL, a lone surrogate, a byte order mark, controls and white space before a mention: offsets still point at the mention."""
    tagger = Tagger.load(checkpoint)
    plain = "Police arrested Miners in Paris ."
    expected = [(plain[s.start : s.end], s.label) for s in tagger.tag(plain)]
    assert ("Paris", "LOCATION") in expected
    for odd in ("\x00", "\ud800", "\ufeff", "\x1b\x07", "\r\n\t\u00a0"):
        text = odd + plain
        assert [(text[s.start : s.end], s.label) for s in tagger.tag(text)] == expected, repr(odd)


def test_articles_of_which_nothing_is_known_are_left_out_and_counted(articles):
    tagger = perfect(articles)
    known = list(articles[:4])
    unknown = [
        replace(articles[4], id="nobody looked", annotated=(), spans=()),
        replace(articles[5], id="other labels", labels=("OTHER",), spans=()),
    ]
    report = evaluate(tagger, [*known, *unknown]).report
    assert (report.articles, report.left_out, report.to_json()["left_out"]) == (4, 2, 2)
    assert any(note.startswith("2 more articles are left out") for note in report.notes)
    assert evaluate(tagger, known).report.notes == []
    with pytest.raises(DataError, match="none of the 2 articles has an annotated region where one of"):
        evaluate(tagger, unknown)


def test_a_tagger_finds_spans_across_lines_only_if_its_training_articles_had_some():
    text = "Photo by Ann\nLee attacked Paris ."
    tokenizer = build_tiny_tokenizer([text])
    ids = dict(zip(text.split(), tokenizer(text.split(), add_special_tokens=False)["input_ids"], strict=True))
    begin = LABELS.begin_id("ACTOR")
    tag_of = {ids["Ann"][0]: begin, ids["Lee"][0]: begin + 1}
    tagger = Tagger(WordModel(tag_of), tokenizer, LABELS, WindowSettings(max_length=32, stride=0))  # type: ignore[arg-type]
    assert [text[span.start : span.end] for span in tagger.tag(text)] == ["Ann\nLee"]
    within = replace(tagger, crosses_lines=False)
    assert [text[span.start : span.end] for span in within.tag(text)] == ["Ann"]
    assert [span.start for span in within.tag(text.replace("\n", " "))] == [9]
    (judged,) = within.judge_words([Article("a", text)])
    assert judged.probabilities[3, begin + 1] < 1e-6


def test_a_tagger_cuts_strings_only_if_its_training_articles_did_or_the_text_is_as_it_was_published():
    text = "Apple Inc . , said U . S . court ."
    glued = "Apple Inc. , said U.S. court ."
    tokenizer = build_tiny_tokenizer([text])
    ids = dict(zip(text.split(), tokenizer(text.split(), add_special_tokens=False)["input_ids"], strict=True))
    begin = LABELS.begin_id("ACTOR")
    tag_of = {ids["Apple"][0]: begin, ids["Inc"][0]: begin + 1, ids["U"][0]: begin}
    tagger = Tagger(WordModel(tag_of), tokenizer, LABELS, WindowSettings(max_length=32, stride=0))  # type: ignore[arg-type]
    assert [glued[span.start : span.end] for span in tagger.tag(glued)] == ["Apple Inc", "U"]
    whole = replace(tagger, cuts_strings=False)
    assert [glued[span.start : span.end] for span in whole.tag(glued)] == ["Apple Inc.", "U.S."]
    assert [span.score for span in whole.tag(glued)] == [span.score for span in tagger.tag(glued)]
    published = "Apple Inc., said U.S. court."
    assert whole.tag(published) == tagger.tag(published)


def test_a_checkpoint_that_does_not_say_finds_spans_across_lines_and_cuts_strings_as_before(checkpoint, tmp_path):
    older = tmp_path / "checkpoint"
    shutil.copytree(checkpoint, older)
    content = json.loads((older / "eventtag.json").read_text())
    del content["crosses_lines"], content["cuts_strings"]
    (older / "eventtag.json").write_text(json.dumps(content))
    (older / MANIFEST_FILE).unlink()
    write_manifest(older)
    assert Tagger.load(older).crosses_lines is True
    assert Tagger.load(older).cuts_strings is True
