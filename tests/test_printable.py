"""Text of others on a terminal: what it obeys is shown, and JSON keeps its meaning."""

import io
import json
import logging
import sys
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from eventtag.article import Article
from eventtag.cli.hydra_task import config_dir
from eventtag.cli.terminal import print_highlighted, print_message, print_result
from eventtag.ledger import LossLedger
from eventtag.printable import PrintableFormatter, printable
from eventtag.reporting.table import align_columns
from eventtag.span import Span

HOSTILE = "a\x1b]52;c;cm0gLXJm\x07b\x1b[2J\x9b31mc\u202ed\re\x00f\x7f\ud800"
ANY = st.text(st.characters() | st.characters(categories=["Cc", "Cs"]) | st.sampled_from(HOSTILE + "\u2028\u2066\\u"))


def obeyed(text: str) -> set[str]:
    """Characters that a terminal obeys, by their Unicode properties: not by the list that is tested."""
    overrides = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    return {
        c
        for c in text
        if (unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") and c not in "\n\t") or unicodedata.bidirectional(c) in overrides
    }


@given(ANY)
def test_no_character_that_a_terminal_obeys_is_left(text):
    assert obeyed(printable(text)) == set()
    assert len(printable(text, one_line=True).splitlines()) <= 1
    assert "\t" not in printable(text, one_line=True)
    assert printable(printable(text)) == printable(text)
    printable(text).encode("utf-8")


@given(ANY.map(lambda text: "".join(c for c in text if not obeyed(c))))
def test_other_text_stays_as_it_is(text):
    assert printable(f"{text}\n\t") == f"{text}\n\t"
    assert printable(f"{text}\r\n") == f"{text}\n"


@given(st.dictionaries(ANY, ANY))
def test_json_means_the_same(content):
    assert json.loads(printable(json.dumps(content, ensure_ascii=False))) == content


def test_what_is_printed_logged_and_tabulated_is_safe(capsys):
    print_result(HOSTILE)
    print_message(HOSTILE)
    output = capsys.readouterr()
    assert obeyed(output.out + output.err) == set()
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        record = logging.LogRecord("x", logging.WARNING, "x", 1, "left out: %s", (HOSTILE,), sys.exc_info())
    assert obeyed(PrintableFormatter("%(message)s").format(record)) == set()
    assert obeyed("".join(align_columns([(HOSTILE, "1")]))) == set()


def test_every_log_that_hydra_sets_up_is_safe():
    for path in [*config_dir().glob("hydra/*_logging/*.yaml")]:
        text = path.read_text()
        assert text.count("class: eventtag.printable.PrintableFormatter") == text.count("format: ") > 0, path


def test_highlighted_articles_are_safe():
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    name = HOSTILE.encode("utf-8", "ignore").decode() + "\nx"  # an id without lone surrogates, which an article refuses
    article = Article(name, HOSTILE * 2, (Span(0, len(HOSTILE), "ACTOR\x9b2J"),))
    for file in (io.StringIO(), Terminal()):
        print_highlighted(article, ["ACTOR"], file)
        shown = file.getvalue()
        assert "\\u001b]52" in shown
        assert obeyed(shown) <= {"\x1b"}
        assert "\x1b]" not in shown
        assert "\x1b[2J" not in shown
        assert "\\u000ax" in shown


def test_a_ledger_is_safe_and_keeps_every_character():
    ledger = LossLedger()
    ledger.add_span(HOSTILE, "reading", "dropped", HOSTILE, Span(0, 1, HOSTILE), detail=HOSTILE)
    ledger.note(HOSTILE, "reading", "meta", HOSTILE)
    assert obeyed("".join([*ledger.summary(), *ledger.json_lines()])) == set()
    assert [json.loads(line)["article_id"] for line in ledger.json_lines()] == [HOSTILE, HOSTILE]
