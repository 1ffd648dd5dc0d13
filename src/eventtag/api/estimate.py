"""`eventtag.estimate`: figures of a tagged pool that are corrected by annotated articles."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from eventtag.api.articles import Source, listed, name_of, require_names
from eventtag.api.gold import read_noted
from eventtag.article import Article
from eventtag.corpus.seen import REASONS, Seen, read_seen
from eventtag.errors import DataError, SettingsError
from eventtag.estimates.annotated_sample import Drawn, TextCheck, match_sample, recorded, without_chosen
from eventtag.estimates.dates import Order
from eventtag.estimates.estimate_files import write_estimates
from eventtag.estimates.estimate_rows import figure_rows
from eventtag.estimates.estimating import CONSTANT, QuantityFigures, estimate_quantity
from eventtag.estimates.quantities import parse_quantity
from eventtag.estimates.regression import Family, Tuning
from eventtag.estimates.tagged import TaggedReading, read_tagged
from eventtag.event_records.counting import RecordSource, record_source
from eventtag.event_records.linking import Linking
from eventtag.jobs.job import Job, read_manifest
from eventtag.models.checkpoint import find_checkpoint

if TYPE_CHECKING:
    import pandas as pd

SeenGold = Literal["refuse", "leave_out", "include"]
"""What happens to annotated articles that the tagger learnt from."""


@dataclass(frozen=True)
class EstimateResult:
    """The figures of each quantity; `by` are the fields of the cells, `notes` what was left out, assumed or is not known.

    `folder` holds the files; None if none were asked for.
    """

    quantities: tuple[QuantityFigures, ...]
    by: tuple[str, ...]
    level: float
    notes: tuple[str, ...]
    folder: Path | None = None

    def __repr__(self) -> str:
        shown = []
        for figures in self.quantities:
            found = figures.whole.corrected
            reach = "no interval" if found.low is None else f"{found.low:.4g} to {found.high:.4g}"
            shown.append(f"{figures.quantity}: {'unknown' if found.value is None else f'{found.value:.4g}'} ({reach})")
        return f"EstimateResult({'; '.join(shown)})"

    def to_pandas(self) -> pd.DataFrame:
        """The rows of estimates.csv: for each quantity all articles (`part` is `whole`), then the cells."""
        import pandas as pd

        columns, rows = figure_rows(self.quantities, self.by)
        return pd.DataFrame(rows, columns=columns)


def estimate(
    tagged: str | os.PathLike[str] | Iterable[Article],
    gold: Source,
    by: Sequence[str] = (),
    *,
    quantities: Sequence[str],
    drawn: Drawn = "recorded",
    record: str | os.PathLike[str] | None = None,
    regress: Sequence[str] = (),
    family: Family = "linear",
    tuning: Tuning = "sample",
    level: float = 0.95,
    output: str | os.PathLike[str] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    seen: SeenGold = "refuse",
    unique: bool = False,
    thresholds: Mapping[str, float] | None = None,
    linking: Linking = "given",
    link_thresholds: Mapping[str, float] | None = None,
    status_threshold: float = 0.0,
    categories: str | os.PathLike[str] | None = None,
    links_marked: bool = False,
    date: str | None = None,
    date_order: Order | None = None,
    format: str = "auto",  # noqa: A002 - the word for it in every command
    options: Mapping[str, Any] | None = None,
    label_map: Mapping[str, str | None] | None = None,
    gold_format: str = "auto",
    gold_options: Mapping[str, Any] | None = None,
) -> EstimateResult:
    """Estimate means and totals of tagged articles: `estimate("tagged.jsonl", "annotated.jsonl", ["month"], quantities=["EVENT"])`.

    `tagged` is the whole pool, as `eventtag.predict` wrote it; `gold` the articles that `eventtag.sample` drew from it, annotated. They are
    matched by id. `by` and `quantities` are as in `eventtag.count`. The estimate is of the mean of the pool. `drawn`: `recorded`
    takes the probabilities from the articles' metadata, or from the `record` that `eventtag.sample` wrote (default: the one beside
    `gold`, if the metadata have none); `random` says that each tagged article had the same chance to be annotated. Without
    probabilities there are figures, but no intervals. `regress`: columns to regress each quantity on (`time:month` counts months,
    `1` is the constant alone), by `family` `linear` or `poisson`; `tuning` is the source of lambda, `sample`, or `ppi` as in
    ppi-python. `linking`, `link_thresholds`, `status_threshold` and `categories` make event records of the tagged articles as in
    `eventtag.records`; those of `gold` are as people annotated them. `links_marked`: people looked for links in all articles of
    `gold`, so one without links has none. `checkpoint` is the tagger (default: that of the job which wrote `tagged`); annotated
    articles that it learnt from are refused, left out or included, as `seen` says. With `output`, the files are written into that
    folder.

    Raises DataError if no annotated article fits or the tagger learnt from some; SettingsError for a quantity or field that does
    not occur; OutputError if the folder exists.
    """
    names, regress = listed(by), listed(regress)
    codes = None if categories is None else Path(categories)
    tagger = record_source(
        thresholds=dict(thresholds or {}),
        linking=linking,
        link_thresholds=dict(link_thresholds or {}),
        status_threshold=status_threshold,
        categories=codes,
    )
    people = RecordSource(categories=codes, people=True, links_marked=links_marked)
    wanted, annotated = (
        tuple(parse_quantity(words, unique=unique, thresholds=thresholds, records=source) for words in quantities)
        for source in (tagger, people)
    )
    _check(quantities, drawn, seen, family, tuning, level)
    predictors = [name.removeprefix("time:") for name in regress if name != CONSTANT]
    reading = TaggedReading(format=format, options=options, label_map=label_map, date=date, date_order=date_order)
    notes: list[str] = []
    if record is not None and drawn == "random":
        raise SettingsError("drawn: random contradicts the record of a sample; leave one of them out")
    articles = read_noted(gold, notes, set(), label_map=label_map, format=gold_format, options=gold_options)
    if not articles:
        raise DataError(f"{name_of(gold)}: holds no article; check the path and --gold-from")
    articles = without_chosen(articles, gold, record, name_of(gold), notes)
    _require_annotated(articles, name_of(gold), notes)
    check = TextCheck(articles)
    fields = list(dict.fromkeys([*names, *predictors]))
    keys = {name: "regress" for name in predictors if name not in names}
    table = read_tagged(tagged, wanted, by=fields, reading=reading, keys=keys, look=check)
    notes += [*table.notes, *check.notes(name_of(gold))]
    labels = set(table.labels) | {span.label for article in articles for span in article.spans}
    require_names("quantity", [q.label for q in wanted if q.label is not None], labels, "label")
    articles = _unseen(articles, tagged, checkpoint, seen, name_of(gold), notes)
    if drawn != "random":
        articles = recorded(articles, gold, record, name_of(gold), notes)
    sample = match_sample(table, articles, annotated, drawn=drawn, source=name_of(gold))
    notes += [*sample.notes, *tagger.notes()]
    if regress and not sample.random:
        notes.append("there is no regression either")
    found = tuple(
        estimate_quantity(table, sample, number, by=names, regress=regress, family=family, tuning=tuning, level=level)
        for number in range(len(wanted))
    )
    folder = None if output is None else Path(output)
    if folder is not None:
        write_estimates(folder, found, by=names, level=level, notes=notes)
    return EstimateResult(found, names, level, tuple(notes), folder)


def _check(quantities: Sequence[str], drawn: str, seen: str, family: str, tuning: str, level: float) -> None:
    if not quantities:
        raise SettingsError("quantity: none is given; say what is estimated, such as EVENT, any:EVENT, LOCATION~Sudan")
    choices = (("drawn", drawn, Drawn), ("seen", seen, SeenGold), ("family", family, Family), ("tuning", tuning, Tuning))
    for key, value, kinds in choices:
        if value not in get_args(kinds):
            raise SettingsError(f"{key}: {value!r} is not allowed; give {' or '.join(get_args(kinds))}")
    if not 0.5 <= level < 1:
        raise SettingsError(
            f"level: {level:g} is not allowed; give the confidence level of the intervals, from 0.5 to below 1, such as 0.95"
        )


def _require_annotated(articles: Sequence[Article], source: str, notes: list[str]) -> None:
    """Raise DataError if all articles say that nobody annotated them; those that say so and have spans are noted."""
    untouched = [article for article in articles if not article.regions]
    marked = sum(bool(article.spans) for article in untouched)
    remedy = "delete their field `annotated` (in CSV and Parquet it is in the column eventtag), which says that nobody has annotated them"
    if len(untouched) == len(articles):
        found = f"{source}: none of its {len(articles)} articles is marked as annotated"
        if marked:
            raise DataError(f"{found}, though {marked} have spans: if people made these, {remedy}")
        raise DataError(f"{found}; give the sample as the annotation tool exports it after people have annotated it")
    if not any(article.spans for article in articles):
        notes.append(f"{source}: none of the annotated articles has a span; check that people have annotated them")
    if marked:
        notes.append(
            f"{source}: {marked} articles have spans, and are left out as not annotated: if people made these spans, {remedy}"
        )


def _unseen(
    articles: list[Article],
    tagged: object,
    checkpoint: str | os.PathLike[str] | None,
    wanted: SeenGold,
    source: str,
    notes: list[str],
) -> list[Article]:
    """The annotated articles without those that the tagger learnt from, unless these are included; raises DataError if they are
    refused.
    """
    seen = _seen(tagged, checkpoint)
    if seen is None or seen.unknown:
        notes.append(
            "it is not known which articles the tagger learnt from; in such articles it errs less than in others, and the correction is "
            "too small (--checkpoint names the tagger)"
        )
    if seen is None:
        return articles
    kinds = [seen.kind_of(article) for article in articles]
    for kind in ("read", "chose"):
        if count := kinds.count(kind):
            reason = REASONS[kind].format(who="the tagger")
            notes.append(
                f"{count} of {len(articles)} annotated articles are ones {reason}: it may err a little less in them than in others"
            )
    learnt = [article for article, kind in zip(articles, kinds, strict=True) if kind == "learnt"]
    if not learnt:
        return articles
    found = f"{len(learnt)} of {len(articles)} annotated articles, the first is {learnt[0].id!r}"
    if wanted == "refuse":
        raise DataError(
            f"{source}: the tagger learnt from {found}: it errs less in them than in others, so they cannot correct it\n"
            "draw the sample with `eventtag sample --checkpoint`, or leave them out (--seen leave_out: the figures "
            "then suppose that the other "
            "articles of the sample are like these), or include them knowingly (--seen include)"
        )
    if wanted == "include":
        notes.append(f"included, though the tagger learnt from them and errs less in them: {found}")
        return articles
    notes.append(f"left out, as the tagger learnt from them: {found}")
    gone = {article.id for article in learnt}
    return [article for article in articles if article.id not in gone]


def _seen(tagged: object, checkpoint: str | os.PathLike[str] | None) -> Seen | None:
    """What the tagger has seen; None if the tagger is not known or no longer there."""
    if checkpoint is not None:
        folder = find_checkpoint(checkpoint)
        if folder is None:
            raise SettingsError(f"checkpoint: {os.fspath(checkpoint)} is no checkpoint, nor a run that has one")
        return read_seen(folder)
    if not isinstance(tagged, str | os.PathLike):
        return None
    manifest = read_manifest(Job(Path(tagged)).manifest)
    named = (manifest or {}).get("notes", {}).get("checkpoint")
    folder = find_checkpoint(named) if isinstance(named, str) else None
    return None if folder is None else read_seen(folder)
