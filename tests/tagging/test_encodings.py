import json

import pytest

from eventtag.errors import DataError, SettingsError
from eventtag.jobs.reading.encodings import decode_page
from eventtag.jobs.reading.inputs import read_inputs, read_rows
from eventtag.settings import PredictSettings

WEST = "“Ça,” said the union’s leader — café"
SENTENCES = "Police in Paris arrested four men on Monday after the robbery of a shop, the prosecutor said in a statement. " * 3


@pytest.mark.parametrize(
    ("encoding", "declaration", "text"),
    [
        ("cp1252", '<meta charset="windows-1252">', WEST),
        ("cp1252", "<META http-equiv='Content-Type' content='text/html; charset=ISO-8859-1'>", WEST),
        ("cp1252", "<meta charset=us-ascii>", WEST),
        ("cp1252", '<meta charset = " windows-1252">', WEST),
        ("cp1251", "<meta charset=windows-1251>", "Киев пал"),
        ("koi8-r", '<meta name="a"><meta\ncharset = "KOI8-R" >', "Киев пал"),
        ("iso8859-2", '<?xml version="1.0" encoding="ISO-8859-2"?>', "Łódź padła"),
        ("shift_jis", "<meta charset=Shift_JIS>", "東京で逮捕"),
        ("iso2022_jp", "<meta charset=iso-2022-jp>", "東京で逮捕"),
        ("gb18030", "<meta charset=gb2312>", "北京"),
        ("utf-8", "<meta charset=iso-8859-1>", WEST),
        ("utf-8", "", "Киев пал"),
    ],
)
def test_a_page_is_read_as_it_declares(encoding, declaration, text):
    assert decode_page(f"<html>{declaration}<p>{text}</p>".encode(encoding)) == (f"<html>{declaration}<p>{text}</p>", None)


@pytest.mark.parametrize(
    ("encoding", "text"), [("cp1252", WEST), ("gb18030", "北京 fell"), ("utf-16-be", WEST), ("iso2022_jp", "東京で逮捕")]
)
def test_files_are_read_in_the_encoding_that_is_named(tmp_path, encoding, text):
    contents = {
        "a.txt": text,
        "b.jsonl": json.dumps({"text": text}, ensure_ascii=False) + "\n",
        "c.csv": f'id,text\r\n1,"{text}"\r\n',
        "d.html": f"<html><meta charset=iso-2022-jp><body><article><p>{text}</p><p>{SENTENCES}</p></article></body></html>",
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content.encode(encoding))
        (row,) = read_rows(str(tmp_path / name), encoding=encoding)
        assert row.article is not None, row.problem
        assert row.article.text.startswith(text)
        (tmp_path / name).write_text(content, encoding="utf-8-sig", newline="")  # whose mark says what it is
        (row,) = read_rows(str(tmp_path / name), encoding=encoding)
        assert row.article.text.startswith(text)


def test_bytes_that_are_not_of_the_named_encoding_cost_their_row_alone(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "caf\xe9"}\n{"text": "caf\x81"}\n{"text": "caf\xe9 2"}\n')
    rows = list(read_rows(str(tmp_path / "a.jsonl"), encoding="cp1252"))
    assert [row.article and row.article.text for row in rows] == ["café", None, "café 2"]
    rows = list(read_rows(str(tmp_path / "a.jsonl")))
    assert {row.problem.split("; ")[1] for row in rows} == {"save the file as UTF-8, or give predict its encoding="}


def test_odd_names_of_encodings_are_refused():
    for name in ("nope", "rot13", "", "a\0b", "hex"):
        with pytest.raises(SettingsError, match="encoding"):
            PredictSettings(checkpoint="c", input="i", encoding=name)
    assert PredictSettings(checkpoint="c", input="i", encoding="UTF8").encoding is None
    assert PredictSettings(checkpoint="c", input="i", encoding="Windows-1252").encoding == "cp1252"


def test_a_page_that_declares_nothing_is_windows_1252_where_that_is_plain_and_says_so(tmp_path):
    page = f"<html><body><article><p>{WEST}: {SENTENCES}</p></article></body></html>"
    assert decode_page(page.encode("cp1252")) == (page, "windows-1252")
    (tmp_path / "a.html").write_bytes(page.encode("cp1252"))
    (article,) = read_inputs(str(tmp_path / "a.html"))
    assert article.text.startswith(WEST)
    assert article.meta["encoding"] == "windows-1252 (guessed)"


@pytest.mark.parametrize(
    ("page", "message"),
    [
        (
            "<p>Киев пал".encode("cp1251"),
            "is not UTF-8; save the file as UTF-8, or give predict its encoding=, or let its meta element say its charset",
        ),
        ("<p>Müller, Köln, Zürich".encode() + b"\xff", "is not UTF-8"),
        (b"<meta charset=utf-8><p>caf\xe9", "is not UTF-8"),
        (b"<meta charset=nonsense><p>caf\xe9", "is not UTF-8"),
        (b"<meta charset=punycode><p>caf\xe9", "is not UTF-8"),
        (b"<meta charset=windows-1252><p>caf\x81", "neither UTF-8 nor cp1252, which the page declares"),
    ],
)
def test_a_page_whose_encoding_is_not_sure_is_named(page, message):
    with pytest.raises(DataError, match=message):
        decode_page(page)
