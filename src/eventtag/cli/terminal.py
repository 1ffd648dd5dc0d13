"""Output of the commands on a terminal, and highlighted articles."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

from eventtag.article import Article
from eventtag.printable import PrintableFormatter, printable
from eventtag.reporting.highlight import COLOURS, bracketed, pieces


def print_result(text: str = "") -> None:
    """Print a result on standard output, safe for a terminal."""
    print(printable(text), file=sys.stdout)


def print_message(text: str) -> None:
    """Print a message on standard error, safe for a terminal."""
    print(printable(text), file=sys.stderr, flush=True)


@contextmanager
def log_on_terminal() -> Iterator[None]:
    """Within the block, the package's log goes to standard error, safe for a terminal, in commands that are not Hydra's."""
    handler, logger = logging.StreamHandler(sys.stderr), logging.getLogger("eventtag")
    handler.setFormatter(PrintableFormatter("%(message)s"))
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


def print_highlighted(article: Article, labels: Sequence[str], file: TextIO) -> None:
    """Print the article with coloured spans, or with `[mention|LABEL]` where the output has no colours; safe for a terminal."""
    from rich.console import Console  # slow to import, and most commands need none of it
    from rich.text import Text

    console = Console(file=file, highlight=False)
    name = printable(article.id, one_line=True)
    if not console.is_terminal or console.no_color:
        file.write(f"{name}\n{printable(bracketed(article))}\n\n")
        return
    line = Text()
    for text, span in pieces(article):
        if span is None:
            line.append(printable(text))
        else:
            colour = COLOURS[(labels.index(span.label) if span.label in labels else len(labels)) % len(COLOURS)]
            line.append(f" {printable(text)} ", style=f"bold white on {colour}")
            line.append(f"{printable(span.label, one_line=True)} ", style=f"{colour}")
    console.print(Text(name, style="bold underline"))
    console.print(line)
    console.print()
