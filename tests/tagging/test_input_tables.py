import csv
import datetime
import decimal
import io
import json
import re
import tracemalloc

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventtag.errors import FormatError
from eventtag.jobs.reading.inputs import read_rows

CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).filter(lambda text: not text.isspace())


def read(path, **options):
    rows = list(read_rows(str(path), **options))
    return [row.article for row in rows if row.article is not None], [row for row in rows if row.article is None]


@given(st.lists(CELLS, min_size=1, max_size=5), st.sampled_from(",;\t|"), st.sampled_from(["\n", "\r\n"]))
def test_what_the_csv_module_writes_is_read(tmp_path_factory, texts, delimiter, line_end):
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    buffer = io.StringIO()
    quoting = csv.QUOTE_MINIMAL if line_end == "\r\n" else csv.QUOTE_NONNUMERIC  # minimal leaves a lone \r bare before \n
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator=line_end, quoting=quoting)
    writer.writerow(["id", "text", "day"])
    writer.writerows([number, text, ""] for number, text in enumerate(texts))
    path.write_bytes(buffer.getvalue().encode())
    articles, bad = read(path)
    assert not bad
    assert [(article.id, article.text, article.meta) for article in articles] == [(str(n), t, {}) for n, t in enumerate(texts)]


def test_rows_of_csv_have_their_places(tmp_path):
    path = tmp_path / "a.csv"
    data = '\ufefftext;source\n"two\nlines";é\n\nshort\nlast;x\n'.encode()
    path.write_bytes(data)
    rows = list(read_rows(str(path)))
    assert [(row.place.line, data[row.place.offset :].split(b"\n")[0]) for row in rows] == [
        (2, b'"two'),
        (5, b"short"),
        (6, b"last;x"),
    ]
    assert [row.article and (row.article.id, row.article.text, row.article.meta) for row in rows] == [
        ("row-1", "two\nlines", {"source": "é"}),
        None,
        ("row-3", "last", {"source": "x"}),
    ]
    assert (rows[1].problem, rows[1].raw) == ("1 cells where the header has 2", b"short")


BAD_ROWS = {
    "a quote too many": (b'p,"it is "so"', "not a row of CSV"),
    "an open quote": (b'p,"it never ends', "not a row of CSV|longer than"),
    "too many cells": (b"p,a,b", "3 cells where the header has 2"),
    "bad UTF-8": (b"p,a\xff", "byte 0xff at offset 3 is not UTF-8"),
    "NUL": (b"p,a\0b", "NUL at character 1"),
    "empty text": (b"p,", "the text is empty"),
    "empty id": (b",a", '`id` is ""'),
    "a long row": (b"p," + b"x" * 3000, "longer than 2,000 bytes"),
    "a long cell of several lines": (b'p,"' + b"x\n" * 1500 + b'"', "longer than|cells where|not a row"),
}


@pytest.mark.parametrize("kind", BAD_ROWS)
def test_a_bad_row_of_csv_costs_itself_only(tmp_path, kind):
    row, message = BAD_ROWS[kind]
    path = tmp_path / "a.csv"
    path.write_bytes(b'id,text\n1,"One, and one."\n' + row + b'\n2,Two.\n3,"Three, and\nthree."\n4,Four.\n')
    articles, bad = read(path, max_row_bytes=2000)
    assert [(article.id, article.text) for article in articles] == [
        ("1", "One, and one."),
        ("2", "Two."),
        ("3", "Three, and\nthree."),
        ("4", "Four."),
    ]
    assert (bad[0].place.line, bad[0].place.offset) == (3, 26)
    assert re.search(message, bad[0].problem)


def test_parquet_is_read_row_by_row_with_columns_as_metadata(tmp_path):
    path = tmp_path / "a.parquet"
    rows = [
        {
            "key": 1,
            "body": "One.",
            "day": datetime.date(2024, 1, 2),
            "share": float("nan"),
            "price": decimal.Decimal("1.5"),
            "x": b"1",
        },
        {"key": 2, "body": None, "day": None, "share": 0.5, "price": None, "x": None},
        {"key": 3, "body": "Three.", "day": None, "share": None, "price": None, "x": None},
    ]
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=2)
    articles, bad = read(path, text_field="body", id_field="key")
    assert [(a.id, a.text, a.meta) for a in articles] == [
        ("1", "One.", {"day": "2024-01-02", "share": "NaN", "price": "1.5", "x": "1"}),
        ("3", "Three.", {}),
    ]
    assert [(row.place.line, row.place.offset) for row in bad] == [(2, None)]
    json.dumps([dict(article.meta) for article in articles], allow_nan=False)


def test_one_text_of_parquet_that_is_not_utf8_costs_itself_only(tmp_path):
    texts = pa.array([b"One.", b"\xff\xfe", b"Three."]).view(pa.string())
    pq.write_table(pa.table({"text": texts}), tmp_path / "a.parquet")
    articles, bad = read(tmp_path / "a.parquet")
    assert [article.id for article in articles] == ["row-1", "row-3"]
    assert [row.place.line for row in bad] == [2]


def test_a_damaged_row_group_is_one_bad_row(tmp_path):
    path = tmp_path / "a.parquet"
    table = pa.table({"text": [f"Text {number} " + "x" * 50 for number in range(300)]})
    pq.write_table(table, path, row_group_size=100, compression="zstd", use_dictionary=False)
    column = pq.ParquetFile(path).metadata.row_group(1).column(0)
    data = bytearray(path.read_bytes())
    middle = column.data_page_offset + column.total_compressed_size // 2
    data[middle : middle + 30] = b"\xff" * 30
    path.write_bytes(data)
    articles, bad = read(path)
    assert [article.id for article in articles] == [f"row-{number}" for number in (*range(1, 101), *range(201, 301))]
    assert [row.place.line for row in bad] == [101]
    assert "rows 101 to 200 cannot be read" in bad[0].problem


def test_a_dataset_on_disk_is_read_split_by_split(tmp_path):
    splits = {
        "train": datasets.Dataset.from_list([{"id": "1", "text": "One.", "day": 1}, {"id": "2", "text": "", "day": 2}]),
        "test": datasets.Dataset.from_list([{"id": "1", "text": "Uno.", "day": 3}]),
    }
    datasets.DatasetDict(splits).save_to_disk(tmp_path / "both")
    articles, bad = read(tmp_path / "both")
    assert [(a.id, a.text, a.meta) for a in articles] == [("train#1", "One.", {"day": 1}), ("test#1", "Uno.", {"day": 3})]
    assert [(row.place.file, row.place.line) for row in bad] == [(str(tmp_path / "both" / "train"), 2)]
    splits["test"].save_to_disk(tmp_path / "one")
    assert [article.id for article in read(tmp_path / "one")[0]] == ["1"]
    with pytest.raises(FormatError, match="has no column 'body'; there are: id, text, day"):
        read(tmp_path / "one", text_field="body")


ODD_COLUMNS = {
    "beyond the year 9999": pa.array([0, 300_000_000_000, 0]).cast(pa.timestamp("s")),
    "a duration without end": pa.array([0, 2**62, 0]).cast(pa.duration("s")),
    "fields of one name": pa.StructArray.from_arrays(
        [pa.array([1, 2, 3]), pa.array([4, 5, 6])], fields=[pa.field("a", pa.int64()), pa.field("a", pa.int64())]
    ),
}


@pytest.mark.parametrize(
    ("stored", "kind"),
    # `datasets` itself makes one field of two that have one name.
    [("parquet", kind) for kind in ODD_COLUMNS] + [("dataset", kind) for kind in list(ODD_COLUMNS)[:2]],
)
def test_a_value_that_python_cannot_hold_costs_its_row_and_is_named(tmp_path, kind, stored):
    table = pa.table({"text": ["One.", "Two.", "Three."], "odd": ODD_COLUMNS[kind]})
    if stored == "parquet":
        pq.write_table(table, tmp_path / "a.parquet")
        articles, bad = read(tmp_path / "a.parquet")
    else:
        datasets.Dataset(datasets.table.InMemoryTable(table)).save_to_disk(tmp_path / "a")
        articles, bad = read(tmp_path / "a")
    lost = 3 if kind == "fields of one name" else 1
    assert (len(articles), len(bad)) == (3 - lost, lost)
    assert all("column 'odd' holds a " in row.problem for row in bad)
    assert [row.place.line for row in bad] == ([1, 2, 3] if lost == 3 else [2])


def test_an_unknown_time_zone_is_named(tmp_path):
    pq.write_table(
        pa.table({"text": ["One."], "day": pa.array([0]).cast(pa.timestamp("s", tz="Mars/Base"))}), tmp_path / "a.parquet"
    )
    articles, bad = read(tmp_path / "a.parquet")
    assert not articles
    assert re.search("column 'day' .*Mars/Base", bad[0].problem)


def test_two_columns_of_one_name_are_refused(tmp_path):
    pq.write_table(pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["text", "text"]), tmp_path / "a.parquet")
    with pytest.raises(FormatError, match="has 2 columns called 'text'"):
        read(tmp_path / "a.parquet")


@pytest.mark.parametrize("stored", ["parquet", "dataset"])
def test_images_are_neither_opened_nor_written_and_that_is_said(tmp_path, caplog, stored):
    features = datasets.Features({"text": datasets.Value("string"), "photo": datasets.Image(), "day": datasets.Value("int64")})
    photo = tmp_path / "photo.png"
    photo.write_bytes(b"no picture")
    rows = [{"text": "One.", "photo": {"bytes": None, "path": str(photo)}, "day": 1}]
    dataset = datasets.Dataset.from_list(rows, features=features)
    path = tmp_path / "stored"
    if stored == "parquet":
        path = path.with_suffix(".parquet")
        dataset.to_parquet(path)
    else:
        dataset.save_to_disk(path)
    photo.unlink()
    articles, bad = read(path)
    assert not bad
    assert [dict(article.meta) for article in articles] == [{"day": 1}]
    assert "columns of images or other media are left out: photo" in caplog.text


def test_the_separator_that_excel_writes_is_no_header(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"sep=;\r\nid;text\r\n1;Kyiv, fell\r\n")
    articles, bad = read(tmp_path / "a.csv")
    assert not bad
    assert [(article.id, article.text) for article in articles] == [("1", "Kyiv, fell")]
    (tmp_path / "b.csv").write_bytes(b"sep=;\r\n")
    with pytest.raises(FormatError, match="the names of the columns are missing"):
        read(tmp_path / "b.csv")


def test_long_rows_of_parquet_are_read_a_few_at_a_time(tmp_path):
    rows, characters = 64, 1_000_000
    path = tmp_path / "long.parquet"
    # One stored value stands in all rows, so that the file and what it says of its size are small.
    pq.write_table(pa.table({"text": ["x" * characters] * rows}), path)
    tracemalloc.start()
    try:
        found = sum(row.article is not None for row in read_rows(str(path), max_row_bytes=64_000_000))
        python = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found == rows
    assert python < 10 * characters
    sizes = []
    read = pq.ParquetFile.iter_batches

    def watched(self, **options):
        for batch in read(self, **options):
            sizes.append(batch.num_rows)
            yield batch

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pq.ParquetFile, "iter_batches", watched)
        assert len(list(read_rows(str(path), max_row_bytes=8_000_000))) == rows
    assert max(sizes) * 8_000_000 <= 1 << 26
