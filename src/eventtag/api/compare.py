"""`eventtag.compare`: whether systems differ on the same gold articles by more than chance."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eventtag.api.articles import require_names
from eventtag.api.gold import Gold, read_gold, read_noted
from eventtag.api.systems import describe_run, find_runs, predictions_of, require_alike, require_apart, seen_by, unknown_labels
from eventtag.article import Article
from eventtag.corpus.clusters import clusters_of
from eventtag.errors import SettingsError
from eventtag.models.checkpoint import find_checkpoint
from eventtag.scoring.compare import TRIALS, Comparison, Difference, compare_systems
from eventtag.scoring.compare_events import EventComparison, EventTallies, compare_events, headline_scores, tally_events
from eventtag.scoring.pairing import pair_predictions
from eventtag.scoring.placing import place_predictions
from eventtag.scoring.report import EvaluationReport, score_articles
from eventtag.scoring.seeds import SeedRun, SeedSummary, summarise_seeds
from eventtag.scoring.tally import Tally

if TYPE_CHECKING:
    import pandas as pd

    from eventtag.api.articles import Source

log = logging.getLogger(__name__)

SCHEMA_VERSION = 2
"""Raised when a key of the JSON output changes its meaning or is removed; new keys do not raise it."""


@dataclass(frozen=True, repr=False)
class ComparisonResult:
    """The comparison of all pairs (None if there is one recipe alone), that of links and status (None if nobody has any), the summary
    of each recipe's runs, what is resampled together, and remarks. `seen` says which gold articles the checkpoints had learnt from.
    """

    comparison: Comparison | None
    seeds: Mapping[str, SeedSummary]
    resampled_by: str
    seen: Mapping[str, Any]
    seen_notes: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())
    events: EventComparison | None = None

    def __repr__(self) -> str:
        systems = self.comparison.systems if self.comparison else tuple(self.seeds)
        return f"ComparisonResult({', '.join(systems)})"

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON-like data, as `eventtag compare --output` writes it."""
        content: dict[str, Any] = {"schema_version": SCHEMA_VERSION, "seen": self.seen}
        if self.comparison is not None:
            content |= {**asdict(self.comparison), "resampled_by": self.resampled_by}
        if self.events is not None:
            content["events"] = self.events.to_json()
        if self.seeds:
            content["seeds"] = {name: _seeds_json(summary) for name, summary in self.seeds.items()}
        return content

    def to_pandas(self) -> pd.DataFrame:
        """The differences: a row for each pair of systems, matching scheme and label."""
        import pandas as pd

        pairs = self.comparison.pairs if self.comparison else ()
        rows = [{"first": p.first, "second": p.second, **asdict(d)} for p in pairs for d in p.differences]
        return pd.DataFrame(rows, columns=["first", "second", *(column.name for column in fields(Difference))])


def compare(
    *systems: str | os.PathLike[str],
    gold: Source,
    seeds: Sequence[str | os.PathLike[str] | Sequence[str | os.PathLike[str]]] = (),
    split: str = "auto",
    seen: str = "exclude",
    labels: Sequence[str] | None = None,
    clusters: str | None = None,
    format: str = "auto",  # noqa: A002 - the word for it in every command
    options: Mapping[str, Any] | None = None,
    label_map: Mapping[str, str | None] | None = None,
    gold_format: str = "auto",
    gold_options: Mapping[str, Any] | None = None,
    level: float = 0.95,
    resamples: int = TRIALS,
    seed: int = 12345,
) -> ComparisonResult:
    """Compare systems: files of predictions in any format, folders that an evaluation made, checkpoints, or runs.

    `gold` is a file, articles, or the settings of a corpus, of which `split` is scored. `seeds`: recipes, each a folder of a sweep or a
    list of runs that differ in their seed. `clusters`: the metadata field whose values are resampled together. `format`, `options` and
    `label_map` say how the systems' files are read, `gold_format` and `gold_options` how that of the gold articles is.

    Raises SettingsError and DataError for what cannot be compared: other texts, missing articles, runs that differ in more than a seed.
    """
    if len(systems) + len(seeds) < 2 and not seeds:
        raise SettingsError(
            "compare needs two files of predictions or checkpoints, or runs that differ in their seed; name another one"
        )
    if not 0 < level < 1:
        raise SettingsError(f"level: {level} is not allowed; give a number between 0 and 1, such as 0.95")
    if resamples < 100:
        raise SettingsError(f"resamples: {resamples} is too few; at least 100")
    paths = [os.fspath(path) for path in systems]
    groups = [find_runs([os.fspath(p) for p in ([one] if isinstance(one, str | os.PathLike) else one)]) for one in seeds]
    require_apart(groups)
    found = read_gold(
        gold, seen=seen_by([*paths, *(run for runs in groups for run in runs)]), include=seen == "include", split=split, labels=labels,
        format=gold_format, options=gold_options, label_map=label_map,
    )  # fmt: skip
    field_name = clusters or found.cluster_field
    if field_name is not None and all(field_name not in article.meta for article in found.articles.values()):
        fields = {name for article in found.articles.values() for name in article.meta}
        require_names("clusters", [field_name], fields, "metadata field")
    scorer = _Scorer(found, format, options, label_map, {})
    names = _names([*paths, *_group_paths(groups)])
    tallies: dict[str, Tally | tuple[Tally, ...]] = {}
    events: dict[str, EventTallies | tuple[EventTallies, ...]] = {}
    for path, name in zip(paths, names, strict=False):
        tallies[name] = _tally(scorer.score(path))
        events[name] = scorer.events[path]
    recipes = {name: scorer.summarise(runs) for runs, name in zip(groups, names[len(paths) :], strict=True)}
    tallies |= {name: tuple(_tally(run.report) for run in summary.runs) for name, summary in recipes.items()}
    events |= {name: tuple(scorer.events[run.name] for run in summary.runs) for name, summary in recipes.items()}
    require_names("label_map", label_map or (), found.before, "label")
    if recipes and found.split == "validation":
        found.notes.append("note: the validation articles picked the runs, so that these scores are too high")
    comparison, units, rule = None, None, ""
    how: dict[str, Any] = {"level": level, "trials": resamples, "seed": seed}
    if len(tallies) > 1:
        units, rule = clusters_of(list(found.articles.values()), field_name)
        comparison = compare_systems(tallies, clusters=units, **how)
    event_comparison = compare_events(events, clusters=units, **how)
    about = found.unseen.about, tuple(found.unseen.notes), tuple(found.notes)
    return ComparisonResult(comparison, recipes, rule, *about, events=event_comparison)


@dataclass(frozen=True)
class _Scorer:
    """Scores one system after another on the same gold articles; `events` keeps the counts of links and status by path."""

    gold: Gold
    format: str
    options: Mapping[str, Any] | None
    label_map: Mapping[str, str | None] | None
    events: dict[str, EventTallies]

    def score(self, path: str) -> EvaluationReport:
        gold = self.gold

        def read(file: str, source_format: str | None) -> list[Article]:
            options = self.options if source_format is None else None
            named = source_format or self.format
            return read_noted(file, gold.notes, gold.before, format=named, options=options, label_map=self.label_map)

        if find_checkpoint(path) is not None:
            log.info("%s: tagging %d articles", path, len(gold.articles))
        predicted, remarks = predictions_of(path, gold.articles, gold.labels, read)
        placed, moved = place_predictions(gold.articles, predicted)
        if unknown := unknown_labels(path, gold.labels):
            remarks.append(
                f"knows no {' and no '.join(unknown)}, so that it finds none and its recall there is 0; --labels names those to score"
            )
        gold.notes.extend(f"{path}: {remark}" for remark in [*remarks, *moved])
        paired, others = pair_predictions(gold.articles, placed, source=path)
        if others:
            gold.notes.append(f"{path}: {others} articles are not among the gold articles that are scored, and are left out")
        self.events[path] = tally_events(paired, {article.id: article.links for article in placed}, gold.labels)
        return score_articles(paired, gold.labels, words=None)

    def summarise(self, runs: Sequence[str]) -> SeedSummary:
        described = {path: describe_run(path) for path in runs}
        require_alike(described)
        reports = {path: self.score(path) for path in described}
        return summarise_seeds(
            [
                SeedRun(path, run.seed, run.validation, reports[path], headline_scores(self.events[path]))
                for path, run in described.items()
            ]
        )


def _tally(report: EvaluationReport) -> Tally:
    assert report.tally is not None
    return report.tally


def _seeds_json(summary: SeedSummary) -> dict[str, Any]:
    return {
        "runs": [
            {"name": r.name, "seed": r.seed, "validation": r.validation, "micro_f1": r.report.strict.micro.f1}
            for r in summary.runs
        ],
        "f1": {row: asdict(spread) for row, spread in summary.f1.items()},
        "chosen": summary.chosen.name,
    }


def _group_paths(groups: Sequence[Sequence[str]]) -> list[str]:
    """What the recipes are called: the folder of their runs, or the runs by name where recipes share a folder."""
    folders = [runs[0] if len(runs) == 1 else os.path.commonpath(map(os.path.abspath, runs)) for runs in groups]
    return [
        folder
        if len(runs) == 1 or folders.count(folder) == 1
        else os.path.join(folder, "+".join(os.path.relpath(run, folder).replace(os.sep, "-") for run in runs))  # noqa: PTH118
        for runs, folder in zip(groups, folders, strict=True)
    ]


def _names(paths: Sequence[str]) -> list[str]:
    """Short names of the systems: the file's or the run's, with as many folders as tell them apart."""
    if len(set(paths)) < len(paths):
        raise SettingsError("a system is named twice; it cannot be compared with itself")
    plain = [Path(path).parent if Path(path).name == "checkpoint" else Path(path) for path in paths]
    plain = [path.with_suffix("") if path.is_file() else path for path in plain]
    for parts in range(1, 1 + max((len(path.parts) for path in plain), default=1)):
        names = [str(Path(*path.parts[-parts:])) for path in plain]
        if len(set(names)) == len(names):
            return names
    return list(paths)
