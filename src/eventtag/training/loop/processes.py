"""One run in several processes (`torchrun`, `accelerate launch`): which one this is, and how they exchange values.

Without a launcher there is one process, and these functions have no effect. All processes see the same run directory; only the first
writes files, logs and scores articles.
"""

from __future__ import annotations

import os
from typing import Any, TypeVar

import torch
from torch import distributed

from eventtag.errors import SettingsError

T = TypeVar("T")


def process_count() -> int:
    """The number of processes that train this run, known before they are connected."""
    if _joined():
        return distributed.get_world_size()
    return int(os.environ.get("WORLD_SIZE", "1")) if "LOCAL_RANK" in os.environ else 1


def is_first_process() -> bool:
    """Whether this is the process that writes."""
    return (distributed.get_rank() if _joined() else int(os.environ.get("RANK", "0"))) == 0 or process_count() == 1


def require_one_process(command: str) -> None:
    """Raise SettingsError if a launcher started several processes of a command that does not divide its work."""
    if process_count() > 1:
        raise SettingsError(f"{command} runs in one process (found: {process_count()}); start it without a launcher")


def wait_for_all() -> None:
    """Return when every process has called this."""
    if _joined():
        distributed.barrier()


def from_first(value: T) -> T:
    """The first process's value, in every process; it is pickled."""
    if not _joined():
        return value
    box: list[Any] = [value]
    distributed.broadcast_object_list(box, src=0)
    received: T = box[0]
    return received


def in_any(flag: bool, *, device: torch.device) -> bool:
    """Whether the flag is set in any process."""
    if not _joined():
        return flag
    flags = torch.tensor(int(flag), device=device)
    distributed.all_reduce(flags, op=distributed.ReduceOp.MAX)
    return bool(flags.item())


def sum_of_all(values: torch.Tensor) -> torch.Tensor:
    """The sum of the tensor over all processes, in every process; the tensor itself if there is one process."""
    if not _joined():
        return values
    total = values.clone()
    distributed.all_reduce(total)
    return total


def leave_processes() -> None:
    """Disconnect from the other processes, at the end of a command."""
    if _joined():
        distributed.destroy_process_group()


def _joined() -> bool:
    return distributed.is_available() and distributed.is_initialized()
