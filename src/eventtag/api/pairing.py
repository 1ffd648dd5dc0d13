"""Predictions of any program and their gold articles, as `score` and `plan` read them."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eventtag.api.articles import Source, name_of, require_names
from eventtag.api.gold import Gold, read_gold, read_noted
from eventtag.api.systems import PREDICTIONS_FILE
from eventtag.article import Article
from eventtag.corpus.clusters import clusters_of
from eventtag.link import Link
from eventtag.scoring.pairing import pair_predictions
from eventtag.scoring.placing import place_predictions
from eventtag.scoring.tally import Pair


@dataclass(frozen=True)
class PairedGold:
    """Gold articles with their predictions, and remarks: what was lost, left out or placed.

    `links` are the predicted links by article id; None if the predictions have no links. `clusters` says which articles are
    resampled together (None: each alone), `rule` by which rule, `within` which of them are near-duplicates.
    """

    gold: Gold
    pairs: tuple[Pair, ...]
    links: Mapping[str, tuple[Link, ...] | None]
    notes: tuple[str, ...]
    clusters: Mapping[str, Hashable] | None
    within: Mapping[str, Hashable] | None
    rule: str

    @property
    def articles(self) -> list[Article]:
        """The gold articles."""
        return [article for article, _ in self.pairs]


def pair_with_gold(
    predictions: Source,
    gold: Source,
    *,
    split: str = "auto",
    labels: Sequence[str] | None = None,
    clusters: str | None = None,
    format: str = "auto",  # noqa: A002 - the word for it in every command
    options: Mapping[str, Any] | None = None,
    label_map: Mapping[str, str | None] | None = None,
    gold_format: str = "auto",
    gold_options: Mapping[str, Any] | None = None,
) -> PairedGold:
    """Read both and match them, as `eventtag.score` says; the folder of an evaluation stands for the predictions in it.

    Raises DataError if articles are missing or texts differ, SettingsError for names that do not occur.
    """
    if isinstance(predictions, str | os.PathLike) and (Path(predictions) / PREDICTIONS_FILE).is_file():
        predictions = Path(predictions) / PREDICTIONS_FILE
    reading: dict[str, Any] = {"label_map": label_map}
    known = read_gold(
        gold, seen=None, include=True, split=split, labels=labels, format=gold_format, options=gold_options, **reading
    )
    source = name_of(predictions)
    predicted = read_noted(predictions, known.notes, known.before, format=format, options=options, **reading)
    require_names("label_map", label_map or (), known.before, "label")
    placed, remarks = place_predictions(known.articles, predicted)
    pairs, others = pair_predictions(known.articles, placed, source=source)
    if others:
        remarks.append(f"{others} articles are left out, as no gold article has their id")
    notes = (*known.notes, *(f"{source}: {remark}" for remark in remarks))
    articles = [article for article, _ in pairs]
    field_name = clusters or known.cluster_field
    if field_name is not None:
        require_names("clusters", [field_name], {name for article in articles for name in article.meta}, "metadata field")
    units, rule = clusters_of(articles, field_name)
    within = units if field_name is None else clusters_of(articles, None)[0]
    links = {article.id: article.links for article in placed}
    return PairedGold(known, tuple(pairs), links, notes, units, within, rule)
