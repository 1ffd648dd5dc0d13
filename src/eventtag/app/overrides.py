"""Overrides as people write them: values that Hydra's grammar cannot read are quoted, and its errors become short messages.

Hydra reads a value as an expression of its own language, in which a file called `article (1).jsonl`, one with an umlaut in its name or
a path with `=` is a syntax error (https://hydra.cc/docs/advanced/override_grammar/basic/).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

STRUCTURED = ("[", "{", "'", '"')
"""How values begin that are meant as Hydra's lists, mappings or quoted text; a mistake in one is told."""


def quote_unreadable(arguments: Sequence[str]) -> list[str]:
    """The arguments, in which a plain value that Hydra cannot read is quoted, so that it stands for itself."""
    parser = OverridesParser.create()
    return [_quoted(argument) if _is_unreadable(argument, parser) else argument for argument in arguments]


def _is_unreadable(argument: str, parser: OverridesParser) -> bool:
    key, equals, value = argument.partition("=")
    if not equals or key.startswith("-") or value.startswith(STRUCTURED):
        return False
    try:
        parser.parse_override(f"{key}=x")
    except HydraException:
        return False  # it is the key that cannot be read
    try:
        parser.parse_override(argument)
    except HydraException:
        return True
    return False


def _quoted(argument: str) -> str:
    key, _, value = argument.partition("=")
    return f"{key}={quoted(value)}"


def quoted(text: str) -> str:
    """A text as a quoted value of Hydra's language."""
    return QuotedString(text, quote=Quote.double).with_quotes()


def explain(error: Exception) -> str:
    """What an error of Hydra or OmegaConf says, in at most three lines: what was given, what is wrong, and what to write instead."""
    if isinstance(error, MissingConfigException) and error.missing_cfg_file and error.options is not None:
        group, _, name = error.missing_cfg_file.rpartition("/")
        return (
            f"{group}={name}: there is no such configuration; there are {', '.join(error.options)}\n"
            f"(your own go into configs/{group}/ of the current folder)"
        )
    if isinstance(error, OverrideParseException):
        return f"{error.override}: cannot be read ({_first_line(error)}); close brackets and quotes, or quote the value: 'key=\"value\"'"
    ambiguous = re.match(r"Ambiguous value for argument '(?P<key>[^=]*)=(?P<value>.*)'$", _first_line(error))
    if ambiguous:
        key, value = ambiguous["key"], ambiguous["value"]
        return f"{key}={value}: several values; write '{key}=[{value}]' for a list, '{key}=\"{value}\"' for text, or add -m to run each"
    cause = error.__cause__ if isinstance(error.__cause__, OmegaConfBaseException) else error
    if isinstance(cause, ConfigKeyError | ConfigAttributeError) and cause.full_key:
        return f"{cause.full_key}: there is no such key{_near(cause)}; docs/configs.md explains all of them, --cfg job shows them"
    given = re.match(r"Error merging override (.*)$", _first_line(error))
    if cause is not error and given:
        return f"{given[1]}: {_first_line(cause)}"
    return str(error) if cause is error else f"{error}\n{_first_line(cause)}"


def _near(error: OmegaConfBaseException) -> str:
    parent, key = error.parent_node, str(error.key)
    known = [str(name) for name in parent] if isinstance(parent, DictConfig) else []
    near = get_close_matches(key, known, n=3, cutoff=0.6)
    prefix = error.full_key.removesuffix(key) if error.full_key else ""
    return f" (near to it: {', '.join(prefix + name for name in near)})" if near else ""


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0]
