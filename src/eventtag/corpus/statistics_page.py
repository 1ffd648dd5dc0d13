"""Corpus statistics as one self-contained HTML page: tables and plots, no script, no request, all text escaped."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from html import escape

from eventtag.corpus.statistics import LONGEST_COUNTED, CorpusStatistics

STYLE = """ :root { color-scheme: light dark; --bar: #0072b2; --line: #8888; } body { font: 16px/1.5 system-ui, sans-serif;
max-width: 70rem; margin: 2rem auto; padding: 0 1rem; } h2 { margin-top: 2.5rem; } h3 { margin-bottom: .3rem; } .scroll {
overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; } th, td { padding: .3rem .8rem;
text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; } th:first-child, td:first-child { text-align:
left; } .plots { display: flex; flex-wrap: wrap; gap: 2rem; } figure { margin: 0; } figcaption { font-weight: 600; } svg {
max-width: 100%; height: auto; } svg text { font: 12px system-ui, sans-serif; fill: currentColor; } rect { fill: var(--bar); }
"""
WIDTH, ROW, LEFT = 420, 22, 130
"""Of a plot: its width, the height of a bar's row, and the room for names, in pixels."""


def render_statistics(found: CorpusStatistics, *, title: str) -> str:
    """The page; it has a content security policy that allows its own style and nothing else."""
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    body = "\n".join(_body(found))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{digest}'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n<body><main><h1>{escape(title)}</h1>\n{body}\n</main></body></html>\n"
    )


def _body(found: CorpusStatistics) -> Iterable[str]:
    header = ("Split", "Articles", "Words", "Median words", "Annotated", "Spans", "Overlapping", "Without spans")
    yield _table(
        header,
        [
            (name, s.articles, s.words, s.median_words, s.annotated_share, s.spans, s.overlapping_spans, s.articles_without_spans)
            for name, s in found.splits.items()
        ],
    )
    for name, split in found.splits.items():
        yield f"<h2>{escape(name)}</h2>"
        labels = (
            "Label",
            "Spans",
            "Articles",
            "Surfaces",
            "Mean words",
            "Longest",
            "Distinct (bits)",
            "At edges (bits)",
            "Unseen in train",
        )
        rows = []
        for label, c in split.labels.items():
            sizes = (label, c.spans, c.articles, c.distinct_surfaces, c.mean_length, c.longest)
            rows.append((*sizes, c.span_distinctiveness, c.boundary_distinctiveness, c.unseen_share))
        yield _table(labels, rows)
        yield '<div class="plots">'
        yield _bars("Spans", [(label, c.spans) for label, c in split.labels.items()])
        for label, c in split.labels.items():
            names = [
                *(f"{size} word{'s' if size > 1 else ''}" for size in range(1, LONGEST_COUNTED)),
                f"{LONGEST_COUNTED} or more",
            ]
            yield _bars(f"{label}: length", list(zip(names, c.lengths, strict=True)))
            yield _bars(f"{label}: most frequent", list(c.most_frequent))
        yield "</div>"


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in header)
    body = "".join("<tr>" + "".join(f"<td>{_cell(value)}</td>" for value in row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else escape(str(value))


def _bars(caption: str, items: Sequence[tuple[str, int]]) -> str:
    """A bar chart with its numbers written out."""
    most = max((count for _, count in items), default=0) or 1
    room = WIDTH - LEFT - 60
    parts = []
    for row, (name, count) in enumerate(items):
        top = row * ROW
        shown = name if len(name) <= 18 else name[:17] + "…"
        parts.append(
            f'<text x="{LEFT - 8}" y="{top + 15}" text-anchor="end">{escape(shown)}</text>'
            f'<rect x="{LEFT}" y="{top + 3}" width="{room * count / most:.1f}" height="{ROW - 6}">'
            f"<title>{escape(name)}: {count}</title></rect>"
            f'<text x="{LEFT + room * count / most + 6:.1f}" y="{top + 15}">{count}</text>'
        )
    height = max(len(items), 1) * ROW
    drawing = f'<svg role="img" aria-label="{escape(caption)}" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}">'
    return f"<figure><figcaption>{escape(caption)}</figcaption>{drawing}{''.join(parts)}</svg></figure>"
