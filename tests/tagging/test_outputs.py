import csv
import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventtag.article import Article
from eventtag.errors import FormatError, OutputError, SettingsError
from eventtag.formats.csv_cells import guarded, unguarded
from eventtag.formats.registry import read_articles, write_articles
from eventtag.jobs.outputs import PREDICTION_FORMATS, check_format, format_of_path, read_spans, select_spans, write_predictions
from eventtag.jobs.reading.inputs import read_rows
from eventtag.ledger import LossLedger
from eventtag.link import Link
from eventtag.span import Span

TEXT = "Gen. Ito met 👍 rebels in Lima. They left the U.S. on Monday.\nNobody was hurt."
SPANS = (
    (0, 8, "ACTOR", 0.5),
    (9, 12, "EVENT", 0.25),
    (15, 21, "ACTOR", 1.0),
    (25, 29, "LOCATION", 0.123456),
    (45, 49, "LOCATION", 0.75),
)
ARTICLES = (
    Article("a1", TEXT, tuple(Span(*span) for span in SPANS), meta={"day": "2024-01-02"}),
    Article("a2", "Nothing happened."),
    Article("a3", "Kyiv fell.", (Span(5, 9, "EVENT", 0.9),)),
)
SURFACES = ["Gen. Ito", "met", "rebels", "Lima", "U.S."]
READERS = {"label_studio": {"annotations": "predictions"}}
WITHOUT_SCORES = ("conll", "doccano")


def written(tmp_path, name, articles=ARTICLES, **options):
    path, ledger = tmp_path / "out", LossLedger()
    write_predictions(articles, path, name, ledger=ledger, labels=("ACTOR", "EVENT", "LOCATION"), **options)
    return path, ledger


def mentions(articles):
    """Without white space, which CoNLL does not keep."""
    return [["".join(article.mention(span).split()) + span.label for span in article.spans] for article in articles]


def test_the_spans_are_those_that_the_tests_speak_of():
    assert [ARTICLES[0].mention(span) for span in ARTICLES[0].spans] == SURFACES


@pytest.mark.parametrize("name", [name for name in PREDICTION_FORMATS if name not in ("csv", "html")])
def test_our_readers_read_every_output_back(tmp_path, name):
    path, ledger = written(tmp_path, name)
    back = list(read_articles(path, name, ledger=(reading := LossLedger()), options=READERS.get(name)))
    assert reading.entries == []
    assert [article.id for article in back] == ["a1", "a2", "a3"]
    assert mentions(back) == mentions(ARTICLES)
    scores = [getattr(span, "score", None) for article in back for span in article.spans]
    if name in WITHOUT_SCORES:
        assert "2 articles changed at writing " + name + " (spans): scores are not kept" in ledger.summary()
    else:
        assert scores == [0.5, 0.25, 1.0, 0.123456, 0.75, 0.9]
        assert [article.text for article in back] == [article.text for article in ARTICLES]


@pytest.mark.parametrize("name", [name for name in PREDICTION_FORMATS if name not in ("csv", "html")])
def test_every_output_keeps_metadata_or_says_that_it_does_not(tmp_path, name):
    path, ledger = written(tmp_path, name)
    back = read_articles(path, name, ledger=LossLedger(), options=READERS.get(name))
    kept = [dict(article.meta) for article in back] == [dict(article.meta) for article in ARTICLES]
    assert kept != any("metadata is not kept" in line for line in ledger.summary())


@pytest.mark.parametrize("sentences", [False, True])
def test_csv_has_a_row_a_span_and_one_for_an_article_without_spans(tmp_path, sentences):
    path, ledger = written(tmp_path, "csv", sentences=sentences)
    with path.open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    by_id = {article.id: article for article in ARTICLES}
    assert [(row["article_id"], row["article_spans"], row["day"]) for row in table] == [
        *[("a1", "5", "2024-01-02")] * 5,
        ("a2", "0", ""),
        ("a3", "1", ""),
    ]
    rows = [row for row in table if row["label"]]
    assert [(row["article_id"], row["text"], row["label"], float(row["score"])) for row in rows] == [
        *(("a1", surface, label, score) for surface, (_, _, label, score) in zip(SURFACES, SPANS, strict=True)),
        ("a3", "fell", "EVENT", 0.9),
    ]
    assert all(by_id[row["article_id"]].text[int(row["start"]) : int(row["end"])] == row["text"] for row in rows)
    if sentences:
        assert [row["sentence"] for row in rows][-3:] == [
            "Gen. Ito met 👍 rebels in Lima.",
            "They left the U.S. on Monday.",
            "Kyiv fell.",
        ]
        assert all(by_id[r["article_id"]].text[int(r["sentence_start"]) : int(r["sentence_end"])] == r["sentence"] for r in rows)
    assert "3 articles changed at writing csv (text): a row is a span: the article's text is not kept" in ledger.summary()


def test_csv_keeps_metadata_of_any_kind_and_name(tmp_path):
    meta = {
        "country": "Perú",
        "n": -5,
        "share": 0.5,
        "ok": True,
        "tags": ["a", 1],
        "text": "its own",
        "=x": "=1+1",
        "none": None,
        "bad": "\ud83d",
    }
    path, ledger = written(
        tmp_path, "csv", [Article("b1", "Kyiv fell.", meta={"late": 1}), Article("b2", "Kyiv fell.", meta=meta)]
    )
    with path.open(encoding="utf-8", newline="") as file:
        first, second = csv.DictReader(file)
    assert [first[name] for name in ("article_id", "article_spans", "late", "country")] == ["b1", "0", "1", ""]
    found = {key: value for key, value in second.items() if key not in first or value != first[key]}
    assert found == {
        "article_id": "b2", "late": "", "country": "Perú", "n": "-5", "share": "0.5", "ok": "true", "tags": '["a", 1]',
        "meta.text": "its own", "'=x": "'=1+1", "bad": "\ufffd",
    }  # fmt: skip
    assert not any("metadata" in line for line in ledger.summary())
    assert list(tmp_path.iterdir()) == [path]


def test_spans_are_read_back_as_a_table(tmp_path):
    odd = Article("007", "=A said", (Span(0, 2, "+X", 0.5),))
    tables = []
    for name in ("jsonl", "parquet", "csv"):
        folder = tmp_path / name  # as a job writes parts
        folder.mkdir()
        for number, articles in enumerate((ARTICLES, [odd])):
            write_predictions(articles, folder / f"part-{number}.{name}", name, ledger=LossLedger())
        tables.append(read_spans(folder))
        assert read_spans(folder / f"part-1.{name}").values.tolist() == [["007", 0, 2, "+X", "=A", 0.5]]
    assert [table.equals(tables[0]) for table in tables] == [True] * 3
    assert tables[0].iloc[0].tolist() == ["a1", 0, 8, "ACTOR", "Gen. Ito", 0.5]
    assert len(tables[0]) == len(SPANS) + 2
    for name in ("label_studio", "html"):
        with pytest.raises((SettingsError, FormatError)):
            read_spans(written(tmp_path / name, name)[0])


def test_lines_hold_surface_score_and_sentence(tmp_path):
    path, _ = written(tmp_path, "jsonl", sentences=True)
    span = json.loads(path.read_text(encoding="utf-8").splitlines()[0])["spans"][3]
    sentence = {"start": 0, "end": 30, "text": "Gen. Ito met 👍 rebels in Lima."}
    assert span == {"start": 25, "end": 29, "label": "LOCATION", "score": 0.123456, "text": "Lima", "sentence": sentence}


def test_parquet_holds_surface_score_and_sentence(tmp_path):
    import pyarrow.parquet as pq

    path, _ = written(tmp_path, "parquet", sentences=True)
    span = pq.read_table(path).to_pylist()[0]["spans"][4]
    sentence = {"start": 31, "end": 60, "text": "They left the U.S. on Monday."}
    assert span == {"start": 45, "end": 49, "label": "LOCATION", "score": 0.75, "text": "U.S.", "sentence": sentence}


def test_label_studio_gets_tasks_with_predictions_and_nothing_annotated(tmp_path):
    path, _ = written(tmp_path, "label_studio", model_version="news-7")
    tasks = json.loads(path.read_text(encoding="utf-8"))
    assert [task["annotations"] for task in tasks] == [[], [], []]
    assert [task["data"]["text"] for task in tasks] == [article.text for article in ARTICLES]
    assert [[p["model_version"], p.get("score"), len(p["result"])] for task in tasks for p in task["predictions"]] == [
        ["news-7", 0.123456, 5],
        ["news-7", None, 0],
        ["news-7", 0.9, 1],
    ]
    region = tasks[0]["predictions"][0]["result"][2]
    assert (region["from_name"], region["to_name"], region["type"], region["score"]) == ("label", "text", "labels", 1.0)
    assert region["value"] == {"start": 15, "end": 21, "text": "rebels", "labels": ["ACTOR"]}


def test_prodigy_gets_rows_without_an_answer_whose_spans_fit_their_tokens(tmp_path):
    path, _ = written(tmp_path, "prodigy")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert not any("answer" in row for row in rows)
    for row in rows:
        assert [token["id"] for token in row["tokens"]] == list(range(len(row["tokens"])))
        for span in row["spans"]:
            tokens = row["tokens"][span["token_start"] : span["token_end"] + 1]
            assert (tokens[0]["start"], tokens[-1]["end"]) == (span["start"], span["end"])
            assert row["text"][span["start"] : span["end"]] == span["text"]


def test_doccano_gets_offsets_as_its_pages_count(tmp_path):
    path, _ = written(tmp_path, "doccano")
    record = json.loads(path.read_text(encoding="utf-8").splitlines()[0])
    units = record["text"].encode("utf-16-le")
    assert [units[2 * start : 2 * end].decode("utf-16-le") for start, end, _ in record["label"]] == SURFACES


def test_the_page_shows_every_span(tmp_path):
    path, _ = written(tmp_path, "html", title="Ours & theirs")
    content = path.read_text(encoding="utf-8")
    assert re.findall(r'<mark class="l\d">([^<]+)<small> (\w+ [\d.]+)</small>', content) == [
        (article.mention(span), f"{span.label} {span.score:.2f}") for article in ARTICLES for span in article.spans
    ]
    assert "<title>Ours &amp; theirs</title>" in content


def test_a_page_shows_the_longer_of_spans_that_overlap_and_names_the_other(tmp_path):
    nested = Article("a", "Kyiv mayor left.", (Span(0, 4, "LOCATION", 0.5), Span(0, 10, "ACTOR", 0.5)))
    path, ledger = written(tmp_path, "html", [nested])
    assert re.findall(r">([^<]+)<small>", path.read_text(encoding="utf-8")) == ["Kyiv mayor"]
    assert ledger.summary() == ["1 span dropped at writing html: overlaps a longer span"]


def test_ids_that_a_format_cannot_hold_are_changed_and_named(tmp_path):
    names = ["b/2.txt", "B_2.TXT", ".hidden", "x" * 400, "two\nlines", "two lines", "ok", "OK"]
    articles = [replace(ARTICLES[2], id=name) for name in names]
    for format_name, kept, key in (
        ("brat", {"ok", "two lines"}, str.casefold),
        ("conll", {*names} - {"two\nlines", "two lines"}, str),
    ):
        path, ledger = tmp_path / format_name, LossLedger()
        write_predictions(articles, path, format_name, ledger=ledger)
        back = {article.id for article in read_articles(path, format_name, ledger=LossLedger())}
        assert len({key(name) for name in back}) == len(names)
        assert kept <= back
        assert {note.article_id for note in ledger.notes if note.part == "id"} == {*names} - kept


def test_spans_are_chosen_by_label_and_score():
    def left(**options):
        return [span.score for span in select_spans(ARTICLES[0], ledger=LossLedger(), **options).spans]

    assert left() == [0.5, 0.25, 1.0, 0.123456, 0.75]
    assert left(labels=("ACTOR",)) == [0.5, 1.0]
    assert left(min_score=0.25) == [0.5, 0.25, 1.0, 0.75]
    assert left(thresholds={"ACTOR": 0.6, "EVENT": 0.1}, min_score=0.2) == [0.25, 1.0, 0.75]


def test_what_does_not_go_together_is_said_before_anything_is_written(tmp_path):
    with pytest.raises(SettingsError, match="brat cannot hold the sentences of spans; formats that can: jsonl, parquet, csv"):
        written(tmp_path, "brat", sentences=True)
    with pytest.raises(SettingsError, match="format=xml cannot hold predictions"):
        check_format("xml")
    assert not (tmp_path / "out").exists()
    written(tmp_path, "jsonl")
    with pytest.raises(OutputError, match="exists already"):
        written(tmp_path, "jsonl")


@pytest.mark.parametrize(
    ("name", "expected"), [("a.JSONL", "jsonl"), ("a.parquet", "parquet"), ("a.csv", "csv"), ("a.htm", "html"), ("a", "jsonl")]
)
def test_a_suffix_stands_for_a_format(tmp_path, name, expected):
    assert format_of_path(tmp_path / name) == expected


@pytest.mark.parametrize("name", ["a.xlsx", "a.json", "a.jsonl.gz", "a.docx"])
def test_a_suffix_that_stands_for_nothing_is_refused_with_those_that_do(tmp_path, name):
    with pytest.raises(SettingsError, match=r"stands for no format; known are \.jsonl, \.ndjson, \.parquet, \.csv") as error:
        format_of_path(tmp_path / name)
    assert "format= (jsonl, parquet, csv, label_studio," in str(error.value)


FORMULAS = [
    '=HYPERLINK("http://x","y")',
    "+1",
    "-1+2",
    "@SUM(1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "＝1",
    "'=1",
    "''-1",
    "'",
    "'tis",
    "1=1",
]


def test_no_cell_of_csv_begins_a_formula(tmp_path):
    articles = [
        Article(f"{text}#{number}", f"{text} fell", (Span(0, len(text), text, 0.5),)) for number, text in enumerate(FORMULAS)
    ]
    write_articles(articles, tmp_path / "articles.csv", "csv", ledger=LossLedger())
    written(tmp_path, "csv", articles, sentences=True)
    for name in ("articles.csv", "out"):
        with (tmp_path / name).open(encoding="utf-8", newline="") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        assert len(cells) > 4 * len(FORMULAS)
        assert not [cell for cell in cells if cell[:1] in tuple("=+-@\t\r\n＝")]
    assert list(read_articles(tmp_path / "articles.csv", "csv", ledger=LossLedger())) == articles
    again = [row.article for row in read_rows(str(tmp_path / "articles.csv"))]
    assert [(article.id, article.text) for article in again] == [(article.id, article.text) for article in articles]


@given(st.text(st.sampled_from("'=+-@\t\r\na＝"), max_size=5))
def test_a_guarded_cell_comes_back(text):
    assert unguarded(guarded(text)) == text
    assert guarded(text)[:1] not in tuple("=+-@\t\r\n＝")


def test_links_of_spans_that_are_not_selected_are_named_in_the_ledger():
    event, actor, place = Span(7, 15, "EVENT", 0.9), Span(0, 6, "ACTOR", 0.8), Span(20, 24, "LOCATION", 0.4)
    links = (Link(event, actor, "AGENT", 0.7), Link(event, place, "PLACE", 0.6))
    article = Article("a", "Police arrested men in Lima", (event, actor, place), links=links)
    ledger = LossLedger()
    assert select_spans(article, min_score=0.5, ledger=ledger).links == links[:1]
    assert [(entry.role, entry.outcome, entry.asked) for entry in ledger.links] == [("PLACE", "dropped", True)]


@pytest.mark.parametrize("name", ["jsonl", "parquet", "csv"])
def test_a_long_sentence_is_not_repeated_with_every_span(tmp_path, name):
    text = "Kyiv and " * 1000
    spans = tuple(Span(at, at + 4, "LOCATION", 0.5) for at in range(0, len(text), 9))
    path, ledger = written(tmp_path, name, [*ARTICLES, Article("long", text, spans)], sentences=True)
    assert ledger.summary()[-1].endswith("(spans): stand with 2,000 characters of their sentence, which is longer")
    assert [note.article_id for note in ledger.notes if note.part == "spans"] == ["long"]
    assert path.stat().st_size < 1.2 * 2000 * len(spans)
    if name == "jsonl":
        found = json.loads(path.read_text(encoding="utf-8").splitlines()[-1])
        for span in found["spans"]:
            sentence = span["sentence"]
            assert sentence["text"] == text[sentence["start"] : sentence["end"]]
            assert sentence["start"] <= span["start"] < span["end"] <= sentence["end"]
