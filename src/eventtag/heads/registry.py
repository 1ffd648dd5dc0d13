"""The heads by name: a new one is a module with a class like `protocol.ModelHead`, and a line here and in `settings.Head`."""

from __future__ import annotations

from pkgutil import resolve_name
from typing import Any

from eventtag.heads.protocol import ModelHead
from eventtag.settings import ModelSettings

HEADS = {
    "softmax": "eventtag.heads.softmax:SoftmaxHead",
    "crf": "eventtag.heads.crf:CrfHead",
    "span": "eventtag.heads.span:SpanHead",
}
"""Names of classes, which are imported when they are used: they need torch."""

PLAIN_HEAD = "softmax"
"""The head of a model whose configuration names none, as transformers' own token classifiers."""


def wanted_head(settings: ModelSettings) -> ModelHead:
    """The head that the settings ask for."""
    return _build(settings.head.value, settings)


def head_of(config: Any) -> ModelHead:
    """The head of a model with this configuration."""
    return _build(getattr(config, "head", PLAIN_HEAD), config)


def _build(name: str, options: Any) -> ModelHead:
    head: ModelHead = resolve_name(HEADS[name]).from_options(options)
    return head
