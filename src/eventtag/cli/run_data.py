"""The articles of the run that made a checkpoint, for commands that are not told which articles to take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from eventtag.cli.hydra_task import open_schema
from eventtag.errors import SettingsError
from eventtag.settings import DataSettings


def data_of_run(checkpoint: Path, option: str) -> DataSettings:
    """The data settings of the run that made the checkpoint, which lie beside it.

    Raises SettingsError, which names the `option` that gives other articles, where they are not there or cannot be read.
    """
    file = checkpoint.resolve().parent / "settings.yaml"
    try:
        content: Any = yaml.safe_load(file.read_text(encoding="utf-8"))["data"]
        found: Any = OmegaConf.to_object(OmegaConf.merge(open_schema(DataSettings), content))
    except OSError as error:
        raise SettingsError(
            f"{file}: there is no run beside the checkpoint, so nothing says which articles to take; give them by {option}"
        ) from error
    except (yaml.YAMLError, KeyError, TypeError, OmegaConfBaseException) as error:
        raise SettingsError(f"{file}: its data settings cannot be read ({error}); give the articles by {option}") from error
    assert isinstance(found, DataSettings)
    return found
