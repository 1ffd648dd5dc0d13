"""Every error that eventtag raises on purpose.

    EventtagError
    ├── SettingsError      a key or value of the configuration is wrong
    ├── DataError          an article, a span or a corpus is wrong
    │   └── FormatError    a file cannot be read as the format that it should be
    ├── CheckpointError    a checkpoint is missing, damaged or does not fit
    ├── ExportError        an exported model is not good or fast enough to be used
    ├── TrainingError      a run cannot go on (resume impossible, loss not finite)
    └── OutputError        an output exists already or cannot be written
        └── RunFinishedError   a run was finished before, as it is asked for; there is nothing to do

A message says what is wrong, where (file, line, article id, key), what was found, what is allowed and what to do, in two or three
lines. The command line prints it without a traceback and exits with 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path

LISTED = 20
"""Names that a message lists."""


class EventtagError(Exception):
    """Base of all errors below; catch it to catch any of them."""


class SettingsError(EventtagError):
    """A key or value of the configuration is wrong; raised before any work starts."""


class DataError(EventtagError):
    """An article, a span or a corpus is wrong."""


class FormatError(DataError):
    """A file cannot be read as the format that it should be; names the file and, where there is one, the line."""

    def __init__(self, problem: str, *, path: Path | str | None = None, line: int | None = None) -> None:
        where = "" if path is None else f"{path}:{line}: " if line is not None else f"{path}: "
        super().__init__(where + problem)
        self.path = path
        self.line = line


class CheckpointError(EventtagError):
    """A checkpoint is missing, damaged or does not fit what is asked of it."""


class ExportError(EventtagError):
    """An exported model is not as good as its checkpoint, or not faster; nothing of it is kept."""


class TrainingError(EventtagError):
    """A training run cannot start or go on."""


class OutputError(EventtagError):
    """An output exists already or cannot be written; nothing was overwritten."""


class RunFinishedError(OutputError):
    """The run that is to be continued is finished, with the same settings and data; the command line says so and exits with 0."""


def summarise_problems(title: str, problems: Sequence[str], *, shown: int = 5) -> str:
    """One message for many problems: the title, the first `shown` of them, and how many more there are."""
    lines = [title, *(f"  {problem}" for problem in problems[:shown])]
    if len(problems) > shown:
        lines.append(f"  ... and {len(problems) - shown} more")
    return "\n".join(lines)


def require_names(key: str, named: Iterable[str], known: Iterable[str], what: str, *, patterns: bool = True) -> None:
    """Raise SettingsError for the first name of a setting that none of the known names fits; names may be shell `patterns`."""
    known = sorted(set(known))
    for given in named:
        if not any(given == one or (patterns and fnmatchcase(one, given)) for one in known):
            near = get_close_matches(given, known, n=1)
            listed = ", ".join(known[:LISTED]) + (f" and {len(known) - LISTED} more" if len(known) > LISTED else "")
            meant = f"; did you mean {near[0]}?" if near else ""
            raise SettingsError(f"{key}: there is no {what} {given!r}; found: {listed or 'none'}{meant}")
