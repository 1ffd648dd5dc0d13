from dataclasses import replace

import pytest
from conftest import make_distinct

from eventtag.corpus.loading import fingerprint, load_corpus
from eventtag.corpus.seen import seen_articles
from eventtag.errors import DataError, FormatError, SettingsError
from eventtag.formats.jsonl import json_line
from eventtag.settings import DataSettings


def write(path, articles) -> str:
    path.write_text("".join(json_line(article) + "\n" for article in articles), encoding="utf-8")
    return str(path)


def ids(corpus) -> dict[str, list[str]]:
    return {split: [article.id for article in articles] for split, articles in corpus.splits.items()}


def test_splits_come_from_a_field(corpus_file, articles):
    corpus = load_corpus(DataSettings(path=str(corpus_file), split_field="split"))
    assert ids(corpus) == {
        split: [a.id for a in articles if a.meta["split"] == split] for split in ("train", "validation", "test")
    }


def test_field_values_can_be_named_and_a_star_takes_the_rest(articles, tmp_path):
    topics = [replace(article, meta={"topic": number % 5}) for number, article in enumerate(articles)]
    settings = DataSettings(
        path=write(tmp_path / "a.jsonl", topics), split_field="topic", splits={"train": ["*"], "validation": ["2"], "test": ["4"]}
    )
    corpus = load_corpus(settings)
    assert {article.meta["topic"] for article in corpus.splits["validation"]} == {2}
    assert {article.meta["topic"] for article in corpus.splits["train"]} == {0, 1, 3}


def test_without_a_field_articles_are_drawn_and_the_draw_repeats(corpus_file):
    first, again, other = (load_corpus(DataSettings(path=str(corpus_file), split_seed=seed)) for seed in (1, 1, 2))
    assert ids(first) == ids(again) != ids(other)
    assert sum(len(articles) for articles in first.splits.values()) == 24
    assert 3 <= len(first.splits["test"]) <= 5


def test_articles_for_scoring_alone_are_not_drawn_but_divided_by_what_was_seen(corpus_file, articles, tmp_path):
    drawn = load_corpus(DataSettings(path=str(corpus_file)))
    seen = seen_articles(learnt=drawn.splits["train"], chose=drawn.splits["validation"])
    for seed in (13, 14):
        assert ids(load_corpus(DataSettings(path=str(corpus_file), split_seed=seed), seen=seen)) == ids(drawn)
    new = write(tmp_path / "two.jsonl", drawn.splits["test"][:2])
    foreign = load_corpus(DataSettings(path=new), seen=seen)
    assert {split: len(a) for split, a in foreign.splits.items()} == {"all": 2}
    assert foreign.scored_split() == "all"


def test_test_articles_in_a_file_of_their_own_are_not_mixed_with_new_ones(articles, tmp_path):
    path, test = write(tmp_path / "a.jsonl", articles[:6]), write(tmp_path / "t.jsonl", articles[6:8])
    corpus = load_corpus(DataSettings(path=path, test=test), seen=seen_articles(learnt=articles[:4]))
    assert {split: len(a) for split, a in corpus.splits.items()} == {"train": 4, "test": 2, "all": 2}


def test_given_files_are_the_splits_and_the_rest_is_train(articles, tmp_path):
    train, validation = write(tmp_path / "t.jsonl", articles[:20]), write(tmp_path / "v.jsonl", articles[20:])
    corpus = load_corpus(DataSettings(path=train, validation=validation))
    assert {split: len(a) for split, a in corpus.splits.items()} == {"train": 20, "validation": 4}
    with pytest.raises(DataError, match="is in both train and validation"):
        load_corpus(DataSettings(path=train, validation=train))


def test_labels_are_mapped_and_what_is_dropped_is_recorded(articles, tmp_path):
    theirs = [
        replace(a, spans=tuple(replace(s, label={"ACTOR": "HUMAN_PART_PER"}.get(s.label, s.label)) for s in a.spans))
        for a in articles
    ]
    settings = DataSettings(path=write(tmp_path / "a.jsonl", theirs), label_map={"HUMAN_*": "ACTOR", "EVENT": "EVENT", "*": None})
    corpus = load_corpus(settings)
    assert {span.label for article in corpus.articles("all") for span in article.spans} == {"ACTOR", "EVENT"}
    assert len(corpus.ledger.entries) == sum(s.label == "LOCATION" for a in articles for s in a.spans)
    assert corpus.ledger.dropped == 0


def test_labels_are_those_of_the_articles_where_none_are_named(articles, tmp_path, caplog):
    caplog.set_level("INFO", "eventtag")
    path = write(tmp_path / "ours.jsonl", articles)
    assert load_corpus(DataSettings(path=path)).labels.labels == ("ACTOR", "EVENT", "LOCATION")
    assert "labels" not in caplog.text
    names = {"ACTOR": "Party", "EVENT": "EVENT", "LOCATION": "Arena"}
    settings = DataSettings(path=path, label_map=names)
    assert load_corpus(settings).labels.labels == ("EVENT", "Arena", "Party")
    counts = {names[label]: sum(s.label == label for a in articles for s in a.spans) for label in names}
    assert f"labels, as the articles have them: EVENT ({counts['EVENT']}), Arena ({counts['Arena']})" in caplog.text
    assert load_corpus(replace(settings, labels=["Arena", "Party", "EVENT"])).labels.labels == ("Arena", "Party", "EVENT")
    with pytest.raises(DataError, match="spans with labels that are not configured"):
        load_corpus(replace(settings, labels=["Arena"]))
    with pytest.raises(DataError, match=r"'Big party' cannot be a label; .* map it with data.label_map"):
        load_corpus(replace(settings, label_map={"*": "Big party"}))


def test_labels_that_a_corpus_never_marked_can_be_stated(corpus_file):
    settings = DataSettings(path=str(corpus_file), split_field="split", annotated_labels=["ACTOR", "EVENT", "LOCATION"])
    assert all(article.labels == ("ACTOR", "EVENT", "LOCATION") for article in load_corpus(settings).articles("all"))


def test_a_fingerprint_is_of_the_articles_and_not_of_the_file(corpus_file, articles, tmp_path):
    spaced = tmp_path / "b.jsonl"
    spaced.write_text(corpus_file.read_text().replace('"id": ', '"id":   ').replace("\n", "\n\n"))
    one, other = (load_corpus(DataSettings(path=str(path), split_field="split")) for path in (corpus_file, spaced))
    assert one.describe("train") == other.describe("train")
    assert fingerprint(articles) != fingerprint(articles[::-1])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            '{"id": "x", "text": "abc", "spans": [{"start": 1, "end": 9, "label": "EVENT"}]}',
            r"a.jsonl:1: article 'x': span EVENT 1-9 is outside",
        ),
        ('{"id": "x", "text": "abc", "spans": [{"start": 1, "end": 2, "label": "THING"}]}', r"1-2 'b' has the label 'THING'"),
        ('{"id": "x", "text": "abc"', r"a.jsonl:1: not valid JSON"),
        ('{"id": "x"}', r"a.jsonl:1: article 'x': `text` is missing"),
    ],
)
def test_a_bad_article_is_named_with_file_line_and_offsets(tmp_path, line, message):
    (tmp_path / "a.jsonl").write_text(line + "\n")
    with pytest.raises(DataError, match=message):
        load_corpus(DataSettings(path=str(tmp_path / "a.jsonl"), format="jsonl", labels=["ACTOR", "EVENT"]))


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"path": "none.jsonl"}, FormatError, "none.jsonl: no such file"),
        ({"format": "jsnol"}, SettingsError, "unknown format 'jsnol'"),
        ({"format": "jsonl", "options": {"sentences": "x"}}, SettingsError, "has no option 'sentences'"),
        ({"split_field": "topic"}, DataError, "meta field 'topic' does not say the split of 24 articles"),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_allowed(corpus_file, changes, error, message):
    with pytest.raises(error, match=message):
        load_corpus(DataSettings(**{"path": str(corpus_file), **changes}))


def copies(articles, *, prefix):
    """Each article once more, with a word changed: as wire copies are."""
    return [replace(article, id=f"{prefix}{article.id}", text=article.text[:-1] + "!") for article in articles]


def test_a_draw_keeps_near_duplicates_together(tmp_path):
    articles = make_distinct(20, train=20)
    path = tmp_path / "articles.jsonl"
    path.write_text("".join(json_line(article) + "\n" for article in [*articles, *copies(articles, prefix="copy ")]))
    corpus = load_corpus(DataSettings(path=str(path)))
    split_of = {article.id: split for split, chosen in corpus.splits.items() for article in chosen}
    assert set(split_of.values()) == {"train", "validation", "test"}
    assert all(split_of[article.id] == split_of[f"copy {article.id}"] for article in articles)
    assert corpus.rule == "drawn with seed 13, stratified by label; near-duplicates together"


def test_near_duplicates_in_two_splits_that_were_given_are_warned_of(tmp_path, caplog):
    articles = make_distinct(6, train=6)
    for name, chosen in (("train", articles), ("other", copies(articles[:2], prefix="copy "))):
        (tmp_path / f"{name}.jsonl").write_text("".join(json_line(article) + "\n" for article in chosen))
    load_corpus(DataSettings(path=str(tmp_path / "train.jsonl"), validation=str(tmp_path / "other.jsonl")))
    assert "2 pairs of near-duplicates are in two splits, the first copy n0 (validation) and n0 (train)" in caplog.text


def test_near_duplicates_that_a_field_parts_are_warned_of(tmp_path, caplog):
    articles = make_distinct(4, train=3)
    article = replace(articles[3], id="copy", text=articles[0].text[:-1] + "!")
    path = write(tmp_path / "articles.jsonl", [*articles, article])
    load_corpus(DataSettings(path=path, split_field="split"))
    assert "1 pairs of near-duplicates are in two splits, the first copy (validation) and n0 (train)" in caplog.text


def test_articles_of_two_splits_whose_files_share_names_are_not_one(tmp_path):
    for split, word in (("train", "Kyiv"), ("test", "Lviv")):
        (tmp_path / split).mkdir()
        (tmp_path / split / "a.conll").write_text(f"{word}\tB-LOCATION\n\nIn\tO\n{word}\tB-LOCATION\n")
    corpus = load_corpus(DataSettings(path=str(tmp_path / "train"), validation=str(tmp_path / "test")))
    assert ids(corpus) == {"train": ["a-1", "a-2"], "validation": ["validation/a-1", "validation/a-2"]}
    assert any("the validation articles share ids" in remark for remark in corpus.ledger.remarks)
