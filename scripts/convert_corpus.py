"""Turn a corpus that a data configuration describes into a `datasets.DatasetDict` on disk, for any token-classification trainer.

    python scripts/convert_corpus.py sample tokens/sample
    python scripts/convert_corpus.py ecbplus tokens/ecbplus path=/where/it/is
    python scripts/convert_corpus.py corpus tokens/mine path=articles.jsonl split_field=topic

Labels are mapped and splits made as `eventtag train data=NAME data.KEY=VALUE ...` would. Beside the dataset stands manifest.json:
counts per label, sha256 of the inputs, licence, the rule of the split. `datasets.load_from_disk` reads it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from eventtag.cli.hydra_task import config_dir, register_resolvers
from eventtag.corpus.loading import load_corpus
from eventtag.corpus.store import store_corpus
from eventtag.errors import EventtagError
from eventtag.settings import EvaluateSettings


def main() -> int:
    """Convert; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="a configuration of the group `data`")
    parser.add_argument("output", type=Path, help="folder to make; must not exist")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="settings of `data`")
    arguments = parser.parse_args()
    register_resolvers()
    ConfigStore.instance().store(name="evaluate_schema", node=EvaluateSettings)
    try:
        with initialize_config_dir(str(config_dir()), version_base="1.3"):
            config = compose("evaluate", [f"data={arguments.name}", *(f"data.{override}" for override in arguments.overrides)])
        settings = OmegaConf.to_object(config.data)
        corpus = load_corpus(settings)
        parts = settings.corpora.values() or [settings]
        inputs = [Path(path) for part in parts for path in (part.path, part.validation, part.test) if path is not None]
        manifest = store_corpus(corpus, arguments.output, inputs=inputs, ledger=corpus.ledger)
    except (EventtagError, OmegaConfBaseException, HydraException) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for line in manifest["lost"]:
        print(line)
    for split, about in manifest["splits"].items():
        print(f"{split}: {about['articles']} articles, {about['spans']}")
    print(f"{arguments.output}: read it with datasets.load_from_disk")
    return 0


if __name__ == "__main__":
    sys.exit(main())
