"""What a Hydra command leaves in its run directory beside its results: its log, and in `.hydra` the composed settings.

Hydra would write both before the command has checked the folder; here they are written after the check.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from eventtag.printable import PrintableFormatter
from eventtag.run_folder import claimed_folder

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
        hydra = HydraConfig.instance().cfg
        overrides = HydraConfig.get().overrides.task
        for name, part in (("config", config), ("hydra", hydra), ("overrides", overrides)):
            OmegaConf.save(part, folder / f"{name}.yaml")
        handler = logging.FileHandler(Path(run_dir) / f"{command.replace('-', '_')}.log", encoding="utf-8")
        handler.setFormatter(PrintableFormatter(LINE))
        logging.getLogger().addHandler(handler)
        try:
            yield
        finally:
            logging.getLogger().removeHandler(handler)
            handler.close()
