"""Trackers that log a run, by name, through the Trainer's own callbacks. They write into the run directory and send nothing, unless
environment variables say otherwise.

RUN/tensorboard/    tensorboard --logdir RUN/tensorboard
RUN/mlflow.db       mlflow ui --backend-store-uri sqlite:///RUN/mlflow.db
RUN/wandb/          wandb sync RUN/wandb/offline-run-*
RUN/trackio/        TRACKIO_DIR=RUN/trackio trackio show; trackio reads its folder once a process, so a sweep's runs share the first's
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from eventtag.errors import SettingsError

PROJECT = "eventtag"
TRACKERS = ("tensorboard", "mlflow", "wandb", "trackio")


def require_trackers(names: Sequence[str]) -> None:
    """Raise SettingsError for a name that is not in TRACKERS, or whose package is not installed."""
    for name in names:
        if name not in TRACKERS:
            raise SettingsError(f"trainer.tracking={name} is not allowed: one of {', '.join(TRACKERS)}")
        if importlib.util.find_spec(name) is None:
            raise SettingsError(
                f"trainer.tracking={name}: the package is not installed; pip install 'eventtag[tracking]', or {name}"
            )


@contextmanager
def tracked(names: Sequence[str], run_dir: Path) -> Iterator[None]:
    """While the block lasts, environment variables point trackers into the run directory; those that are set already stay."""
    folder = run_dir.resolve()
    places = {
        "tensorboard": {"TENSORBOARD_LOGGING_DIR": str(folder / "tensorboard")},
        "mlflow": {"MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}", "MLFLOW_EXPERIMENT_NAME": PROJECT},
        "wandb": {"WANDB_MODE": "offline", "WANDB_DIR": str(folder), "WANDB_PROJECT": PROJECT},
        "trackio": {"TRACKIO_DIR": str(folder / "trackio")},
    }
    added = {key: value for name in names for key, value in places[name].items() if key not in os.environ}
    os.environ |= added
    try:
        yield
    finally:
        for key in added:
            os.environ.pop(key, None)
