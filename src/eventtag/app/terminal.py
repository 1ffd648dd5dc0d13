"""Highlighted articles on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from rich.console import Console
from rich.text import Text

from eventtag.articles import Article
from eventtag.reporting.highlight import COLOURS, bracketed, pieces


def print_highlighted(article: Article, labels: Sequence[str], file: TextIO) -> None:
    """Print the article with coloured spans, or with `[mention|LABEL]` where the output has no colours."""
    console = Console(file=file, highlight=False)
    if not console.is_terminal or console.no_color:
        file.write(f"{article.id}\n{bracketed(article)}\n\n")
        return
    line = Text()
    for text, span in pieces(article):
        if span is None:
            line.append(text)
        else:
            colour = COLOURS[(labels.index(span.label) if span.label in labels else len(labels)) % len(COLOURS)]
            line.append(f" {text} ", style=f"bold white on {colour}")
            line.append(f"{span.label} ", style=f"{colour}")
    console.print(Text(article.id, style="bold underline"))
    console.print(line)
    console.print()
