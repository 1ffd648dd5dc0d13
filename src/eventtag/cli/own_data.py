"""`data.path=FILE` alone means the user's own articles, not those of the corpus that a command takes by default.

The name, licence, split field and labels of another corpus do not describe them. So `data=corpus` is chosen if a path is given
without a configuration; a configuration that keeps the sample corpus's description for another file is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from eventtag.errors import SettingsError

PLACES = {"data": "data", "data@model.intermediate.data": "model.intermediate.data"}
"""Where a corpus is chosen, and what the keys of its settings begin with."""
SAMPLE = "sample"


def choose_own_data(arguments: Sequence[str]) -> list[str]:
    """The arguments of a command, with `data=corpus` where they give `data.path` and choose neither data nor an experiment; likewise for
    the data of intermediate fine-tuning.
    """
    given = dict(_key_and_value(argument) for argument in arguments)
    chosen = []
    for choice, keys in PLACES.items():
        if f"{keys}.path" in given and choice not in given and "experiment" not in given:
            chosen.append(f"{choice}=corpus")
    place = next((at for at, argument in enumerate(arguments) if "=" in argument and argument[0] != "-"), len(arguments))
    return [*arguments[:place], *chosen, *arguments[place:]]


def require_own_data(config: DictConfig, choices: Mapping[str, Any], sample: str) -> None:
    """Raise SettingsError if the configuration of the sample corpus was chosen for a file that is not `sample`."""
    for choice, keys in PLACES.items():
        path = OmegaConf.select(config, f"{keys}.path") if choices.get(choice) == SAMPLE else None
        if path is not None and str(path) != sample:
            raise SettingsError(
                f"{keys}.path={path}: {choice}=sample describes the corpus that comes with eventtag and no other; "
                f"choose {choice}=corpus for articles of your own"
            )


def explain_no_data(arguments: Sequence[str]) -> str | None:
    """What to say where a setting was given below one that is null: of the data or of Hydra; None if there is no such setting."""
    for argument in arguments:
        for choice, keys in PLACES.items():
            if _key_and_value(argument)[0].startswith(f"{keys}."):
                return f"{argument}: belongs to no corpus; name one by {choice}=NAME, or give your articles by {keys}.path=FILE"
        if argument.startswith("+hydra."):
            above = _key_and_value(argument)[0].rpartition(".")[0]
            return f"{argument}: {above} is null, which takes no new key here; set it in a file of your configs/ (-m with key=1,2 sweeps)"
    return None


def _key_and_value(argument: str) -> tuple[str, str]:
    key, _, value = argument.partition("=")
    return key.lstrip("+"), value
