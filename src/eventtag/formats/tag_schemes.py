"""Tag schemes: chunks written as one tag a word.

IOB1, IOB2, IOE1 and IOE2 (Tjong Kim Sang and Veenstra 1999, https://aclanthology.org/E99-1023/), BIOES (also called IOBES;
BMEWO with other letters) and BILOU (Ratinov and Roth 2009, https://aclanthology.org/W09-1119/) can all be read by one rule,
`spans_of_tags`; which of them a file uses is recognised to be stated, and to tell which tags break it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

WritableScheme = Literal["IOB1", "IOB2", "BIOES", "BILOU", "IO"]
Scheme = WritableScheme | Literal["IOE"]

_TAG = re.compile(r"([BIOESLUMW])-(\S.*)", re.IGNORECASE)
OUTSIDE = "O"
_OPENING = {"B", "S", "U", "W", OUTSIDE}
"""Prefixes before which a chunk has ended."""
_CLOSING = {"E", "L", "S", "U", "W"}
"""Prefixes after which a chunk has ended."""


def split_tag(tag: str) -> tuple[str, str]:
    """(prefix, label) of a tag: `B-PER` is ("B", "PER"), `O` is ("O", ""), and `PER`, without a prefix, is ("", "PER")."""
    if tag.upper() == OUTSIDE:
        return OUTSIDE, ""
    match = _TAG.fullmatch(tag)
    return (match[1].upper(), match[2]) if match and match[1].upper() != OUTSIDE else ("", tag)


@dataclass(frozen=True, slots=True)
class TagSpan:
    """Words `first` to `last` (inclusive) of one sentence carry `label`."""

    first: int
    last: int
    label: str


def spans_of_tags(tags: Sequence[str]) -> list[TagSpan]:
    """The chunks of one sentence's tags, under any of the schemes.

    A chunk begins at B, at S, U or W, and at any other prefix that does not continue a chunk of the same label; it ends after
    E, L, S, U or W, and before the next chunk or O. This reads every legal sequence of every scheme rightly, and an illegal one
    as conlleval does. Tags without prefixes: a run of the same tag is a chunk.
    """
    spans: list[TagSpan] = []
    opened: tuple[int, str] | None = None
    for position, tag in enumerate([*tags, OUTSIDE]):
        prefix, label = split_tag(tag)
        if opened is not None and (prefix in _OPENING or label != opened[1]):
            spans.append(TagSpan(opened[0], position - 1, opened[1]))
            opened = None
        if prefix == OUTSIDE:
            continue
        if opened is None:
            opened = (position, label)
        if prefix in _CLOSING:
            spans.append(TagSpan(opened[0], position, opened[1]))
            opened = None
    return spans


@dataclass
class SchemeEvidence:
    """What a file's tags show about their scheme; feed it every sentence, then ask for `scheme`."""

    prefixes: set[str] = field(default_factory=set)
    inside_first: int = 0
    """Chunks that begin with I."""
    begin_elsewhere: int = 0
    """B anywhere but right after a chunk of the same label, the only place where IOB1 has one."""

    def add(self, tags: Sequence[str]) -> None:
        """Count one sentence."""
        before = ""
        for tag in tags:
            prefix, label = split_tag(tag)
            self.prefixes.add(prefix)
            if prefix == "I" and before != label:
                self.inside_first += 1
            elif prefix == "B" and before != label:
                self.begin_elsewhere += 1
            before = label

    @property
    def scheme(self) -> Scheme:
        """The scheme that fits; IOB2 where nothing speaks against it, and where a file mixes IOB1 and IOB2, the more frequent."""
        used = self.prefixes - {OUTSIDE}
        if used == {""}:
            return "IO"
        if used & set("LU"):
            return "BILOU"
        if used & set("SWM") or {"B", "E"} <= used:
            return "BIOES"
        if "E" in used:
            return "IOE"
        return "IOB1" if self.inside_first > self.begin_elsewhere else "IOB2"


def illegal_tags(tags: Sequence[str], scheme: Scheme) -> list[int]:
    """The positions of the tags that the scheme does not allow where they stand."""
    illegal = []
    before, label_before = OUTSIDE, ""
    for position, tag in enumerate([*tags, OUTSIDE]):
        prefix, label = split_tag(tag)
        continues = before not in _CLOSING | {OUTSIDE} and label_before == label and prefix not in _OPENING
        if scheme in ("BIOES", "BILOU"):
            left_open = before in ("B", "I", "M") and not continues
            if left_open and position:
                illegal.append(position - 1)
            if not continues and prefix in ("I", "M", "E", "L"):
                illegal.append(position)
        elif (scheme == "IOB2" and prefix == "I" and not continues) or (
            scheme == "IOB1" and prefix == "B" and label_before != label
        ):
            illegal.append(position)
        if prefix == "" and scheme != "IO":
            illegal.append(position)
        before, label_before = prefix, label
    return sorted(set(illegal) - {len(tags)})


def tags_of_spans(spans: Sequence[TagSpan], size: int, scheme: WritableScheme = "IOB2") -> list[str]:
    """The tags of a sentence of `size` words; the spans must not overlap."""
    tags = [OUTSIDE] * size
    last: TagSpan | None = None
    for span in sorted(spans, key=lambda s: s.first):
        for position in range(span.first, span.last + 1):
            prefix = "B-" if position == span.first else "I-"
            if scheme == "IOB1" and prefix == "B-" and not (last and last.label == span.label and last.last == span.first - 1):
                prefix = "I-"
            elif scheme in ("BIOES", "BILOU") and position == span.last:
                ending = "ES" if scheme == "BIOES" else "LU"
                prefix = f"{ending[position == span.first]}-"
            tags[position] = ("" if scheme == "IO" else prefix) + span.label
        last = span
    return tags
