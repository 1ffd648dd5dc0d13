"""For every format: written and read again, the articles are the same, or the ledger names what is not."""

import importlib.util
import re
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from articles_strategy import ODD_LABELS, corpora
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventtag.article import Article
from eventtag.errors import OutputError
from eventtag.formats.registry import FORMATS, read_articles, write_articles
from eventtag.ledger import LossLedger
from eventtag.span import Span

MODULES = {"spacy": "spacy", "cas": "cassis"}
WRITABLE = [
    name
    for name, entry in FORMATS.items()
    if entry.write and (entry.extra is None or importlib.util.find_spec(MODULES[entry.extra]) is not None)
]
quick = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def round_trip(articles: list[Article], name: str) -> tuple[dict[str, Article], LossLedger, LossLedger]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"out{'' if FORMATS[name].folder else FORMATS[name].suffixes[0]}"
        written, read = LossLedger(), LossLedger()
        write_articles(articles, path, name, ledger=written)
        return {article.id: article for article in read_articles(path, name, ledger=read)}, written, read


def changed_parts(before: Article, after: Article) -> set[str]:
    return {part for part in ("text", "annotated", "labels", "meta", "rejected") if getattr(before, part) != getattr(after, part)}


@pytest.mark.parametrize("name", WRITABLE)
@given(data=st.data())
@quick
def test_what_is_written_is_read_again_or_named_in_the_ledger(name, data):
    articles = data.draw(corpora())
    try:
        back, written, read = round_trip(articles, name)
    except OutputError:
        return
    assert set(back) == {article.id for article in articles}
    for article in articles:
        after = back[article.id]
        noted = {note.part for ledger in (written, read) for note in ledger.notes if note.article_id == article.id}
        entries = [entry for ledger in (written, read) for entry in ledger.entries if entry.article_id == article.id]
        changed = changed_parts(article, after)
        if "text" in noted:
            changed -= {"annotated", "rejected"}
        assert changed <= noted
        dropped = Counter((e.start, e.end, e.label) for e in entries if e.outcome in ("dropped", "merged"))
        assert len(after.spans) == len(article.spans) - dropped.total()
        if not entries:
            assert after.spans == article.spans


@pytest.mark.parametrize("name", WRITABLE)
@given(data=st.data())
@quick
def test_mentions_keep_their_words_and_labels(name, data):
    """Whatever becomes of the white space, a span that is kept still covers the same characters."""
    articles = data.draw(corpora(flat=True, regions=False))
    try:
        back, written, read = round_trip(articles, name)
    except OutputError:
        return
    for article in articles:
        lost = Counter(
            (e.start, e.end, e.label)
            for e in written.entries + read.entries
            if e.outcome == "dropped" and e.article_id == article.id
        )
        kept = [span for span in article.spans if not lost[(span.start, span.end, span.label)]]
        before = [("".join(article.mention(span).split()), span.label) for span in kept]
        after = [("".join(back[article.id].mention(span).split()), span.label) for span in back[article.id].spans]
        assert sorted(after) == sorted(before)


@pytest.mark.parametrize("name", WRITABLE)
@given(data=st.data())
@quick
def test_a_second_round_trip_changes_nothing(name, data):
    articles = data.draw(corpora())
    try:
        once, _, _ = round_trip(articles, name)
        twice, written, read = round_trip(list(once.values()), name)
    except OutputError:
        return
    assert twice == once
    assert (written.entries, read.entries) == ([], [])


@pytest.mark.parametrize("name", WRITABLE)
@given(data=st.data())
@quick
def test_labels_of_any_kind_come_back_or_are_named(name, data):
    articles = data.draw(corpora(regions=False, meta=False, labels=ODD_LABELS, text=st.just("Kyiv fell , and Lviv held .")))
    back, written, read = round_trip(articles, name)
    for article in articles:
        gone = [e for e in written.entries + read.entries if e.article_id == article.id and e.outcome == "dropped"]
        moved = [e for e in written.entries + read.entries if e.article_id == article.id and e.outcome == "moved"]
        before = Counter(span.label for span in article.spans)
        assert before - Counter(e.label for e in gone) == Counter(span.label for span in back[article.id].spans)
        if not gone and not moved:
            assert back[article.id].spans == article.spans


LINKED = set(WRITABLE) - {"conll", "conllu"}
"""Formats that hold links and status; the others say that they do not."""
FOUND_ALONE = {"brat", "cat", "cas_json", "webanno_tsv", "xmi"}
"""Those of them that cannot say that somebody looked for links where there is none."""


def marked(article: Article) -> tuple[object, list[tuple[Span, str | None]]]:
    return article.links, [(span, span.status) for span in article.spans]


@pytest.mark.parametrize("name", WRITABLE)
@given(data=st.data())
@settings(quick, max_examples=10)
def test_links_and_status_come_back_or_are_named(name, data):
    text = st.lists(st.sampled_from(["Kyiv", "fell", "and", "Lviv", "👩"]), max_size=8).map(" ".join)
    articles = data.draw(corpora(links=True, flat=FORMATS[name].flat, regions=False, meta=False, text=text))
    back, written, read = round_trip(articles, name)
    for article in articles:
        after = back[article.id]
        entries = [e for ledger in (written, read) for e in (*ledger.entries, *ledger.links) if e.article_id == article.id]
        noted = {note.part for ledger in (written, read) for note in ledger.notes if note.article_id == article.id}
        if name in FOUND_ALONE and not article.links:
            assert ("links" in noted) == (article.links is not None)
            assert after.links is None
        elif name in LINKED:
            assert not noted & {"links", "status"}
            if not entries:
                assert marked(after) == marked(article)
            dropped = [link for link in (*written.links, *read.links) if link.article_id == article.id]
            assert (after.links is None) == (article.links is None)
            assert len(after.links or ()) == len(article.links or ()) - len(dropped)
        else:
            assert ("links" in noted) == (article.links is not None)
            assert ("status" in noted) == any(span.status for span in article.spans)


@pytest.mark.parametrize("name", WRITABLE)
def test_files_of_articles_without_links_and_status_have_no_place_for_them(name, tmp_path):
    """They are as they were before there were links, so that whatever reads them still does."""
    path = tmp_path / f"out{'' if FORMATS[name].folder else FORMATS[name].suffixes[0]}"
    write_articles([Article("a", "Kyiv fell .", (Span(0, 4, "LOC"), Span(5, 9, "EVENT")))], path, name, ledger=LossLedger())
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    content = b"".join(file.read_bytes() for file in files)
    assert not re.search(rb"status|\blinks|EventLink|HAS_PARTICIPANT|relation", content)


@pytest.mark.parametrize("name", WRITABLE)
def test_scores_come_back_or_are_named(name):
    article = Article("a", "Kyiv fell .", (Span(0, 4, "LOC", 0.5), Span(5, 9, "EVENT", 0.25)))
    back, written, _ = round_trip([article], name)
    if name == "label_studio":
        assert back["a"].annotated == ()  # predictions are no annotation; annotations=predictions reads them
    elif FORMATS[name].scores:
        assert back["a"].spans == article.spans
    else:
        assert "spans" in {note.part for note in written.notes}
