"""The record of a run, `run.json`: settings, data and versions, written before training starts."""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
import platform
from collections.abc import Collection, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from eventtag.corpus.loading import Corpus, fingerprint
from eventtag.errors import OutputError, TrainingError
from eventtag.ledger import LossLedger
from eventtag.models.encoders import local_files
from eventtag.settings import TrainSettings
from eventtag.settings.former_keys import explain_former
from eventtag.staging import write_json
from eventtag.stored_json import read_stored
from eventtag.training.continued import base_checkpoint
from eventtag.training.data.teachers import read_unlabelled, teacher_fingerprints
from eventtag.training.loop.precision import Arithmetic
from eventtag.training.loop.processes import process_count

RECORD_FILE = "run.json"
FREE_KEYS = (
    "settings.export", "settings.resume", "settings.run_dir", "settings.trainer.save_every_steps", "settings.trainer.tracking",
)  # fmt: skip
"""Keys that may change when a run is continued, because the weights do not depend on them."""
FOUND = "arithmetic."
"""Prefix of keys that a run determined when it began, and keeps."""
ABSENT = object()
PACKAGES = ("eventtag", "torch", "transformers", "tokenizers", "datasets", "accelerate", "numpy", "hydra-core")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on."""
    return dict(_versions())


@functools.cache
def _versions() -> dict[str, str]:
    return {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in PACKAGES}}


def build_record(settings: TrainSettings, corpus: Corpus) -> dict[str, Any]:
    """JSON-like: resolved settings, fingerprint and counts of each split and of all other articles that are learnt, the seed, the number of
    processes, and versions.

    Raises CheckpointError for a base or a teacher that does not exist.
    """
    sources: dict[str, Any] = {"encoder": local_files(settings.model.name)}
    if settings.base is not None:
        _, info, sha256 = base_checkpoint(settings.base)
        sources["base"] = {"sha256": sha256, "data": info.training["data"]}
    if settings.teacher.checkpoints:
        sources["teachers"] = teacher_fingerprints(settings.teacher.checkpoints)
    if settings.teacher.articles is not None:
        sources["unlabelled"] = fingerprint(read_unlabelled(settings.teacher, ledger=LossLedger()))
    return {
        "settings": plain(settings),
        "data": {split: corpus.describe(split) for split in corpus.splits},
        **sources,
        "seed": settings.seed,
        "processes": process_count(),
        "versions": versions(),
    }


def recorded_arithmetic(path: Path) -> Arithmetic:
    """The arithmetic with which the run recorded at `path` was begun; raises TrainingError if the record does not say."""
    try:
        return Arithmetic(**read_stored(path)["arithmetic"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"{path}: does not say in which arithmetic the run was begun ({error}); start a new run") from error


def recorded_metric(path: Path, *keys: str) -> float:
    """The number under these keys in the metrics of a finished run; raises TrainingError if they do not say it."""
    try:
        found = read_stored(path)
        for key in keys:
            found = found[key]
        return float(found)
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise TrainingError(
            f"{path}: does not say {'.'.join(keys)} ({error}); the run is finished, only this file is damaged"
        ) from error


def plain(value: Any) -> Any:
    """Settings as JSON-like values: data classes become dictionaries, enum members their names."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def require_same_run(path: Path, record: Mapping[str, Any]) -> None:
    """Raise TrainingError, which names the first difference, if the run recorded at `path` had other settings or data than `record`."""
    try:
        before = read_stored(path)
    except (OSError, ValueError) as error:
        raise TrainingError(f"{path}: cannot be read ({error}), so this run cannot be resumed; start a new one") from error
    then, now = _flat(before), _flat(record)
    for key in sorted(then.keys() - now.keys()):
        if former := explain_former(key):
            raise TrainingError(f"{path}: this run cannot be resumed; {former}, and start a new run")
    for key in [*now, *then]:
        if key in FREE_KEYS or key.startswith(FOUND) or then.get(key, ABSENT) == now.get(key, ABSENT):
            continue
        raise TrainingError(
            f"{path}: this run cannot be resumed, {key} was {_shown(then, key)} and is {_shown(now, key)} now; "
            "give the same settings and data, or start a new run"
        )


def claim_folder(file: Path, record: dict[str, Any], *, free: Collection[str], resume: bool, what: str) -> None:
    """Write the record of a sweep or a learning curve, or check that the one in its folder is the same; the settings named in `free` may
    differ. `what` says what the folder holds.

    Raises OutputError if there is a record and it is not to be continued, TrainingError if it differs.
    """
    kept = {**record, "settings": {key: value for key, value in record["settings"].items() if key not in free}}
    if not file.exists():
        write_json(file, kept)
    elif not resume:
        raise OutputError(f"{file.parent}: holds {what}; continue it with resume=true, or give another run_dir")
    else:
        require_same_run(file, kept)


def _shown(flat: Mapping[str, Any], key: str) -> str:
    return repr(flat[key]) if key in flat else "not there"


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Values by their dotted keys; an empty mapping counts as a value."""
    if not isinstance(value, Mapping) or not value:
        return {prefix: value}
    return {
        key: item
        for name, inner in value.items()
        for key, item in _flat(inner, f"{prefix}.{name}" if prefix else str(name)).items()
    }
