"""Settings made from plain values, such as keyword arguments or a YAML file, with the checks of the data classes."""

from __future__ import annotations

import dataclasses
import os
import types
from collections.abc import Mapping
from difflib import get_close_matches
from enum import Enum
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from eventtag.errors import SettingsError

Settings = TypeVar("Settings")
WORDS = {str: "text", bool: "true or false", int: "a whole number", float: "a number"}


def build_settings(kind: type[Settings], values: Mapping[str, Any], *, prefix: str = "") -> Settings:
    """Settings with these values, and defaults for the rest; a group of settings may be a mapping.

    Raises SettingsError, which names the key behind `prefix`, for an unknown key or a value of another type.
    """
    return with_values(kind(), values, prefix=prefix)


def with_values(settings: Settings, values: Mapping[str, Any], *, prefix: str = "") -> Settings:
    """The settings with these keys changed; otherwise as `build_settings`."""
    assert dataclasses.is_dataclass(settings)
    hints = get_type_hints(type(settings))
    found: dict[str, Any] = {}
    for name, value in values.items():
        if name not in hints:
            near = get_close_matches(name, hints, n=1) or sorted(hints)
            hint = f"did you mean {prefix}{near[0]}?" if len(near) == 1 else f"there are {', '.join(near)}"
            raise SettingsError(f"{prefix}{name}: there is no such key; {hint}")
        found[name] = _value(value, hints[name], f"{prefix}{name}", getattr(settings, name))
    changed: Settings = dataclasses.replace(settings, **found)  # type: ignore[type-var]
    return changed


def _value(value: Any, hint: Any, key: str, current: Any = None) -> Any:
    if get_origin(hint) in (Union, types.UnionType):
        kinds = [kind for kind in get_args(hint) if kind is not types.NoneType]
        if value is None:
            return None
        return _value(value, kinds[0], key, current)
    if hint is Any:
        return value
    if dataclasses.is_dataclass(hint):
        if isinstance(value, Mapping):
            assert isinstance(hint, type)
            return with_values(current if isinstance(current, hint) else hint(), value, prefix=f"{key}.")
        return _of_type(value, hint, key, "a mapping of its keys")
    if isinstance(hint, type) and issubclass(hint, Enum):
        if isinstance(value, str) and value in hint.__members__:
            return hint[value]
        return _of_type(value, hint, key, f"one of {', '.join(hint.__members__)}")
    if get_origin(hint) is dict:
        inner = get_args(hint)[1]
        given = _of_type(value, Mapping, key, "a mapping")
        return {str(name): _value(item, inner, f"{key}.{name}") for name, item in given.items()}
    if get_origin(hint) in (list, tuple):
        given = _of_type(value, (list, tuple), key, f"a list, such as [{value}]")
        return get_origin(hint)(_value(item, get_args(hint)[0], key) for item in given)
    if hint is str and isinstance(value, os.PathLike):
        return os.fspath(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    wrong = isinstance(value, bool) and hint is not bool
    return _of_type(None if wrong else value, hint, key, WORDS.get(hint, str(hint)), shown=value)


def _of_type(value: Any, kind: Any, key: str, allowed: str, *, shown: Any = None) -> Any:
    if not isinstance(value, kind):
        raise SettingsError(f"{key}={shown if shown is not None else value!r} is not allowed: give {allowed}")
    return value
