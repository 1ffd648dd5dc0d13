import pytest

from eventtag.errors import DataError
from eventtag.jobs.reading.encodings import decode_page
from eventtag.jobs.reading.inputs import read_inputs

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
        ("<p>Киев пал".encode("cp1251"), "is not UTF-8; save the file as UTF-8, or let its meta element say its charset"),
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
