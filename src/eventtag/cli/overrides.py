"""Overrides on the command line: values that Hydra's grammar cannot read are quoted, and its errors become short messages.

Hydra reads a value as an expression of its own language, in which a file called `article (1).jsonl`, one with an umlaut in its name or
a path with `=` is a syntax error (https://hydra.cc/docs/advanced/override_grammar/basic/).
"""

from __future__ import annotations

import dataclasses
import itertools
import re
import shlex
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException
from yaml import MarkedYAMLError

from eventtag.errors import SettingsError
from eventtag.settings.former_keys import explain_former

STRUCTURED = re.compile(r"""[\[{'"]|\w+\([^()]*\)?$""")
"""The beginnings of values that are meant as Hydra's lists, mappings, quoted text or functions; mistakes in these are reported."""

NAMES_OF_FILES = re.compile(
    r"\+{0,2}(model\.intermediate\.)?(data\.(corpora\.[^.]+\.)?(path|validation|test)|input|output|checkpoint|teacher\.articles)"
)
"""Keys of files, in whose values nothing is interpolated: somebody else may have chosen a file's name."""
DIRECTORIES = ("run_dir", "hydra.run.dir", "hydra.sweep.dir")


FILE_KEYS = {"predict": "input", "pretrain": "input"}
"""By command, the key of a file of articles where it is not `data.path`."""


def require_harmless(arguments: Sequence[str]) -> None:
    """Raise SettingsError for a blank directory, which would be the current one, and for settings from a pickle, which can run code."""
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if key.startswith("--e") and "--experimental-rerun".startswith(key):
            raise SettingsError(
                "--experimental-rerun reads a pickle, which can run code; give the settings on the command line again"
            )
        if equals and key.lstrip("+") in DIRECTORIES and not value.strip(" '\""):
            raise SettingsError(
                f"{argument}: is blank, which would be the current folder; give a name (is a shell variable unset?)"
            )


def require_current(arguments: Sequence[str]) -> None:
    """Raise SettingsError for a key of an earlier version; Hydra would accept it with a leading `+`."""
    for argument in arguments:
        if former := explain_former(argument.partition("=")[0]):
            raise SettingsError(former)


def quote_unreadable(arguments: Sequence[str]) -> list[str]:
    """The arguments, in which what Hydra cannot read of a plain value is quoted, so that it stands for itself; commas part it still."""
    parser = OverridesParser.create()
    return [_readable(argument, parser) for argument in arguments]


def _readable(argument: str, parser: OverridesParser) -> str:
    key, equals, value = argument.partition("=")
    if equals and "${" in value and NAMES_OF_FILES.fullmatch(key):
        given = re.fullmatch(r"""(["'])(.*)\1""", value, re.DOTALL)
        parts = [given[2]] if given else [part.replace("\\,", ",") for part in re.split(r"(?<!\\),", value)]
        return f"{key}={','.join(quoted(literal(part)) for part in parts)}"
    if not equals or key.startswith("-") or _reads(argument, parser) or not _reads(f"{key}=x", parser):
        return argument
    parts = re.split(r"(?<!\\),", value)
    if any(STRUCTURED.match(part) for part in parts):
        return argument
    plain = [part if _reads(f"{key}={part}", parser) else quoted(part.replace("\\,", ",")) for part in parts]
    return f"{key}={','.join(plain)}"


def literal(text: str) -> str:
    """A text in which OmegaConf interpolates nothing: `${` stands for itself."""
    return re.sub(r"(\\*)\$\{", lambda found: found[1] * 2 + "\\${", text)


def _reads(argument: str, parser: OverridesParser) -> bool:
    try:
        parser.parse_override(argument)
    except HydraException:
        return False
    return True


def quoted(text: str) -> str:
    """A text as a quoted value of Hydra's language."""
    return QuotedString(text, quote=Quote.double).with_quotes()


def explain(error: Exception, command: str = "train") -> str:
    """What an error of Hydra or OmegaConf says, in at most three lines: what was given, what is wrong, and what to write instead."""
    if isinstance(error, SettingsError):
        return str(error)
    if isinstance(error, MissingConfigException) and error.missing_cfg_file and error.options is not None:
        group, _, name = error.missing_cfg_file.rpartition("/")
        if error.missing_cfg_file.startswith("data/") and (group != "data" or "." in name or Path(name).exists()):
            file = error.missing_cfg_file.removeprefix("data/")
            return f"data={file}: data= names a configuration, not a file; write: {_line(command, 'data.path', file)}"
        near = get_close_matches(name, error.options, n=1)
        meant = f"did you mean {group}={near[0]}? " if near else ""
        return (
            f"{group}={name}: there is no such configuration; there are {', '.join(error.options)}\n{meant}"
            f"(your own go into configs/{group}/ of the current folder)"
        )
    if isinstance(error, OverrideParseException):
        return _explain_unreadable(error, command)
    ambiguous = re.match(r"Ambiguous value for argument '(?P<key>[^=]*)=(?P<value>.*)'$", _first_line(error))
    if ambiguous:
        key, value = ambiguous["key"], ambiguous["value"]
        text = quoted(value.replace('"', ""))
        return (
            f"{key}={value}: several values; write '{key}=[{value}]' for a list, '{key}={text}' for text, or add -m to run each"
        )
    cause = error.__cause__ if isinstance(error.__cause__, OmegaConfBaseException) else error
    if isinstance(cause, ConfigKeyError | ConfigAttributeError) and cause.full_key:
        if OmegaConf.get_type(cause.parent_node) is dict and "." in cause.full_key:
            return f"{cause.full_key}: is a new key of a mapping; write +{cause.full_key}=..."
        return _no_such_key(cause.full_key, cause.parent_node)
    given = re.match(r"Error merging override (?P<key>[^=]*)=(?P<value>.*)$", _first_line(error))
    if given and "is not a ListConfig" in _first_line(cause):
        return f"{given['key']}={given['value']}: is a list; write '{given['key']}=[{given['value']}]'"
    if cause is not error and given:
        return f"{given['key']}={given['value']}: {_first_line(cause)}"
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: cannot be made or read ({error.strerror}); give another run_dir, or make it free"
    if isinstance(error, ValueError):
        return f"the settings cannot be put together ({_first_line(error)}); check their keys and values; --cfg job shows them"
    if isinstance(error, MarkedYAMLError):
        place = error.problem_mark
        where = f"{place.name}:{place.line + 1}" if place is not None else "a configuration"
        return f"{where}: is not valid YAML ({error.problem})"
    inside = re.match(r"In '(?P<config>[^']*)': \w+ raised while composing config:\n(?P<said>.*)", str(error))
    if inside:
        found = re.search(r"full_key: (.*)", str(error))
        key = found[1] if found else "a key"
        return f"{inside['config']}.yaml, " + (explain_former(key) or f"{key}: {inside['said']}; --cfg job shows all keys")
    return _first_line(error) if cause is error else f"{_first_line(error)}\n{_first_line(cause)}"


def _line(command: str, key: str, value: str) -> str:
    return f"eventtag {command.replace('_', '-')} {shlex.quote(f'{key}={value}')}"


def _explain_unreadable(error: OverrideParseException, command: str) -> str:
    given = error.override
    key, equals, _ = given.partition("=")
    if not equals:
        tagger = any((Path(given) / name / "eventtag.json").is_file() for name in ("", "checkpoint"))
        key = "checkpoint" if tagger and command in ("evaluate", "predict") else FILE_KEYS.get(command, "data.path")
        if tagger or Path(given).suffix or Path(given).exists():
            return f"{given}: what is set must be key=value; write: {_line(command, key, given)}"
        return f"{given}: what is set must be key=value; --cfg job shows all keys"
    lines = [line for line in str(error).splitlines() if not line.startswith(("Error parsing override", "See https"))]
    said = lines[0] if lines else "no value"
    return f"{error.override}: cannot be read ({said}); close brackets and quotes, or quote the whole value: '{key}=\"...\"'"


def require_known_keys(composed: DictConfig) -> None:
    """Raise SettingsError for a key that no setting has, which `+` in front of it lets Hydra take."""
    hydras = composed._get_node("hydra")
    nodes = itertools.chain(_nodes(composed), _nodes(hydras, "hydra.") if isinstance(hydras, DictConfig) else ())
    for key, kind in nodes:
        if kind is None and key != "hydra.env":  # Hydra's own, which its data class lacks
            raise SettingsError(_no_such_key(key, composed))


def _nodes(node: DictConfig, prefix: str = "") -> Iterator[tuple[str, bool | None]]:
    """All dotted keys below a node but Hydra's own, with whether each holds further ones; None for one that its data class lacks."""
    kind = OmegaConf.get_type(node)
    fields = [field.name for field in dataclasses.fields(kind)] if dataclasses.is_dataclass(kind) else list(node)
    for name in node:
        inner = node._get_node(name)
        deeper = isinstance(inner, DictConfig) and not (inner._is_none() or inner._is_missing() or inner._is_interpolation())
        if prefix or name != "hydra":
            yield f"{prefix}{name!s}", deeper if name in fields else None
            if deeper:
                assert isinstance(inner, DictConfig)
                yield from _nodes(inner, f"{prefix}{name!s}.")


def _no_such_key(key: str, node: Any) -> str:
    """What to say of a key that no setting has; `node` is one of the configuration."""
    if former := explain_former(key):
        return former
    root = node._get_root() if isinstance(node, DictConfig) else node
    known = [name for name, kind in _nodes(root) if kind is not None] if isinstance(root, DictConfig) else []
    last = {name: name.rpartition(".")[2] for name in known}
    asked = key.rpartition(".")[2]
    near = (
        [name for name in known if last[name] == asked]
        or get_close_matches(key, known, cutoff=0.8)
        or [name for name in known if last[name] in get_close_matches(asked, last.values(), n=1, cutoff=0.75)]
    )
    meant = f"did you mean {' or '.join(near[:3])}? " if near else ""
    return f"{key}: there is no such key\n{meant}--cfg job shows all of them"


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0]
