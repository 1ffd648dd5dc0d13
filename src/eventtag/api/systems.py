"""What `eventtag compare` compares: files of predictions, folders of evaluations, and checkpoints, which tag the gold articles."""

from __future__ import annotations

import glob
import os
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any

from eventtag.article import Article
from eventtag.corpus.seen import Seen, read_seen
from eventtag.errors import DataError, SettingsError
from eventtag.labels import LabelSet
from eventtag.models.checkpoint import INFO_FILE, find_checkpoint
from eventtag.stored_json import read_stored

PREDICTIONS_FILE = "predictions.jsonl"
REPORT_FILE = "report.json"


@dataclass(frozen=True)
class TrainedRun:
    """What a checkpoint, or an evaluation of one, records about its training."""

    seed: int
    validation: float
    about: Mapping[str, Any]
    """What all runs of one system share, by name; settings only where the run's record lies beside the checkpoint."""


def predictions_of(
    path: str, gold: Mapping[str, Article], labels: LabelSet, read: Callable[[str, str | None], Sequence[Article]]
) -> tuple[list[Article], list[str]]:
    """The articles with a system's spans and links, and remarks: a checkpoint tags the gold articles, anything else is read.

    `read` reads a file, in a format if one is named. A checkpoint's thresholds are used; its spans of other labels are left out.
    """
    folder = find_checkpoint(path)
    if folder is not None:
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # a bar for reading weights
        from eventtag.tagging.tagged import only_labels
        from eventtag.tagging.tagger import Tagger  # slow to import

        tagged = list(Tagger.load(folder).tag_many(gold.values(), only_annotated=True))
        others = Counter(span.label for item in tagged for span in item.spans if span.label not in labels.labels)
        known = (only_labels(item, labels) for item in tagged)
        articles = [replace(item.article, spans=item.spans, links=item.links) for item in known]
        return articles, [f"{count} spans are left out, as {label} is not scored" for label, count in others.items()]
    if (Path(path) / PREDICTIONS_FILE).is_file():
        return list(read(str(Path(path) / PREDICTIONS_FILE), "jsonl")), []
    return list(read(path, None)), []


def unknown_labels(path: str, labels: LabelSet) -> list[str]:
    """Those of the labels that a checkpoint cannot find, or that the evaluation in a folder did not score; none for other files."""
    folder = find_checkpoint(path)
    if folder is None and not _is_evaluation(Path(path)):
        return []
    try:
        known = read_stored(Path(path) / REPORT_FILE if folder is None else folder / INFO_FILE)["labels"]
        return [label for label in labels.labels if label not in known]
    except (OSError, ValueError, KeyError, TypeError):
        return []  # where it matters, a reader says what is damaged


def seen_by(paths: Sequence[str]) -> Seen | None:
    """What the checkpoints among these systems have seen, and those that made the evaluations among them; None if there are
    neither.
    """
    found = [seen for path in paths if (seen := _seen_by(Path(path))) is not None]
    return reduce(or_, found) if found else None


def _seen_by(path: Path) -> Seen | None:
    folder = find_checkpoint(str(path))
    if folder is None and not _is_evaluation(path):
        return None
    if folder is None:
        try:
            content = read_stored(path / REPORT_FILE)
            folder = Path(content["checkpoint"]["path"])
        except (OSError, ValueError, KeyError, TypeError):
            return Seen(unknown=(str(path),))
    return read_seen(folder).named(str(path))


def find_runs(patterns: Sequence[str]) -> list[str]:
    """The runs of folders or glob patterns: a folder that is a run, else the runs directly in it, in natural order.

    Raises SettingsError, naming the pattern, if there is none.
    """
    found: list[str] = []
    for pattern in patterns:
        matches = sorted(glob.glob(pattern), key=_natural)  # noqa: PTH207 - Path.glob takes no absolute pattern
        runs = [run for match in matches for run in ([match] if _is_run(match) else _runs_in(match))]
        if not runs:
            problem = "holds no finished run" if matches else "no such file or folder"
            raise SettingsError(
                f"--seeds {pattern}: {problem}; name run folders, checkpoints, evaluations, or the folder of a sweep "
                "(multirun/train/DATE/TIME)"
            )
        found += [run for run in runs if run not in found]
    return found


def describe_run(path: str) -> TrainedRun:
    """What a run records of itself; raises DataError if seed or validation score are not known."""
    folder = find_checkpoint(path)
    file = Path(path) / REPORT_FILE if folder is None else folder / INFO_FILE
    try:
        content: Any = read_stored(file)
        training = content["checkpoint"] if folder is None else content["training"]
        return TrainedRun(
            seed=int(training["seed"]),
            validation=float(training["validation"][training.get("metric", "micro_f1")]),
            about={
                "encoder": str(training["encoder"]),
                "training articles (sha256)": str(training["data"]["sha256"])[:12],
                **{key: training[key] for key in ("head", "metric") if key in training},
                **({} if folder is None else _recorded_settings(folder.resolve().parent)),
            },
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{file}: does not say seed, encoder, data and validation score of the run ({type(error).__name__}: {error}); "
            "only runs of `eventtag train` can be picked by validation"
        ) from error


def require_alike(runs: Mapping[str, TrainedRun]) -> None:
    """Raise DataError if runs differ in more than their seed, as far as their checkpoints record it."""
    (first_name, first), *others = runs.items()
    for name, run in others:
        for what, one in first.about.items():
            if (other := run.about.get(what, one)) != one:
                raise DataError(
                    f"{name}: its {what} is {other}, that of {first_name} {one}; runs of one system differ in their seed alone"
                )


def require_apart(recipes: Sequence[Sequence[str]]) -> None:
    """Raise SettingsError if a run is in two recipes: their seeds would not be drawn apart."""
    whose: dict[Path, int] = {}
    for number, runs in enumerate(recipes):
        for run in runs:
            if whose.setdefault((find_checkpoint(run) or Path(run)).resolve(), number) != number:
                raise SettingsError(f"--seeds: {run} is in two recipes, which are compared as if drawn apart; name each run once")


def _recorded_settings(run: Path) -> dict[str, Any]:
    """The settings of a run that all seeds share, by dotted key; empty where its record is not there."""
    from eventtag.training.record import FREE_KEYS, RECORD_FILE  # slow to import

    try:
        recorded = read_stored(run / RECORD_FILE)["settings"]
        groups = {group: dict(recorded[group]) for group in ("model", "window", "trainer")}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    found = {f"{group}.{key}": value for group, values in groups.items() for key, value in values.items()}
    return {key: value for key, value in found.items() if f"settings.{key}" not in FREE_KEYS}


def _is_run(path: str) -> bool:
    return find_checkpoint(path) is not None or _is_evaluation(Path(path))


def _is_evaluation(folder: Path) -> bool:
    return all((folder / name).is_file() for name in (PREDICTIONS_FILE, REPORT_FILE))


def _runs_in(path: str) -> list[str]:
    folder = Path(path)
    return sorted((str(child) for child in folder.iterdir() if _is_run(str(child))), key=_natural) if folder.is_dir() else []


def _natural(path: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", path)]
