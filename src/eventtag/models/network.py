"""Our own token classifier: any encoder with a casing embedding under it and a softmax, a CRF or a span head over it.

Many small encoders read lower-cased text, but capitals tell names. A casing embedding, zero at first, is added to the word embeddings, so
that training starts from the encoder as it is. A linear-chain CRF head learns scores of one tag following another (Lafferty et al. 2001)
on top of IOB2's rules. The head may read a mean of all layers with learnt weights instead of the last layer (Peters et al. 2018,
https://aclanthology.org/N18-1202/), because the last layer of a sentence encoder represents sentences more than words.

Importing this module registers the model with transformers' Auto classes, so `pipeline("token-classification", DIR)` loads it. A pipeline
gives no casing, so it tags as if every word were of the kind 0.

Letters for shapes: B windows, T tokens, H width of the encoder, C tags.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModel, AutoModelForTokenClassification, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import TokenClassifierOutput

from eventtag.encoding.casing import CASINGS
from eventtag.heads.registry import PLAIN_HEAD, head_of
from eventtag.labels import LabelSet
from eventtag.links.scheme import scheme_from_json
from eventtag.models.link_layers import LinkLayers

LAST_LAYER = 3.0
"""Initial weight of the last layer; the others have 0. It is 3/4 of a mean of seven layers, so training starts near the usual head."""


class EventtagConfig(PreTrainedConfig):
    """Configuration of `EventtagForTokenClassification`: the encoder's own, and that of the layers around it.

    `casing`: whether the model takes `casing_ids`. `layer_mix`: whether the head reads a learnt mean of all layers. `head`: a name of
    `eventtag.settings.Head`, whose own options are among the `options`. `head_dropout`: dropout before the head. `links`: the scheme of the
    link head (`LinkScheme.to_json`), None for a model without one.
    """

    model_type = "eventtag"
    sub_configs = {"encoder": AutoConfig}  # noqa: RUF012 - transformers reads it from the class

    def __init__(
        self,
        encoder: PreTrainedConfig | dict[str, Any] | None = None,
        *,
        casing: bool = True,
        layer_mix: bool = False,
        head: str = PLAIN_HEAD,
        head_dropout: float = 0.1,
        links: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        if isinstance(encoder, dict):
            encoder = AutoConfig.for_model(**encoder)
        self.encoder = encoder
        self.casing = casing
        self.layer_mix = layer_mix
        self.head = head
        self.head_dropout = head_dropout
        self.links = links
        super().__init__(**options)

    @property
    def max_position_embeddings(self) -> int | None:
        """The longest input of the encoder, where it states one."""
        return getattr(self.encoder, "max_position_embeddings", None)


@dataclass
class TaggerOutput(TokenClassifierOutput):
    """With the states that links are decoded from, where the model has a link head."""

    link_states: torch.Tensor | None = None


def labels_of(config: Any) -> LabelSet:
    """The labels whose tags a model's configuration names."""
    tags = [config.id2label[number] for number in sorted(config.id2label)]
    return LabelSet(tuple(tag[2:] for tag in tags[1::2]))


class EventtagForTokenClassification(PreTrainedModel):
    """An encoder with a casing embedding under it and a head (`eventtag.heads`) over it, whose layers are attributes of the network."""

    config_class = EventtagConfig
    base_model_prefix = "encoder"
    _supports_sdpa = True
    _supports_flash_attn = True
    supports_gradient_checkpointing = True

    def __init__(self, config: EventtagConfig) -> None:
        super().__init__(config)
        self.encoder = AutoModel.from_config(config.encoder, trust_remote_code=False)
        if getattr(self.encoder, "pooler", None) is not None:
            self.encoder.pooler = None  # it reads the first token only and would get no gradient
        inner: Any = config.encoder
        width, tags = int(inner.hidden_size), len(config.id2label or {})
        words: Any = self.encoder.get_input_embeddings()  # ALBERT's and ELECTRA's are narrower than their layers
        self.casing = nn.Embedding(len(CASINGS), words.embedding_dim, padding_idx=0) if config.casing else None
        if config.layer_mix:
            self.layer_weights = nn.Parameter(torch.zeros(int(inner.num_hidden_layers) + 1))
        self.dropout = nn.Dropout(config.head_dropout)
        self.head = head_of(config)
        layers = self.head.layers(width, tags, dropout=config.head_dropout)
        for name, layer in layers.items():
            setattr(self, name, layer)
        self.first_layer = next(iter(layers))
        self.link_layers = None
        if config.links is not None:
            self.link_layers = LinkLayers(
                scheme_from_json(config.links), labels_of(config), width=width, depth=int(inner.num_hidden_layers)
            )
        self.post_init()  # type: ignore[no-untyped-call]

    def _init_weights(self, module: nn.Module) -> None:
        """Initial weights of the new layers; the encoder initialises its own."""
        if self.link_layers is not None and any(module is layer for layer in self.link_layers.modules()):
            return  # they are as they were built
        if module is self.casing:
            nn.init.zeros_(module.weight)
        elif not self.head.initialise(self, module) and module is not self:
            self.encoder._init_weights(module)
        if module is self and hasattr(self, "layer_weights"):
            nn.init.zeros_(self.layer_weights)
            nn.init.constant_(self.layer_weights[-1:], LAST_LAYER)

    def _mixed(self, layers: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """[B, T, H]: the scalar mix of the layers [B, T, H]: their mean by learnt weights."""
        shares = self.layer_weights.softmax(0)
        mixed = shares[0] * layers[0]
        for share, layer in zip(shares[1:], layers[1:], strict=True):
            mixed = mixed + share * layer
        return mixed

    def get_input_embeddings(self) -> nn.Module:
        """The encoder's word embeddings."""
        return self.encoder.get_input_embeddings()  # type: ignore[no-any-return]

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replace the encoder's word embeddings."""
        self.encoder.set_input_embeddings(value)

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        casing_ids: torch.Tensor | None = None,
        word_positions: torch.Tensor | None = None,
        **_: Any,
    ) -> TaggerOutput:
        """The head's scores as `logits`, of token ids [B, T], and `link_states` [B, T, D] of a model with a link head; `casing_ids` [B, T]
        as `eventtag.encoding.casing` gives them.

        `word_positions` [B, K] is the first token of each word, negative beyond a window's last; raises ValueError if the head needs
        them and they are missing.
        """
        embedded = self.get_input_embeddings()(input_ids)
        if self.casing is not None and casing_ids is not None:
            embedded = embedded + self.casing(casing_ids)
        weight = next(getattr(self, self.first_layer).parameters())
        embedded = embedded.to(weight.dtype)  # bfloat16 in mixed precision, whose tables stay float32
        every = self.config.layer_mix or self.link_layers is not None
        output = self.encoder(inputs_embeds=embedded, attention_mask=attention_mask, output_hidden_states=every)
        hidden = output.last_hidden_state
        layers = (
            (*output.hidden_states[:-1], hidden) if every else ()
        )  # the last is normalised in every architecture, its copy is not
        if self.config.layer_mix:
            hidden = self._mixed(layers)
        scores = self.head.scores(self, self.dropout(hidden), word_positions)
        states = None if self.link_layers is None else self.link_layers.states(layers)
        return TaggerOutput(logits=scores, link_states=states)


AutoConfig.register(EventtagConfig.model_type, EventtagConfig)
AutoModelForTokenClassification.register(EventtagConfig, EventtagForTokenClassification)
