"""The naive rule of the nearest event on gold spans, and how well an example of categories codes events.

    python scripts/measure_baselines.py
    python scripts/measure_baselines.py --plover gold_standard_records.json --categories docs/how-to/plover-categories.yaml --split test

The first prints the rule's scores on the test articles of the sample. With PLOVER's gold standard records
(https://github.com/openeventdata/PLOVER, CC BY-SA 4.0, not part of the project) it prints those on them too, and how many of their events
get the right category. A record is in the development or test part by the sha256 of its id: even numbers are development.

A record is one sentence with one event. Its markup says which words are the event (EVT, often several pieces: the first one is taken), its
source (SRC: an agent), its target (TAR) and its place (LOC). Records whose markup does not give their text back are left out of the links.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from eventtag.api.score import score
from eventtag.article import Article
from eventtag.event_records.categories import read_categories
from eventtag.event_records.linking import nearest_links
from eventtag.formats.registry import read_articles
from eventtag.ledger import LossLedger
from eventtag.link import Link
from eventtag.span import Span
from eventtag.text.sentences import sentences_of_spans

SAMPLE = Path(__file__).resolve().parent.parent / "data" / "sample" / "articles.jsonl"
PIECE = re.compile(r"\((SRC/TAR|SRC|TAR|EVT|LOC): ?")
ROLES = {"SRC": ("AGENT",), "TAR": ("TARGET",), "SRC/TAR": ("AGENT", "TARGET"), "LOC": ("PLACE",)}

Piece = tuple[str, int, int]
"""Its tag, and where it stands in the text without markup."""


def read_markup(markup: str) -> tuple[str, list[Piece]]:
    """The text without markup, and its pieces in order. Parentheses that are no markup stay."""
    text: list[str] = []
    found: list[Piece] = []
    opened: list[tuple[str, int, int]] = []  # tag ("" for an ordinary parenthesis), start, place among the found
    at = 0
    while at < len(markup):
        start = PIECE.match(markup, at)
        if start is not None:
            opened.append((start[1], len(text), len(found)))
            at = start.end()
            continue
        sign = markup[at]
        at += 1
        if sign == ")" and opened:
            tag, begin, place = opened.pop()
            if tag:
                found.insert(place, (tag, begin, len(text)))
                continue
        elif sign == "(":
            opened.append(("", len(text), len(found)))
        text.append(sign)
    return "".join(text), found


def article_of(record: dict[str, Any]) -> Article | None:
    """A record with its event, participants and links; None where its markup is damaged or names no event."""
    info = record["textInfo"]
    text, pieces = read_markup(info["markup"] if isinstance(info, dict) else info)
    events = [piece for piece in pieces if piece[0] == "EVT"]
    if text != record["text"] or not events:
        return None
    event = Span(*_trimmed(text, events[0]), "EVENT")
    links, spans = [], {event}
    for piece in pieces:
        if piece[0] == "EVT":
            continue
        span = Span(*_trimmed(text, piece), "LOCATION" if piece[0] == "LOC" else "ACTOR")
        spans.add(span)
        links += [Link(event, span, role) for role in ROLES[piece[0]]]
    return Article(record["id"], text, tuple(spans), links=tuple(links))


def _trimmed(text: str, piece: Piece) -> tuple[int, int]:
    _, start, end = piece
    inside = text[start:end]
    return start + len(inside) - len(inside.lstrip()), end - (len(inside) - len(inside.rstrip()))


def event_text(record: dict[str, Any]) -> str:
    """The first piece of a record's event."""
    info = record["textInfo"]
    text, pieces = read_markup(info["markup"] if isinstance(info, dict) else info)
    return next((text[start:end].strip() for tag, start, end in pieces if tag == "EVT"), str(record["eventText"]))


def of_split(records: Sequence[dict[str, Any]], split: str) -> Iterator[dict[str, Any]]:
    """The records of `development` or `test`."""
    for record in records:
        even = int(sha256(record["id"].encode()).hexdigest(), 16) % 2 == 0
        if even == (split == "development"):
            yield record


def link_row(name: str, articles: Sequence[Article]) -> str:
    """A row of the table of links: F1 of the naive rule on gold spans, with intervals over articles."""
    predicted = [replace(one, links=nearest_links(one.spans, sentences_of_spans(one))) for one in articles]
    events = score(predicted, articles).report.events
    assert events is not None
    assert events.links is not None
    cells = []
    for found in (events.links.measures["unlabelled"], events.links.measures["strict"]):
        interval = found.intervals["f1"]
        cells.append(f"{found.f1:.3f} ({interval.low:.3f} to {interval.high:.3f})" if interval else f"{found.f1:.3f}")
    return f"| {name} | {len(articles)} | {sum(len(one.links or ()) for one in articles)} | {' | '.join(cells)} |"


def category_lines(records: Sequence[dict[str, Any]], path: Path, *, show: bool) -> Iterator[str]:
    """How many events get their category, another, or none; with `show` those that do not get theirs."""
    categories = read_categories(path)
    outcomes: Counter[str] = Counter()
    for record in records:
        text = event_text(record)
        found = categories(text)
        outcome = "none" if found is None else "right" if found.code == record["event"] else "wrong"
        outcomes[outcome] += 1
        if show and outcome != "right":
            yield f"{record['event']}: {text!r} is {outcome if found is None else found.code}"
    yield f"{len(records)} events: {outcomes['right']} right, {outcomes['wrong']} wrong, {outcomes['none']} without a category"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plover", type=Path, help="PLOVER's gold_standard_records.json")
    parser.add_argument("--categories", type=Path, help="a file of phrases and codes to be measured on its events")
    parser.add_argument("--split", choices=("development", "test"), default="development")
    parser.add_argument("--show", action="store_true", help="print the development events that do not get their category")
    arguments = parser.parse_args()
    print("| gold spans | articles | links | F1 of pairs | F1 with role |\n|---|---:|---:|---:|---:|")
    sample = [one for one in read_articles(SAMPLE, ledger=LossLedger()) if one.meta["split"] == "test"]
    print(link_row("sample, test", sample))
    if arguments.plover is None:
        return
    own = [record for record in json.loads(arguments.plover.read_text(encoding="utf-8")) if "text" in record]
    records = list(of_split(own, arguments.split))
    read = [article for article in map(article_of, records) if article is not None]
    articles = [replace(article, id=f"{article.id}/{number}") for number, article in enumerate(read)]  # some ids stand twice
    print(link_row(f"PLOVER, {arguments.split}", articles))
    print(
        f"left out, as their markup does not give their text back or names no event: {len(records) - len(articles)} of {len(records)}"
    )
    if arguments.categories is not None:
        show = arguments.show and arguments.split == "development"
        print("\n".join(category_lines(records, arguments.categories, show=show)))


if __name__ == "__main__":
    main()
