"""What a checkpoint has seen: a hash of each article that it learnt from or was chosen by, kept in the checkpoint.

Scores on these articles are too high. The hash is of the letters and digits of a text alone, so that an article is known again whatever its
id, spans, metadata, white space, punctuation and capitals are. Whoever has an article can find out from the file whether a checkpoint
learnt from it; nothing else can be read from it.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from eventtag.article import Article
from eventtag.errors import CheckpointError, DataError
from eventtag.manifest import is_listed
from eventtag.scoring.mentions import Mentions, count_mentions
from eventtag.staging import json_text
from eventtag.stored_json import read_stored

SEEN_FILE = "seen.json"
SCHEMA = 1
REASONS = {
    "learnt": "that {who} learnt from",
    "read": "whose text {who} learnt from (pre-training, teachers)",
    "chose": "that chose epoch and thresholds of {who}",
}
"""The kinds of articles that a checkpoint knows, the strongest first, as a report words them."""
LEARNT_FROM = ("learnt", "read")
UNKNOWN = "the checkpoint"
"""Stands for the training articles of a checkpoint without the file."""


@dataclass(frozen=True)
class Seen:
    """Hashes (`article_key`) of the articles whose annotation was learnt, of those whose text alone was, and of those that chose an epoch
    or thresholds; how often each mention (`mention_key`) was annotated in the first; and the sources that do not say what they learnt from.
    """

    learnt: frozenset[str] = frozenset()
    read: frozenset[str] = frozenset()
    chose: frozenset[str] = frozenset()
    mentions: Mapping[str, int] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()

    def __or__(self, other: Seen) -> Seen:
        unknown = tuple(dict.fromkeys((*self.unknown, *other.unknown)))
        mentions = Counter(self.mentions) + Counter(other.mentions)
        return Seen(self.learnt | other.learnt, self.read | other.read, self.chose | other.chose, mentions, unknown)

    def kind_of(self, article: Article) -> str | None:
        """One of REASONS, or None for an article that is new to the checkpoint as far as is known."""
        key = article_key(article.text)
        return next((kind for kind in REASONS if key in getattr(self, kind)), None)

    def named(self, name: str) -> Seen:
        """The same, where a source that knows nothing of itself is called by a name."""
        return replace(self, unknown=tuple(name if source == UNKNOWN else source for source in self.unknown))

    def known_mentions(self) -> Mentions | None:
        """How often a mention was annotated in what was learnt from; None if nothing is known."""
        return None if UNKNOWN in self.unknown else _HashedMentions(self.mentions)


@dataclass(frozen=True)
class _HashedMentions:
    counts: Mapping[str, int]

    def get(self, key: tuple[str, str], default: int, /) -> int:
        return self.counts.get(mention_key(*key), default)


class _LettersAndDigits(dict[int, int | None]):
    """For `str.translate`: letters, marks and numbers stay, all else goes."""

    def __missing__(self, code: int) -> int | None:
        self[code] = code if unicodedata.category(chr(code))[0] in "LMN" else None
        return self[code]


_KEPT = _LettersAndDigits()


def article_key(text: str) -> str:
    """32 hex digits: a hash of the letters, marks and numbers of a text (NFKC, case folded); of a text without any, of its words."""
    kept = unicodedata.normalize("NFKC", text).casefold().translate(_KEPT) or " ".join(text.split())
    return hashlib.sha256(kept.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def mention_key(surface: str, label: str) -> str:
    """16 hex digits: a hash of a mention as `eventtag.scoring.error_kinds.surface` gives it, and its label."""
    return hashlib.sha256(f"{label}\0{surface}".encode("utf-8", "surrogatepass")).hexdigest()[:16]


def seen_articles(*, learnt: Sequence[Article] = (), read: Iterable[Article] = (), chose: Iterable[Article] = ()) -> Seen:
    """What is seen of articles that are learnt from, read, or choose."""
    mentions = {mention_key(*mention): count for mention, count in count_mentions(learnt).items()}
    return Seen(_keys(learnt), _keys(read), _keys(chose), mentions)


def _keys(articles: Iterable[Article]) -> frozenset[str]:
    return frozenset(article_key(article.text) for article in articles)


def write_seen(seen: Seen, folder: Path) -> None:
    """Write SEEN_FILE into a folder whose manifest is written after it."""
    content: dict[str, Any] = {"schema": SCHEMA, **{kind: sorted(getattr(seen, kind)) for kind in REASONS}}
    content |= {"mentions": dict(sorted(seen.mentions.items())), "unknown": list(seen.unknown)}
    (folder / SEEN_FILE).write_text(json_text(content), encoding="utf-8")


def read_seen(folder: Path) -> Seen:
    """What the checkpoint or encoder in a folder has seen. Without SEEN_FILE, or with one that its manifest does not list, that is unknown.

    Raises CheckpointError for a file that is damaged, or missing though the manifest lists it.
    """
    file = folder / SEEN_FILE
    if not is_listed(folder, SEEN_FILE):
        return Seen(unknown=(UNKNOWN,))
    try:
        content = read_stored(file)
        if content["schema"] != SCHEMA:
            raise CheckpointError(
                f"{file}: schema {content['schema']} is not {SCHEMA}; use the version of eventtag that wrote it"
            )
        learnt, read, chose = (frozenset(map(str, content[kind])) for kind in REASONS)
        mentions = {str(key): int(count) for key, count in content["mentions"].items()}
        return Seen(learnt, read, chose, mentions, tuple(map(str, content["unknown"])))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{file}: cannot be read ({type(error).__name__}: {error}); copy the checkpoint again") from error


@dataclass(frozen=True)
class Unseen:
    """The articles to score, and what a report says of those that the checkpoint has seen (`about`, and `notes` as sentences)."""

    articles: tuple[Article, ...]
    about: Mapping[str, Any]

    @property
    def notes(self) -> tuple[str, ...]:
        """What to say beside the scores; empty if there is nothing to say."""
        return tuple(self.about["notes"])


def leave_out_seen(
    asked: Sequence[Article],
    seen: Seen,
    *,
    include: bool = False,
    among: Sequence[Article] | None = None,
    who: str = UNKNOWN,
    remedy: str = "seen=include",
    expected: int | None = None,
) -> Unseen:
    """The articles `asked` for without those that a checkpoint learnt from; with `include`, all of them.

    Articles that chose its epoch or thresholds stay, and the notes say so. `among` are all articles of the corpus, so that the notes can
    count those of them that are not scored; `who` is what they call the checkpoint. Where these are the articles of its own run, `expected`
    is how many of them it learnt from or was chosen by, and the notes say if some are gone. Raises DataError if none remains; `remedy` is
    the option that scores them knowingly.
    """
    kinds = [seen.kind_of(article) for article in asked]
    kept = tuple(article for article, kind in zip(asked, kinds, strict=True) if include or kind not in LEARNT_FROM)
    if asked and not kept:
        raise DataError(
            f"{who} learnt from all of the {len(asked)} articles asked for, so their scores would say nothing of new articles\n"
            f"give articles that it did not see, or score these knowingly: {remedy}"
        )
    scored = Counter(kind for kind in kinds if kind and (include or kind not in LEARNT_FROM))
    left_out = Counter(kind for article in (asked if among is None else among) if (kind := seen.kind_of(article)))
    gone = 0 if expected is None or seen.unknown else max(0, expected - left_out["learnt"] - left_out["chose"])
    left_out.subtract(scored)
    about: dict[str, Any] = {
        "known": not seen.unknown,
        "unknown": list(seen.unknown),
        "included": include,
        "scored": {kind: scored[kind] for kind in REASONS},
        "left_out": {kind: max(left_out[kind], 0) for kind in REASONS},
    }
    notes = _notes(about, len(kept), who)
    if gone:
        notes.append(
            f"{gone} of the {expected} articles that {who} learnt from, or that chose its epoch and thresholds, are no longer there; "
            "where they were edited, they count as new and their scores are too high"
        )
    return Unseen(kept, {**about, "notes": notes})


def _notes(about: Mapping[str, Any], articles: int, who: str) -> list[str]:
    left_out = [f"{_count(count)} {REASONS[kind].format(who=who)}" for kind, count in about["left_out"].items() if count]
    notes = [f"not scored: {', '.join(left_out)}"] if left_out else []
    for kind, count in about["scored"].items():
        if count:
            how = "somewhat" if kind == "chose" else "much"
            reason = REASONS[kind].format(who=who)
            notes.append(f"scored: {count} of {articles} articles {reason}, so the scores are {how} too high")
    notes += [f"it is not known which articles {name} learnt from; scores on these are too high" for name in about["unknown"]]
    return notes


def _count(number: int) -> str:
    return f"{number} article{'s' * (number != 1)}"
