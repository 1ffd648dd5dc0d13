import io
import json
from types import SimpleNamespace

import pytest

from eventtag.errors import FormatError
from eventtag.tagging.inputs import read_inputs

PAGE = """<html><head><title>Arrests</title></head><body><nav>Home News</nav><article><h1>Arrests in Paris</h1>
<p>Police in Paris arrested four men on Monday after the robbery of a shop, the prosecutor said in a statement.</p>
<p>The men were charged and held in custody, she added, while the search for two others goes on in Lyon.</p></article></body></html>"""


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
    assert [(a.id, a.text) for a in read_inputs(str(tmp_path))] == [("a.txt", "one"), ("b/2.txt", "two"), ("c.jsonl#x", "three")]


@pytest.mark.parametrize(
    ("data", "texts"),
    [(b"Plain text\nof two lines", ["Plain text\nof two lines"]), (b'{"text": "a"}\n{"text": "b"}\n', ["a", "b"]), (b"", [""])],
)
def test_standard_input_is_lines_or_one_text(monkeypatch, data, texts):
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(data)))
    assert [article.text for article in read_inputs("-")] == texts


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.jsonl", b'{"text": "a"}\n{"text": \n', r"a.jsonl:2: not valid JSON"),
        ("a.jsonl", b'{"text": "a"}\n["b"]\n', r"a.jsonl:2: found list"),
        ("a.jsonl", b'{"title": "a", "body": "b"}\n', r"a.jsonl:1: has no text in the field 'text' \(fields: title, body\)"),
        ("a.txt", b"ok\nbad \xff byte\n", r"a.txt:2: byte 0xff at offset 7 is not UTF-8"),
        ("a.html", b"<html><body></body></html>", "no main text was found"),
    ],
)
def test_what_cannot_be_read_is_named_with_file_and_line(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(FormatError, match=message):
        list(read_inputs(str(tmp_path / name)))


@pytest.mark.parametrize(
    ("source", "message"), [("none.txt", "no such file or folder"), (".", "holds no file with a known suffix")]
)
def test_a_source_without_articles_says_so(tmp_path, monkeypatch, source, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FormatError, match=message):
        list(read_inputs(source))


def test_spans_that_a_line_carries_are_not_taken_for_predictions(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(
        json.dumps({"id": 1, "text": "Moscow", "spans": [{"start": 0, "end": 6, "label": "X"}], "meta": {"k": "v"}}) + "\n"
    )
    (article,) = read_inputs(str(path))
    assert article.spans == ()
    assert (article.id, article.meta) == ("1", {"k": "v"})
