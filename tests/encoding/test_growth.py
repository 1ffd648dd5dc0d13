"""What looks at a whole text does work that grows with its length alone, whatever characters it repeats."""

import itertools
import time
from contextlib import suppress

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from eventtag.article import Article
from eventtag.corpus.lint import fix_articles, lint
from eventtag.errors import EventtagError
from eventtag.formats import offsets, registry
from eventtag.formats.offsets import ForeignSpan
from eventtag.jobs.reading.inputs import read_rows
from eventtag.ledger import LossLedger
from eventtag.span import Span
from eventtag.text import sentences, words

SMALL, FACTOR = 4_000, 8
SLOWER = 3.5
"""Above linear growth by this factor is no noise: quadratic work grows 8 times as much as linear work does."""

UNITS = [
    " ", "\n", ".", '"', "a", "1", "[", "\\", "\r", "\u2028", "\u0301", "\u200d", "\U0001f1e6", "中", "。", "。”", "؟",
    *map("".join, itertools.permutations(' \n.', 2)), '."', ".(", "a ", "a\n", "a\u200d",
]  # fmt: skip


def _seconds(work, text: str) -> float:
    started = time.process_time()
    work(text)
    return time.process_time() - started


def assert_linear(work, unit: str) -> None:
    """Fails when FACTOR times as much text costs more than FACTOR times the work, and some; `work` gets the text.

    What grows faster is measured again, so that another program's use of the machine's caches fails nothing.
    """
    small, large = unit * (SMALL // len(unit)), unit * (FACTOR * SMALL // len(unit))
    for _ in range(3):
        many = _seconds(work, large)
        if many < 0.05 or many < SLOWER * FACTOR * (few := min(_seconds(work, small) for _ in range(2))):
            return
    raise AssertionError(f"{unit!r}: {FACTOR} times as long takes {many / few:.0f} times as much: {few:.4f} s, {many:.4f} s")


def annotated(text: str) -> Article:
    return Article("a", text, (Span(0, len(text), "EVENT"), Span(0, 1, "ACTOR"), Span(len(text) - 1, len(text), "ACTOR")))


@pytest.mark.parametrize("before", ["", "He met Co."], ids=["alone", "abbreviation"])
@pytest.mark.parametrize("work", [words.find_words, sentences.find_sentences])
def test_words_and_sentences(work, before):
    for unit in UNITS:
        assert_linear(lambda text: work(before + text + " Kyiv"), unit)


@pytest.mark.parametrize("unit", ["a", "a\u0301", "a\u200d", "\u0301", "中"])
def test_the_longest_row_may_be_one_word(unit):
    text = "K" + unit * (5_000_000 // len(unit.encode()))
    assert len(words.find_words(text)) == (1 if "中" not in unit else len(text))


def test_lint():
    for unit in UNITS:
        assert_linear(
            lambda text: (lint(lambda _: [annotated(text)]), list(fix_articles([annotated(text)], ledger=LossLedger()))), unit
        )


def test_a_surface_that_stands_elsewhere():
    for unit in ("a", "ab"):
        assert_linear(lambda text: offsets._nearby(text, ForeignSpan(7, len(text), "ACTOR", text[: len(text) // 2])), unit)


@pytest.mark.parametrize("name", [name for name, entry in registry.FORMATS.items() if entry.suffixes and not entry.extra])
def test_files_of_one_character(tmp_path, name):
    def read(text: str) -> None:
        path = tmp_path / f"file{registry.FORMATS[name].suffixes[0]}"
        path.write_text(text, newline="")
        for format_name in (name, "auto"):
            with suppress(EventtagError):
                list(registry.read_articles(path, format_name, ledger=LossLedger()))

    for unit in UNITS:
        assert_linear(read, unit)


@pytest.mark.parametrize("line", ["# newdoc id = {}a", "# id{}", "# id{}a", "# newdoc{}id = a", "-DOCSTART- ({}a"])
def test_comments_of_conll(tmp_path, line):
    def read(text: str) -> None:
        (tmp_path / "file.conll").write_text(line.format(text) + "\nKyiv\tB-LOC\n", newline="")
        list(registry.read_articles(tmp_path / "file.conll", "conll", ledger=LossLedger()))

    for unit in (" ", ") ", "a "):
        assert_linear(read, unit)


@pytest.mark.parametrize("suffix", [".jsonl", ".txt", ".csv", ".log"])
def test_new_rows(tmp_path, suffix):
    path = tmp_path / f"file{suffix}"

    def read(text: str) -> None:
        path.write_text(("text\n" if suffix == ".csv" else "") + text, newline="")
        list(read_rows(str(path)))

    for unit in [*UNITS, 'x""","\n', '"\n', 'x"\n', '"x\n', '"a","b\n']:
        assert_linear(read, unit)


WORD = regex.compile(
    rf"{words._LETTER}(?:[\p{{M}}\u200c\u200d]*{words._LETTER})*\p{{M}}*|[{words._UNSPACED}]\p{{M}}*|[^\s\p{{Cc}}\p{{Cf}}\p{{Cs}}]",
    regex.VERSION1,
)
SENTENCE_END = regex.compile(
    r"(?<![.!?…])[.!?…]+[\"'”’»)\]]*(?=\s+[\"'“‘«(\[]*[\w--[_\p{Ll}]])|\n(?=[^\S\n]*\n)|\n(?![^\S\n]*\p{Ll})", regex.VERSION1
)


@given(st.text(alphabet='aB .!\n"\t\x1c1\u0301\u200d中)(', max_size=30))
def test_the_fast_rules_find_what_the_plain_ones_find(text):
    start = len(text) - len(text.lstrip())
    for fast, plain in ((words._WORD, WORD), (sentences._END, SENTENCE_END)):
        assert [m.span() for m in fast.finditer(text, start)] == [m.span() for m in plain.finditer(text, start)]


@given(st.text(alphabet="a\u0301\u200d\U0001f1e6\U0001f1e7\U0001f469\u0600\u1100\u1161\r\n\u0903", max_size=20))
def test_characters_as_they_are_seen(text):
    assert offsets.cluster_starts(text) == [match.start() for match in regex.finditer(r"\X", text)]
