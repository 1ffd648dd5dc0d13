import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventtag.article import Article
from eventtag.errors import DataError, FormatError, SettingsError
from eventtag.estimates import tagged
from eventtag.estimates.batches import BATCH
from eventtag.estimates.quantities import parse_quantity
from eventtag.estimates.tagged import TaggedReading, read_batches, read_tagged
from eventtag.formats.registry import read_articles
from eventtag.jobs.job import SUFFIX
from eventtag.jobs.outputs import write_predictions
from eventtag.ledger import LossLedger
from eventtag.span import Span

QUANTITIES = [parse_quantity(words) for words in ("EVENT", "any:ACTOR", "LOCATION~Lima", "*", "column:deaths")]
ARTICLES = [
    Article("a1", "Police met in Lima.", (Span(0, 6, "ACTOR", 0.5), Span(7, 10, "EVENT", 0.25), Span(14, 18, "LOCATION", 1.0)),
            meta={"date": "2014-01-31T23:30:00-05:00", "country": "Peru", "deaths": 3}),
    Article("a2", "Nothing happened.", meta={"date": "2014-02-01", "country": "Perú, =1+1", "tags": ["x", "y"]}),
    Article("a3", "Kyiv 👍 fell.", (Span(7, 11, "EVENT", 0.9),), meta={"country": 2014.0, "deaths": -5, "label": "own"}),
    Article("=4", "No metadata."),
]  # fmt: skip


def written(folder, name, articles=ARTICLES):
    path = folder / f"tagged.{name}"
    write_predictions(articles, path, name, ledger=LossLedger())
    return path


def contents(batches):
    """Everything that batches hold, span by span; a span without a score has None."""
    found = []
    for batch in batches:
        for row, name in enumerate(batch.ids):
            at = np.flatnonzero(batch.rows == row)
            spans = [
                (
                    int(batch.starts[i]),
                    int(batch.ends[i]),
                    batch.labels[batch.codes[i]],
                    batch.surfaces[i],
                    number(batch.scores[i]),
                )
                for i in at
            ]
            found.append((name, batch.meta[row], spans, batch.unseen.get(row)))
    return found


def number(score):
    return None if np.isnan(score) else float(score)


def expected(articles):
    return [
        (
            article.id,
            dict(article.meta),
            [(s.start, s.end, s.label, article.mention(s), s.score) for s in article.spans],
            article.labels,
        )
        for article in articles
    ]


@pytest.mark.parametrize("name", ["jsonl", "parquet"])
def test_columns_say_what_the_articles_say(tmp_path, name):
    path = written(tmp_path, name)
    assert contents(read_batches(path, ledger=LossLedger())) == expected(read_articles(path))


@pytest.mark.parametrize("name", ["jsonl", "parquet", "csv"])
def test_every_output_of_predict_gives_the_same_table(tmp_path, name):
    table = read_tagged(written(tmp_path, name), QUANTITIES, by=["month", "country"])
    assert table.ids.tolist() == ["a1", "a2", "a3", "=4"]
    assert table.fields["month"].tolist() == ["2014-01", "2014-02", None, None]
    assert table.fields["country"].tolist() == ["Peru", "Perú, =1+1", "2014", None]
    nan = math.nan
    np.testing.assert_array_equal(table.values, [[1, 1, 1, 3, 3], [0, 0, 0, 0, nan], [1, 0, 0, 1, -5], [0, 0, 0, 0, nan]])
    assert table.labels == ("ACTOR", "EVENT", "LOCATION")
    assert table.date_field == "date"
    assert "dates are taken from the metadata field 'date' (--date FIELD names another)" in table.notes
    assert "articles that have no date: 2, counted in the cell without a month" in table.notes
    assert "column:deaths: articles that have no number in the field 'deaths': 2, left out of its figures" in table.notes


@pytest.mark.parametrize("name", ["jsonl", "parquet", "csv"])
def test_a_folder_of_parts_is_one_source(tmp_path, name):
    folder = tmp_path / "tagged"
    folder.mkdir()
    for number, part in enumerate((ARTICLES[:1], ARTICLES[1:])):
        written(tmp_path, name, part).rename(folder / f"part-{number:06d}.{name}")
    assert read_tagged(folder, QUANTITIES).ids.tolist() == ["a1", "a2", "a3", "=4"]
    (folder / f"part-000001.{name}").unlink()
    written(tmp_path, name, ARTICLES[:2]).rename(folder / f"part-000001.{name}")
    with pytest.raises(DataError, match="'a1' occurs twice"):
        read_tagged(folder, QUANTITIES)


def test_articles_at_hand_and_other_formats_are_read_too(tmp_path):
    assert read_tagged(ARTICLES, QUANTITIES[:1]).values.tolist() == [[1], [0], [1], [0]]
    prodigy = tmp_path / "theirs.jsonl"
    prodigy.write_text(
        json.dumps({"text": "Kyiv fell", "spans": [{"start": 5, "end": 9, "label": "EVENT"}], "answer": "accept"}) + "\n"
    )
    assert read_tagged(prodigy, QUANTITIES[:1]).values.tolist() == [[1]]


def test_labels_can_be_renamed(tmp_path):
    reading = TaggedReading(label_map={"ACTOR": "EVENT", "LOCATION": None})
    table = read_tagged(written(tmp_path, "jsonl"), [parse_quantity("EVENT"), parse_quantity("*")], reading=reading)
    assert table.values.tolist() == [[2, 2], [0, 0], [1, 1], [0, 0]]
    assert table.labels == ("EVENT",)
    with pytest.raises(SettingsError, match=r"label_map: there is no label 'EVNT'.*did you mean EVENT\?"):
        read_tagged(ARTICLES, [], reading=TaggedReading(label_map={"EVNT": "EVENT"}))


def test_unusual_rows_go_through_the_reader_of_the_format(tmp_path):
    """Gold spans, annotated regions, ids that are numbers or not ASCII, keys that others added, spans out of order."""
    rows = [
        {
            "id": 7,
            "text": "Kyiv fell",
            "spans": [{"start": 5, "end": 9, "label": "EVENT"}, {"start": 0, "end": 4, "label": "LOCATION"}],
        },
        {"id": "é", "text": "Kyiv fell", "labels": ["EVENT"], "spans": []},
        {"id": "x", "text": "Kyiv fell", "annotated": [[0, 4]], "spans": []},
        {"id": "y", "text": "Kyiv fell", "country": "Ukraine", "spans": []},
        {"id": "z", "text": "Kyiv fell"},
    ]
    path = tmp_path / "mixed.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    table = read_tagged(path, [parse_quantity("EVENT"), parse_quantity("LOCATION")], by=["country"])
    nan = math.nan
    np.testing.assert_array_equal(table.values, [[1, 1], [0, nan], [nan, nan], [0, 0], [0, 0]])
    assert table.ids.tolist() == ["7", "é", "x", "y", "z"]
    assert table.fields["country"].tolist() == [None, None, None, "Ukraine", None]
    assert "articles of mixed.jsonl that have no field `spans`: 1, counted as articles without spans" in table.notes
    assert "EVENT: articles that were not annotated as a whole, or not for all labels: 1, left out of its figures" in table.notes


@pytest.mark.parametrize(
    ("span", "problem"),
    [
        ({"start": 0, "end": 40, "label": "EVENT"}, "outside its text"),
        ({"start": 0, "end": 4, "label": "EVENT", "score": 0.5, "text": "fell"}, "but its `text` is 'fell'"),
        ({"start": 0, "end": 4, "label": "EVENT", "score": 1.5}, "from 0 to 1"),
        ({"start": True, "end": 4, "label": "EVENT"}, "whole numbers"),
        ({"start": 0, "end": 4, "label": " "}, "give it a name"),
    ],
)
def test_a_wrong_span_is_an_error_with_its_line(tmp_path, span, problem):
    good = {"id": "a", "text": "Kyiv fell", "spans": [{"start": 0, "end": 4, "label": "EVENT", "score": 1.0}]}
    path = tmp_path / "wrong.jsonl"
    path.write_text(json.dumps(good) + "\n" + json.dumps(good | {"id": "b", "spans": [span]}) + "\n")
    with pytest.raises(FormatError, match=rf"wrong\.jsonl:2: .*{problem}"):
        read_tagged(path, QUANTITIES)


@pytest.mark.parametrize(
    "line",
    [
        '{"id": "b", "text": "x", "id": "c", "spans": []}',
        '{"id": "b", "text": "x", "spans": [{"start": 0, "end": 1, "label": "EVENT", "start": 0}]}',
        '{"id": "b", "text": "x", "spans": [], "meta": {"n": NaN}}',
        '{"id": "b", "text": "x"',
    ],
)
def test_what_is_no_json_for_the_reader_is_none_here(tmp_path, line):
    path = tmp_path / "damaged.jsonl"
    path.write_text('{"id": "a", "text": "Kyiv", "spans": [{"start": 0, "end": 4, "label": "EVENT"}]}\n' + line + "\n")
    with pytest.raises(FormatError) as theirs:
        list(read_articles(path))
    with pytest.raises(FormatError) as ours:
        read_tagged(path, QUANTITIES)
    assert str(ours.value) == str(theirs.value)


def test_shapes_of_json_that_are_read(tmp_path):
    rows = [
        {"id": f"n{i}", "text": 'He said "go": a', "spans": [{"start": 9, "end": 11, "label": "EVENT"}], "meta": {"a": {"b": 1}}}
        for i in range(3)
    ]
    rows[1]["spans"][0] |= {"score": 0.5, "text": "go", "sentence": {"start": 0, "end": 15, "text": 'He said "go": a'}}
    rows[2]["text"] += "\ud83d"
    shapes = {
        "lines": "\ufeff" + "".join(json.dumps(row) + "\n" for row in rows),
        "blank": "\n".join(json.dumps(row) + "\r\n" for row in rows),
        "commas": "".join(json.dumps(row) + ",\n" for row in rows),
        "array": json.dumps(rows, indent=1),
        "objects": "\n".join(json.dumps(row, indent=1) for row in rows),
    }
    for name, text in shapes.items():
        path = tmp_path / f"{name}.jsonl"
        path.write_text(text, encoding="utf-8")
        assert contents(read_batches(path, ledger=LossLedger())) == expected(read_articles(path)), name
        assert read_tagged(path, QUANTITIES[:1]).values.tolist() == [[1], [1], [1]]


def test_parquet_that_others_changed_is_read_as_its_reader_does(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    articles = [Article(f"n{i}", "Kyiv fell", (Span(5, 9, "EVENT", 0.5),), meta={"country": "Ukraine"}) for i in range(BATCH + 2)]
    articles[BATCH + 1] = Article("last", "Kyiv fell", annotated=((0, 4),))
    path = written(tmp_path, "parquet", articles)
    table = pq.read_table(path)
    pq.write_table(table.append_column("deaths", pa.array(range(table.num_rows))), tmp_path / "more.parquet")
    found = read_tagged(tmp_path / "more.parquet", [parse_quantity("EVENT"), parse_quantity("column:deaths")], by=["country"])
    assert found.ids[[0, -1]].tolist() == ["n0", "last"]
    assert len(found.ids) == BATCH + 2
    np.testing.assert_array_equal(found.values[[0, BATCH, -1]], [[1, 0], [1, BATCH], [math.nan, BATCH + 1]])
    assert found.fields["country"][[0, -1]].tolist() == ["Ukraine", None]


def test_csv_without_articles_that_have_no_spans_is_refused(tmp_path):
    path = tmp_path / "old.csv"
    path.write_text("article_id,start,end,label,text,score\na,0,4,EVENT,Kyiv,0.5\n")
    with pytest.raises(FormatError, match=r"no column article_spans.*articles without spans are missing"):
        read_tagged(path, QUANTITIES)


def test_numbers_in_csv_are_numbers_and_other_texts_stay_texts(tmp_path):
    meta = {"n": -3, "share": 0.25, "negative": "-3", "code": "007", "version": "1.10", "year": 2014.0, "plain": "12"}
    path = written(tmp_path, "csv", [Article("a", "Kyiv", meta=meta)])
    batch = next(read_batches(path, ledger=LossLedger()))
    assert batch.meta[0] == meta | {"plain": 12}
    assert list(map(batch.column, meta)) == [["-3"], ["0.25"], ["-3"], ["007"], ["1.10"], ["2014"], ["12"]]


def test_csv_that_was_filtered_is_refused(tmp_path):
    path = written(tmp_path, "csv")
    with path.open(newline="") as file:
        rows = [row for row in csv.reader(file) if row[3] != "ACTOR"]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    with pytest.raises(FormatError, match=r"tagged\.csv:2: article 'a1' has 3 spans by article_spans, but 2 rows are here"):
        read_tagged(path, QUANTITIES)


def test_articles_that_nobody_tagged_are_refused(tmp_path):
    path = tmp_path / "new.jsonl"
    path.write_text('{"id": "a", "text": "Kyiv fell"}\n{"id": "b", "text": "Kyiv fell"}\n')
    with pytest.raises(DataError, match="no article has the field `spans`"):
        read_tagged(path, QUANTITIES)


def test_an_id_that_stands_twice_is_an_error(tmp_path):
    path = tmp_path / "twice.jsonl"
    path.write_text('{"id": "a", "text": "Kyiv fell", "spans": []}\n' * 2)
    with pytest.raises(DataError, match="'a' occurs twice"):
        read_tagged(path, QUANTITIES)
    with pytest.raises(DataError, match="'a1' occurs twice"):
        read_tagged(iter([*ARTICLES, ARTICLES[0]]), QUANTITIES)


def test_a_field_that_no_article_has_is_named_with_the_near_one(tmp_path):
    path = written(tmp_path, "jsonl")
    with pytest.raises(SettingsError, match=r"by: there is no metadata field 'cuntry'.*did you mean country\?"):
        read_tagged(path, QUANTITIES, by=["cuntry"])
    with pytest.raises(SettingsError, match="date: there is no metadata field 'published'"):
        read_tagged(path, QUANTITIES, by=["month"], reading=TaggedReading(date="published"))
    with pytest.raises(SettingsError, match="'country' occurs twice"):
        read_tagged(path, QUANTITIES, by=["country", "country"])


def test_a_field_that_is_called_month_is_taken_unless_the_date_field_is_named():
    articles = [Article("a", "x", meta={"month": "May", "date": "2014-01-31"})]
    assert read_tagged(articles, [], by=["month"]).fields["month"].tolist() == ["May"]
    named = read_tagged(articles, [], by=["month"], reading=TaggedReading(date="date"))
    assert named.fields["month"].tolist() == ["2014-01"]


def test_rows_that_could_not_be_tagged_are_said(tmp_path):
    assert tagged.JOB_SUFFIX == SUFFIX
    path = written(tmp_path, "jsonl")
    job = Path(f"{path}{SUFFIX}")
    job.mkdir()
    (job / "manifest.json").write_text('{"dead_letters": 2}')
    assert any(
        note.startswith("2 rows of the tagged input could not be tagged") and note.endswith("tagged.jsonl.job/dead_letter.jsonl")
        for note in read_tagged(path, []).notes
    )


texts = st.text("ab é\n,\"';=+-@\t", min_size=1, max_size=8)
values = st.none() | texts | st.integers(-(10**9), 10**9) | st.booleans() | st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def drawn_articles(draw):
    articles = []
    for number in range(draw(st.integers(1, 5))):
        text = draw(texts)
        places = [(s, e) for s in range(len(text)) for e in range(s + 1, len(text) + 1)]
        spans = {
            Span(*draw(st.sampled_from(places)), draw(st.sampled_from(["EVENT", "=A"])), draw(st.integers(0, 1000)) / 1000)
            for _ in range(draw(st.integers(0, 3)))
        }
        meta = draw(st.dictionaries(st.sampled_from(["date", "text", "label", "=x", "n"]), values, max_size=3))
        articles.append(Article(f"{draw(texts)}{number}", text, tuple(spans), meta=meta))
    return articles


@settings(max_examples=40)
@given(drawn_articles())
def test_whatever_is_written_is_counted_as_the_articles_are(tmp_path_factory, articles):
    folder = tmp_path_factory.mktemp("drawn")
    wanted = [parse_quantity("EVENT"), parse_quantity("*"), parse_quantity("EVENT", unique=True)]
    expected_values = [[quantity.value(article) for quantity in wanted] for article in articles]
    for name in ("jsonl", "parquet", "csv"):
        table = read_tagged(written(folder, name, articles), wanted)
        assert table.ids.tolist() == [article.id for article in articles]
        np.testing.assert_array_equal(table.values, expected_values)
