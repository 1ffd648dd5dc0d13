"""Which files of a model are accepted: those of a known architecture, with weights that fit it, all in the model's own folder.

Without these checks transformers offers to run code that a model brings, downloads compiled code for its attention, draws missing weights
at random, and follows an index or an adapter to files anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from eventtag.encoding.tokens import require_usable
from eventtag.errors import CheckpointError
from eventtag.manifest import read_json

OURS = "eventtag"
"""`model_type` of our own classifier, whose configuration holds that of its encoder."""
KINDS = frozenset(
    {
        "albert", "bert", "big_bird", "camembert", "convbert", "data2vec-text", "deberta", "deberta-v2", "distilbert", "electra",
        "ernie", "eurobert", "gte", "longformer", "megatron-bert", "mobilebert", "modernbert", "mpnet", "nomic_bert", "nystromformer",
        "rembert", "roberta", "roberta-prelayernorm", "roformer", "xlm-roberta", "xlm-roberta-xl",
    }
)  # fmt: skip
"""`model_type` of the encoders that are tried in the tests. Each is a part of transformers."""
IMPLEMENTATIONS = ("eager", "sdpa")
"""Values of a configuration's `attn_implementation` and the like that are a part of transformers. Others name a repository of compiled
code, or a library."""
ADAPTER_FILE = "adapter_config.json"
INDEX_FILE = "model.safetensors.index.json"
CONFIG_FILE = "config.json"


def require_known_kind(config: Any, where: str, *, ours: bool = False) -> None:
    """Raise CheckpointError if a configuration is not that of a known encoder; with `ours` it may be our own classifier over one."""
    kind = config.get("model_type") if isinstance(config, Mapping) else None
    if ours and kind == OURS:
        inner = config.get("encoder")
        kind = inner.get("model_type") if isinstance(inner, Mapping) else None
    if kind == OURS:
        raise CheckpointError(f"{where}: is a checkpoint of eventtag, not an encoder; base={where} continues from it")
    if not isinstance(kind, str) or kind not in KINDS:
        raise CheckpointError(
            f"{where}: its model_type is {kind!r}, which is not an encoder that eventtag knows\n"
            f"allowed: {', '.join(sorted(KINDS))}"
        )
    for part in (config, config.get("encoder")) if ours else (config,):
        _require_plain(part if isinstance(part, Mapping) else {}, where)


def _require_plain(config: Mapping[str, Any], where: str) -> None:
    for key, value in config.items():
        foreign = key.endswith("_implementation") and value is not None and value not in IMPLEMENTATIONS
        if foreign or (key == "quantization_config" and value is not None):
            raise CheckpointError(
                f"{where}: its {key} is {str(value)[:60]!r}, which needs code that is no part of transformers, or weights of another kind\n"
                f"take {key} out of config.json, or use a model with plain weights"
            )


def require_own_tokenizer(folder: Path, tokenizer: Any, *, max_length: int) -> None:
    """Raise CheckpointError if the tokenizer of a checkpoint's folder is not one that its model can read, by config.json."""
    file = folder / CONFIG_FILE
    content = read_json(file, then="copy the checkpoint again")
    try:
        vocabulary = int((content.get("encoder") or content)["vocab_size"])
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"{file}: has no vocab_size; copy the checkpoint again") from error
    require_usable(tokenizer, vocabulary=vocabulary, max_length=max_length, where=f"checkpoint={folder}")


def require_no_adapter(found: object, where: str) -> None:
    """Raise CheckpointError if a model has the file of an adapter (`found`), which names another model and changes its weights."""
    if found:
        raise CheckpointError(
            f"{where}: holds {ADAPTER_FILE}, so its weights are those of an adapter and not of a whole model\n"
            "merge the adapter into its model (peft's merge_and_unload) and save that, or remove the file if the weights are whole"
        )


def require_own_weights(folder: Path, *, listed: Collection[str] | None = None) -> None:
    """Raise CheckpointError if a folder holds an adapter, or if the index of its weights names a file that is not in it or not among those
    `listed`.
    """
    require_no_adapter((folder / ADAPTER_FILE).exists(), str(folder))
    index = folder / INDEX_FILE
    if not index.is_file():
        return
    content = read_json(index, then="copy the model again")
    places = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(places, dict):
        raise CheckpointError(f"{index}: has no weight_map; copy the model again")
    for name in sorted({str(place) for place in places.values()}):
        if Path(name).name != name or not name.endswith(".safetensors") or (listed is not None and name not in listed):
            raise CheckpointError(
                f"{index}: points to {name!r}, which is not a file of weights of this folder; do not use this model"
            )


def require_fitting(loading: Mapping[str, Any], where: str, *, is_encoder: Callable[[str], bool] = lambda _: True) -> None:
    """Raise CheckpointError if the weights that were loaded (transformers' `loading`) are not those of the model.

    Only names for which `is_encoder` is true are checked: the layers on an encoder may be new.
    """
    kinds = {
        "missing_keys": "are missing",
        "mismatched_keys": "have another shape",
        "unexpected_keys": "belong to no part of it",
    }
    for key, what in kinds.items():
        names = sorted(name if isinstance(name, str) else str(name[0]) for name in loading.get(key) or ())
        names = [name for name in names if is_encoder(name)]
        if names:
            raise CheckpointError(
                f"{where}: its weights do not fit the model that config.json describes: {len(names)} {what}, {names[0]} among them; "
                "copy it again, or use a model whose files belong together"
            )
