"""Counts beside a slow oracle, and the tables as the csv module, pandas and a spreadsheet read them."""

import csv
import datetime
import json
import re
from collections import defaultdict

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventtag.article import Article
from eventtag.errors import OutputError, SettingsError
from eventtag.estimates import counts as counts_module
from eventtag.estimates.batches import batches_of
from eventtag.estimates.counts import CountSettings, count_tagged
from eventtag.estimates.quantities import parse_quantity
from eventtag.estimates.tagged import TaggedReading, read_tagged
from eventtag.estimates.tallies import Tally
from eventtag.formats.registry import read_articles
from eventtag.jobs.outputs import write_predictions
from eventtag.ledger import LossLedger
from eventtag.span import Span

TEXT = "Rebels and Rebels met in South Sudan. @Police came."
LABELS = ("ACTOR", "EVENT", "LOCATION")
WORDS = [(m.start(), m.end()) for m in re.finditer(r"[\w@]+", TEXT)]

spans = st.builds(
    lambda place, label, score: Span(*place, label, score / 100), st.sampled_from(WORDS), st.sampled_from(LABELS), st.integers(0, 100)
)  # fmt: skip
days = st.dates(datetime.date(2013, 12, 25), datetime.date(2014, 1, 8)).map(str) | st.sampled_from(["", "soon"])
drawn = st.lists(
    st.tuples(
        st.lists(spans, max_size=6, unique_by=lambda s: (s.start, s.label)), days, st.sampled_from(["Peru", "=Mali", ""])),
    min_size=1,
    max_size=8,
)  # fmt: skip


def articles_of(rows):
    return [
        Article(f"n{number}", TEXT, tuple(found), meta={"date": day, "country": country, "n": number})
        for number, (found, day, country) in enumerate(rows)
    ]


def month_of(article):
    try:
        return datetime.date.fromisoformat(article.meta["date"]).isoformat()[:7]
    except ValueError:
        return None


def oracle(articles, by, *, least, unique):
    """{key: [articles, articles with one, spans]} by plain loops over articles."""
    found = defaultdict(lambda: [0, 0, 0])
    labels = sorted({span.label for article in articles for span in article.spans})
    for article in articles:
        fields = {"month": month_of(article), "country": article.meta.get("country") or None}
        for label in labels if "label" in by else [None]:
            kept = [
                (span.label, article.mention(span))
                for span in article.spans
                if label in (None, span.label) and span.score >= least.get(span.label, 0)
            ]
            number = len(set(kept) if unique else kept)
            cell = found[tuple(label if name == "label" else fields[name] for name in by)]
            cell[0] += 1
            cell[1] += number > 0
            cell[2] += number
    return dict(found)


@settings(max_examples=60)
@given(
    drawn,
    st.sampled_from([(), ("month",), ("country", "month"), ("label",), ("month", "country", "label")]),
    st.dictionaries(st.sampled_from(LABELS), st.integers(0, 100).map(lambda n: n / 100)),
    st.booleans(),
)
def test_cells_are_those_of_plain_loops(rows, by, least, unique):
    articles = articles_of(rows)
    counted = count_tagged(articles, CountSettings(by=by, unique=unique, thresholds=least), reading=TaggedReading(date="date"))
    found = {tuple(row[: len(by)]): list(row[len(by) : len(by) + 3]) for row in counted.rows}
    assert found == oracle(articles, by, least=least, unique=unique)
    for row in counted.rows:
        known, having, total, share, mean = row[len(by) :]
        assert (share, mean) == (having / known, total / known)


@settings(max_examples=30)
@given(drawn, st.integers(0, 100).map(lambda n: n / 100))
def test_articles_that_mention_a_place_are_those_of_plain_loops(rows, least):
    articles = articles_of(rows)
    wanted = CountSettings(by=("month",), mentioning=["LOCATION=Sudan"], thresholds={"LOCATION": least})
    kept = [
        article
        for article in articles
        if any(s.label == "LOCATION" and article.mention(s) == "Sudan" and s.score >= least for s in article.spans)
    ]
    counted = count_tagged(articles, wanted, reading=TaggedReading(date="date"))
    assert {row[:1]: list(row[1:4]) for row in counted.rows} == oracle(kept, ("month",), least={"LOCATION": least}, unique=False)
    assert counted.left_out == len(articles) - len(kept)


def test_a_label_that_comes_late_has_been_0_so_far_but_where_nobody_looked():
    first = [Article("a", TEXT), Article("b", TEXT, labels=("ACTOR",)), Article("c", TEXT, annotated=((0, 6),))]
    tally = Tally()
    stream = list(
        batches_of([*first, Article("d", TEXT, (Span(0, 6, "ACTOR"),)), Article("e", TEXT, (Span(11, 17, "EVENT"),))], size=3)
    )
    for batch in stream:
        tally.add([("x",)] * len(batch), counts_module._by_label(batch, np.ones(len(batch.rows), dtype=bool)), batch=batch)
    cells = dict(zip(stream[-1].labels, ([tally.cells(at)[0] for at in range(2)]), strict=True))
    assert (cells["ACTOR"].articles, cells["ACTOR"].total) == (4, 1)
    assert (cells["EVENT"].articles, cells["EVENT"].total) == (3, 1)


ARTICLES = [
    Article("=1", "Police\tmet, \"they\" said.\n+1 Lima", (Span(0, 6, "ACTOR", 0.5), Span(7, 10, "EVENT", 0.25), Span(25, 27, "=L", 0.75)),
            meta={"date": "2014-12-29", "country": "=HYPERLINK(1)", "deaths": -3, "rate": 0.5, "spans": "mine", "ok": True}),
    Article("a2", "Nada pasó.", meta={"date": "2014-12-29T23:59:00-05:00", "country": "Perú", "deaths": 12, "tags": ["x"]}),
    Article("a3", "Kyiv fell.", (Span(5, 9, "EVENT", 0.9),), meta={"country": "NA", "@late": "\tx", "rate": 2}),
]  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    source = tmp_path / "tagged.jsonl"
    write_predictions(ARTICLES, source, "jsonl", ledger=LossLedger())
    wanted = CountSettings(by=["week", "country", "label"])
    count_tagged(source, wanted, folder=tmp_path / "counts")
    return tmp_path / "counts"


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_folder_holds_three_tables_twice_and_what_was_counted(folder):
    names = [f"{name}.{suffix}" for name in ("articles", "cells", "spans") for suffix in ("csv", "parquet")]
    assert sorted(path.name for path in folder.iterdir()) == sorted([*names, "counts.json"])
    about = json.loads((folder / "counts.json").read_text())
    assert "not corrected" in about["note"]
    assert "eventtag estimate" in about["note"]
    assert (about["by"], about["articles"], about["spans"]) == (["week", "country", "label"], 3, 4)
    assert b"eventtag estimate" in pq.read_schema(folder / "cells.parquet").metadata[b"eventtag"]


def test_every_article_has_a_row_with_its_metadata(folder):
    rows = rows_of(folder / "articles.csv")
    assert [(row["article_id"], row["week"], row["spans"], row["ACTOR"], row["EVENT"], row["'=L"]) for row in rows] == [
        ("'=1", "2015-W01", "3", "1", "1", "1"),
        ("a2", "2015-W01", "0", "0", "0", "0"),
        ("a3", "", "1", "0", "1", "0"),
    ]
    assert (
        rows[0] | {"country": "'=HYPERLINK(1)", "deaths": "-3", "meta.spans": "mine", "ok": "true", "date": "2014-12-29"}
        == rows[0]
    )
    assert [row["country"] for row in rows] == ["'=HYPERLINK(1)", "Perú", "NA"]
    assert (rows[1]["tags"], rows[2]["'@late"]) == ('["x"]', "'\tx")


def test_every_span_has_a_row_with_the_metadata_of_its_article(folder):
    rows = rows_of(folder / "spans.csv")
    assert [
        [row[name] for name in ("article_id", "start", "end", "label", "text", "score", "week", "country")] for row in rows
    ] == [
        ["'=1", "0", "6", "ACTOR", "Police", "0.5", "2015-W01", "'=HYPERLINK(1)"],
        ["'=1", "7", "10", "EVENT", "met", "0.25", "2015-W01", "'=HYPERLINK(1)"],
        ["'=1", "25", "27", "'=L", "'+1", "0.75", "2015-W01", "'=HYPERLINK(1)"],
        ["a3", "5", "9", "EVENT", "fell", "0.9", "", "NA"],
    ]


@pytest.mark.parametrize("name", ["articles", "spans", "cells"])
def test_no_cell_runs_as_a_formula_and_parquet_has_the_texts_themselves(folder, name):
    with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.reader(file))
    numbers = re.compile(r"-?\d+(\.\d+)?")
    assert not [cell for row in table for cell in row if cell[:1] in tuple("=+-@\t\r\n") and cell and not numbers.fullmatch(cell)]
    stored = pq.read_table(folder / f"{name}.parquet").to_pydict()
    assert [re.sub(r"^'(?='*[=+@\t-])", "", column) for column in table[0]] == list(stored)
    texts = [value for values in stored.values() for value in values if isinstance(value, str)]
    assert any(text.startswith("=") for text in texts)


def test_pandas_reads_numbers_as_numbers_and_texts_as_texts(folder):
    articles = pd.read_csv(folder / "articles.csv", keep_default_na=False, na_values=[""])
    assert articles["deaths"].tolist()[:2] == [-3, 12]
    assert articles["country"].tolist()[2] == "NA"
    assert pq.read_table(folder / "articles.parquet").schema.field("deaths").type == "int64"
    assert pq.read_table(folder / "articles.parquet").schema.field("rate").type == "double"
    cells = pd.read_csv(folder / "cells.csv", keep_default_na=False, na_values=[""])
    stored = pq.read_table(folder / "cells.parquet").to_pandas()
    assert cells["articles"].tolist() == stored["articles"].tolist()
    assert cells["mean"].tolist() == stored["mean"].tolist()


def test_excel_gets_a_byte_order_mark(tmp_path):
    count_tagged(ARTICLES, CountSettings(by=["country"]), folder=tmp_path / "counts", excel=True)
    for name in ("articles", "spans", "cells"):
        assert (tmp_path / "counts" / f"{name}.csv").read_bytes().startswith(b"\xef\xbb\xbf")
        assert len(pd.read_csv(tmp_path / "counts" / f"{name}.csv").columns[0]) in (len("article_id"), len("country"))


def test_a_table_too_long_for_excel_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(counts_module, "EXCEL_ROWS", 3)
    counted = count_tagged(ARTICLES, CountSettings(), folder=tmp_path / "counts", excel=True)
    assert "Excel shows 3 rows of a file; one of these has 4" in counted.notes


def test_quantities_have_a_row_each_and_a_column_in_the_articles(tmp_path):
    wanted = CountSettings(by=["country"], quantities=["any:EVENT", "column:deaths"])
    counted = count_tagged(ARTICLES, wanted, folder=tmp_path / "counts")
    assert counted.columns == ("country", "quantity", "articles", "articles_with", "total", "share", "mean")
    assert counted.rows == (
        ("=HYPERLINK(1)", "any:EVENT", 1, 1, 1, 1.0, 1.0),
        ("=HYPERLINK(1)", "column:deaths", 1, 1, -3, 1.0, -3.0),
        ("NA", "any:EVENT", 1, 1, 1, 1.0, 1.0),
        ("NA", "column:deaths", 0, 0, 0, None, None),
        ("Perú", "any:EVENT", 1, 0, 0, 0.0, 0.0),
        ("Perú", "column:deaths", 1, 1, 12, 1.0, 12.0),
    )
    assert [row["column:deaths"] for row in rows_of(tmp_path / "counts" / "articles.csv")] == ["-3", "12", ""]
    assert "column:deaths: articles that have no number in the field 'deaths': 1, left out of its figures" in counted.notes


def test_only_articles_that_mention_something_are_counted_and_the_others_are_said(tmp_path):
    counted = count_tagged(ARTICLES, CountSettings(mentioning=["EVENT~fell"]), folder=tmp_path / "counts")
    assert (counted.articles, counted.spans, counted.left_out, counted.rows[0][0]) == (1, 1, 2, 1)
    assert "articles that do not mention EVENT~fell: 2 of 3, left out" in counted.notes
    assert [row["article_id"] for row in rows_of(tmp_path / "counts" / "articles.csv")] == ["a3"]


def test_a_label_that_no_span_has_is_said():
    counted = count_tagged(ARTICLES, CountSettings(quantities=["any:EVNT"], mentioning=["ACTOR~police"], thresholds={"LOC": 0.5}))
    assert counted.notes[:2] == (
        "no span has the label 'EVNT'; found: =L, ACTOR, EVENT; did you mean EVENT?",
        "no span has the label 'LOC'; found: =L, ACTOR, EVENT",
    )


def test_a_batch_that_lacks_a_field_or_label_has_empty_cells_and_zeros(tmp_path, monkeypatch):
    articles = [
        Article("a", TEXT, meta={"late": None}),
        Article("b", TEXT, labels=("ACTOR",)),
        Article("c", TEXT, (Span(0, 6, "EVENT", 0.5),), meta={"late": 1}),
        Article("d", TEXT, meta={"late": "\ud83d"}),
    ]
    monkeypatch.setattr("eventtag.estimates.batches.BATCH", 1)
    monkeypatch.setattr("eventtag.estimates.tagged.batches_of", lambda found, **_: batches_of(found, size=1))
    count_tagged(articles, CountSettings(), folder=tmp_path / "counts")
    assert [(row["EVENT"], row["late"]) for row in rows_of(tmp_path / "counts" / "articles.csv")] == [
        ("0", ""), ("", ""), ("1", "1"), ("0", "\ufffd"),
    ]  # fmt: skip


def test_no_article_makes_tables_without_rows(tmp_path):
    counted = count_tagged([], CountSettings(), folder=tmp_path / "counts")
    assert (counted.articles, counted.rows) == (0, ())
    assert rows_of(tmp_path / "counts" / "articles.csv") == []


@pytest.mark.parametrize(
    ("wanted", "problem"),
    [
        ({"by": ["label"], "quantities": ["EVENT"]}, "leave it out if you give quantities"),
        ({"by": ["label", "label"]}, "'label' occurs twice"),
        ({"by": ["cuntry"]}, r"did you mean country\?"),
        ({"quantities": ["any:"]}, "is not understood"),
        ({"mentioning": ["~"]}, "is not understood"),
        ({"thresholds": {"EVENT": 2.0}}, "is not a score"),
    ],
)
def test_what_cannot_be_counted_is_refused_and_leaves_nothing(tmp_path, wanted, problem):
    with pytest.raises(SettingsError, match=problem):
        count_tagged(ARTICLES, CountSettings(**wanted), folder=tmp_path / "counts")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_exists_is_not_overwritten(tmp_path, folder):
    before = (folder / "cells.csv").read_bytes()
    with pytest.raises(OutputError, match="exists already"):
        count_tagged(ARTICLES, CountSettings(), folder=folder)
    assert (folder / "cells.csv").read_bytes() == before


def test_an_error_in_the_last_article_leaves_nothing(tmp_path):
    source = tmp_path / "tagged.jsonl"
    source.write_text(
        '{"id": "a", "text": "x", "spans": []}\n{"id": "b", "text": "x", "spans": [{"start": 0, "end": 9, "label": "A"}]}\n'
    )
    with pytest.raises(Exception, match="outside its text"):
        count_tagged(source, CountSettings(), folder=tmp_path / "counts")
    assert list(tmp_path.iterdir()) == [source]


def test_what_predict_writes_is_counted_alike(tmp_path):
    found, tables = [], []
    for name in ("jsonl", "parquet", "csv"):
        write_predictions(ARTICLES, tmp_path / f"tagged.{name}", name, ledger=LossLedger())
        wanted = CountSettings(by=["month", "country", "label"])
        found.append(count_tagged(tmp_path / f"tagged.{name}", wanted, folder=tmp_path / f"of_{name}").rows)
        tables.append((tmp_path / f"of_{name}" / "articles.csv").read_bytes())
    assert tables[0] == tables[1]
    assert found[0] == found[1] == found[2]
    assert list(read_articles(tmp_path / "tagged.jsonl")) == ARTICLES


def test_spans_that_no_threshold_can_leave_out_are_counted_aloud():
    """A file that lost its scores on the way would pass for one with sure spans alone."""
    some = [
        Article(f"u{n}", "Riots in Kyiv", (Span(0, 5, "EVENT", 0.3 if n else None), Span(9, 13, "LOCATION"))) for n in range(3)
    ]
    counted = count_tagged(some, CountSettings(by=("label",), thresholds={"EVENT": 0.5}))
    assert "EVENT: 1 spans have no score, and count whatever the threshold is" in counted.notes
    assert not [note for note in counted.notes if note.startswith("LOCATION")]
    table = read_tagged(some, [parse_quantity("EVENT", thresholds={"EVENT": 0.5})])
    assert "EVENT: 1 spans have no score, and count whatever the threshold is" in table.notes
    assert not [note for note in count_tagged(some, CountSettings(by=("label",))).notes if "score" in note]
