"""Which saved state of an interrupted run is whole.

The Trainer writes the files of a `checkpoint-N` one after another under their final names and never looks whether all are there; with
the optimizer's or the random generator's missing it goes on in silence to other weights. So a marker with the size of every file is
written when a save has ended, and a run is resumed only from a state whose files are those of its marker.
"""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

log = logging.getLogger(__name__)

MARKER_FILE = "complete.json"


class MarkSaved(TrainerCallback):
    """Writes the marker after every save of the Trainer."""

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:  # noqa: ARG002
        """Mark the state that was just saved."""
        mark_complete(Path(str(args.output_dir)) / f"checkpoint-{state.global_step}")


def mark_complete(folder: Path) -> None:
    """Flush every file of a saved state to disk, then write its marker in one step."""
    sizes = {}
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        with file.open("rb") as opened:
            os.fsync(opened.fileno())
        sizes[str(file.relative_to(folder))] = file.stat().st_size
    staging = folder / f".{MARKER_FILE}"
    staging.write_text(json.dumps(sizes), encoding="utf-8")
    staging.replace(folder / MARKER_FILE)


def newest_complete(folder: Path) -> Path | None:
    """The latest `checkpoint-N` whose files are all there with their sizes; None when there is none. Others are named in the log."""
    states = [path for path in folder.glob("checkpoint-*") if path.name.removeprefix("checkpoint-").isdecimal()]
    for state in sorted(states, key=lambda path: -int(path.name.removeprefix("checkpoint-"))):
        if _is_complete(state):
            return state
        log.warning("%s was not saved to its end and is not used", state)
    return None


def _is_complete(state: Path) -> bool:
    try:
        sizes = json.loads((state / MARKER_FILE).read_text(encoding="utf-8"))
        return bool(sizes) and all((state / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError, AttributeError):
        return False
