"""Self-contained pages: a template of this package with a style, under a content security policy that allows nothing else."""

from __future__ import annotations

import base64
import functools
import hashlib
import secrets
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup


def render_template(name: str, **values: Any) -> str:
    """The page, as `stream_template` gives it, in one piece."""
    return "".join(stream_template(name, **values))


def stream_template(name: str, *, style: str | None = None, **values: Any) -> Iterator[str]:
    """The template called `name` piece by piece, with `values`, which are escaped unless they are Markup, and `style` (default: that of
    the evaluation page). A template allows its style by `style_hash`, which makes the same page each time, or by `nonce`, which is new each
    time, so that no article can contain it.
    """
    style = read_template("evaluation.css") if style is None else style
    known = {
        "nonce": secrets.token_urlsafe(18),
        "style": Markup(style),  # noqa: S704 - our own file
        "style_hash": base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
    }
    yield from _environment().get_template(name).generate(**known, **values)


@functools.cache
def _environment() -> Environment:
    """One for all pages: it keeps the templates that it has compiled."""
    return Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, loader=FunctionLoader(read_template))


def read_template(name: str) -> str:
    """The text of a file beside the templates."""
    return (files("eventtag.reporting") / "templates" / name).read_text(encoding="utf-8")
