"""eventtag: learns to tag who, what and where in news articles, and says honestly how well.

The names in `__all__` are the public ones; all modules below may change without notice.
"""

from __future__ import annotations

from importlib import import_module as _import_module
from importlib.metadata import version as _version
from typing import TYPE_CHECKING as _TYPE_CHECKING

if _TYPE_CHECKING:
    from typing import Any

    from eventtag.api.align import align
    from eventtag.api.compare import compare
    from eventtag.api.count import count
    from eventtag.api.estimate import estimate
    from eventtag.api.evaluate import evaluate
    from eventtag.api.lint import lint
    from eventtag.api.plan import plan
    from eventtag.api.predict import predict
    from eventtag.api.records import records
    from eventtag.api.sample import sample
    from eventtag.api.score import score
    from eventtag.api.select import select
    from eventtag.api.serve import serve
    from eventtag.api.split import split
    from eventtag.api.train import train
    from eventtag.article import Article
    from eventtag.errors import EventtagError
    from eventtag.formats.registry import read_articles, write_articles
    from eventtag.jobs.outputs import write_predictions
    from eventtag.jobs.reading.inputs import read_inputs, read_rows
    from eventtag.labels import LabelSet
    from eventtag.ledger import LossLedger
    from eventtag.link import Link
    from eventtag.span import Span
    from eventtag.tagging.dataset_tagger import DatasetTagger
    from eventtag.tagging.tagger import Tagger

_HOMES = {
    "Article": "article",
    "DatasetTagger": "tagging.dataset_tagger",
    "EventtagError": "errors",
    "LabelSet": "labels",
    "Link": "link",
    "LossLedger": "ledger",
    "Span": "span",
    "Tagger": "tagging.tagger",
    "align": "api.align",
    "compare": "api.compare",
    "count": "api.count",
    "estimate": "api.estimate",
    "evaluate": "api.evaluate",
    "lint": "api.lint",
    "plan": "api.plan",
    "predict": "api.predict",
    "read_articles": "formats.registry",
    "read_inputs": "jobs.reading.inputs",
    "read_rows": "jobs.reading.inputs",
    "records": "api.records",
    "sample": "api.sample",
    "score": "api.score",
    "select": "api.select",
    "serve": "api.serve",
    "split": "api.split",
    "train": "api.train",
    "write_articles": "formats.registry",
    "write_predictions": "jobs.outputs",
}

__all__ = [
    "Article",
    "DatasetTagger",
    "EventtagError",
    "LabelSet",
    "Link",
    "LossLedger",
    "Span",
    "Tagger",
    "__version__",
    "align",
    "compare",
    "count",
    "estimate",
    "evaluate",
    "lint",
    "plan",
    "predict",
    "read_articles",
    "read_inputs",
    "read_rows",
    "records",
    "sample",
    "score",
    "select",
    "serve",
    "split",
    "train",
    "write_articles",
    "write_predictions",
]

__version__ = _version("eventtag")


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: `eventtag -h` waits neither for torch nor for numpy."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(_import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
