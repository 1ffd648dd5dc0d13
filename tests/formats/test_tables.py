import json

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from eventtag.articles import Article
from eventtag.errors import FormatError
from eventtag.formats.csv import read_csv, sniff_csv, write_csv
from eventtag.formats.hf_dataset import read_hf_dataset, write_hf_dataset
from eventtag.formats.parquet import read_parquet, write_parquet
from eventtag.ledger import LossLedger
from eventtag.spans import ScoredSpan, Span

SPANS = (ScoredSpan(2, 6, "X", 0.5), ScoredSpan(0, 6, "Y", 0.25))
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
