"""What tables hold beside texts and spans: it reaches the metadata as JSON can hold it, or is named with its row and column."""

import datetime
import decimal
import json
import math

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from eventtag.article import Article
from eventtag.errors import FormatError, OutputError
from eventtag.formats.jsonl import json_line
from eventtag.formats.registry import read_articles, write_articles
from eventtag.ledger import LossLedger

SPANS = [{"start": 0, "end": 4, "label": "LOC"}]
VALUES = {
    "date": (datetime.date(2024, 1, 2), "2024-01-02"),
    "timestamp": (datetime.datetime(2024, 1, 2, 3, 4, 5), "2024-01-02T03:04:05"),
    "zone": (datetime.datetime(2024, 1, 2, tzinfo=datetime.UTC), "2024-01-02T00:00:00+00:00"),
    "time": (datetime.time(3, 4), "03:04:00"),
    "duration": (datetime.timedelta(days=1), "1 day, 0:00:00"),
    "decimal": (decimal.Decimal("1.50"), "1.50"),
    "text bytes": (b"abc", "abc"),
    "other bytes": (b"\xff\x00", "/wA="),
    "infinity": (math.inf, "Infinity"),
    "minus infinity": (-math.inf, "-Infinity"),
    "not a number": (math.nan, "NaN"),
    "list": ([datetime.date(2024, 1, 2), None], ["2024-01-02", None]),
    "struct": ({"when": datetime.date(2024, 1, 2), "n": math.inf}, {"when": "2024-01-02", "n": "Infinity"}),
    "truth value": (True, True),
    "number": (3, 3),
}


def parquet(path, columns, names=None):
    pq.write_table(pa.table({"text": ["Kyiv fell"], "spans": [SPANS]} | columns), path)
    return path


def read(path, **options):
    ledger = LossLedger()
    return list(read_articles(path, ledger=ledger, options=options)), ledger


@pytest.mark.parametrize(("value", "expected"), VALUES.values(), ids=VALUES)
@pytest.mark.parametrize("kind", ["parquet", "dataset", "dataset of tags"])
def test_values_of_every_type_travel_in_the_metadata(tmp_path, kind, value, expected):
    if kind == "parquet":
        path = parquet(tmp_path / "a.parquet", {"other": pa.array([value])})
    else:
        own = {"text": ["Kyiv fell"], "spans": [SPANS]} if kind == "dataset" else {"tokens": [["Kyiv"]], "ner_tags": [["B-LOC"]]}
        path = tmp_path / "a"
        datasets.Dataset(pa.table(own | {"other": pa.array([value])})).save_to_disk(str(path))
    ((article,), _) = read(path)
    assert dict(article.meta) == {"other": expected}
    assert [span.label for span in article.spans] == ["LOC"]
    line = json_line(article)
    assert json.loads(line, parse_constant=pytest.fail)["meta"] == {"other": expected}


def test_no_line_holds_what_json_does_not():
    meta = {"views": json.loads("1e999"), "shares": [-math.inf, math.nan, 0.5], "day": datetime.date(2024, 1, 2)}
    line = json_line(Article("a", "Kyiv \ud800", meta=meta))
    expected = {"views": "Infinity", "shares": ["-Infinity", "NaN", 0.5], "day": "2024-01-02"}
    assert json.loads(line, parse_constant=pytest.fail) == {"id": "a", "text": "Kyiv \ud800", "spans": [], "meta": expected}


def struct_with_twins():
    child = pa.array([1])
    return pa.StructArray.from_arrays([child, child], fields=[pa.field("x", pa.int64()), pa.field("x", pa.int64())])


UNREADABLE = {
    "beyond the year 9999": lambda: pa.array([400_000_000_000], pa.timestamp("s")),
    "unknown time zone": lambda: pa.array([0], pa.timestamp("s", tz="Mars/Olympus")),
    "twins in a struct": struct_with_twins,
}


@pytest.mark.parametrize(
    ("kind", "make"),
    # `datasets` itself makes one field of two that have one name.
    [
        (kind, UNREADABLE[name])
        for kind in ("parquet", "dataset")
        for name in UNREADABLE
        if (kind, name) != ("dataset", "twins in a struct")
    ],
)
def test_a_value_that_cannot_be_had_is_named_with_its_row_and_column(tmp_path, kind, make):
    bad = make()
    good = pa.nulls(2, bad.type)
    table = pa.table({"text": ["a"] * 3, "spans": [SPANS[:0]] * 3, "odd": pa.chunked_array([good, bad])})
    if kind == "parquet":
        pq.write_table(table, tmp_path / "a.parquet")
    else:
        datasets.Dataset(table).save_to_disk(str(tmp_path / "a.parquet"))
    with pytest.raises(FormatError, match=r"row 3: column 'odd' holds a .* that cannot be read") as caught:
        read(tmp_path / "a.parquet")
    assert "store it as text" in str(caught.value)


def test_two_columns_of_one_name_are_refused(tmp_path):
    table = pa.table([["a"], ["b"], [SPANS[:0]]], names=["text", "text", "spans"])
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(FormatError, match="has 2 columns called 'text'"):
        read(tmp_path / "a.parquet")


def test_images_and_sounds_are_not_decoded_and_no_file_is_opened(tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"no image")
    features = datasets.Features(
        {
            "tokens": datasets.List(datasets.Value("string")),
            "ner_tags": datasets.List(datasets.Value("string")),
            "photo": datasets.Image(),
            "sounds": datasets.List(datasets.Audio()),
        }
    )
    storage = {"bytes": None, "path": str(secret)}
    rows = {"tokens": [["Kyiv"]], "ner_tags": [["B-LOC"]], "photo": [storage], "sounds": [[storage]]}
    datasets.Dataset(pa.table(rows, schema=features.arrow_schema)).save_to_disk(str(tmp_path / "d"))
    secret.unlink()
    ((article,), ledger) = read(tmp_path / "d")
    assert (article.text, len(article.spans), dict(article.meta)) == ("Kyiv", 1, {})
    assert [remark for remark in ledger.remarks if "photo, sounds" in remark]


def test_ids_that_splits_share_are_made_of_the_split_and_the_id(tmp_path):
    part = datasets.Dataset.from_dict({"id": [1, 2], "text": ["Kyiv", "x"], "entities": [SPANS, []]})
    datasets.DatasetDict({"train": part, "test": part}).save_to_disk(str(tmp_path / "d"))
    articles, ledger = read(tmp_path / "d")
    assert [a.id for a in articles] == ["train/1", "train/2", "test/1", "test/2"]
    assert [[s.label for s in a.spans] for a in articles] == [["LOC"], []] * 2
    assert [remark for remark in ledger.remarks if "splits share article ids" in remark]
    assert [a.id for a in read(tmp_path / "d", split="test")[0]] == ["1", "2"]


@pytest.mark.parametrize("name", ["jsonl", "conll", "parquet", "csv"])
def test_a_folder_in_the_place_of_a_file_is_an_error(tmp_path, name):
    (tmp_path / "out").mkdir()
    with pytest.raises(OutputError, match="is a folder; give the name of a file"):
        write_articles([Article("a", "x")], tmp_path / "out", name, ledger=LossLedger())
    assert list(tmp_path.iterdir()) == [tmp_path / "out"]
