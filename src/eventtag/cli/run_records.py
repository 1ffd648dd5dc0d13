"""What a Hydra command leaves in its run directory beside its results: its log, and in `.hydra` the composed settings.

Hydra would write both before the command has checked the folder; here they are written after the check. The settings of a run that is
continued stay as they are, unless the command that continues it has others and ends well (a sweep with more trials).
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from eventtag.printable import PrintableFormatter
from eventtag.run_folder import claimed_folder

CONFIG_FILE = "config.yaml"
_RESUME = re.compile("^resume: .*\n", re.MULTILINE)
LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"


@contextmanager
def recorded_run(command: str, run_dir: str, config: DictConfig) -> Iterator[None]:
    """Within the block, the run directory belongs to this process, and the log is also written there. If a launcher started several
    processes, only the first does this.

    Raises OutputError for a directory that is not empty and was not made by the command, or in which another process works.
    """
    if int(os.environ.get("RANK", "0")) and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        yield
        return
    with claimed_folder(Path(run_dir), command):
        folder = Path(run_dir) / ".hydra"
        folder.mkdir(exist_ok=True)
        earlier = _settings_of(folder)
        if earlier is None:
            _save_settings(config, folder)
        handler = logging.FileHandler(Path(run_dir) / f"{command.replace('-', '_')}.log", encoding="utf-8")
        handler.setFormatter(PrintableFormatter(LINE))
        logging.getLogger().addHandler(handler)
        try:
            yield
        finally:
            logging.getLogger().removeHandler(handler)
            handler.close()
        if earlier not in (None, _RESUME.sub("", OmegaConf.to_yaml(config))):
            _save_settings(config, folder)


def _settings_of(folder: Path) -> str | None:
    """The settings of an earlier command, but for `resume`; None if there was none. A command that is refused, or finds its run finished,
    must not change them: they say how the results were made.
    """
    file = folder / CONFIG_FILE
    return _RESUME.sub("", file.read_text(encoding="utf-8", errors="replace")) if file.is_file() else None


def _save_settings(config: DictConfig, folder: Path) -> None:
    hydra, overrides = HydraConfig.instance().cfg, HydraConfig.get().overrides.task
    for name, part in (("hydra.yaml", hydra), ("overrides.yaml", overrides), (CONFIG_FILE, config)):
        OmegaConf.save(part, folder / name)
