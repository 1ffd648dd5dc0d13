"""The saved states of a run: folders that get their names when they are complete.

TRAINER/checkpoint-N/                everything that the run needs to continue after its N-th update; its manifest is written last
TRAINER/.checkpoint-N.*.partial/     a state that is being written, or was when the process was killed
TRAINER/unsound-checkpoint-N/        a state that was found damaged

A state is sound if each file has the sha256 of its manifest, no file that a resumed run needs is missing, and the best state until then
is sound too, because the run may end with its weights.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from eventtag.errors import CheckpointError, EventtagError, OutputError
from eventtag.manifest import check_manifest, write_manifest
from eventtag.run_folder import RUN_FILES
from eventtag.staging import remove_known, remove_partial, remove_whole, staged_folder
from eventtag.stored_json import read_stored
from eventtag.training.loop.processes import from_first, is_first_process, wait_for_all

log = logging.getLogger(__name__)

PREFIX = "checkpoint-"
STATES = (f"{PREFIX}*", f"unsound-{PREFIX}*")
"""The names of states in their folder."""
STATE_FILE = "trainer_state.json"
CONTINUE = "continue with the same command and resume=true"


def needed_files(processes: int) -> frozenset[str]:
    """Files without which a resumed run would end with other weights; each process has a state of random numbers."""
    random = ["rng_state.pth"] if processes == 1 else [f"rng_state_{index}.pth" for index in range(processes)]
    return frozenset(["optimizer.pt", "scheduler.pt", STATE_FILE, *random])


def state_path(folder: Path, step: int) -> Path:
    """The folder of the state after `step` updates."""
    return folder / f"{PREFIX}{step}"


@contextmanager
def staged_state(path: Path) -> Iterator[Path]:
    """A folder into which all processes write a state. It gets its manifest and then its name when all of them are done.

    Raises OutputError if it cannot be written; earlier states stay as they are.
    """
    if not is_first_process():
        yield Path(from_first(""))
        wait_for_all()
        return
    try:
        if path.exists():
            remove_whole(path)
        with staged_folder(path) as folder:
            from_first(str(folder))
            yield folder
            wait_for_all()
            write_manifest(folder)
    except EventtagError:
        raise
    except Exception as error:  # OSError, and what torch and safetensors make of it
        before = newest_number(path.parent)
        sound = f"{state_path(path.parent, before)} is whole" if before is not None else "no state was saved before"
        raise OutputError(
            f"{path}: the state of the run could not be saved ({_first_line(error)}); {sound}.\nMake room on the disk and {CONTINUE}"
        ) from error


def newest_sound(folder: Path, *, processes: int) -> Path | None:
    """The latest sound state; None if there is none. The log names newer ones with what is wrong with them."""
    for step in sorted(_numbers(folder), reverse=True):
        path = state_path(folder, step)
        try:
            check_state(path, processes=processes)
        except CheckpointError as error:
            log.warning("%s is not used: %s", path, error)
            continue
        return path
    return None


def check_state(path: Path, *, processes: int) -> None:
    """Raise CheckpointError, which says what is wrong, if a state is not sound."""
    listed = check_manifest(path)
    missing = sorted(needed_files(processes) - listed)
    if missing:
        raise CheckpointError(f"{path / missing[0]}: is missing; without it training would go on to other weights")
    best = _best_step(path)
    if best and state_path(path.parent, best) != path:
        check_manifest(state_path(path.parent, best))


def remove_newer(folder: Path, state: Path | None) -> None:
    """Remove the states newer than `state` (all, if None); a run that continues from `state` saves them again."""
    last = -1 if state is None else int(state.name.removeprefix(PREFIX))
    for step in _numbers(folder):
        if step > last:
            aside = folder / f"unsound-{PREFIX}{step}"
            remove_whole(aside)
            state_path(folder, step).rename(aside)


def remove_older(folder: Path, *, keep: int) -> None:
    """Delete all states but the newest `keep` and, for each of these, the best one before it, without which it is not sound."""
    steps = sorted(_numbers(folder))
    kept = set(steps[-keep:])
    for step in steps[-keep:]:
        with suppress(CheckpointError):
            kept.add(_best_step(state_path(folder, step)) or step)
    for step in steps:
        if step not in kept:
            remove_whole(state_path(folder, step))


def newest_number(folder: Path) -> int | None:
    """The number of updates of the latest state, sound or not."""
    return max(_numbers(folder), default=None)


def _best_step(path: Path) -> int | None:
    try:
        step = read_stored(path / STATE_FILE)["best_global_step"]
        if step is not None and (not isinstance(step, int) or step < 0):
            raise ValueError(f"best_global_step is {step!r}, no number of updates")
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise CheckpointError(f"{path / STATE_FILE}: is damaged ({error})") from error
    return step


def _numbers(folder: Path) -> list[int]:
    names = [path.name.removeprefix(PREFIX) for path in folder.glob(f"{PREFIX}*")]
    return [int(name) for name in names if name.isdecimal()]


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def clear_states(run_dir: Path) -> None:
    """Remove the states of a finished run, its intermediate run, and what a process left that was killed while removing them. Files that no
    run has written stay, and the log names them.
    """
    if not is_first_process():
        return
    for name, known in (("trainer", STATES), ("intermediate", RUN_FILES)):
        left = remove_known(run_dir / name, known)
        if left:
            log.warning("%s: is left with what no run has written there: %s", run_dir / name, ", ".join(left))
    remove_partial(run_dir, ("trainer", "intermediate"))
