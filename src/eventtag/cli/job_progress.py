"""A job's progress on standard error: a bar on a terminal, JSON lines if they are asked for, else nothing."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text

from eventtag.cli.terminal import print_message
from eventtag.jobs.progress import Progress as JobProgress

JSON_SECONDS = 10.0
"""Time between two JSON lines."""


@contextmanager
def show_progress(*, json_logs: bool) -> Iterator[Callable[[JobProgress], None]]:
    """A function that shows the progress that it is called with; it may be called at any time."""
    if json_logs:
        with _json_lines() as show:
            yield show
    elif sys.stderr.isatty():
        with _bar() as show:
            yield show
    else:
        yield lambda _: None


@contextmanager
def _json_lines() -> Iterator[Callable[[JobProgress], None]]:
    told, latest = time.monotonic(), JobProgress()

    def show(progress: JobProgress) -> None:
        nonlocal told, latest
        latest = progress
        if time.monotonic() - told >= JSON_SECONDS:
            told = time.monotonic()
            print_message(progress_json(progress))

    yield show
    print_message(progress_json(latest))


def progress_json(progress: JobProgress) -> str:
    """One line of JSON; times in seconds, rates of this process."""
    done, left = progress.done, progress.seconds_left
    return json.dumps(
        {
            "articles": progress.articles + progress.in_work,
            "stored_articles": progress.articles,
            "spans": progress.spans,
            "tokens": progress.tokens + progress.tokens_in_work,
            "bad_rows": progress.bad,
            "done": None if done is None else round(done, 4),
            "articles_per_second": round(progress.articles_per_second, 2),
            "tokens_per_second": round(progress.tokens_per_second),
            "seconds": round(progress.seconds, 1),
            "seconds_left": None if left is None else round(left),
        }
    )


@contextmanager
def _bar() -> Iterator[Callable[[JobProgress], None]]:
    columns: tuple[ProgressColumn, ...] = (
        SpinnerColumn(),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[counts]}"),
        TimeElapsedColumn(),
        _Left(),
    )
    with Progress(*columns, console=Console(file=sys.stderr), expand=True, transient=True) as bar:
        task = bar.add_task("", total=None, counts="loading", left=None)

        def show(progress: JobProgress) -> None:
            done = progress.done
            counts = f"{progress.articles + progress.in_work:,} articles  {progress.tokens_per_second:,.0f} tokens/s"
            if progress.bad:
                counts += f"  {progress.bad:,} bad rows"
            bar.update(
                task, total=None if done is None else 1.0, completed=done or 0.0, counts=counts, left=progress.seconds_left
            )

        yield show


class _Left(ProgressColumn):
    """The time left, where it is known."""

    def render(self, task: Task) -> Text:
        left = task.fields["left"]
        if left is None:
            return Text("")
        hours, seconds = divmod(round(left), 3600)
        return Text(f"{hours}:{seconds // 60:02}:{seconds % 60:02} left", style="cyan")
