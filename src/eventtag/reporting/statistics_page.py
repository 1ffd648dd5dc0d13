"""Corpus statistics as one self-contained HTML page: tables and plots, no script, no request, all text escaped."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from eventtag.corpus.statistics import LONGEST_COUNTED, CorpusStatistics, LabelStatistics, SplitStatistics, link_rows
from eventtag.reporting.page import render_template

WIDTH, ROW, LEFT = 420, 22, 130
"""A plot's width, the height of a bar's row, and the width for names, in pixels."""
LENGTHS = ("1 word", *(f"{size} words" for size in range(2, LONGEST_COUNTED)), f"{LONGEST_COUNTED} or more")


def render_statistics(found: CorpusStatistics, *, title: str) -> str:
    """The page."""
    return render_template(
        "statistics.html.j2",
        title=title,
        header=("Split", "Articles", "Words", "Median words", "Annotated", "Spans", "Overlapping", "Without spans"),
        splits=[_split_row(name, split) for name, split in found.splits.items()],
        link_header=("Split", "Counted", "Name", "Count"),
        links=[list(map(str, row)) for row in link_rows(found.splits)],
        label_header=(
            "Label",
            "Spans",
            "Articles",
            "Surfaces",
            "Mean words",
            "Longest",
            "Distinct (bits)",
            "At edges (bits)",
            "Unseen in train",
        ),
        parts=[
            (name, [_label_row(label, counts) for label, counts in split.labels.items()], _plots(split))
            for name, split in found.splits.items()
        ],
    )


def _split_row(name: str, s: SplitStatistics) -> list[str]:
    sizes = (s.articles, s.words, s.median_words, s.annotated_share, s.spans, s.overlapping_spans, s.articles_without_spans)
    return [name, *map(_cell, sizes)]


def _label_row(label: str, c: LabelStatistics) -> list[str]:
    shares = (c.span_distinctiveness, c.boundary_distinctiveness, c.unseen_share)
    return [label, *map(_cell, (c.spans, c.articles, c.distinct_surfaces, c.mean_length, c.longest, *shares))]


def _cell(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)


def _plots(split: SplitStatistics) -> list[tuple[str, Markup]]:
    charts: list[tuple[str, Sequence[tuple[str, int]]]] = [("Spans", [(label, c.spans) for label, c in split.labels.items()])]
    for label, counts in split.labels.items():
        charts.append((f"{label}: length", list(zip(LENGTHS, counts.lengths, strict=True))))
        charts.append((f"{label}: most frequent", counts.most_frequent))
    return [(caption, _bars(caption, items)) for caption, items in charts]


def _bars(caption: str, items: Sequence[tuple[str, int]]) -> Markup:
    """A bar chart with its numbers written out."""
    most = max((count for _, count in items), default=0) or 1
    height = max(len(items), 1) * ROW
    parts = [
        Markup('<svg role="img" aria-label="{0}" width="{1}" height="{2}" viewBox="0 0 {1} {2}">').format(caption, WIDTH, height)
    ]
    for row, (name, count) in enumerate(items):
        top, length = row * ROW, (WIDTH - LEFT - 60) * count / most
        shown = name if len(name) <= 18 else name[:17] + "…"
        parts.append(
            Markup(
                '<text x="{}" y="{}" text-anchor="end">{}</text><rect class="mark l0" x="{}" y="{}" width="{:.1f}" height="{}">'
                '<title>{}: {}</title></rect><text x="{:.1f}" y="{}">{}</text>'
            ).format(
                LEFT - 8, top + 15, shown, LEFT, top + 3, length, ROW - 6, name, count, LEFT + length + 6, top + 15, count
            )
        )  # fmt: skip
    return Markup("").join([*parts, Markup("</svg>")])
