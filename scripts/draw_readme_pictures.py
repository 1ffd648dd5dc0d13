"""Draw the README's two pictures from real output: an article as a checkpoint tags it, and the report of its test articles.

    eventtag train trainer=fast run_dir=outputs/first
    eventtag evaluate checkpoint=outputs/first/checkpoint run_dir=outputs/first/test
    python scripts/draw_readme_pictures.py outputs/first/checkpoint outputs/first/test/report.json

writes docs/images/tagged.svg (the beginning of data/sample/unseen.txt) and docs/images/report.svg.
"""

from __future__ import annotations

import argparse
import json
import re
import textwrap
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from eventtag import Span, Tagger
from eventtag.reporting.highlight import COLOURS

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
ARTICLE = ROOT / "data" / "sample" / "unseen.txt"
COLUMNS, CHARACTER, LINE = 84, 8.4, 30
"""Characters a line, the width of one and the height of a line, in pixels of a 14-pixel monospaced font."""
PARAGRAPHS = 3
"""Paragraphs of the article that are shown, from its dateline on."""


@dataclass(frozen=True)
class Stretch:
    """Part of a line of the picture: `text` from `column` on, with the label of the span that it belongs to, if any."""

    column: int
    text: str
    label: str | None


def main() -> int:
    """Write both pictures; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("report", type=Path)
    options = parser.parse_args()
    tagger = Tagger.load(options.checkpoint)
    IMAGES.mkdir(exist_ok=True)
    text = ARTICLE.read_text(encoding="utf-8")
    (IMAGES / "tagged.svg").write_text(draw_article(text, tagger.tag(text), tagger.labels.labels), encoding="utf-8")
    (IMAGES / "report.svg").write_text(draw_report(json.loads(options.report.read_text(encoding="utf-8"))), encoding="utf-8")
    return 0


def draw_article(text: str, spans: tuple[Span, ...], labels: tuple[str, ...]) -> str:
    """An SVG of the paragraphs from the dateline on, each mention marked with the colour and the name of its label."""
    paragraphs = [match.span() for match in re.finditer(r"[^\n]+", text)]
    first = next(index for index, (start, _) in enumerate(paragraphs) if " – " in text[start : start + 60])
    lines: list[list[Stretch]] = []
    for start, end in paragraphs[first : first + PARAGRAPHS]:
        position = start
        for line in textwrap.wrap(text[start:end], COLUMNS, drop_whitespace=False):
            blanks = len(line) - len(line.lstrip())
            lines.append(_stretches(text, position + blanks, position + len(line), spans))
            position += len(line)
        lines.append([])
    colours = dict(zip(labels, COLOURS, strict=False))
    body = []
    x = 20.0
    for label in labels:
        body.append(f'<rect x="{x}" y="18" width="14" height="14" rx="3" fill="{colours[label]}"/>')
        body.append(f'<text x="{x + 20}" y="30" class="key">{escape(label)}</text>')
        x += 40 + CHARACTER * len(label)
    for number, line in enumerate(lines):
        y = 66 + number * LINE
        for part in line:
            left, width = 20 + part.column * CHARACTER, len(part.text) * CHARACTER
            if part.label is not None:
                colour = colours[part.label]
                body.append(
                    f'<rect x="{left:.1f}" y="{y - 15}" width="{width:.1f}" height="20" rx="3" fill="{colour}" fill-opacity=".18"/>'
                )
                body.append(f'<rect x="{left:.1f}" y="{y + 4}" width="{width:.1f}" height="2" fill="{colour}"/>')
            body.append(f'<text x="{left:.1f}" y="{y}" textLength="{width:.1f}" xml:space="preserve">{escape(part.text)}</text>')
    return _svg(
        40 + COLUMNS * CHARACTER, 66 + (len(lines) - 1) * LINE, body, "An article with its actors, events and locations marked"
    )


def _stretches(text: str, start: int, end: int, spans: tuple[Span, ...]) -> list[Stretch]:
    """The line `text[start:end]`, cut where spans begin and end."""
    inside = sorted((span for span in spans if span.start < end and span.end > start), key=lambda span: span.start)
    found, position = [], start
    for span in inside:
        left, right = max(span.start, position), min(span.end, end)
        if left > position:
            found.append(Stretch(position - start, text[position:left], None))
        found.append(Stretch(left - start, text[left:right], span.label))
        position = right
    if position < end:
        found.append(Stretch(position - start, text[position:end], None))
    return found


def draw_report(report: dict[str, Any]) -> str:
    """An SVG of the strict scores: a row for each label, micro and macro, with the 95 % interval of F1 as a bar."""
    intervals = report["intervals"]["schemes"]["strict"]
    rows = [*report["labels"].items(), ("micro", report["micro"]), ("macro", report["macro"])]
    low = min(intervals[name]["f1"]["low"] for name, _ in rows)
    edge = max(0.0, int(low * 10) / 10)
    left, right = 440.0, 700.0

    def across(value: float) -> float:
        return left + (right - left) * (value - edge) / (1 - edge)

    body = [
        f'<text x="{x}" y="32" class="key" text-anchor="end">{title}</text>'
        for x, title in ((190, "precision"), (270, "recall"), (340, "F1"), (410, "gold"))
    ]
    body.append(f'<text x="{left}" y="32" class="key">F1 with its 95 % interval</text>')
    for number, (name, scores) in enumerate(rows):
        y = 66 + number * LINE
        colour = COLOURS[number] if name in report["labels"] else "#555"
        interval = intervals[name]["f1"]
        body.append(f'<text x="20" y="{y}" class="name">{escape(name)}</text>')
        body += [
            f'<text x="{x}" y="{y}" text-anchor="end">{scores[key]:.3f}</text>'
            for x, key in ((190, "precision"), (270, "recall"), (340, "f1"))
        ]
        body.append(f'<text x="410" y="{y}" text-anchor="end">{scores["support"]:,}</text>')
        body.append(f'<rect x="{left}" y="{y - 5}" width="{right - left}" height="1" fill="#ccc"/>')
        start, width = across(interval["low"]), across(interval["high"]) - across(interval["low"])
        body.append(
            f'<rect x="{start:.1f}" y="{y - 9}" width="{width:.1f}" height="9" rx="4" fill="{colour}" fill-opacity=".35"/>'
        )
        body.append(f'<circle cx="{across(scores["f1"]):.1f}" cy="{y - 4.5}" r="4.5" fill="{colour}"/>')
    y = 60 + len(rows) * LINE
    body.append(f'<text x="{left}" y="{y}" class="small">{edge:.1f}</text>')
    body.append(f'<text x="{right}" y="{y}" class="small" text-anchor="end">1.0</text>')
    body.append(f'<text x="20" y="{y}" class="small">{report["articles"]} articles; right means right offsets and label</text>')
    return _svg(720, y + 16, body, "Scores of each label with 95 % intervals")


def _svg(width: float, height: float, body: list[str], title: str) -> str:
    style = "text{font:14px ui-monospace,Menlo,Consolas,monospace;fill:#222}.key,.name{font-weight:600}.small{font-size:12px;fill:#555}"
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="{escape(title)}">'
    )
    return "\n".join(
        [head, f"<style>{style}</style>", '<rect width="100%" height="100%" rx="8" fill="#fdfdfb"/>', *body, "</svg>", ""]
    )


if __name__ == "__main__":
    raise SystemExit(main())
