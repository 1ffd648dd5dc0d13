"""One run in several processes (`torchrun`, `accelerate launch`): which of them this is, and what they tell each other.

Without a launcher there is one process, and everything here does nothing. All processes see the same run directory; only the first
writes files, writes to the log and scores articles.
"""

from __future__ import annotations

import os
from typing import Any, TypeVar

import torch
from torch import distributed

from eventtag.errors import SettingsError

T = TypeVar("T")


def process_count() -> int:
    """How many processes train this run; known before they have found each other."""
    if _joined():
        return distributed.get_world_size()
    return int(os.environ.get("WORLD_SIZE", "1")) if "LOCAL_RANK" in os.environ else 1


def is_first_process() -> bool:
    """Whether this is the process that writes."""
    return (distributed.get_rank() if _joined() else int(os.environ.get("RANK", "0"))) == 0 or process_count() == 1


def require_one_process(command: str) -> None:
    """Raise SettingsError where a launcher started several processes of a command that does not divide its work among them."""
    if process_count() > 1:
        raise SettingsError(f"{command} runs in one process (found: {process_count()}); start it without a launcher")


def wait_for_all() -> None:
    """Return when every process has come here."""
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
    """The sum of the tensor over all processes, in every process; the tensor itself where there is one."""
    if not _joined():
        return values
    total = values.clone()
    distributed.all_reduce(total)
    return total


def leave_processes() -> None:
    """Part from the other processes, at the end of a command."""
    if _joined():
        distributed.destroy_process_group()


def _joined() -> bool:
    return distributed.is_available() and distributed.is_initialized()
