"""Users' folders of configurations: they add to our groups and choose no code.

A folder `configs` in the current folder, `--config-dir`, `--config-path` and `hydra.searchpath` may come from somebody else.
Hydra would take `hydra/launcher/basic.yaml` from them instead of its own, and call what it names. Therefore:
* files below their `hydra/`, files with the name of one of our schemas, and files outside the folder are not read;
* their files may set only those keys of `hydra` that `_require_harmless` allows;
* whatever Hydra will call in the composed configuration must be Hydra's own, or come from an installed plugin.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

import yaml
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra._internal.core_plugins.importlib_resources_config_source import ImportlibResourcesConfigSource
from hydra._internal.hydra import Hydra
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.config_store import ConfigNode, ConfigStore
from hydra.core.object_type import ObjectType
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigResult
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

import eventtag
from eventtag.cli.overrides import require_known_keys
from eventtag.cli.terminal import print_message
from eventtag.errors import SettingsError

CALLBACKS = ("hydra.experimental.callbacks.LogJobReturnCallback", "hydra.experimental.callbacks.PickleJobInfoCallback")
FORMATTERS = ("eventtag.printable.PrintableFormatter", "colorlog.ColoredFormatter", "logging.Formatter")
HANDLER = re.compile(r"logging(\.handlers)?\.\w+Handler")
STREAMS = ("ext://sys.stdout", "ext://sys.stderr")
PLACES = ("run.dir", "sweep.dir", "sweep.subdir", "job.name", "mode", "verbose")
"""What a user's file may set below `hydra`, beside numbers of sweepers and launchers and what a sweep goes through."""
WORDS = (
    "partition", "qos", "account", "constraint", "name", "gres", "direction", "study_name", "backend", "pre_dispatch", "batch_size",
)  # fmt: skip
"""Settings of launchers and sweepers that may be words."""
MAX_VALUES = 100_000
"""A file with more values than this, those of aliases counted in each place, is refused."""
PLAIN = re.compile(r"[\w.:/@%+*-]*")


def config_dir() -> Path:
    """The folder of our configuration files: inside the installed package, or at the top of a source tree."""
    package = Path(eventtag.__file__).parent
    inside = package / "configs"
    return inside if inside.is_dir() else package.parent.parent / "configs"


_other_groups: set[str] = set()
"""Groups of ours that the command does not take, which its help and completion leave out."""


def guard_configurations(command: str | None = None) -> None:
    """From here on, Hydra reads users' folders as this module says, and lists the groups of `command`, or all; SettingsError is raised
    while it composes.
    """
    if command is not None:
        entries = yaml.safe_load((config_dir() / f"{command}.yaml").read_text(encoding="utf-8"))["defaults"]
        taken = {name.partition("@")[0] for entry in entries if isinstance(entry, dict) for name in entry}
        _other_groups.update({folder.name for folder in config_dir().iterdir()} - taken)
    Plugins.instance()  # registers Hydra's own readers, which are replaced next
    types = SourcesRegistry.instance().types
    types["file"], types["pkg"] = GuardedFiles, GuardedPackages
    load: Any = ConfigLoaderImpl.load_configuration
    if hasattr(load, "__wrapped__"):
        return

    @functools.wraps(load)
    def load_configuration(*arguments: Any, **options: Any) -> DictConfig:
        composed: DictConfig = load(*arguments, **options)
        require_known_code(composed)
        require_known_keys(composed)
        _require_own_sweep(composed)
        return composed

    ConfigLoaderImpl.load_configuration = load_configuration  # type: ignore[method-assign]
    Hydra.get_mode = _mode_if_chosen(Hydra.get_mode)  # type: ignore[method-assign]


def _mode_if_chosen(get_mode: Callable[..., Any]) -> Callable[..., Any]:
    """Hydra composes everything once only to see whether `hydra.mode` is set; that is left out where nothing can set it."""

    @functools.wraps(get_mode)
    def mode(hydra: Hydra, config_name: str | None, overrides: list[str]) -> Any:
        paths = [str(entry.path) for entry in hydra.config_loader.get_search_path().get_path()]
        folders = [path for path in paths if not path.startswith(("pkg://hydra", "structured://"))]
        if folders == [str(config_dir())] and not any("hydra" in override for override in overrides):
            return None
        return get_mode(hydra, config_name, overrides)

    return mode


class GuardedPackages(ImportlibResourcesConfigSource):
    """Configurations inside packages, from which no path leads out."""

    def is_group(self, config_path: str) -> bool:
        """Whether there is such a folder."""
        return not _leads_out(config_path) and super().is_group(config_path)

    def is_config(self, config_path: str) -> bool:
        """Whether there is such a file."""
        return not _leads_out(config_path) and super().is_config(config_path)


class GuardedFiles(FileConfigSource):
    """A folder of configurations: ours unchanged, a user's without what it must not set."""

    def __init__(self, provider: str, path: str) -> None:
        super().__init__(provider, path)
        if not self._is_ours():
            _warn_of_hidden(self.path)

    def is_group(self, config_path: str) -> bool:
        """Whether there is such a folder, for all that a user's folder may hold."""
        return not self._is_hidden(config_path) and super().is_group(config_path)

    def is_config(self, config_path: str) -> bool:
        """Whether there is such a file, for all that a user's folder may hold."""
        return not self._is_hidden(config_path) and super().is_config(config_path)

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """What there is, for completion and error messages."""
        places = {name: str(PurePosixPath(config_path) / name) for name in super().list(config_path, results_filter)}
        return [name for name, place in places.items() if place not in _other_groups and not self._is_hidden(place)]

    def load_config(self, config_path: str) -> ConfigResult:
        """Read a file; SettingsError, naming it, where a user's file sets what it must not."""
        file = Path(self.path) / self._normalize_file_name(config_path)
        if not self._is_ours():
            _require_small(file)
        result = super().load_config(config_path)
        if not self._is_ours():
            _require_harmless(result, str(file))
        return result

    def _is_ours(self) -> bool:
        return Path(self.path).resolve() == config_dir().resolve()

    def _is_hidden(self, config_path: str) -> bool:
        if _leads_out(config_path):
            return True
        if self._is_ours():
            return False
        parts = PurePosixPath(config_path).parts
        return parts[:1] == ("hydra",) or (
            len(parts) == 1 and PurePosixPath(parts[0]).name.removesuffix(".yaml").endswith("_schema")
        )


@functools.cache
def _warn_of_hidden(folder: str) -> None:
    """Say, once, what of a user's folder is not read: what is for Hydra itself, and files that change some of ours."""
    if (Path(folder) / "hydra").is_dir():
        print_message(
            f"{Path(folder) / 'hydra'}: is not read; a folder of configurations adds to the groups of eventtag, not to Hydra's own"
        )
    for ours in sorted(config_dir().rglob("*.yaml")):
        place = ours.relative_to(config_dir())
        file = Path(folder) / place
        with suppress(OSError):
            if place.parts[0] != "hydra" and file.read_bytes() != ours.read_bytes():
                print_message(f"{file}: is not read, since eventtag has a configuration of this name; give the file another name")


def _require_own_sweep(composed: DictConfig) -> None:
    """Raise SettingsError if `-m` would replace a file that no sweep of this command wrote."""
    if OmegaConf.select(composed, "hydra.mode") != RunMode.MULTIRUN:
        return
    record = Path(composed.hydra.sweep.dir) / "multirun.yaml"
    command = composed.hydra.job.config_name
    if not record.exists() and not record.is_symlink():
        return
    with suppress(OSError, ValueError, yaml.YAMLError, OmegaConfBaseException):
        if record.is_file() and not record.is_symlink():
            written: Any = OmegaConf.load(record)
            if OmegaConf.select(written, "hydra.job.config_name") == command:
                return
    raise SettingsError(
        f"{record}: was not written by a sweep of eventtag {command.replace('_', '-')}, and -m would replace it; "
        "give another hydra.sweep.dir"
    )


def _leads_out(config_path: str) -> bool:
    path = PurePosixPath(config_path)
    return path.is_absolute() or ".." in path.parts


def _require_small(file: Path) -> None:
    """Raise SettingsError for a file whose aliases stand for more than MAX_VALUES values, which would fill the memory, and for one that is
    nested too deeply.
    """
    try:
        with suppress(OSError, ValueError, yaml.YAMLError):  # Hydra places these in its own words
            root = yaml.compose(file.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
            if root is not None and _count_values(root, {}) > MAX_VALUES:
                problem = f"{file}: its aliases (`*name`) stand for more than {MAX_VALUES:,} values"
                raise SettingsError(f"{problem}; write out what is needed")
    except RecursionError:
        raise SettingsError(f"{file}: is nested too deeply to be read; make it flatter") from None


def _count_values(node: yaml.Node, known: dict[int, float]) -> float:
    """The values below a node, those of an alias once for each place; infinite where a node holds itself."""
    if id(node) not in known:
        known[id(node)] = math.inf
        inner = [node.value] if isinstance(node, yaml.ScalarNode) else node.value
        parts = [part for item in inner for part in (item if isinstance(item, tuple) else (item,))]
        known[id(node)] = 1 + sum(_count_values(part, known) for part in parts if isinstance(part, yaml.Node))
    return known[id(node)]


def _require_harmless(result: ConfigResult, file: str) -> None:
    """Raise SettingsError for a user's file that would be put below `hydra`, puts another there, or sets there what could choose code."""
    package = result.header.get("package") or ""
    if "hydra" in package.split("."):
        raise _not_allowed(file, f"@package {package}", "a user's file is not put there")
    content: Any = OmegaConf.to_container(result.config, resolve=False)
    if not isinstance(content, dict):
        return
    for entry in content.get("defaults") or ():
        for key, choice in entry.items() if isinstance(entry, dict) else [(str(entry), None)]:
            place = str(key).partition("@")[2].replace(":", ".")
            if "hydra" in place.split("."):
                raise _not_allowed(file, f"defaults: {key}", "nothing of a user's is put there")
            if choice is not None and any(_leads_out(str(name)) for name in (choice if isinstance(choice, list) else [choice])):
                raise _not_allowed(file, f"defaults: {key}: {choice}", "a choice is a name in its group")
    for key, value in _leaves(content.get("hydra"), ""):
        _require_harmless_key(file, key, value)


def _require_harmless_key(file: str, key: str, value: object) -> None:
    head, _, rest = key.partition(".")
    if key in PLACES or key == "sweeper.params":
        return
    if head == "sweeper" and rest.startswith("params."):
        if "hydra" in re.split(r"[/.@:]", rest.removeprefix("params.").lstrip("+~")):
            raise _not_allowed(file, f"hydra.{key}", "a sweep goes through keys of eventtag")
        return
    if head in ("sweeper", "launcher") and not any(part.startswith("_") for part in key.split(".")):
        word = isinstance(value, str) and key.rpartition(".")[2] in WORDS and PLAIN.fullmatch(value)
        if value is None or isinstance(value, bool | int | float) or word:
            return
    raise _not_allowed(file, f"hydra.{key}", "a user's file may not set it; give it on the command line")


def _leaves(value: object, prefix: str) -> Iterator[tuple[str, object]]:
    """The values below a mapping by their dotted keys; a list is a value."""
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from _leaves(inner, f"{prefix}.{name}" if prefix else str(name))
    elif prefix or value:
        yield prefix, value


def _not_allowed(file: str, what: str, why: str) -> SettingsError:
    return SettingsError(f"{file}: {what} is not allowed, since it could choose which code runs; {why} (docs/security.md)")


def require_known_code(composed: DictConfig) -> None:
    """Raise SettingsError if Hydra would call, for a composed configuration, what is neither its own nor an installed plugin's."""
    if "hydra" not in composed:
        return
    content: Any = OmegaConf.to_container(composed.hydra, resolve=False)
    known = {*_registered_targets(ConfigStore.instance().repo.get("hydra", {})), *CALLBACKS}
    for key, value in _named(content, "hydra"):
        name, logs = key.rpartition(".")[2], key.startswith(("hydra.job_logging.", "hydra.hydra_logging."))
        wrong = (
            (name == "_target_" and value not in known)
            or (logs and name == "()" and value not in FORMATTERS)
            or (logs and name == "class" and value not in FORMATTERS and not HANDLER.fullmatch(str(value)))
            or (logs and str(value).startswith(("ext://", "cfg://")) and value not in STREAMS)
        )
        if wrong:
            raise SettingsError(
                f"{key}={value} is not allowed: only what Hydra and its installed plugins bring is called "
                "(hydra/launcher=basic, joblib, submitit_local, ...; docs/security.md)"
            )


def _named(value: object, prefix: str) -> Iterator[tuple[str, object]]:
    """Every value with its dotted key, those in lists too."""
    items = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else None
    if items is None:
        yield prefix, value
        return
    for name, inner in items:
        yield from _named(inner, f"{prefix}.{name}")


def _registered_targets(stored: Mapping[str, Any]) -> Iterator[str]:
    for entry in stored.values():
        if isinstance(entry, ConfigNode):
            content: Any = OmegaConf.to_container(entry.node, resolve=False)
            yield from (str(value) for key, value in _named(content, "") if key.endswith("._target_"))
        else:
            yield from _registered_targets(entry)
