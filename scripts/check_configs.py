"""Compose every configuration and check it as its command would: each entry with each choice of each group.

python scripts/check_configs.py
"""

from __future__ import annotations

import sys
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf

from eventtag.cli.hydra_task import config_dir, open_schema, register_resolvers, spell_out_corpora
from eventtag.settings import (
    EvaluateSettings,
    LearningCurveSettings,
    PredictSettings,
    SelectSettings,
    ServeSettings,
    TrainSettings,
)
from eventtag.settings.pretrain import PretrainSettings
from eventtag.settings.sweep import SweepSettings

ENTRIES = {
    "train": TrainSettings,
    "evaluate": EvaluateSettings,
    "predict": PredictSettings,
    "select": SelectSettings,
    "serve": ServeSettings,
    "pretrain": PretrainSettings,
    "sweep": SweepSettings,
    "learning_curve": LearningCurveSettings,
}
GROUPS = {
    "train": ("data", "model", "trainer", "evaluation", "experiment", "sweep"),
    "evaluate": ("data", "evaluation"),
    "predict": (),
    "select": (),
    "serve": (),
    "pretrain": ("data", "model"),
    "sweep": ("data", "model", "trainer", "evaluation", "experiment", "space"),
    "learning_curve": ("data", "model", "trainer", "evaluation", "experiment"),
}
GIVEN = {
    "train": [],
    "learning_curve": [],
    "evaluate": ["checkpoint=c"],
    "predict": ["checkpoint=c", "input=i"],
    "select": ["checkpoint=c", "input=i", "output=o"],
    "serve": ["checkpoint=c"],
    "pretrain": ["input=i"],
    "sweep": [],
}

NEEDED = {"data=corpus": ["data.path=p"], "data=mix": ["data.corpora=[sample,re3d]"]}


def main() -> int:
    """Compose all; returns 1 when any fails."""
    register_resolvers()
    folder = config_dir()
    failures = 0
    count = 0
    with initialize_config_dir(str(folder), version_base="1.3"):
        for entry, settings in ENTRIES.items():
            ConfigStore.instance().store(name=f"{entry}_schema", node=open_schema(settings))
            choices = [[f"{group}={file.stem}"] for group in GROUPS[entry] for file in sorted((folder / group).glob("*.yaml"))]
            for chosen in [[], *choices]:
                overrides = spell_out_corpora(GIVEN[entry] + chosen + NEEDED.get("".join(chosen), []))
                count += 1
                try:
                    config = compose(entry, overrides)
                    if "run_dir" in config:
                        config.run_dir = "runs"  # a command takes it from Hydra
                    OmegaConf.to_object(config)
                except Exception as error:
                    failures += 1
                    print(f"{entry} {' '.join(overrides)}: {type(error).__name__}: {error}", file=sys.stderr)
            for file in folder.rglob("*.yaml"):
                if not Path(file).read_text(encoding="utf-8").startswith("# "):
                    failures += 1
                    print(f"{file}: does not open with a comment that says how it is used", file=sys.stderr)
    print(f"{count} configurations composed, {failures} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
