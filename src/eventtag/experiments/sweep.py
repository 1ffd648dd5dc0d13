"""A sweep: candidates drawn from a space of settings, each trained with several seeds, compared by their validation scores.

Optuna proposes the candidates (ask and tell; its tree-structured Parzen estimator: Bergstra et al. 2011) and says which to stop. Nothing
here reads or scores a test article.

RUN/sweep.json                 settings, space, data fingerprints, versions
RUN/journal.log                what Optuna was asked and told
RUN/candidates/NUMBER/         `eventtag.experiments.candidate`
RUN/intermediate/              the checkpoint of intermediate fine-tuning; removed when the sweep is finished

The same command continues a killed sweep. A candidate counts from its proposal on, and unfinished runs are finished first. The next
proposal is drawn with a random state that depends on the seed and the candidate's number alone, so a stopped sweep proposes the same as an
uninterrupted one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from eventtag.corpus.loading import Corpus, load_corpus
from eventtag.errors import SettingsError, TrainingError
from eventtag.experiments.candidate import Outcome, read_outcome, run_candidate, train_settings, write_outcome
from eventtag.experiments.journal import mend_journal, open_journal
from eventtag.experiments.search_space import Parameter, Plain, read_space, values_of
from eventtag.experiments.side_by_side import CandidateWorkers
from eventtag.jobs.lock import JobLock
from eventtag.run_folder import claimed_folder
from eventtag.scoring.candidates import FAILED, FINISHED, PRUNED, Candidate, SweepReport
from eventtag.settings.sweep import SweepSettings
from eventtag.staging import remove_partial
from eventtag.training.encoder_defaults import with_encoder_defaults
from eventtag.training.intermediate import INTERMEDIATE, remove_shared
from eventtag.training.loop.processes import require_one_process
from eventtag.training.record import build_record, claim_folder
from eventtag.training.run import require_trainable

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import Trial

log = logging.getLogger(__name__)

RECORD_FILE = "sweep.json"
JOURNAL_FILE = "journal.log"
SWEEP_FILES = (RECORD_FILE, INTERMEDIATE, "results.json", "results.html")
STUDY = "sweep"
FREE_KEYS = ("trials", "workers", "keep_checkpoints")
"""Settings that may change when a sweep is continued: they change no score."""
BEFORE_PRUNING = 4
"""Candidates that must have finished before one is stopped."""
FIRST_PRUNED_EPOCH = 2
STEPS = 100_000
"""Optuna counts steps. Those of one seed begin this many after those of the seed before."""


@dataclass(frozen=True)
class Task:
    """A candidate for a worker process."""

    settings: SweepSettings
    number: int
    values: Mapping[str, Plain]


def run_sweep(settings: SweepSettings) -> SweepReport:
    """Run or continue a sweep, and report on all its candidates.

    Raises an EventtagError before any training for wrong settings, space or data, or a run directory that holds anything but this sweep
    or in which another process works; TrainingError if a worker is killed.
    """
    with claimed_folder(Path(settings.run_dir), "sweep"):
        return _run_sweep(settings)


def _run_sweep(settings: SweepSettings) -> SweepReport:
    require_one_process("eventtag sweep")
    _require_optuna()
    parameters = read_space(settings.space, train_settings(settings))
    corpus = load_learnable(settings)
    run_dir = Path(settings.run_dir)
    with JobLock(run_dir / ".lock", instead="give another run_dir") as lock:
        record = build_record(settings, corpus)
        claim_folder(run_dir / RECORD_FILE, record, free=FREE_KEYS, resume=settings.resume, what="a sweep")
        remove_partial(run_dir, SWEEP_FILES)
        mend_journal(run_dir / JOURNAL_FILE)
        study = _open_study(settings)
        with CandidateWorkers(min(settings.workers, settings.trials), train_candidate, lock=lock) as workers:
            for task, trial in _tasks(study, settings, parameters):
                if not _known(study, settings, task, trial):
                    workers.start(task)
                while workers.full:  # before the next candidate is proposed, so that the proposal uses all results
                    _tell(study, settings, workers.next_done())
            while workers.busy:
                _tell(study, settings, workers.next_done())
        remove_shared(run_dir)
        return _report(study, settings, parameters, corpus)


def load_learnable(settings: SweepSettings) -> Corpus:
    """The training and validation articles. The others are left out, so that no code below can read them."""
    corpus = load_corpus(settings.data)
    require_trainable(corpus)
    return replace(corpus, splits={split: corpus.splits[split] for split in ("train", "validation")})


def train_candidate(task: Task) -> int:
    """Train a candidate in this process and record every epoch in the journal; returns the candidate's number."""
    _require_optuna()
    from optuna.trial import Trial

    study = _open_study(task.settings)
    known = study.get_trials(deepcopy=False)[task.number]
    trial = Trial(study, known._trial_id)

    def watch(seed: int, epoch: int, score: float) -> bool:
        step = seed * STEPS + epoch
        if step not in known.intermediate_values:
            trial.report(score, step)
        return epoch >= FIRST_PRUNED_EPOCH and trial.should_prune()

    run_candidate(task.settings, task.values, _folder(task.settings, task.number), load_learnable(task.settings), watch=watch)
    return task.number


def _require_optuna() -> None:
    try:
        import optuna
    except ImportError as error:
        raise SettingsError(f"a sweep needs the package optuna: pip install 'eventtag[sweep]' ({error})") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)


def _open_study(settings: SweepSettings) -> Study:
    import optuna

    pruner: optuna.pruners.BasePruner = optuna.pruners.NopPruner()
    if settings.prune_below is not None:
        pruner = optuna.pruners.PercentilePruner(100 * (1 - settings.prune_below), n_startup_trials=BEFORE_PRUNING)
    storage = open_journal(Path(settings.run_dir) / JOURNAL_FILE)
    return optuna.create_study(study_name=STUDY, storage=storage, direction="maximize", load_if_exists=True, pruner=pruner)


def _tasks(study: Study, settings: SweepSettings, parameters: tuple[Parameter, ...]) -> Iterator[tuple[Task, Trial]]:
    """The candidates that were proposed and are not done, then new ones, each proposed when it is asked for. The first has the values of
    the settings, as far as the space holds them, so that the choice can be compared with them.
    """
    from optuna.samplers import TPESampler
    from optuna.trial import Trial, TrialState

    def proposed(number: int, trial_id: int | None) -> tuple[Task, Trial]:
        if number == 0 and trial_id is None:
            study.enqueue_trial(values_of(with_encoder_defaults(train_settings(settings)), parameters), skip_if_exists=True)
        study.sampler = TPESampler(seed=(settings.seed + 1_000_003 * number) % 2**32, constant_liar=True)
        trial = study.ask() if trial_id is None else Trial(study, trial_id)
        return Task(settings, trial.number, {parameter.key: parameter.suggest(trial) for parameter in parameters}), trial

    for unfinished in study.get_trials(states=(TrialState.RUNNING,)):
        yield proposed(unfinished.number, unfinished._trial_id)
    while (number := sum(trial.state != TrialState.WAITING for trial in study.get_trials(deepcopy=False))) < settings.trials:
        yield proposed(number, None)


def _known(study: Study, settings: SweepSettings, task: Task, trial: Trial) -> bool:
    """Whether the outcome is known without training, because it was written before a kill or an earlier candidate had the same values."""
    folder = _folder(settings, task.number)
    if read_outcome(folder) is None:
        earlier = next(other.number for other in study.get_trials(deepcopy=False) if other.params == trial.params)
        outcome = read_outcome(_folder(settings, earlier)) if earlier < task.number else None
        if outcome is None:
            return False
        write_outcome(folder, replace(outcome, note=outcome.note or f"same values as candidate {earlier}"))
    _tell(study, settings, task.number)
    return True


def _tell(study: Study, settings: SweepSettings, number: int) -> None:
    from optuna.trial import TrialState

    outcome = read_outcome(_folder(settings, number))
    if outcome is None:
        raise TrainingError(
            f"{_folder(settings, number)}: has no outcome, though its training ended; the same command trains it again"
        )
    states = {FINISHED: TrialState.COMPLETE, PRUNED: TrialState.PRUNED, FAILED: TrialState.FAIL}
    mean = sum(outcome.scores) / len(outcome.scores) if outcome.state == FINISHED else None
    study.tell(number, mean, state=states[outcome.state])
    params = study.get_trials(deepcopy=False)[number].params
    values = ", ".join(f"{key}={value:.4g}" if isinstance(value, float) else f"{key}={value}" for key, value in params.items())
    log.info("candidate %d: %s (%s)", number, _said(outcome, mean), values)


def _said(outcome: Outcome, mean: float | None) -> str:
    return f"{outcome.state}: {outcome.note}" if mean is None else f"validation F1 {mean:.4f} over {len(outcome.scores)} seeds"


def _folder(settings: SweepSettings, number: int) -> Path:
    return Path(settings.run_dir) / "candidates" / f"{number:04d}"


def _report(study: Study, settings: SweepSettings, parameters: tuple[Parameter, ...], corpus: Corpus) -> SweepReport:
    candidates = []
    for trial in study.get_trials(deepcopy=False):
        outcome = read_outcome(_folder(settings, trial.number))
        if outcome is not None:
            candidates.append(Candidate(trial.number, trial.params, outcome.state, outcome.scores, outcome.note))
    return SweepReport(
        keys=tuple(parameter.key for parameter in parameters),
        candidates=tuple(candidates),
        metric=settings.trainer.metric.value,
        level=settings.evaluation.level,
        seeds=tuple(settings.seed + number for number in range(settings.seeds)),
        data=corpus.describe("validation"),
    )
