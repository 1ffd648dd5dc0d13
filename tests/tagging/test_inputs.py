import bz2
import csv
import gzip
import io
import json
import lzma
import os
import re
import tracemalloc
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from eventtag.errors import FormatError
from eventtag.jobs.reading import pages
from eventtag.jobs.reading.inputs import find_files, read_inputs, read_rows
from eventtag.jobs.reading.rows import DistinctIds
from eventtag.jobs.reading.streams import open_stream, read_bounded_lines

PAGE = """<html><head><title>Arrests</title></head><body><nav>Home News</nav><article><h1>Arrests in Paris</h1>
<p>Police in Paris arrested four men on Monday after the robbery of a shop, the prosecutor said in a statement.</p>
<p>The men were charged and held in custody, she added, while the search for two others goes on in Lyon.</p></article></body></html>"""
COMPRESS = {"gz": gzip.compress, "zst": zstandard.ZstdCompressor().compress, "bz2": bz2.compress, "xz": lzma.compress}


def lines(*records):
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def whole_files():
    """The same articles in every format."""
    records = [{"id": f"a{number}", "text": f'Text {number}, é 👍 "quoted"\nof two lines'} for number in range(12)]
    plain, table, columns = lines(*records), io.StringIO(), io.BytesIO()
    writer = csv.DictWriter(table, ["id", "text"])
    writer.writeheader()
    writer.writerows(records)
    pq.write_table(pa.Table.from_pylist(records), columns, row_group_size=5)
    found = {"jsonl": plain, "csv": table.getvalue().encode(), "parquet": columns.getvalue(), "txt": b"Text."}
    compressed = {"jsonl.gz": plain, "jsonl.zst": plain, "csv.bz2": found["csv"], "jsonl.xz": plain}
    return found | {name: COMPRESS[name.rpartition(".")[2]](content) for name, content in compressed.items()}


WHOLE = whole_files()


def read(path, **options):
    """(ids of the articles, [(line, offset, problem)] of the bad rows)."""
    rows = list(read_rows(str(path), **options))
    bad = [(row.place.line, row.place.offset, row.problem) for row in rows if row.article is None]
    return [row.article.id for row in rows if row.article is not None], bad


def test_a_text_file_is_one_article_as_stored(tmp_path):
    path = tmp_path / "scraped.txt"
    path.write_bytes("Head\r\n\r\n2 min read\u00a0“x” 👍\n".encode())
    (article,) = read_inputs(str(path))
    assert (article.id, article.text) == ("scraped.txt", "Head\r\n\r\n2 min read\u00a0“x” 👍\n")


def test_lines_take_their_text_and_id_from_any_field_and_keep_the_rest(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"url": "u1", "body": "One.", "day": 3}\n\n{"body": "Two."}\n')
    one, two = read_inputs(str(path), text_field="body", id_field="url")
    assert (one.id, one.text, one.meta) == ("u1", "One.", {"day": 3})
    assert (two.id, two.text) == ("line-3", "Two.")


def test_every_line_has_its_place(tmp_path):
    path = tmp_path / "a.jsonl"
    data = "\ufeff".encode() + '{"text": "é"}\n\r\n{"text": \n'.encode() + b'{"text": "c"}'
    path.write_bytes(data)
    rows = list(read_rows(str(path)))
    assert [(row.place.file, row.place.line) for row in rows] == [(str(path), 1), (str(path), 3), (str(path), 4)]
    assert [data[row.place.offset :].splitlines()[0] for row in rows[1:]] == [b'{"text": ', b'{"text": "c"}']
    assert rows[0].place.offset == 0
    assert rows[1].raw == b'{"text": '


def test_a_page_gives_its_main_text(tmp_path):
    path = tmp_path / "page.html"
    path.write_text(PAGE)
    (article,) = read_inputs(str(path))
    assert "Police in Paris arrested four men" in article.text
    assert "Home News" not in article.text
    assert article.meta["title"]


def test_a_folder_is_read_in_the_order_of_its_paths(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "2.txt").write_text("two")
    (tmp_path / "a.txt").write_text("one")
    (tmp_path / "c.jsonl").write_text('{"id": "x", "text": "three"}\n')
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    (tmp_path / ".c.jsonl.partial.txt").write_text("hidden")
    assert [(a.id, a.text) for a in read_inputs(str(tmp_path))] == [("a.txt", "one"), ("b/2.txt", "two"), ("c.jsonl#x", "three")]


@pytest.mark.parametrize(
    ("pattern", "names"),
    [("news/*.jsonl*", ["a.jsonl", "b.jsonl.gz"]), ("**/*.gz", ["news/b.jsonl.gz", "news/old/c.jsonl.gz"])],
)
def test_a_pattern_names_files(tmp_path, monkeypatch, pattern, names):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "news" / "old").mkdir(parents=True)
    (tmp_path / "news" / "a.jsonl").write_bytes(lines({"text": "a"}))
    for name in ("news/b.jsonl.gz", "news/old/c.jsonl.gz"):
        (tmp_path / name).write_bytes(gzip.compress(lines({"text": "z"})))
    assert [file.name for file in find_files(pattern)] == names
    assert read(pattern)[0] == [f"{name}#line-1" for name in names]


@pytest.mark.parametrize(
    ("data", "texts"),
    [(b"Plain text\nof two lines", ["Plain text\nof two lines"]), (b'{"text": "a"}\n{"text": "b"}\n', ["a", "b"])],
)
def test_standard_input_and_files_of_any_name_are_lines_or_one_text(tmp_path, monkeypatch, data, texts):
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BufferedReader(io.BytesIO(data))))
    assert [article.text for article in read_inputs("-")] == texts
    (tmp_path / "dump.log").write_bytes(data)
    assert [article.text for article in read_inputs(str(tmp_path / "dump.log"))] == texts


def test_empty_standard_input_is_a_bad_row(monkeypatch):
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BufferedReader(io.BytesIO(b""))))
    assert read("-") == ([], [(None, None, "the text is empty")])


def test_a_page_is_known_on_standard_input(monkeypatch):
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BufferedReader(io.BytesIO(b"\n<!DOCTYPE html>" + PAGE.encode()))))
    (article,) = read_inputs("-")
    assert "<" not in article.text


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.jsonl", b'{"text": "a"}\n{"text": \n', r"a.jsonl:2: not valid JSON"),
        ("a.jsonl", b'{"text": "a"}\n["b"]\n', r"a.jsonl:2: found list"),
        ("a.jsonl", b'{"title": "a", "body": "b"}\n', r"a.jsonl:1: has no text in the field 'text' \(fields: title, body\)"),
        ("a.txt", b"ok\nbad \xff byte\n", r"a.txt:2: byte 0xff at offset 7 is not UTF-8"),
        ("a.html", b"<html><body></body></html>", "no main text was found"),
        ("a.csv", b"title,body\na,b\n", r"a.csv: has no column 'text'; there are: title, body; name it with text_field="),
        ("a.parquet", b"PAR1 and no more", "cannot be read as Parquet"),
    ],
)
def test_what_cannot_be_read_is_named_with_file_and_line(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(FormatError, match=message):
        list(read_inputs(str(tmp_path / name)))


@pytest.mark.parametrize(
    ("source", "message"),
    [("none.txt", "no such file or folder"), (".", "holds no file with a known suffix"), ("*.gz", "holds no file")],
)
def test_a_source_without_articles_says_so(tmp_path, monkeypatch, source, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FormatError, match=message):
        list(read_rows(source))


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [
        ("a.pdf", b"anything", ".pdf"),
        ("a.docx", b"PK", ".docx"),
        ("a.txt", b"%PDF-1.7 text", "a PDF"),
        ("a", b"%PDF-1.7 text", "a PDF"),
        ("a.data", b"PK\x03\x04rest", "an archive"),
        ("a.jsonl", b"\x1f\x8brest", "compressed by gzip"),
        ("a.text", b"{\\rtf1 Kyiv}", "RTF"),
    ],
)
def test_a_file_that_is_no_text_is_not_tagged_as_one(tmp_path, name, data, kind):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(FormatError, match=f"{name}: is {re.escape(kind)}.*, which is not read; save its text as .txt"):
        read(tmp_path / name)


@pytest.mark.parametrize("by_pattern", [False, True])
def test_what_a_folder_holds_besides_is_counted_in_a_warning(tmp_path, caplog, by_pattern):
    (tmp_path / "a.txt").write_text("one")
    (tmp_path / "below").mkdir()
    for name in ("b.pdf", "c.DOCX", "below/d.pdf", "README", ".hidden.pdf"):
        (tmp_path / name).write_bytes(b"%PDF")
    (tmp_path / "gone.txt").symlink_to("nowhere")
    (tmp_path / "loop.txt").symlink_to("loop.txt")
    os.mkfifo(tmp_path / "pipe.jsonl")
    assert read(f"{tmp_path}/**/*" if by_pattern else tmp_path)[0] == ["a.txt"]
    (record,) = caplog.records
    assert "7 files are left out, as their kinds are not read: " in record.message
    kinds = ("2 .pdf", "1 .docx", "1 without suffix", "3 links to nothing and special files")
    assert all(kind in record.message for kind in kinds)
    (tmp_path / "a.txt").unlink()
    with pytest.raises(FormatError, match=r"what it holds is not read: .*2 \.pdf"):
        read(tmp_path)


def test_spans_that_a_line_carries_are_not_taken_for_predictions(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(
        json.dumps({"id": 1, "text": "Moscow", "spans": [{"start": 0, "end": 6, "label": "X"}], "meta": {"k": "v"}}) + "\n"
    )
    (article,) = read_inputs(str(path))
    assert article.spans == ()
    assert (article.id, article.meta) == ("1", {"k": "v"})


def test_no_field_vanishes_because_eventtag_has_one_of_its_name(tmp_path):
    record = {"text": "Kyiv fell.", "spans": "2 m", "labels": ["war"], "annotated": "yes", "meta": "x"}
    (tmp_path / "a.jsonl").write_bytes(lines(record, {"text": "b", "url": 1, "meta": {"url": 2, "day": 3}}))
    one, two = read_inputs(str(tmp_path / "a.jsonl"))
    assert one.meta == {key: value for key, value in record.items() if key != "text"}
    assert two.meta == {"url": 1, "meta.url": 2, "day": 3}
    (tmp_path / "a.csv").write_text("id,text,spans,labels,annotated,meta\n1,Kyiv fell.,2 m,war,yes,x\n")
    (row,) = read_inputs(str(tmp_path / "a.csv"))
    assert row.meta == {"spans": "2 m", "labels": "war", "annotated": "yes", "meta": "x"}


BAD_LINES = {
    "bad JSON": (b'{"text": "a"', "not valid JSON"),
    "two objects": (b'{"text": "a"} {"text": "b"}', "not valid JSON"),
    "no object": (b'"text"', "found str"),
    "NaN": (b'{"text": "a", "n": NaN}', "NaN is not JSON"),
    "a key twice": (b'{"text": "a", "meta": {"n": 1, "n": 2}}', "the key 'n' occurs twice in one object"),
    "number without end": (b'{"text": "a", "n": 1e999}', "too large"),
    "deep nesting": (b'{"text": "a", "n": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "not valid JSON"),
    "bad UTF-8": (b'{"text": "a\xff"}', "byte 0xff at offset 11 is not UTF-8"),
    "UTF-16": ('{"text": "a"}'.encode("utf-16"), "is not UTF-8"),
    "NUL": (b'{"text": "a\\u0000"}', "NUL at character 1"),
    "raw NUL": (b'{"text": "a\0"}', "not valid JSON"),
    "lone surrogate": (b'{"text": "ab\\ud800"}', r"lone surrogate U\+D800 at character 2"),
    "empty text": (b'{"text": ""}', "text is empty"),
    "white space": (b'{"text": " \\n\\u00a0"}', "text is empty"),
    "no text": (b'{"title": "a"}', "has no text in the field"),
    "null text": (b'{"text": null}', "has no text in the field"),
    "text of another type": (b'{"text": ["a"]}', "has no text in the field"),
    "null id": (b'{"id": null, "text": "a"}', "`id` is null"),
    "empty id": (b'{"id": "", "text": "a"}', '`id` is ""'),
    "id of another type": (b'{"id": {"$oid": 1}, "text": "a"}', "`id` is {"),
    "surrogate in id": (b'{"id": "\\udfff", "text": "a"}', "an id holds neither NUL nor lone surrogates"),
    "duplicate id": (b'{"id": "good-0", "text": "another"}', "'good-0' stands in an earlier row already"),
    "no id": (b'{"text": "a"}', "has no `id`"),
    "long line": (b'{"text": "' + b"a " * 5_000_000 + b'"}', "longer than 8,000,000 bytes"),
}


@pytest.mark.parametrize("kind", BAD_LINES)
def test_a_bad_line_costs_itself_only(tmp_path, kind):
    line, message = BAD_LINES[kind]
    good = [lines({"id": f"good-{number}", "text": "Kyiv fell."}) for number in range(3)]
    path = tmp_path / "a.jsonl"
    path.write_bytes(good[0] + line + b"\n" + good[1] + line + b"\n" + good[2])
    ids, bad = read(path, require_id=True)
    assert ids == ["good-0", "good-1", "good-2"]
    second = len(good[0]) + len(line) + 1 + len(good[1])
    assert [(number, offset) for number, offset, _ in bad] == [(2, len(good[0])), (4, second)]
    assert all(re.search(message, problem) for _, _, problem in bad)


def test_a_long_line_is_not_held_in_memory(tmp_path):
    path = tmp_path / "a.jsonl.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(lines({"text": "a"}))
        for _ in range(40):
            file.write(b"x" * 1_000_000)
        file.write(b"\n" + lines({"text": "b"}))
    tracemalloc.start()
    ids, bad = read(path, max_row_bytes=100_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (ids, [line for line, _, _ in bad]) == (["line-1", "line-3"], [2])
    assert peak < 3_000_000


@pytest.mark.parametrize("suffix", COMPRESS)
def test_archives_of_several_members_are_read_to_their_end(tmp_path, suffix):
    records = [{"id": str(number), "text": f"Text {number}."} for number in range(2000)]
    path = tmp_path / f"a.jsonl.{suffix}"
    path.write_bytes(COMPRESS[suffix](lines(*records[:900])) + COMPRESS[suffix](b"") + COMPRESS[suffix](lines(*records[900:])))
    rows = list(read_rows(str(path)))
    assert [row.article.id for row in rows] == [record["id"] for record in records]
    plain = lines(*records)
    assert all(plain[row.place.offset :].startswith(lines(record)) for row, record in zip(rows, records, strict=True))


@pytest.mark.parametrize("suffix", COMPRESS)
@pytest.mark.parametrize("harm", ["cut", "trailing garbage"])
def test_a_damaged_archive_gives_what_stands_before_the_damage(tmp_path, suffix, harm):
    first, second = (lines(*({"id": f"{part}{n}", "text": os.urandom(40).hex()} for n in range(1500))) for part in "ab")
    member = COMPRESS[suffix](second)
    data = COMPRESS[suffix](first) + (member[: len(member) // 2] if harm == "cut" else b"no archive" * 9)
    path = tmp_path / f"a.jsonl.{suffix}"
    path.write_bytes(data)
    ids, bad = read(path)
    assert ids[:1500] == [f"a{n}" for n in range(1500)]
    if harm == "trailing garbage" and not bad:
        assert suffix in ("bz2", "xz")  # whose readers pass over what follows the last member
        return
    assert len(bad) == 1
    assert bad[0][1] == len(first) + sum(len(line) for line in second.splitlines(keepends=True)[: len(ids) - 1500])
    assert "the file ends early or is damaged" in bad[0][2]


def test_one_bad_file_of_several_is_one_bad_row(tmp_path):
    (tmp_path / "a.csv").write_text("title\nx\n")
    (tmp_path / "b.parquet").write_bytes(b"PAR1")
    (tmp_path / "c.txt").write_bytes(b"\xff")
    (tmp_path / "d.jsonl.gz").write_bytes(b"no gzip")
    (tmp_path / "e.txt").write_text("good")
    rows = list(read_rows(str(tmp_path)))
    assert [row.article.id for row in rows if row.article] == ["e.txt"]
    assert [os.path.basename(row.place.file) for row in rows if row.problem] == ["a.csv", "b.parquet", "c.txt", "d.jsonl.gz"]  # noqa: PTH119


@given(st.lists(st.integers(0, 3000), max_size=2500))
def test_an_id_is_new_once(numbers):
    ids, seen = DistinctIds(), set()
    for number in numbers:
        assert ids.add(f"a{number}") == (number not in seen)
        seen.add(number)


@given(st.data())
def test_damage_of_any_kind_gives_rows_or_one_error_that_names_the_file(tmp_path_factory, data):
    suffix = data.draw(st.sampled_from(["jsonl", "csv", "parquet", "txt", "jsonl.gz", "jsonl.zst", "csv.bz2", "jsonl.xz"]))
    content = bytearray(WHOLE[suffix])
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(content)))
        content[place : place + data.draw(st.integers(0, 20))] = data.draw(st.binary(max_size=8))
    path = tmp_path_factory.mktemp("damaged") / f"a.{suffix}"
    path.write_bytes(content)
    problems = []
    try:
        problems = [row.problem for row in read_rows(str(path), max_row_bytes=2000) if row.article is None]
    except FormatError as error:
        problems = [str(error).partition(f"{path}: ")[2]]
    assert all(problem and "None" not in problem for problem in problems)


def page(content: str) -> str:
    text = " ".join(f"Police met miners on day {number} and the talks went on." for number in range(20))
    return f"<html><head><title>News</title></head><body {content}><article><h1>News</h1><p>{text}</p></article></body></html>"


@pytest.mark.parametrize(
    "bad",
    [page(" ".join(f"a{n}=1" for n in range(80_000))), "<html><body>" + "<p>Police met miners.</p>" * 200_000 + "</body></html>"],
    ids=["attributes", "paragraphs"],
)
def test_a_page_that_takes_too_long_is_a_bad_row_and_the_next_is_read(tmp_path, bad):
    for name, content in (("1.html", page("")), ("2.html", bad), ("3.html", page(""))):
        (tmp_path / name).write_text(content)
    rows = list(read_rows(str(tmp_path), page_seconds=2))
    assert [row.article is not None for row in rows] == [True, False, True]
    assert rows[1].place.file.endswith("2.html")
    assert "took longer than 2 seconds; give `eventtag predict` a larger page_seconds=" in rows[1].problem
    assert rows[0].article.text == rows[2].article.text


def test_a_process_that_reads_pages_may_die(tmp_path):
    for name in ("1.html", "2.html"):
        (tmp_path / name).write_text(page(""))
    rows = read_rows(str(tmp_path))
    assert next(rows).article is not None
    process = pages._EXTRACTOR._process
    process.kill()
    process.wait()
    assert next(rows).article is not None  # by another process


UTF_16 = {
    "a.jsonl": lines({"id": "1", "text": "One."}, {"id": "2", "text": "Caf\u00e9 \U0001f44d"}).decode(),
    "a.json": json.dumps([{"id": "1", "text": "One."}, {"id": "2", "text": "Caf\u00e9 \U0001f44d"}], ensure_ascii=False),
    "a.csv": 'id,text\r\n1,One.\r\n2,"Caf\u00e9 \U0001f44d"\r\n',
}


@pytest.mark.parametrize("name", UTF_16)
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("packed", [False, True])
def test_utf_16_is_known_by_its_mark(tmp_path, name, encoding, packed):
    data = ("\ufeff" if encoding == "utf-16-be" else "").encode(encoding) + UTF_16[name].encode(encoding)
    path = tmp_path / (f"{name}.gz" if packed else name)
    path.write_bytes(gzip.compress(data) if packed else data)
    assert [(article.id, article.text) for article in read_inputs(str(path))] == [("1", "One."), ("2", "Caf\u00e9 \U0001f44d")]


def test_damage_in_utf_16_costs_what_it_hits(tmp_path):
    mark = "\ufeff".encode("utf-16-le")
    texts = '{"text": "a"}\n{"text": "\ud800"}\n{"text": "b"}\n'.encode("utf-16-le", "surrogatepass")
    (tmp_path / "a.jsonl").write_bytes(mark + texts + b"x")
    ids, bad = read(tmp_path / "a.jsonl")
    assert ids == ["line-1", "line-3"]
    assert [line for line, _, _ in bad] == [2, 4]
    assert "is not UTF-8" in bad[0][2]
    assert "the file ends early or is damaged" in bad[1][2]
    (tmp_path / "a.txt").write_bytes(mark + "Kyiv\r\n\u00e9".encode("utf-16-le"))
    assert [article.text for article in read_inputs(str(tmp_path / "a.txt"))] == ["Kyiv\r\n\u00e9"]


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_a_million_blank_lines_are_passed_over_together_and_counted(tmp_path, suffix, ending):
    """A small archive can hold more of them than a job reads one by one in a day."""
    head, row = ("", '{"id": 1, "text": "a\\n\\nb"}') if suffix == ".jsonl" else (f"id,text{ending}", '1,"a\n\nb"')
    path = tmp_path / f"a{suffix}.gz"
    path.write_bytes(gzip.compress(f"{head}{ending * 1_000_000}{row}{ending * 1_000_000}".encode()))
    with open_stream(path) as stream:
        lines = list(read_bounded_lines(stream, max_bytes=10_000))
    assert len(lines) < 2000
    (found,) = read_rows(str(path))
    assert found.article.text == "a\n\nb"
    assert found.place.line == 1_000_001 + (suffix == ".csv")
    assert found.place.offset == len((head + ending * 1_000_000).encode())
