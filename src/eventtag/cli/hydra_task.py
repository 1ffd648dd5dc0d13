"""The border between Hydra and the package: a composed configuration becomes a checked data class, an error a short message."""

from __future__ import annotations

import os
import re
import secrets
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException
from tqdm.contrib.logging import logging_redirect_tqdm
from yaml import MarkedYAMLError

from eventtag.cli.launched import fit_to_launcher
from eventtag.cli.overrides import explain, literal, quote_unreadable, quoted, require_current, require_harmless
from eventtag.cli.own_configs import config_dir, guard_configurations
from eventtag.cli.own_data import choose_own_data, explain_no_data, require_own_data
from eventtag.cli.run_records import recorded_run
from eventtag.cli.terminal import print_message
from eventtag.errors import EventtagError, SettingsError
from eventtag.settings import DataSettings, EvaluateSettings, TrainSettings
from eventtag.settings.data import data_dir, sample_file
from eventtag.staging import named_full_disk

Settings = TypeVar("Settings")

CORPORA_VARIABLE = "EVENTTAG_CORPORA"


def run_hydra(command: str, settings: type[Settings], task: Callable[[Settings], float | None]) -> int:
    """Compose the configuration called `command` from sys.argv and call `task` with it, as `@hydra.main` does.

    Sweeps (`-m`), `--cfg job`, `--help`, run directories and completion are Hydra's own. An EventtagError ends the process with its
    message and exit code 1.
    """
    try:
        require_harmless(sys.argv[1:])
        require_current(sys.argv[1:])
        fit_to_launcher(command)
    except SettingsError as error:
        print_message(f"error: {error}")
        return 1
    register_resolvers()
    guard_configurations(command)
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # bars of reading and writing weights; training has its own
    ConfigStore.instance().store(name=f"{command}_schema", node=open_schema(settings))
    sys.argv[1:] = quote_unreadable(choose_own_data(spell_out_corpora(sys.argv[1:])))
    search = _own_configs()
    if search and not any(a.startswith("hydra.searchpath") for a in sys.argv):
        # Hydra's parser takes overrides in one block only.
        place = next((at for at, argument in enumerate(sys.argv) if at and "=" in argument), 1)
        sys.argv[place:place] = search

    failures: list[str] = []
    begun: list[DictConfig] = []
    started = time.time()

    def hydra_task(config: DictConfig) -> float | None:
        begun.append(config)
        try:
            require_own_data(config, HydraConfig.get().runtime.choices, sample_file())
            composed: Any = OmegaConf.to_object(config)
            if not hasattr(composed, "run_dir"):
                with named_full_disk("an output"):
                    return task(composed)
            composed.run_dir = HydraConfig.get().runtime.output_dir
            with (
                named_full_disk(composed.run_dir),
                recorded_run(command.replace("_", "-"), composed.run_dir, config),
                logging_redirect_tqdm(),  # what is logged stands above a progress bar, not in it
            ):
                return task(composed)
        except MissingMandatoryValue as error:
            failures.append(f"{error.full_key} must be given: add {error.full_key}=... to the command")
        except EventtagError as error:
            failures.append(str(error))
        except OmegaConfBaseException as error:
            failures.append(explain(error))
        # Raised, the error would come out between lines of Hydra's own and end a sweep.
        print_message(f"error: {failures[-1]}")
        if "run_dir" in config:
            _remove_unused(Path(HydraConfig.get().runtime.output_dir), since=started)
        return None

    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # errors are raised then, instead of being printed by Hydra
    try:
        hydra.main(version_base="1.3", config_path=str(config_dir()), config_name=command)(hydra_task)()
    except (HydraException, OmegaConfBaseException, MarkedYAMLError, SettingsError) as error:
        print_message(f"error: {explain(error, command)}")
        return 1
    except BrokenPipeError:  # a reader that closes the pipe (`--help | head`)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (OSError, ValueError, AssertionError) as error:
        said = explain_no_data(sys.argv[1:]) if isinstance(error, AssertionError) else explain(error)
        if begun or said is None:
            raise  # a mistake of ours, which needs its traceback
        print_message(f"error: {said}")
        return 1
    return 1 if failures else 0


def _remove_unused(folder: Path, *, since: float) -> None:
    """Remove the folder that Hydra made for a task, after the time `since`, if the task was refused before it wrote anything."""
    with suppress(OSError):  # a folder that holds anything cannot be removed
        if not folder.is_symlink() and folder.stat().st_ctime >= since and folder.resolve() != Path.cwd():
            folder.rmdir()


def compose_data(choices: Sequence[str]) -> DataSettings:
    """The data settings that `data=NAME` or `data.key=value` compose; a choice without `=` is a NAME.

    For commands that are not Hydra's. Raises SettingsError for what cannot be composed.
    """
    given = [choice if "=" in choice else f"data={choice}" for choice in choices]
    option = "" if given == list(choices) else "--data "
    composed = _compose("evaluate", EvaluateSettings, given, "data", option, said=choices)
    if not isinstance(composed, DataSettings):
        raise SettingsError(f"{option}{' '.join(choices)}: is no data configuration")
    return composed


def compose_training(overrides: Sequence[str]) -> TrainSettings:
    """The settings of `eventtag train` with these overrides, for commands that are not Hydra's.

    Raises SettingsError for what cannot be composed.
    """
    composed = _compose("train", TrainSettings, [*overrides, "run_dir=unused"], None, "--train ")
    assert isinstance(composed, TrainSettings)
    return composed


def _compose(
    command: str, schema: type[Any], overrides: Sequence[str], part: str | None, option: str, *, said: Sequence[str] = ()
) -> Any:
    """What is composed, or its `part`; an error repeats what was `said` on the command line, else the overrides."""
    require_current(overrides)
    register_resolvers()
    guard_configurations()
    ConfigStore.instance().store(name=f"{command}_schema", node=open_schema(schema))
    try:
        with hydra.initialize_config_dir(str(config_dir()), version_base="1.3"):
            config = hydra.compose(command, [*_own_configs(), *quote_unreadable(choose_own_data(spell_out_corpora(overrides)))])
            return OmegaConf.to_object(config if part is None else config[part])
    except MissingMandatoryValue as error:
        raise SettingsError(f"{option}{error.full_key} must be given: add {option}{error.full_key}=...") from error
    except AssertionError as error:
        if (reason := explain_no_data(overrides)) is None:
            raise
        raise SettingsError(f"{option}{reason}") from error
    except (HydraException, OmegaConfBaseException, MarkedYAMLError) as error:
        raise SettingsError((f"{option}{' '.join(said or overrides)}: " if option else "") + explain(error)) from error


def _own_configs() -> list[str]:
    """The override that lets Hydra search the current folder's `configs` too, where there is one that is not ours."""
    own = Path.cwd() / "configs"
    if not own.is_dir() or own.resolve() == config_dir().resolve():
        return []
    return [f"hydra.searchpath=[{quoted(literal(f'file://{own}'))}]"]


def spell_out_corpora(overrides: Sequence[str]) -> list[str]:
    """`data.corpora=[a,b]`, which names configurations of the group `data`, as Hydra's choices of these in the package
    `data.corpora`; all other overrides as they are.
    """
    spelt: list[str] = []
    for override in overrides:
        listed = re.fullmatch(r"\+{0,2}data\.corpora=\[([\w, -]+)\]", override)
        names = [name.strip() for name in listed[1].split(",")] if listed else []
        spelt += [f"+data@data.corpora.{name}={name}" for name in names] or [override]
    return spelt


def open_schema(settings: type[Any]) -> DictConfig:
    """The data class as a schema whose dictionaries take new keys (`thresholds.EVENT=0.8` without a `+`); wrong field names are
    errors still. The data of intermediate fine-tuning is null in it: the configuration chooses it by name, and what it does not say must
    not come from another corpus.
    """
    schema: DictConfig = OmegaConf.structured(settings)
    if OmegaConf.select(schema, "model.intermediate") is not None:
        schema.model.intermediate.data = None
    nodes = [schema]
    while nodes:
        node = nodes.pop()
        for name in node:
            inner = node._get_node(name)
            if isinstance(inner, DictConfig) and not inner._is_none():
                if OmegaConf.get_type(inner) is dict:
                    OmegaConf.set_struct(inner, False)
                nodes.append(inner)
    return schema


def corpus_dir(name: str) -> str:
    """Where a corpus known by name lies: under $EVENTTAG_CORPORA, else data/corpora, else ../shared/corpora."""
    given = os.environ.get(CORPORA_VARIABLE)
    places = [Path(given)] if given else [Path("data/corpora"), Path("../shared/corpora")]
    for place in places:
        if (place / name).exists():
            return str(place / name)
    return str(places[0] / name)


def register_resolvers() -> None:
    """Make `${run_id:}`, `${corpus:NAME}` and `${eventtag_data:}` known to OmegaConf."""
    resolvers: dict[str, tuple[Callable[..., Any], bool]] = {
        "run_id": (lambda: secrets.token_hex(3), True),
        "corpus": (corpus_dir, False),
        "eventtag_data": (data_dir, False),
    }
    for name, (resolver, cached) in resolvers.items():
        OmegaConf.register_new_resolver(name, resolver, use_cache=cached, replace=True)
