"""One candidate of a sweep: the same training with each seed, checked after every epoch.

CANDIDATE/seed-42/        a training run (`eventtag.training.run`), without its checkpoint unless it is to be kept
CANDIDATE/outcome.json    its scores and how it ended; it shows that the candidate is done
intermediate/             beside the candidates' folder: the checkpoint of intermediate fine-tuning, for candidates that do not change it
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from math import ceil
from pathlib import Path
from typing import Any

from eventtag.corpus.loading import Corpus
from eventtag.errors import SettingsError, TrainingError
from eventtag.experiments.search_space import Plain, place_values
from eventtag.ledger import LossLedger
from eventtag.scoring.candidates import FAILED, FINISHED, PRUNED
from eventtag.settings import TrainSettings
from eventtag.settings.sweep import SweepSettings
from eventtag.staging import remove_whole, write_json
from eventtag.stored_json import read_stored
from eventtag.training.intermediate import INTERMEDIATE, intermediate_settings
from eventtag.training.loop.saving import clear_states
from eventtag.training.run import METRICS_FILE, train

OUTCOME_FILE = "outcome.json"

Watch = Callable[[int, int, float], bool]
"""Called with the number of the seed (from 0), the epoch (from 1) and its validation score; true stops the candidate."""


@dataclass(frozen=True)
class Outcome:
    """How a candidate ended: `state` as in `eventtag.scoring.candidates`, the score of each finished seed, and why it ended early."""

    state: str
    scores: tuple[float, ...]
    note: str = ""


class _HopelessError(Exception):
    """Ends a training run that is not worth continuing."""


class _FailedError(Exception):
    """A candidate's own values are wrong."""


def run_candidate(settings: SweepSettings, values: Mapping[str, Plain], folder: Path, corpus: Corpus, *, watch: Watch) -> Outcome:
    """Train a candidate with every seed that is not done yet, and write its outcome.

    Wrong settings or losses of its own make the candidate fail. Any other error is raised, and the candidate can be continued.
    """
    done = read_outcome(folder)
    if done is not None:
        return done
    scores: list[float] = []
    try:
        with _own_failures():
            own = place_values(values, train_settings(settings))
            shared = _shared_folder(own, settings)
        for number in range(settings.seeds):
            run = replace(own, seed=settings.seed + number, resume=True, run_dir=str(folder / f"seed-{settings.seed + number}"))
            scores.append(_train_seed(run, corpus, number, watch, shared))
            if not settings.keep_checkpoints:
                remove_whole(Path(run.run_dir) / "checkpoint")
        outcome = Outcome(FINISHED, tuple(scores))
    except _HopelessError as reason:
        outcome = Outcome(PRUNED, tuple(scores), str(reason))
    except _FailedError as reason:
        outcome = Outcome(FAILED, tuple(scores), str(reason))
    write_outcome(folder, outcome)
    for run_dir in folder.glob("seed-*"):
        clear_states(run_dir)
    return outcome


def train_settings(settings: SweepSettings) -> TrainSettings:
    """The settings of `train` among those of a sweep."""
    own: dict[str, Any] = {item.name: getattr(settings, item.name) for item in fields(TrainSettings)}
    return TrainSettings(**own)


def _shared_folder(own: TrainSettings, settings: SweepSettings) -> Path | None:
    """The folder of shared checkpoints of intermediate fine-tuning, if a candidate's is that of the sweep's own settings; others serve one
    run only and are not kept.
    """
    common = train_settings(settings)
    data = common.model.intermediate.data
    if (
        data is None
        or own.model.intermediate != common.model.intermediate
        or intermediate_settings(own, data) != intermediate_settings(common, data)
    ):
        return None
    return Path(settings.run_dir) / INTERMEDIATE


def _train_seed(settings: TrainSettings, corpus: Corpus, number: int, watch: Watch, shared: Path | None) -> float:
    """The best validation score of a run over its epochs; a finished run is only read."""
    metric = f"eval_{settings.trainer.metric.value}"

    def after_epoch(epoch: float, scores: Mapping[str, float]) -> None:
        whole = ceil(epoch - 1e-6)
        if watch(number, whole, scores[metric]):
            raise _HopelessError(f"stopped after epoch {whole} of seed {settings.seed}, F1 {scores[metric]:.4f}")

    file = Path(settings.run_dir) / METRICS_FILE
    if not file.exists():
        with _own_failures():
            train(settings, corpus=replace(corpus, ledger=LossLedger()), shared=shared, after_epoch=after_epoch)
    try:
        return float(max(entry[metric] for entry in read_stored(file)["epochs"]))
    except (ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"{file}: cannot be read ({error}); remove {file.parent} to train this seed again") from error


@contextmanager
def _own_failures() -> Iterator[None]:
    """Turn errors of settings that do not go together and of infinite losses into failures of the candidate."""
    try:
        yield
    except (SettingsError, TrainingError) as error:
        raise _FailedError(str(error)) from error


def read_outcome(folder: Path) -> Outcome | None:
    """The outcome of a candidate that is done. Raises TrainingError for a damaged file."""
    file = folder / OUTCOME_FILE
    if not file.exists():
        return None
    try:
        content = read_stored(file)
        return Outcome(content["state"], tuple(content["scores"]), content["note"])
    except (ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"{file}: cannot be read ({error}); remove it to continue this candidate") from error


def write_outcome(folder: Path, outcome: Outcome) -> None:
    """Write the outcome in one step."""
    write_json(folder / OUTCOME_FILE, asdict(outcome))
