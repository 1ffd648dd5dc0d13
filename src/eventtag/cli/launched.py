"""What each process may do if `torchrun` or `accelerate launch` starts a command several times."""

from __future__ import annotations

import os
import sys

from eventtag.errors import SettingsError

LAUNCHABLE = ("train",)
SILENT = ("hydra.job_logging.root.level=ERROR",)
"""Hydra's settings for all processes but the first, which alone writes the record, the log file and the log."""


def fit_to_launcher(command: str) -> None:
    """Add to sys.argv what this process needs among several; nothing where it is alone.

    Raises SettingsError if several processes cannot run the command, or would not share a run directory.
    """
    processes = int(os.environ.get("WORLD_SIZE", "1")) if "LOCAL_RANK" in os.environ else 1
    if processes == 1:
        return
    if command not in LAUNCHABLE:
        raise SettingsError(f"eventtag {command} runs in one process, not in {processes}; start it without a launcher")
    if any(argument in ("-m", "--multirun") for argument in sys.argv):
        raise SettingsError(f"-m sweeps in one process, not in {processes}; start each run by itself")
    if not any(argument.startswith("run_dir=") for argument in sys.argv):
        raise SettingsError(f"run_dir= must be given with {processes} processes, so that all of them use one directory")
    if int(os.environ.get("RANK", "0")):
        sys.argv += SILENT
