"""eventtag: learns to tag who, what and where in news articles, and says honestly how well."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from eventtag.articles import Article
from eventtag.errors import EventtagError
from eventtag.labels import LabelSet
from eventtag.spans import ScoredSpan, Span

if TYPE_CHECKING:
    from eventtag.tagging.tagger import Tagger

__all__ = ["Article", "EventtagError", "LabelSet", "ScoredSpan", "Span", "Tagger", "__version__"]

__version__ = version("eventtag")


def __getattr__(name: str) -> Any:
    """Import the tagger, and torch with it, only when it is asked for."""
    if name == "Tagger":
        from eventtag.tagging.tagger import Tagger

        return Tagger
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
