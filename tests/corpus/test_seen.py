"""An article is known again by its words, and what a checkpoint has seen is left out or said."""

import json
import unicodedata
from dataclasses import replace

import pytest
from conftest import make_article
from hypothesis import given
from hypothesis import strategies as st

from eventtag.corpus.seen import SEEN_FILE, Seen, article_key, leave_out_seen, read_seen, seen_articles, write_seen
from eventtag.errors import CheckpointError, DataError
from eventtag.manifest import write_manifest

ARTICLE = make_article("a", "Police/ACTOR arrested/EVENT Zoë/ACTOR in Paris/LOCATION , re-elected 'd . ")


@given(st.text(min_size=1), st.integers(0, 30), st.sampled_from([" ", "\n\n", "\u00a0", "\u200b", "\ufeff", ".", "“", "\u2028"]))
def test_white_space_and_punctuation_do_not_hide_an_article(text, place, added):
    assert article_key(f"x{text}") == article_key(f"x{text}"[:place] + added + f"x{text}"[place:])


@given(st.text(alphabet=st.characters(categories=["L", "N", "M"]), min_size=1))
def test_other_letters_make_another_article(text):
    assert article_key(text) != article_key(text + "x")
    assert article_key(text) == article_key(unicodedata.normalize("NFD", text))


@pytest.mark.parametrize(
    "changed",
    [
        replace(ARTICLE, id="b", spans=(), meta={"source": "x"}, annotated=((0, 3),), labels=("ACTOR",)),
        replace(ARTICLE, spans=(), text="  police arrested Zoe\u0308\r\n\r\nin PARIS,\tre-elected ’d. "),
        replace(ARTICLE, spans=(), text=ARTICLE.text.replace(" ", "")),
    ],
    ids=["spans, id and metadata", "white space, quotes, capitals, composition", "no blanks"],
)
def test_the_same_words_are_the_same_article(changed):
    seen = seen_articles(learnt=[ARTICLE])
    assert seen.kind_of(changed) == "learnt"
    assert seen.kind_of(replace(ARTICLE, spans=(), text=ARTICLE.text + "again")) is None


def test_texts_without_a_letter_are_told_apart():
    assert article_key("!!") != article_key("??") == article_key(" ??\n")
    assert article_key("कि") != article_key("का")  # vowel signs are marks, not letters


def test_what_was_seen_comes_back_from_its_file(articles, tmp_path):
    seen = seen_articles(learnt=articles[:3], read=articles[3:5], chose=articles[5:6]) | Seen(unknown=("the teacher x",))
    write_seen(seen, tmp_path)
    assert read_seen(tmp_path) == seen
    learnt = json.loads((tmp_path / SEEN_FILE).read_text())["learnt"]
    assert learnt == sorted(article_key(article.text) for article in articles[:3])
    write_manifest(tmp_path)
    assert read_seen(tmp_path) == seen
    (tmp_path / SEEN_FILE).write_text('{"schema": 1}')
    with pytest.raises(CheckpointError, match=r"seen.json: cannot be read \(KeyError: 'learnt'\); copy the checkpoint again"):
        read_seen(tmp_path)


def test_a_file_that_the_manifest_does_not_list_says_nothing(articles, tmp_path):
    write_manifest(tmp_path)
    write_seen(seen_articles(learnt=articles), tmp_path)
    assert read_seen(tmp_path).unknown == ("the checkpoint",)
    assert read_seen(tmp_path / "nowhere").unknown == ("the checkpoint",)


def test_mentions_are_counted_without_being_written(articles, tmp_path):
    seen = seen_articles(learnt=articles) | seen_articles(learnt=articles[:1])
    write_seen(seen, tmp_path)
    assert "police" not in (tmp_path / SEEN_FILE).read_text().casefold()
    mentions = seen.known_mentions()
    count = sum(a.mention(s).casefold() == "police" for a in [*articles, articles[0]] for s in a.spans)
    assert mentions.get(("police", "ACTOR"), 0) == count > 0
    assert mentions.get(("police", "EVENT"), 0) == 0
    assert Seen(unknown=("the checkpoint",)).known_mentions() is None


def test_learnt_articles_are_left_out_and_choosing_ones_are_named(articles):
    seen = seen_articles(learnt=articles[:10], read=articles[10:12], chose=articles[12:15])
    unseen = leave_out_seen(articles, seen)
    assert unseen.articles == articles[12:]
    assert unseen.about["left_out"] == {"learnt": 10, "read": 2, "chose": 0}
    assert unseen.about["scored"] == {"learnt": 0, "read": 0, "chose": 3}
    assert unseen.notes == (
        "not scored: 10 articles that the checkpoint learnt from, "
        "2 articles whose text the checkpoint learnt from (pre-training, teachers)",
        "scored: 3 of 12 articles that chose epoch and thresholds of the checkpoint, so the scores are somewhat too high",
    )
    some = leave_out_seen(articles[15:], seen, among=articles)
    assert some.about["left_out"] == {"learnt": 10, "read": 2, "chose": 3}
    assert leave_out_seen(articles[15:], seen).notes == ()


def test_seen_articles_are_scored_only_knowingly(articles):
    seen = seen_articles(learnt=articles)
    with pytest.raises(
        DataError, match=r"the checkpoint learnt from all of the 24 articles asked for(.|\n)*knowingly: seen=include"
    ):
        leave_out_seen(articles, seen)
    unseen = leave_out_seen(articles, seen, include=True)
    assert unseen.articles == articles
    assert "scored: 24 of 24 articles that the checkpoint learnt from, so the scores are much too high" in unseen.notes


def test_a_checkpoint_that_does_not_know_says_so(articles):
    unseen = leave_out_seen(articles, seen_articles(learnt=articles[:4]) | Seen(unknown=("the teacher old",)))
    assert len(unseen.articles) == 20
    assert unseen.notes[-1] == "it is not known which articles the teacher old learnt from; scores on these are too high"
    assert not unseen.about["known"]
