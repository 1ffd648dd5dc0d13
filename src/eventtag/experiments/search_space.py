"""The space of a sweep: which keys of `train` take which values, checked against the settings."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from eventtag.errors import SettingsError
from eventtag.settings import TrainSettings
from eventtag.settings.former_keys import explain_former

if TYPE_CHECKING:
    from optuna.trial import Trial

Plain = str | float | int | bool | None

RANGE_KEYS = {"low", "high", "log", "step"}
KEPT = {
    "run_dir": "every run of a sweep has its own",
    "resume": "every run of a sweep is continued",
    "seed": "use seeds=, so that every candidate has the same",
    "data": "scores on other articles cannot be compared",
    "evaluation": "it does not change what is learnt",
    "trainer.metric": "it is what candidates are compared by",
}
"""Keys that a space may not hold, nor any key below them, and the reasons."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A key with its choices, or with a range (`low` to `high`, both included)."""

    key: str
    choices: tuple[Plain, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    step: float | None = None
    whole: bool = False

    def suggest(self, trial: Trial) -> Plain:
        """A value from Optuna."""
        if self.choices:
            return trial.suggest_categorical(self.key, self.choices)
        if self.whole:
            return trial.suggest_int(self.key, int(self.low), int(self.high), step=int(self.step or 1), log=self.log)
        return trial.suggest_float(self.key, self.low, self.high, step=self.step, log=self.log)

    def takes(self, value: Any) -> bool:
        """Whether a value is one of those that may be proposed."""
        if self.choices:
            return any(value == choice and isinstance(value, bool) is isinstance(choice, bool) for choice in self.choices)
        if not isinstance(value, int | float) or isinstance(value, bool) or not self.low <= value <= self.high:
            return False
        step = self.step or (1.0 if self.whole else None)
        return step is None or abs((value - self.low) / step - round((value - self.low) / step)) < 1e-9

    def extremes(self) -> tuple[Plain, ...]:
        """All choices, or the ends of the range."""
        if self.choices:
            return self.choices
        return (int(self.low), int(self.high)) if self.whole else (self.low, self.high)


def read_space(space: Mapping[str, Any], settings: TrainSettings) -> tuple[Parameter, ...]:
    """The parameters of a space, in its order. Keys are nested as in `train`'s configuration, or joined by dots.

    Raises SettingsError, which names the key, for a key that `train` does not have or that a sweep needs itself, and for a range or choice
    that is not allowed.
    """
    parameters = tuple(_read(key, values, settings) for key, values in _leaves(space))
    for parameter in parameters:
        for value in parameter.extremes():
            _require_usable(parameter.key, value, parameters, settings)
    return parameters


def values_of(settings: TrainSettings, parameters: Sequence[Parameter]) -> dict[str, Plain]:
    """The settings' own values, by the keys of the parameters that can take them."""
    found: dict[str, Plain] = {}
    for parameter in parameters:
        node: Any = settings
        for part in parameter.key.split("."):
            node = node.get(part) if isinstance(node, Mapping) else getattr(node, part)
        value = node.name if isinstance(node, Enum) else node
        if parameter.takes(value):
            found[parameter.key] = value
    return found


def place_values(values: Mapping[str, Plain], settings: TrainSettings) -> TrainSettings:
    """The settings with these values at their keys; raises SettingsError if they are not allowed, alone or together."""
    tree: dict[str, Any] = {}
    for key, value in values.items():
        *above, last = key.split(".")
        branch = tree
        for part in above:
            branch = branch.setdefault(part, {})
        branch[last] = _Leaf(key, value)
    placed: TrainSettings = _place(settings, tree)
    return placed


@dataclass(frozen=True, slots=True)
class _Leaf:
    key: str
    value: Plain


def _leaves(space: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    found = []
    for name, values in space.items():
        key = f"{prefix}{name}"
        if isinstance(values, Mapping) and not (values and set(values) <= RANGE_KEYS):
            found += _leaves(values, f"{key}.")
        else:
            found.append((key, values))
    return found


def _read(key: str, values: Any, settings: TrainSettings) -> Parameter:
    for kept, why in KEPT.items():
        if key == kept or key.startswith(f"{kept}."):
            raise SettingsError(f"space.{key} is not allowed: {why}")
    kind = _kind_of(key, settings)
    if isinstance(values, Mapping):
        return _read_range(
            key, values, whole=int in kind and float not in kind, numeric=bool({int, float} & set(kind)) or Any in kind
        )
    if not isinstance(values, Sequence) or isinstance(values, str) or len(values) == 0:
        raise SettingsError(f"space.{key}={values!r} is not allowed: give a list of values, or a range as {{low: 1, high: 9}}")
    for value in values:
        if isinstance(value, Mapping | list | tuple):
            raise SettingsError(
                f"space.{key}: the choice {value!r} is not allowed: a choice is a word, a number, true, false or null"
            )
    if len(set(map(repr, values))) < len(values):
        raise SettingsError(f"space.{key}={list(values)} is not allowed: a choice occurs twice")
    return Parameter(key, tuple(values))


def _read_range(key: str, values: Mapping[str, Any], *, whole: bool, numeric: bool) -> Parameter:
    low: Any = values.get("low")
    high: Any = values.get("high")
    log, step = values.get("log"), values.get("step")
    shown = f"space.{key}={dict(values)}"
    if not numeric:
        raise SettingsError(f"{shown} is not allowed: this key takes no numbers; give a list of values")
    for name in ("low", "high", *(["step"] if step is not None else [])):
        value = values.get(name)
        if not isinstance(value, int | float) or isinstance(value, bool) or (whole and value != int(value)):
            raise SettingsError(f"{shown} is not allowed: {name} must be a {'whole ' if whole else ''}number")
    if low >= high:
        raise SettingsError(f"{shown} is not allowed: low must be below high")
    if log not in (None, True, False):
        raise SettingsError(f"{shown} is not allowed: log is true or false")
    if log and (low <= 0 or step is not None):
        raise SettingsError(f"{shown} is not allowed: a logarithmic range begins above 0 and has no step")
    if step is not None and step <= 0:
        raise SettingsError(f"{shown} is not allowed: step must be above 0")
    return Parameter(key, low=float(low), high=float(high), log=bool(log), step=step, whole=whole)


def _require_usable(key: str, value: Plain, parameters: Sequence[Parameter], settings: TrainSettings) -> None:
    """Raise SettingsError if a value is allowed neither with the first nor with the last values of the other parameters."""
    problems = []
    for end in (0, -1):
        values = {parameter.key: parameter.extremes()[end] for parameter in parameters} | {key: value}
        try:
            place_values(values, settings)
        except SettingsError as error:
            problems.append(error)
    if len(problems) == 2:
        raise SettingsError(f"space.{key}: {problems[0]}") from problems[0]


def _kind_of(key: str, settings: TrainSettings) -> tuple[Any, ...]:
    """The types that a key takes. Raises SettingsError for a key that is not one of train's."""
    node: Any = settings
    parts = key.split(".")
    for depth, part in enumerate(parts):
        if isinstance(node, Mapping):
            return (Any,)  # entries of mappings such as `trainer.extra`, checked when a run starts
        hints = typing.get_type_hints(type(node)) if dataclasses.is_dataclass(node) else {}
        if part not in hints:
            above = ".".join(parts[:depth])
            known = ", ".join(hints) or "none"
            if former := explain_former(key):
                raise SettingsError(f"space.{former}")
            raise SettingsError(f"space.{key}: no such key of train; below {above or 'the top'} there are: {known}")
        if depth == len(parts) - 1:
            if dataclasses.is_dataclass(getattr(node, part)):
                raise SettingsError(f"space.{key}: is a group of keys; name those below it")
            return _alternatives(hints[part])
        node = getattr(node, part)
    return (Any,)


def _alternatives(hint: Any) -> tuple[Any, ...]:
    return typing.get_args(hint) if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union else (hint,)


def _place(node: Any, tree: Any, hint: Any = Any) -> Any:
    if isinstance(tree, _Leaf):
        return _convert(tree, _alternatives(hint))
    if isinstance(node, Mapping):
        return {**node, **{name: _place(node.get(name), below) for name, below in tree.items()}}
    if node is None:
        return {name: _place(None, below) for name, below in tree.items()}
    hints = typing.get_type_hints(type(node))
    return dataclasses.replace(node, **{name: _place(getattr(node, name), below, hints[name]) for name, below in tree.items()})


def _convert(leaf: _Leaf, kinds: tuple[Any, ...]) -> Any:
    """The value in its key's type: a word becomes a member of an enumeration, a whole number a float."""
    value = leaf.value
    for kind in kinds:
        if kind is Any or (value is None and kind is type(None)):
            return value
        if isinstance(kind, type) and issubclass(kind, Enum) and value in kind.__members__:
            return kind[str(value)]
        if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        if kind in (bool, int, str) and type(value) is kind:
            return value
    allowed = [
        ", ".join(kind.__members__) if isinstance(kind, type) and issubclass(kind, Enum) else getattr(kind, "__name__", str(kind))
        for kind in kinds
    ]
    raise SettingsError(f"{leaf.key}={value!r} is not allowed: {' or '.join(allowed).replace('NoneType', 'null')}")
