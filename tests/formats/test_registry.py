import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventtag.article import Article
from eventtag.errors import DataError, FormatError, OutputError, SettingsError
from eventtag.formats.overlaps import resolve_overlaps
from eventtag.formats.registry import FORMATS, get_format, read_articles, recognise, write_articles
from eventtag.ledger import LossLedger
from eventtag.span import Span, flatten

ARTICLES = [Article("a", "Kyiv fell .", (Span(0, 4, "LOC"), Span(5, 9, "EVENT"))), Article("b", "It did")]


@pytest.mark.parametrize("entry", FORMATS.values(), ids=FORMATS)
def test_every_format_recognises_what_it_writes(entry, tmp_path):
    pytest.importorskip({"cas": "cassis", "spacy": "spacy"}.get(entry.extra, "eventtag"))
    path = tmp_path / f"x{'' if entry.folder else entry.suffixes[0]}"
    write_articles(ARTICLES, path, entry.name, ledger=LossLedger())
    found, reason = recognise(path)
    assert found is entry
    assert reason
    back = list(read_articles(path, ledger=LossLedger()))
    assert [(a.id, a.text, a.spans) for a in back] == [(a.id, a.text, a.spans) for a in ARTICLES]


def test_a_folder_of_files_is_read_file_by_file(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.jsonl").write_text(json.dumps({"id": name, "text": "x"}) + "\n")
    assert [a.id for a in read_articles(tmp_path, ledger=LossLedger())] == ["a", "b"]


def test_an_id_that_occurs_twice_is_an_error(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": "a", "text": "x"}\n{"id": "a", "text": "y"}\n')
    with pytest.raises(DataError, match="article id 'a' occurs twice"):
        list(read_articles(path, ledger=LossLedger()))


@pytest.mark.parametrize("content", ["just words\n", "\x00\x01"])
def test_what_is_no_format_is_an_error_that_says_how_to_name_it(tmp_path, content):
    (tmp_path / "a.txt").write_text(content)
    with pytest.raises(FormatError, match="no known format fits; name it"):
        recognise(tmp_path / "a.txt")


def test_unknown_formats_options_and_paths_are_errors(tmp_path):
    with pytest.raises(SettingsError, match="unknown format 'word'; known: auto, jsonl"):
        get_format("word")
    with pytest.raises(FormatError, match="no such file or folder"):
        read_articles(tmp_path / "none", ledger=LossLedger())
    (tmp_path / "a.jsonl").write_text("")
    with pytest.raises(SettingsError, match="format jsonl has no option 'x'; it has: offsets"):
        read_articles(tmp_path / "a.jsonl", "jsonl", ledger=LossLedger(), options={"x": 1})
    with pytest.raises(SettingsError, match="format conll has no option 'x'; it has: scheme"):
        write_articles([], tmp_path / "o", "conll", ledger=LossLedger(), options={"x": 1})


@pytest.mark.parametrize(
    ("name", "option", "allowed"),
    [
        ("cat", "discontinuous", "cover, longest, error"),
        ("label_studio", "annotations", "one, first, each, predictions"),
        ("csv", "offsets", "auto, codepoints, utf16, codepoints_lf, utf16_lf, graphemes, utf8"),
        ("conll", "article", "auto, file, block"),
    ],
)
def test_a_value_that_an_option_does_not_take_is_an_error_that_names_those_it_takes(tmp_path, name, option, allowed):
    path = tmp_path / "x"
    path.touch()
    with pytest.raises(SettingsError, match=f"{option}: 'all' is unknown; allowed: {allowed}$"):
        read_articles(path, name, ledger=LossLedger(), options={option: "all"})


@pytest.mark.parametrize(
    ("name", "option", "allowed"),
    [
        ("csv", "rows", "articles, spans"),
        ("conll", "scheme", "IOB1, IOB2, BIOES, BILOU, IO"),
        ("doccano", "offsets", "codepoints, utf16"),
    ],
)
def test_so_is_one_for_writing(tmp_path, name, option, allowed):
    with pytest.raises(SettingsError, match=f"{option}: 'IOE' is unknown; allowed: {allowed}$"):
        write_articles(ARTICLES, tmp_path / "o", name, ledger=LossLedger(), options={option: "IOE"})
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("name", ["csv", "parquet", "prodigy", "doccano"])
def test_what_eventtag_wrote_counts_code_points_whatever_the_others_count(tmp_path, name):
    article = Article("a", "\U0001f680 Kyiv fell", (Span(2, 6, "LOC"),))
    write_articles([article], tmp_path / "o", name, ledger=LossLedger())
    (back,) = read_articles(tmp_path / "o", name, ledger=LossLedger(), options={"offsets": "utf16"})
    assert back.spans == article.spans


def test_ids_that_would_be_one_file_are_an_error(tmp_path):
    for other in ("a", "A"):
        with pytest.raises(OutputError, match="would be one file"):
            write_articles([Article("a", "x"), Article(other, "y")], tmp_path / "o", "inline", ledger=LossLedger())
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("name", ["conll", "brat", "csv", "cat"])
def test_lone_surrogates_become_replacement_characters_with_a_note(tmp_path, name):
    ledger = LossLedger()
    path = tmp_path / f"x{FORMATS[name].suffixes[0]}"
    write_articles([Article("a", "x \ud800 y")], path, name, ledger=ledger)
    (back,) = read_articles(path, name, ledger=LossLedger())
    assert back.text == "x \ufffd y"
    assert "text" in {note.part for note in ledger.notes}


SPANS = (Span(0, 9, "EVENT"), Span(0, 4, "LOC"), Span(5, 9, "ACTOR"), Span(3, 6, "LOC"))


@pytest.mark.parametrize(
    ("policy", "priority", "kept"),
    [
        ("longest", (), [Span(0, 9, "EVENT")]),
        ("innermost", (), [Span(3, 6, "LOC")]),
        ("priority", ("ACTOR", "LOC"), [Span(0, 4, "LOC"), Span(5, 9, "ACTOR")]),
    ],
)
def test_overlap_policies_keep_a_flat_layer_and_name_the_rest(policy, priority, kept):
    ledger = LossLedger()
    (article,) = resolve_overlaps([Article("a", "Kyiv fell", SPANS)], policy, priority=priority, ledger=ledger)
    assert list(article.spans) == kept
    assert len(ledger.entries) == len(SPANS) - len(kept)
    assert all(entry.asked and entry.outcome == "dropped" for entry in ledger.entries)
    assert flatten(SPANS, policy, priority=priority)[0] == kept


@given(
    st.lists(
        st.builds(
            lambda start, size, label: Span(start, start + size, label),
            st.integers(0, 30),
            st.integers(1, 9),
            st.sampled_from("AB"),
        )
    ),
    st.sampled_from(["longest", "innermost", "priority"]),
)
@settings(max_examples=200)
def test_what_stays_is_flat_and_whatever_goes_overlaps_what_stays(spans, policy):
    kept, dropped = flatten(spans, policy, priority=["B", "A"])
    assert sorted([*kept, *(span for span, _ in dropped)]) == sorted(spans)
    assert all(a.end <= b.start for a, b in itertools.pairwise(kept))
    assert all(by in kept and span.overlaps(by) for span, by in dropped)
    if policy == "longest":
        chosen = []
        for span in sorted(spans, key=lambda s: (s.start - s.end, s.start, s.label)):
            if not any(span.overlaps(other) for other in chosen):
                chosen.append(span)
        assert kept == sorted(chosen)


def test_a_chain_through_all_formats_gives_a_corpus_back(tmp_path):
    """Tokenised articles with one flat layer of spans, which every format can hold."""
    articles = [
        Article(
            "1_1ecb",
            "Kyiv fell , again .\nBonn and 東京 👩‍🚀 did not .",
            (Span(0, 4, "LOC"), Span(5, 9, "EVENT"), Span(29, 31, "LOC")),
        ),
        Article("b-2", "שלום “ it ” said : \\ [ x ] | _ * # < & > ! ?", (Span(0, 4, "ACTOR"), Span(12, 16, "EVENT"))),
    ]
    for number, entry in enumerate(FORMATS.values()):
        if entry.extra is not None:
            pytest.importorskip({"cas": "cassis", "spacy": "spacy"}[entry.extra])
        path = tmp_path / f"{number}{'' if entry.folder else entry.suffixes[0]}"
        ledger = LossLedger()
        write_articles([Article(a.id, a.text, a.spans) for a in articles], path, entry.name, ledger=ledger)
        back = sorted(read_articles(path, ledger=ledger), key=lambda article: article.id)
        assert [(a.id, a.text, a.spans) for a in back] == [(a.id, a.text, a.spans) for a in articles], entry.name
        assert ledger.entries == []
        articles = back


@pytest.mark.parametrize("name", ["jsonl", "doccano", "prodigy", "label_studio", "csv"])
def test_a_format_is_recognised_whose_first_article_is_very_long(tmp_path, name):
    path = tmp_path / f"x{FORMATS[name].suffixes[0]}"
    write_articles([Article("a", "word , " * 20_000, (Span(0, 4, "X"),))], path, name, ledger=LossLedger())
    assert recognise(path)[0].name == name


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty, so that its format cannot be recognised"),
        (b' \n\t"', "no known format fits"),
        (
            b'{"id": "a", "text": "M", "meta": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n",
            "several formats fit|no known format fits|not valid JSON",
        ),
    ],
    ids=["empty", "nothing known", "nested 100,000 deep"],
)
def test_a_file_that_cannot_be_recognised_is_answered_with_a_typed_error(tmp_path, content, message):
    path = tmp_path / "articles.jsonl"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=message):
        list(read_articles(path, ledger=LossLedger()))
