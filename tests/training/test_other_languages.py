"""Articles in scripts without blanks between words and in scripts that run from right to left, under a small multilingual encoder."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import plain_model, plain_trainer, trained_settings
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast, XLMRobertaConfig, XLMRobertaModel

from eventtag.article import Article
from eventtag.corpus.loading import load_corpus
from eventtag.encoding.align import align_spans
from eventtag.encoding.tokens import tokenise
from eventtag.formats.jsonl import json_line
from eventtag.labels import LabelSet
from eventtag.ledger import LossLedger
from eventtag.reporting.highlight import page
from eventtag.settings import DataSettings, IntermediateSettings, TrainSettings, WindowSettings
from eventtag.span import Span
from eventtag.tagging.tagger import Tagger
from eventtag.text.scripts import main_script
from eventtag.training.intermediate import plan_intermediate
from eventtag.training.run import _build_trainer, train

SENTENCES = {
    "Chinese": "{警方|矿工|护士}ACTOR在{北京|上海|南京}LOCATION{逮捕|拘留|释放}EVENT了{男子|记者|学生}ACTOR。",
    "Thai": "{ตำรวจ|ชาวนา|พยาบาล}ACTOR {จับกุม|ช่วย|พบ}EVENT {นักข่าว|นักเรียน|ชาวบ้าน}ACTOR ที่ {กรุงเทพ|เชียงใหม่|ภูเก็ต}LOCATION",
    "Arabic": "{اعتقلت|استقبلت|هاجمت}EVENT {الشرطة|القوات|الجماعة}ACTOR {صحفيين|طلابا|عمالا}ACTOR في {بغداد|القاهرة|دمشق}LOCATION.",
    "Hebrew": "{המשטרה|הצבא|הסטודנטים}ACTOR {עצרה|פגש|תקף}EVENT {עיתונאים|פועלים|אחיות}ACTOR ליד {חיפה|אשדוד|נצרת}LOCATION.",
}
PIECE = re.compile(r"([^{}]+?(?=\{|\Z)|)(?:\{([^}]+)\}([A-Z]+))?")


def article_of(language: str, number: int) -> Article:
    """Two sentences of a language; the number chooses the words."""
    text, spans = "", []
    for part in range(2):
        for plain, choices, label in PIECE.findall(SENTENCES[language]):
            text += plain
            if choices:
                mention = choices.split("|")[(number + part) % 3]
                spans.append(Span(len(text), len(text) + len(mention), label))
                text += mention
        text += "" if language == "Chinese" else " "
    split = "validation" if number % 4 == 0 else "train"
    return Article(f"{language}{number}", text, tuple(spans), meta={"split": split})


ARTICLES = [article_of(language, number) for language in SENTENCES for number in range(8)]


def write(path: Path, articles) -> Path:
    path.write_text("".join(json_line(article) + "\n" for article in articles), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def xlmr_folder(tmp_path_factory) -> Path:
    """A small random XLM-RoBERTa with a unigram tokenizer that writes blanks as parts of its pieces."""
    folder = tmp_path_factory.mktemp("encoders") / "xlmr"
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trainer = trainers.UnigramTrainer(vocab_size=400, special_tokens=special, unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator([article.text for article in ARTICLES], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    names = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>", "mask_token": "<mask>"}
    whole = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names, model_max_length=512)
    whole.save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 96}
    config = XLMRobertaConfig(
        vocab_size=len(whole), pad_token_id=1, max_position_embeddings=514, hidden_dropout_prob=0.0, type_vocab_size=1, **sizes
    )
    XLMRobertaModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    return write(tmp_path_factory.mktemp("languages") / "articles.jsonl", ARTICLES)


def settings_of(file: Path, encoder: Path, run: Path, **model) -> TrainSettings:
    settings = trained_settings(file) | {
        "model": plain_model(name=str(encoder), **model),
        "window": WindowSettings(max_length=128, stride=6),
        "trainer": plain_trainer(epochs=10, batch_size=4, learning_rate=1e-2, head_learning_rate=2e-2, patience=None),
    }
    return TrainSettings(**settings, run_dir=str(run))


def test_the_spans_of_each_script_are_learnt_and_found_at_their_offsets(file, xlmr_folder, tmp_path):
    train(settings_of(file, xlmr_folder, tmp_path / "run"))
    assert not (tmp_path / "run" / "losses.jsonl").read_text()
    tagger = Tagger.load(tmp_path / "run", device="cpu")
    held_out = [article for article in ARTICLES if article.meta["split"] == "validation"]
    for language in SENTENCES:
        own = [article for article in held_out if article.id.startswith(language)]
        gold = {(article.id, span) for article in own for span in article.spans}
        found = {
            (article.id, replace(span, score=None))
            for article, tagged in zip(own, tagger.tag_many([article.text for article in own]), strict=True)
            for span in tagged.spans
        }
        assert len(gold & found) > 0.9 * len(gold), language


def unigram(*pieces: str) -> Tokenizer:
    return Tokenizer(models.Unigram([("<unk>", 0.0), *((piece, -1.0 - (len(piece) == 1)) for piece in pieces)], unk_id=0))


def parted(text: str, tokenizer: Tokenizer) -> list[str]:
    tokens = tokenise(text, tokenizer)
    assert (tokens.word_of[tokens.first_token] == range(len(tokens.words))).all()
    return [text[start:end] for start, end in tokens.words]


def test_a_token_over_several_words_is_divided_where_the_vocabulary_has_the_parts():
    text = "警方在北京。"
    pieces = ("警方", "警", "方", "在北京", "在", "北", "京", "。")
    assert parted(text, unigram(*pieces)) == list(text)
    tokens = tokenise(text, unigram(*pieces))
    assert [unigram(*pieces).id_to_token(number) for number in tokens.input_ids.tolist()] == list(text)
    assert parted(text, unigram("警方", "在北京", "北", "京", "。")) == ["警方", "在北京", "。"]
    assert parted("al-Bab", unigram("al-", "Bab", *"al-Bb")) == ["al-", "Bab"]  # blanks part its words
    spaced = unigram("▁กรุง", "▁", "ก", "รุ", "ง")
    spaced.pre_tokenizer = pre_tokenizers.Metaspace()
    assert parted("กรุง", spaced) == ["ก", "รุ", "ง"]
    pieces = {piece: number for number, piece in enumerate(("[UNK]", "กรุง", "ก", "##รุ", "##ง", "##งรุ"))}
    assert parted("กรุงงรุ", Tokenizer(models.WordPiece(pieces, unk_token="[UNK]"))) == ["ก", "รุ", "ง", "ง", "รุ"]


def test_a_span_inside_a_token_that_stays_whole_is_moved_and_recorded():
    text = "警方在北京。"
    words = tokenise(text, unigram("警", "方", "在北京", "。")).words
    ledger = LossLedger()
    align_spans(Article("a", text, (Span(0, 2, "ACTOR"), Span(3, 5, "LOCATION"))), words, LabelSet(), ledger=ledger)
    assert [(entry.outcome, entry.start, entry.end, entry.detail) for entry in ledger.entries] == [
        ("moved", 3, 5, "'北京' now 2-5"),
    ]


@pytest.mark.parametrize(
    ("language", "script"), [("Chinese", "CJK"), ("Thai", "THAI"), ("Arabic", "ARABIC"), ("Hebrew", "HEBREW")]
)
def test_intermediate_fine_tuning_in_another_script_is_warned_of(language, script, corpus_file, xlmr_folder, tmp_path, caplog):
    own = [article for article in ARTICLES if article.id.startswith(language)]
    assert main_script(article.text for article in own) == script
    assert main_script(["東京でけいさつが逮捕した"]) == "CJK"
    data = DataSettings(name="english", path=str(corpus_file), split_field="split")
    settings = settings_of(
        write(tmp_path / "own.jsonl", own), xlmr_folder, tmp_path, intermediate=IntermediateSettings(data=data)
    )
    assert plan_intermediate(settings, load_corpus(settings.data)) is not None
    (said,) = [line for line in caplog.messages if "letters" in line]
    assert f"the articles of english are mostly in LATIN letters, those of corpus in {script}" in said
    assert "model.intermediate.data=null" in said


def test_intermediate_fine_tuning_in_the_same_script_is_not(corpus_file, mpnet_folder, tmp_path, caplog):
    own = write(tmp_path / "own.jsonl", [Article(f"a{n}", f"Minister {n} kam .", (Span(0, 8, "ACTOR"),)) for n in range(8)])
    data = DataSettings(name="english", path=str(corpus_file), split_field="split")
    settings = settings_of(own, mpnet_folder, tmp_path, intermediate=IntermediateSettings(data=data))
    assert plan_intermediate(replace(settings, data=DataSettings(path=str(own))), load_corpus(DataSettings(path=str(own))))
    assert not [line for line in caplog.messages if "letters" in line]


def test_an_encoder_that_does_not_know_the_language_is_named(file, mpnet_folder, xlmr_folder, tmp_path, caplog):
    for encoder, warned in ((mpnet_folder, True), (xlmr_folder, False)):
        caplog.clear()
        settings = settings_of(file, encoder, tmp_path)
        _build_trainer(settings, load_corpus(settings.data))
        said = [line for line in caplog.messages if "are unknown to the tokenizer" in line]
        assert bool(said) == warned
        assert all(str(encoder) in line and "model=xlmr_base" in line for line in said)


def test_a_page_lets_each_article_run_in_its_own_direction():
    shown = "".join(page([article_of("Arabic", 0)], ("ACTOR",), title="t"))
    assert '<p dir="auto">' in shown
