import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import plain_model, plain_trainer

from eventtag.corpus.seen import read_seen
from eventtag.encoding.align import IGNORED, align_spans
from eventtag.encoding.tokens import tokenise
from eventtag.engines.torch_backend import TorchBackend
from eventtag.errors import CheckpointError, SettingsError
from eventtag.heads.softmax import tag_loss
from eventtag.heads.tag_decoding import TagDecoder
from eventtag.labels import LabelSet
from eventtag.ledger import LossLedger
from eventtag.models.checkpoint import load_checkpoint
from eventtag.settings import DataSettings, Head, TeacherSettings, TrainSettings, WindowSettings
from eventtag.tagging.tagger import Tagger
from eventtag.training.data.features import build_features, collate
from eventtag.training.data.teachers import ask_teachers, read_unlabelled, teacher_fingerprints
from eventtag.training.run import train

pytestmark = pytest.mark.slow

LABELS = LabelSet()


@pytest.fixture(scope="module")
def tokenizer(checkpoint):
    return load_checkpoint(checkpoint).tokenizer


def half_annotated(article):
    """The article with the gold of its first sentence alone."""
    end = article.text.index(".") + 1
    return replace(article, spans=tuple(s for s in article.spans if s.end <= end), annotated=((0, end),))


def test_soft_targets_are_the_mean_of_the_teachers(articles, checkpoint, tokenizer, tmp_path):
    shutil.copytree(checkpoint, tmp_path / "other")
    settings = TeacherSettings(checkpoints=[str(checkpoint), str(tmp_path / "other")], share=0.3)
    targets = ask_teachers(articles[:2], settings, LABELS, tokenizer)[articles[0].id]
    emissions = Tagger.load(checkpoint).emissions([tokenise(articles[0].text, tokenizer)])[0]
    assert np.allclose(targets.probabilities, np.exp(emissions), atol=1e-3)
    assert (targets.share == np.float32(0.3)).all()


def test_words_that_nobody_annotated_follow_sure_teachers_alone(articles, checkpoint, tokenizer):
    article = half_annotated(articles[0])
    words = tokenise(article.text, tokenizer).words
    gold = align_spans(article, words, LABELS, ledger=LossLedger()) != IGNORED

    def share(**options):
        settings = TeacherSettings(checkpoints=[str(checkpoint)], share=0.25, **options)
        return ask_teachers([article], settings, LABELS, tokenizer)[article.id].share

    assert (share()[gold] == 0.25).all()
    assert not share()[~gold].any()
    assert (share(unannotated=True)[~gold] == 1).all()
    assert not share(unannotated=True, confidence=1.0)[~gold].any()


def test_teachers_read_only_what_is_learnt_from_them(articles, checkpoint, tokenizer):
    article = replace(articles[0], text=articles[0].text + " Police met ." * 40, annotated=((0, len(articles[0].text)),))
    words = tokenise(article.text, tokenizer).words
    inside = words[:, 1] <= len(articles[0].text)
    some, every = (
        ask_teachers([article], TeacherSettings(checkpoints=[str(checkpoint)], unannotated=wanted), LABELS, tokenizer)[article.id]
        for wanted in (False, True)
    )
    np.testing.assert_array_equal(some.probabilities[inside], every.probabilities[inside])
    assert not some.probabilities[-10:].any()
    assert not some.share[~inside].any()
    assert np.allclose(every.probabilities[-10:].sum(axis=1), 1, atol=5e-3)


def test_windows_carry_soft_targets_to_the_positions_that_are_learnt(articles, checkpoint, tokenizer):
    article = half_annotated(articles[0])
    window = WindowSettings(max_length=24, stride=6)

    def features(**options):
        settings = TeacherSettings(checkpoints=[str(checkpoint)], share=0.25, **options)
        soft_targets = ask_teachers([article], settings, LABELS, tokenizer)
        return build_features([article], tokenizer, LABELS, window, ledger=LossLedger(), soft_targets=soft_targets)

    gold, student = features(), features(unannotated=True)
    words = len(tokenise(article.text, tokenizer).words)
    assert sum(int((f.tag_ids != IGNORED).sum()) for f in gold) < words
    assert sum(int((f.tag_ids != IGNORED).sum()) for f in student) == words
    batch = collate(student, pad_token_id=0)
    learnt = batch["labels"] != IGNORED
    assert set(batch["soft_share"][learnt].unique().tolist()) == {0.25, 1.0}
    assert torch.allclose(batch["soft_targets"][learnt].sum(-1), torch.ones(()), atol=5e-3)
    pseudo = learnt & (batch["soft_share"] == 1)
    assert torch.equal(batch["labels"][pseudo], batch["soft_targets"][pseudo].argmax(-1))


def test_the_loss_goes_from_the_gold_to_the_teachers():
    torch.manual_seed(1)
    emissions = torch.randn(2, 5, 7, requires_grad=True)
    tags = torch.tensor([[1, 2, 0, IGNORED, 0], [0, 3, 4, 0, IGNORED]])
    unannotated = torch.zeros(2, 7, dtype=torch.bool)
    teachers = torch.randn(2, 5, 7).softmax(-1)

    def loss(share):
        return tag_loss(emissions, tags, unannotated, soft_targets=(teachers, torch.full((2, 5), share)))

    assert loss(0.0).item() == pytest.approx(tag_loss(emissions, tags, unannotated).item())
    known = tags != IGNORED
    cross_entropy = -(teachers * emissions.log_softmax(-1)).sum(-1)[known].mean()
    assert loss(1.0).item() == pytest.approx(cross_entropy.item())
    assert loss(0.25).item() == pytest.approx(0.75 * loss(0.0).item() + 0.25 * loss(1.0).item())
    (gradient,) = torch.autograd.grad(loss(1.0), emissions)
    expected = (emissions.softmax(-1) - teachers) / known.sum()
    assert torch.allclose(gradient[known], expected[known], atol=1e-6)


def test_soft_targets_of_a_crf_are_over_all_sequences(articles, checkpoint, tokenizer, monkeypatch):
    transitions = np.random.default_rng(1).normal(size=(len(LABELS.tags),) * 2)
    monkeypatch.setattr(TorchBackend, "decoder", TagDecoder(transitions))
    settings = TeacherSettings(checkpoints=[str(checkpoint)])
    targets = ask_teachers(articles[:1], settings, LABELS, tokenizer)[articles[0].id]
    tagger = Tagger.load(checkpoint)
    emissions = tagger.emissions([tokenise(articles[0].text, tokenizer)])
    (wanted,) = TagDecoder(transitions).tag_probabilities(emissions, LABELS)
    assert np.allclose(targets.probabilities, wanted, atol=1e-3)
    assert not np.allclose(targets.probabilities, np.exp(emissions[0]), atol=1e-2)


@pytest.mark.parametrize("head", [Head.softmax, Head.crf])
def test_a_student_learns_from_teachers_what_nobody_annotated(head, articles, checkpoint, tokenizer, tmp_path):
    from eventtag.formats.jsonl import json_line

    trained = [article for article in articles if article.meta["split"] == "train"]
    others = [article for article in articles if article.meta["split"] != "train"]
    path = tmp_path / "articles.jsonl"
    path.write_text("".join(json_line(a) + "\n" for a in [half_annotated(trained[0]), half_annotated(trained[1]), *others]))
    untrained = load_checkpoint(checkpoint).model
    torch.manual_seed(3)
    for parameter in untrained.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    untrained.save_pretrained(tmp_path / "encoder")
    tokenizer.save_pretrained(tmp_path / "encoder")
    more = tmp_path / "more.jsonl"
    more.write_text("".join(json.dumps({"id": a.id, "text": a.text}) + "\n" for a in trained))

    def settings(name, **teacher):
        return TrainSettings(
            data=DataSettings(path=str(path), split_field="split"),
            model=plain_model(name=str(tmp_path / "encoder"), attention_dropout=None, head=head),
            window=WindowSettings(max_length=24, stride=6),
            trainer=plain_trainer(epochs=12, batch_size=4, learning_rate=1e-2, head_learning_rate=1e-2, patience=None),
            teacher=TeacherSettings(**teacher),
            run_dir=str(tmp_path / name),
        )

    alone = train(settings("alone"))
    student = train(settings("student", checkpoints=[str(checkpoint)], unannotated=True, articles=str(more)))
    micro = [result.evaluation.report.strict.micro.f1 for result in (alone, student)]
    assert micro[1] > 0.9 > micro[0]
    record = json.loads((tmp_path / "student" / "run.json").read_text())
    assert record["teachers"] == teacher_fingerprints([str(checkpoint)])
    seen, teacher = read_seen(tmp_path / "student" / "checkpoint"), read_seen(checkpoint)
    assert seen.learnt == teacher.learnt
    assert seen.read == teacher.learnt  # `teacher.articles` are the training articles, without their spans
    assert not read_seen(tmp_path / "alone" / "checkpoint").read


def test_teachers_that_cannot_teach_are_refused(articles, checkpoint, tokenizer, tmp_path):
    with pytest.raises(SettingsError, match="knows the labels ACTOR, EVENT, LOCATION"):
        ask_teachers(articles[:1], TeacherSettings(checkpoints=[str(checkpoint)]), LabelSet(("ACTOR",)), tokenizer)
    with pytest.raises(CheckpointError, match=r"teacher\.checkpoints: .*has no manifest\.json"):
        teacher_fingerprints([str(tmp_path)])
    with pytest.raises(SettingsError, match=r"teacher\.articles=.* needs teacher\.unannotated=true"):
        TeacherSettings(checkpoints=["x"], articles="more.jsonl")


def test_rows_that_cannot_be_read_are_named(tmp_path):
    path = tmp_path / "more.jsonl"
    path.write_text('{"id": "a", "text": "Moscow"}\n{"id": "b"}\n')
    ledger = LossLedger()
    read = list(read_unlabelled(TeacherSettings(checkpoints=["x"], unannotated=True, articles=str(path)), ledger=ledger))
    assert [(a.id, a.annotated) for a in read] == [("unlabelled:a", ())]
    assert any("more.jsonl:2" in remark for remark in ledger.remarks)
