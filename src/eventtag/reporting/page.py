"""Pages that stand alone: a template of this room with our style, under a content security policy that lets nothing else in."""

from __future__ import annotations

import secrets
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup


def render_template(name: str, **values: Any) -> str:
    """The template called `name` with `values`, which are escaped unless they are Markup, `style`, and a fresh `nonce`: whoever wrote
    an article cannot have known it.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, loader=FunctionLoader(read_template))
    style = Markup(read_template("evaluation.css"))  # noqa: S704 - our own file
    return environment.get_template(name).render(nonce=secrets.token_urlsafe(18), style=style, **values)


def read_template(name: str) -> str:
    """The text of a file beside the templates."""
    return (files("eventtag.reporting") / "templates" / name).read_text(encoding="utf-8")
