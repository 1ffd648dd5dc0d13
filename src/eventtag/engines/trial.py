"""Whether an exported model does what its checkpoint says: it reads one short text before any article."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from eventtag.encoding.tokens import special_tokens, tokenise
from eventtag.engines.backend import Backend, LinkBackend
from eventtag.labels import LabelSet
from eventtag.links.candidates import find_candidates
from eventtag.links.scheme import LinkScheme
from eventtag.span import STATUSES, Span

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TEXT = "a a"


def require_scores(backend: Backend, tokenizer: Tokenizer, labels: LabelSet, scheme: LinkScheme | None) -> None:
    """Raise ValueError unless the model gives each word a finite score for every tag and, with a link head of this `scheme`, each pair one
    for every role and each event one for every status. What the engine raises passes through.
    """
    tokens, special = tokenise(TEXT, tokenizer), special_tokens(tokenizer)
    ids = np.concatenate([special.prefix, tokens.input_ids, special.suffix])[None]
    casing = np.zeros_like(ids)
    before = len(special.prefix)
    words = before + tokens.first_token[None]
    if scheme is None:
        scores = backend.emissions(ids, casing, words)
    else:
        assert isinstance(backend, LinkBackend)
        scores, states = backend.emissions_and_states(ids, casing, words)
        event, participant = scheme.events[0], scheme.participants[scheme.roles[0]][0]
        spans = [Span(0, 1, event), Span(2, 3, participant)]
        assert backend.pair_network is not None
        found = backend.pair_network(
            states[0, before : before + len(tokens.input_ids)], find_candidates(TEXT, tokens, spans, labels, scheme)
        )
        _require("roles", found.roles, (1, 1 + len(scheme.roles)), finite=False)
        _require("statuses", found.status, (1, len(STATUSES)))
    _require("tags", scores, (1, words.shape[1], len(labels.tags)))


def _require(
    what: str, scores: np.ndarray[tuple[int, ...], np.dtype[np.float32]], shape: tuple[int, ...], *, finite: bool = True
) -> None:
    if scores.shape != shape:
        raise ValueError(f"its scores of {what} have the shape {list(scores.shape)}, and {list(shape)} is expected")
    if np.isnan(scores).any() or (finite and not np.isfinite(scores).all()):
        raise ValueError(f"its scores of {what} are not finite")
