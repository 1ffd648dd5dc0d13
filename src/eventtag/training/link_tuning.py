"""The link head's own epochs, after those of the whole model: the encoder, and so the tags, stay as they are.

The number of epochs of a run is chosen for the tags, which are learnt sooner than links. Then the layers over pairs and status go on
learning from the link states of whole articles, so that they learn from pairs across windows too.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from eventtag.article import Article
from eventtag.encoding.tokens import SpecialTokens
from eventtag.encoding.windows import Window
from eventtag.ledger import LossLedger
from eventtag.links.calibration import LinkInfo
from eventtag.links.scheme import scheme_from_json
from eventtag.models.link_layers import STATES, LinkLayers
from eventtag.tagging.tagger import Tagger
from eventtag.training.data.link_targets import link_targets

log = logging.getLogger(__name__)

EPOCHS, BATCH, RATE, WEIGHT_DECAY, WARMUP, MAX_NORM = 8, 6, 8e-4, 0.05, 0.1, 1.0
"""Passes, articles of an update, learning rate; on the sample they raise F1 of links by about a point (docs/evidence/results.md)."""
NO_TOKENS = SpecialTokens(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))


def tune_links(tagger: Tagger, articles: Sequence[tuple[Article, float]], *, seed: int) -> None:
    """Train the layers over pairs and status of the tagger's torch model on articles, each with its weight in the loss; articles without
    links and status teach nothing. Does nothing for a model without a link head. The result depends on `seed`, articles and weights.
    """
    layers: LinkLayers | None = getattr(tagger.model, "link_layers", None)
    if layers is None:
        return
    scheme = scheme_from_json(tagger.model.config.links)
    weights = {article.id: weight for article, weight in articles}
    taught = []
    for article, tokens, states in replace(tagger, links=LinkInfo(scheme)).link_states(article for article, _ in articles):
        size = len(tokens.input_ids)
        (targets,) = link_targets(
            article, tokens, [Window(0, size, 0, size)], tagger.labels, scheme, special=NO_TOKENS, ledger=LossLedger()
        )
        if targets is not None:
            taught.append((states.astype(np.float16), replace(targets, weight=weights[article.id])))
    if not taught:
        return
    learnt = [weight for name, weight in layers.named_parameters() if not name.startswith(STATES)]
    optimizer = torch.optim.AdamW(learnt, lr=RATE, weight_decay=WEIGHT_DECAY)
    random = np.random.default_rng(seed)
    steps = EPOCHS * math.ceil(len(taught) / BATCH)
    rise = max(1, round(WARMUP * steps))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min((step + 1) / rise, (steps - step) / steps))
    device = learnt[0].device
    losses = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers.train()
        for _ in range(EPOCHS):
            order = sorted(range(len(taught)), key=lambda place: len(taught[place][0]) + random.random() * 80)
            batches = [order[start : start + BATCH] for start in range(0, len(order), BATCH)]
            losses.append(0.0)
            for batch in random.permutation(len(batches)).tolist():
                chosen = [taught[place] for place in batches[batch]]
                width = max(len(states) for states, _ in chosen)
                read = np.stack([np.pad(states, ((0, width - len(states)), (0, 0))) for states, _ in chosen])
                windows = [targets for _, targets in chosen]
                links = max(1, sum(int((targets.roles > 0).sum()) for targets in windows))
                loss = layers.loss(torch.from_numpy(read.astype(np.float32)).to(device), windows, positions=links)
                optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(learnt, MAX_NORM)
                optimizer.step()
                schedule.step()
                losses[-1] += loss.item() / len(batches)
        layers.eval()
        layers.zero_grad(set_to_none=True)
    log.info(
        "link head: %d epochs more on whole articles, loss %.3f in the first, %.3f in the last", EPOCHS, losses[0], losses[-1]
    )
