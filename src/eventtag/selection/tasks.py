"""The articles that are written for people to annotate."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from eventtag.article import Article, Region
from eventtag.errors import SettingsError
from eventtag.estimates.annotated_sample import DRAWN, SELECTED_BY
from eventtag.formats.records import TO_ANNOTATE, WHOLE
from eventtag.selection.choosing import Choice
from eventtag.selection.pool import TaggedPool
from eventtag.settings.select import SelectSettings, Unit
from eventtag.tagging.tagger import Tagger

HOLD_REGIONS = ("jsonl", "csv", "parquet", "label_studio", "prodigy", "doccano")
"""Formats that hold which sentences are to be annotated."""
SAY_UNANNOTATED = ("jsonl", "csv", "parquet")
"""Formats in which an article itself says that nobody has annotated it; annotation tools know it by other means, or not at all."""


def require_able(format_name: str, unit: Unit) -> None:
    """Raise SettingsError if sentences are chosen and the format cannot hold which ones are open."""
    if unit is Unit.sentence and format_name not in HOLD_REGIONS:
        raise SettingsError(
            f"format={format_name} cannot hold which sentences of an article are to be annotated; choose {', '.join(HOLD_REGIONS)}, or "
            "unit=article"
        )


def build_tasks(
    found: TaggedPool, choice: Choice, settings: SelectSettings, format_name: str, tagger: Tagger
) -> tuple[tuple[Article, ...], int]:
    """The articles to write, in random order, and how many chosen ones have no suggestions because they are partly annotated.

    `selected_by` in their metadata says how each was chosen. Chosen sentences become annotated regions, beside those that were annotated
    before, and `to_annotate` repeats their text for annotation tools to show.
    """
    tasks = [_task(found.article(number), None, DRAWN, settings, format_name, choice.about) for number in choice.drawn]
    regions: dict[int, list[Region]] = defaultdict(list)
    for unit in choice.units.tolist():
        regions[int(found.units.articles[unit])].append((int(found.units.starts[unit]), int(found.units.ends[unit])))
    chosen = [
        _task(
            found.article(number),
            sorted(places) if settings.unit is Unit.sentence else None,
            settings.strategy.value,
            settings,
            format_name,
        )
        for number, places in regions.items()
    ]
    without = 0
    if settings.suggestions:
        without = sum(bool(task.spans) for task in chosen)
        places = {found.pool.ids[number]: places for number, places in regions.items()}
        chosen = _with_suggestions(chosen, places, tagger)
    tasks += chosen
    order = np.random.default_rng([settings.seed, 2]).permutation(len(tasks))
    by_id = sorted(tasks, key=lambda task: task.id)
    return tuple(by_id[number] for number in order.tolist()), without


def _task(
    article: Article,
    sentences: Sequence[Region] | None,
    how: str,
    settings: SelectSettings,
    format_name: str,
    about: Mapping[str, Mapping[str, Any]] | None = None,
) -> Article:
    """The article with its earlier annotation, open in these sentences (None: everywhere) and for all labels."""
    meta: dict[str, Any] = {**article.meta, SELECTED_BY: how, **(about or {}).get(article.id, {})}
    if settings.unit is Unit.sentence:
        meta[TO_ANNOTATE] = WHOLE if sentences is None else "\n\n".join(article.text[start:end] for start, end in sentences)
    regions: tuple[Region, ...] | None = () if format_name in SAY_UNANNOTATED else None
    if sentences is not None:
        regions = (*(article.annotated or ()), *sentences)
    return replace(article, annotated=regions, labels=None, meta=meta)


def _with_suggestions(tasks: Sequence[Article], places: Mapping[str, Sequence[Region]], tagger: Tagger) -> list[Article]:
    """The tasks with the spans that the tagger finds in their open regions. A task with spans by people stays as it is."""
    found = []
    for task, item in zip(tasks, tagger.tag_many(Article(task.id, task.text) for task in tasks), strict=True):
        regions = places[task.id]
        spans = tuple(span for span in item.spans if any(start <= span.start and span.end <= end for start, end in regions))
        found.append(task if task.spans else replace(task, spans=spans))
    return found
