import json

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from eventtag.article import Article
from eventtag.errors import FormatError, SettingsError
from eventtag.formats.csv import read_csv, sniff_csv, write_csv
from eventtag.formats.hf_dataset import read_hf_dataset, write_hf_dataset
from eventtag.formats.parquet import read_parquet, write_parquet
from eventtag.formats.registry import recognise
from eventtag.ledger import LossLedger
from eventtag.span import Span

SPANS = (Span(2, 6, "X", 0.5), Span(0, 6, "Y", 0.25))
ARTICLES = [
    Article("a/1", '👩 Kyiv,\r\n"x"', SPANS, ((0, 2),), ("X", "Y"), {"k": [1], "split": "train"}),
    Article("b", "", meta={"split": "test"}),
]


def mentions(article):
    return [(article.mention(span), span.label) for span in article.spans]


def read(tmp_path, content, **options):
    path = tmp_path / "t.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    ledger = LossLedger()
    return list(read_csv(path, ledger=ledger, **options)), ledger


@pytest.mark.parametrize(
    "cell",
    [
        '[[0, 4, "LOC"]]',
        '[{"start": 0, "end": 4, "label": "LOC"}]',
        '[{"start": 0, "end": 4, "text": "Kyiv", "labels": ["LOC"]}]',
        "[{'start': 0, 'end': 4, 'label': 'LOC'}]",
        "[(0, 4, 'LOC')]",
    ],
)
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_every_way_of_writing_spans_and_every_separator_is_read(tmp_path, cell, delimiter):
    quoted = cell.replace('"', '""')
    content = (
        delimiter.join(["id", "text", "label", "topic"])
        + "\r\n"
        + delimiter.join(["a1", '"Kyiv\nfell"', f'"{quoted}"', "war"])
        + "\r\n"
    )
    (article,), ledger = read(tmp_path, content)
    assert (article.id, article.text, article.meta) == ("a1", "Kyiv\nfell", {"topic": "war"})
    assert mentions(article) == [("Kyiv", "LOC")]
    assert (ledger.seen, ledger.entries) == (1, [])
    assert sniff_csv(content)


@pytest.mark.parametrize(
    "content",
    [
        'text,spans\rKyiv fell,"[[0, 4, ""LOC""]]"\r',
        'sep=;\r\ntext;spans\r\nKyiv fell;"[[0, 4, ""LOC""]]"\r\n',
        ' Text , SPANS\nKyiv fell,"[{""start"": ""0"", ""end"": ""4"", ""label"": ""LOC""}]"\n',
        "text,entities\nKyiv fell,\"{'entities': [(0.0, 4.0, 'LOC')]}\"\n",
        'text\tspans\nKyiv fell\t"[[0, 4, ""LOC""]]"\n'.encode("utf-16"),
    ],
    ids=["CR alone", "a separator line", "blanks and capitals", "a dictionary", "UTF-16"],
)
def test_what_excel_and_pandas_write_is_read(tmp_path, content):
    (article,), ledger = read(tmp_path, content)
    assert (article.text, mentions(article), article.meta) == ("Kyiv fell", [("Kyiv", "LOC")], {})
    assert (ledger.seen, ledger.entries) == (1, [])
    assert recognise(tmp_path / "t.csv")[0].name == "csv"


def test_an_encoding_can_be_named_and_is_named_where_it_is_missing(tmp_path):
    content = "text,spans\r\nLviv,\r\nCafé,[]\r\n".encode("cp1252")
    with pytest.raises(FormatError, match=r"t.csv:3: is not UTF-8 .* encoding=cp1252"):
        read(tmp_path, content)
    articles, _ = read(tmp_path, content, encoding="cp1252")
    assert [a.text for a in articles] == ["Lviv", "Café"]
    with pytest.raises(SettingsError, match="encoding: 'latin-17' is unknown"):
        read(tmp_path, content, encoding="latin-17")


def test_a_missing_value_is_no_span_and_is_noted(tmp_path):
    articles, ledger = read(tmp_path, 'id,text,spans\na,Kyiv,nan\nb,Lviv,"[[0, 4, ""L""]]"\n')
    assert [a.spans for a in articles] == [(), (Span(0, 4, "L"),)]
    assert [(note.article_id, note.part) for note in ledger.notes] == [("a", "spans")]


def test_offsets_that_count_a_line_end_as_one_are_told_by_the_whole_file(tmp_path):
    rows = 'a,"x y\r\nz x y z","[[6, 7, ""X""]]"\nb,"War.\r\nKyiv fell","[[5, 9, ""LOC""]]"\n'
    articles, ledger = read(tmp_path, "id,text,spans\n" + rows)
    assert [mentions(article) for article in articles] == [[("x", "X")], [("Kyiv", "LOC")]]
    assert "offsets count code points, CR LF as one" in ledger.remarks


def test_spans_in_a_column_that_is_not_read_stop_a_file_without_others(tmp_path):
    with pytest.raises(FormatError, match=r"none of the spans in the field 'entities' \(1\) is read"):
        read(tmp_path, 'text,spans,entities\nKyiv,[],"[[0, 4, ""LOC""]]"\n')
    with pytest.raises(FormatError, match="its rows are spans, with the columns start and end"):
        read(tmp_path, "id,text,start,end,label\na,Kyiv,0,4,LOC\n")


@pytest.mark.parametrize(
    ("write", "reader", "name"), [(write_csv, read_csv, "o.csv"), (write_parquet, read_parquet, "o.parquet")]
)
def test_columns_that_are_added_to_a_written_table_are_metadata(tmp_path, write, reader, name):
    import pandas

    path, changed = tmp_path / name, tmp_path / f"changed.{name.split('.')[1]}"
    write([Article("a", "Kyiv fell", (Span(0, 4, "L"),), meta={"k": 1})], path, ledger=LossLedger())
    table = pandas.read_csv(path) if name.endswith("csv") else pandas.read_parquet(path)
    table["labels"], table["annotated"] = "politics", "yes"
    table.to_csv(changed, index=False) if name.endswith("csv") else table.to_parquet(changed)
    (article,) = reader(changed, ledger=LossLedger())
    assert article.meta == {"k": 1, "labels": "politics", "annotated": "yes"}


def test_columns_can_be_named_and_ids_are_made_where_there_are_none(tmp_path):
    articles, _ = read(tmp_path, "story,gold\nKyiv,\nLviv,[]\n", text_column="story", spans_column="gold")
    assert [(a.id, a.text, a.spans) for a in articles] == [("t-1", "Kyiv", ()), ("t-2", "Lviv", ())]


def test_a_long_cell_is_read(tmp_path):
    articles, _ = read(tmp_path, f"text,spans\n{'x' * 300_000},\n")
    assert len(articles[0].text) == 300_000


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("a,b\n1,2\n", "t.csv:1: which column holds the text\\? there are: a, b; name it with text_column"),
        ("text,spans\na\n", "t.csv:2: 1 cells where the header has 2"),
        ('text,spans\n"a\nb",[]\nc,7\n', "t.csv:4: the spans are '7'"),
        ("text,spans\na,[[0]]\n", "t.csv:2: the span '\\[0\\]' is neither"),
        ('text,spans\na,"[[0, 1, 2]]"\n', "t.csv:2: the span .* has the label 2, a number"),
        ("text,spans\na,__import__('os')\n", "t.csv:2: .* is no list of spans"),
        ('text,spans\n"a"b,[]\n', "t.csv:2: "),
        (b"text,spans\n\xff,[]\n", "t.csv:.* is not UTF-8"),
        ('id,text,spans\n1,"Kyiv fell,[]\n2,Moscow,[]\n', "is no CSV .*; a cell that begins with a quote ends with one"),
    ],
)
def test_a_damaged_csv_is_an_error_with_file_and_line(tmp_path, content, problem):
    with pytest.raises(FormatError, match=problem):
        read(tmp_path, content)


@pytest.mark.parametrize(
    ("write", "reader", "name"), [(write_csv, read_csv, "o.csv"), (write_parquet, read_parquet, "o.parquet")]
)
def test_tables_give_everything_back(tmp_path, write, reader, name):
    ledger = LossLedger()
    write(ARTICLES, tmp_path / name, ledger=ledger)
    assert list(reader(tmp_path / name, ledger=ledger)) == ARTICLES
    assert (ledger.entries, ledger.notes) == ([], [])


def test_parquet_with_columns_of_its_own_types_is_read(tmp_path):
    table = pa.table({"body": ["Kyiv fell"], "entities": [[{"start": 0, "end": 4, "label": "LOC"}]], "year": [2022]})
    pq.write_table(table, tmp_path / "p.parquet")
    (article,) = read_parquet(tmp_path / "p.parquet", ledger=LossLedger())
    assert (article.id, mentions(article), article.meta) == ("p-1", [("Kyiv", "LOC")], {"year": 2022})


def test_a_damaged_parquet_is_an_error_with_its_file(tmp_path):
    (tmp_path / "p.parquet").write_bytes(b"PAR1 damaged PAR1")
    with pytest.raises(FormatError, match="cannot be read as Parquet"):
        list(read_parquet(tmp_path / "p.parquet", ledger=LossLedger()))
    pq.write_table(pa.table({"text": ["a"], "spans": ["none"]}), tmp_path / "q.parquet")
    with pytest.raises(FormatError, match=r"q.parquet: row 1: 'none' is no list of spans"):
        list(read_parquet(tmp_path / "q.parquet", ledger=LossLedger()))


def test_a_hugging_face_dataset_of_tokens_and_tags_is_read(tmp_path):
    features = datasets.Features(
        {
            "id": datasets.Value("string"),
            "tokens": datasets.List(datasets.Value("string")),
            "ner_tags": datasets.List(datasets.ClassLabel(names=["O", "B-LOC", "I-LOC"])),
        }
    )
    rows = [{"id": "0", "tokens": ["in", "New", "York"], "ner_tags": [0, 1, 2]}, {"id": "1", "tokens": [], "ner_tags": []}]
    made = datasets.DatasetDict({"train": datasets.Dataset.from_list(rows, features=features)})
    made.save_to_disk(str(tmp_path / "d"))
    articles = list(read_hf_dataset(tmp_path / "d", ledger=LossLedger()))
    assert [(a.id, a.text, mentions(a), a.meta) for a in articles] == [
        ("0", "in New York", [("New York", "LOC")], {"split": "train"}),
        ("1", "", [], {"split": "train"}),
    ]
    with pytest.raises(FormatError, match="has no split 'dev'; there are: train"):
        list(read_hf_dataset(tmp_path / "d", ledger=LossLedger(), split="dev"))


def test_ignored_words_are_not_annotated_and_number_tags_need_names(tmp_path):
    datasets.Dataset.from_list([{"tokens": ["a", "b", "c"], "tags": [0, -100, 0]}]).save_to_disk(str(tmp_path / "n"))
    with pytest.raises(FormatError, match="row 1: the tag 0 has no name"):
        list(read_hf_dataset(tmp_path / "n", ledger=LossLedger()))
    datasets.Dataset.from_list([{"tokens": ["a", "b", "c"], "tags": ["B-X", None, "O"]}]).save_to_disk(str(tmp_path / "s"))
    (article,) = read_hf_dataset(tmp_path / "s", ledger=LossLedger())
    assert (mentions(article), article.annotated) == ([("a", "X")], ((0, 1), (4, 5)))


def test_a_written_dataset_is_one_for_token_classification_and_comes_back(tmp_path):
    articles = [Article("a", "Kyiv, (fell)", (Span(0, 4, "L"), Span(0, 12, "L")), ((0, 4),), ("L",), {"split": "train"})]
    ledger = LossLedger()
    write_hf_dataset(articles, tmp_path / "d", ledger=ledger)
    made = datasets.load_from_disk(str(tmp_path / "d"))
    assert made["train"][0]["tokens"] == ["Kyiv", ",", "(", "fell", ")"]
    assert made["train"].features["ner_tags"].feature.names == ["O", "B-L", "I-L"]
    assert made["train"][0]["ignored"] == [False, True, True, True, True]
    (back,) = read_hf_dataset(tmp_path / "d", ledger=ledger)
    assert back == Article("a", "Kyiv, (fell)", (Span(0, 12, "L"),), ((0, 4),), ("L",), {"split": "train"})
    assert [e.reason for e in ledger.entries] == ["overlaps a longer span"]


def test_the_order_of_tags_can_be_given_and_ignored_words_are_not_annotated(tmp_path):
    article = Article("a", "Kyiv fell again", (Span(0, 4, "LOC"), Span(5, 9, "EV")), ((0, 4),))
    write_hf_dataset([article], tmp_path / "d", ledger=LossLedger(), labels="LOC,ACTOR")
    made = datasets.load_from_disk(str(tmp_path / "d"))
    assert made.features["ner_tags"].feature.names == ["O", "B-LOC", "I-LOC", "B-ACTOR", "I-ACTOR", "B-EV", "I-EV"]
    made.remove_columns(["eventtag", "text", "offsets"]).save_to_disk(str(tmp_path / "plain"))
    (back,) = read_hf_dataset(tmp_path / "plain", ledger=LossLedger())
    assert back.annotated == ((0, 9),)
    assert back.spans == article.spans


def test_a_folder_that_is_no_dataset_is_an_error(tmp_path):
    (tmp_path / "dataset_info.json").write_text(json.dumps({}))
    with pytest.raises(FormatError, match="cannot be loaded as a dataset"):
        list(read_hf_dataset(tmp_path, ledger=LossLedger()))


def test_offsets_of_parquet_and_of_a_dataset_are_tested_over_the_whole_table(tmp_path):
    texts, spans = ["x y\r\nz x y z", "War.\r\nKyiv fell"], [[[6, 7]], [[5, 9]]]
    rows = [
        {"text": text, "spans": [{"start": start, "end": end, "label": "L"} for start, end in places]}
        for text, places in zip(texts, spans, strict=True)
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "p.parquet")
    datasets.Dataset.from_list(rows).save_to_disk(str(tmp_path / "d"))
    for reader, name in ((read_parquet, "p.parquet"), (read_hf_dataset, "d")):
        ledger = LossLedger()
        assert [mentions(article) for article in reader(tmp_path / name, ledger=ledger)] == [[("x", "L")], [("Kyiv", "L")]]
        assert "offsets count code points, CR LF as one" in ledger.remarks
        assert [mentions(a) for a in reader(tmp_path / name, ledger=LossLedger(), offsets="codepoints")][1] == [("\nKyi", "L")]


@pytest.mark.parametrize(
    "content", ["Sentence #,Word,POS,Tag\n1,Kyiv,NNP,B-LOC\n", "id,tokens,ner_tags\n1,\"['Kyiv']\",\"['B-LOC']\"\n"]
)
def test_a_table_of_words_and_tags_says_how_it_can_be_read(tmp_path, content):
    path = tmp_path / "words.csv"
    path.write_text(content)
    with pytest.raises(FormatError, match=r"holds words and tags .*\n.*--from conll.*--from jsonl"):
        list(read_csv(path, ledger=LossLedger()))
