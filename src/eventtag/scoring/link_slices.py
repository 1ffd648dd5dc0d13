"""The slices of links: by sentence, distance, voice and metadata.

A slicer looks at a link's spans alone, never at its role, so that a gold link and the link that is predicted for it are in one slice.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from eventtag.article import Article
from eventtag.link import Link
from eventtag.scoring.slices import field_slicers
from eventtag.span import Span
from eventtag.text.sentences import find_sentences
from eventtag.text.words import find_words

LinkSlicer = Callable[[Article, Link], str | None]
"""The slice of a link in one dimension; None leaves it out of the dimension."""

DISTANCES = ((2, "0-2 words"), (5, "3-5 words"), (10, "6-10 words"), (20, "11-20 words"))
FARTHER = "21+ words"

PASSIVE = frozenset(("am", "are", "be", "been", "being", "is", "was", "were", "got", "get", "gets", "getting", "gotten"))
PERFECT = frozenset(("have", "has", "had", "having"))
AUXILIARY_WITHIN = 3
"""How many words before the participle its auxiliary may stand: "was not even seen"."""
PARTICIPLES = frozenset(
    (
        *(
            "bound",
            "bought",
            "brought",
            "built",
            "burnt",
            "caught",
            "cast",
            "cut",
            "dealt",
            "dug",
            "fed",
            "fought",
            "found",
            "heard",
        ),
        *(
            "held",
            "hit",
            "hung",
            "hurt",
            "kept",
            "laid",
            "led",
            "left",
            "lent",
            "let",
            "lit",
            "lost",
            "made",
            "meant",
            "met",
            "paid",
        ),
        *("put", "read", "rebuilt", "said", "sent", "set", "shot", "shut", "sold", "spent", "split", "spread", "struck", "stuck"),
        *("swept", "taught", "thought", "told", "understood", "upheld", "withheld", "won", "wound", "begun", "sung", "sunk"),
        *(
            "blown",
            "borne",
            "done",
            "drawn",
            "flown",
            "grown",
            "known",
            "seen",
            "shown",
            "slain",
            "sworn",
            "thrown",
            "torn",
            "worn",
        ),
        *("withdrawn", "overthrown", "become", "overcome", "overrun", "run"),
    )
)
"""Participles that do not end in -ed or -en."""


@dataclass(frozen=True)
class _Text:
    """What the slicers look up in one text: the starts of its sentences, its words in lower case, and their offsets."""

    sentences: list[int]
    words: list[str]
    starts: list[int]
    ends: list[int]


def link_slicers(articles: Sequence[Article], *, fields: Sequence[str] | None = None) -> dict[str, LinkSlicer]:
    """The dimensions by name: sentence, distance, voice, and metadata `fields` (None: those that suit).

    `sentence`: whether event and participant begin in one sentence. `distance`: the words between them. `voice`: whether the event is a
    passive verb of English by a rule of thumb (`_is_passive`). Nouns and verbs are not told apart, because that takes a parser.
    """
    known: dict[str, _Text] = {}

    def text_of(article: Article) -> _Text:
        if article.id not in known:
            known.clear()  # articles come one after another
            known[article.id] = _read(article.text)
        return known[article.id]

    return {
        "sentence": lambda article, link: _sentence(text_of(article), link),
        "distance": lambda article, link: _distance(text_of(article), link),
        "voice": lambda article, link: "passive" if _is_passive(text_of(article), link.event) else "not passive",
        **field_slicers(articles, fields),
    }


def _read(text: str) -> _Text:
    offsets = find_words(text).tolist()
    return _Text(
        [start for start, _ in find_sentences(text)],
        [text[start:end].lower() for start, end in offsets],
        [start for start, _ in offsets],
        [end for _, end in offsets],
    )


def _is_passive(text: _Text, event: Span) -> bool:
    """Whether an event is a passive verb, by a rule for English. The event must hold a participle: a word that ends in -ed or -en, or an
    irregular one. The last form of "be", "get" or "have" among the three words before it in the sentence must be one of "be" or "get". If
    there is no such form, the word after the event must be "by".
    """
    first, behind = bisect_right(text.ends, event.start), bisect_left(text.starts, event.end)
    participles = [n for n in range(first, behind) if text.words[n] in PARTICIPLES or text.words[n].endswith(("ed", "en"))]
    if not participles:
        return False
    participle = participles[-1]
    sentence = text.sentences[max(0, bisect_right(text.sentences, event.start) - 1)] if text.sentences else 0
    earliest = max(bisect_left(text.starts, sentence), participle - AUXILIARY_WITHIN)
    auxiliaries = [word for word in text.words[earliest:participle] if word in PASSIVE or word in PERFECT]
    if auxiliaries:
        return auxiliaries[-1] in PASSIVE
    return behind < len(text.words) and text.words[behind] == "by"


def _sentence(text: _Text, link: Link) -> str:
    one, other = (bisect_right(text.sentences, span.start) for span in (link.event, link.participant))
    return "same sentence" if one == other else "other sentence"


def _distance(text: _Text, link: Link) -> str:
    first, second = sorted((link.event, link.participant))
    between = max(0, bisect_left(text.starts, second.start) - bisect_left(text.starts, first.end))
    return next((name for most, name in DISTANCES if between <= most), FARTHER)
