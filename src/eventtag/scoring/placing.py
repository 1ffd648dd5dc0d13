"""Predictions of formats that hold no white space, such as CoNLL columns, placed in the gold articles.

Two texts differ only in white space if their other characters are the same in order. The n-th of these in one text is then the n-th
in the other, so a span keeps its characters. Offsets are code points, half-open.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from eventtag.article import Article
from eventtag.ledger import LossLedger
from eventtag.respan import respan


def place_predictions(gold: Mapping[str, Article], predictions: Iterable[Article]) -> tuple[list[Article], list[str]]:
    """(the predictions with the ids and, where the texts differ in white space alone, the texts and offsets of the gold articles, remarks).

    Where no prediction has the id of a gold article and there are as many of both, they belong together by their order. A prediction
    whose text differs in other characters is left as it is: offsets in it mean something else.
    """
    predicted = list(predictions)
    remarks: list[str] = []
    if predicted and len(predicted) == len(gold) and not any(article.id in gold for article in predicted):
        remarks.append(
            f"no prediction has the id of a gold article; the {len(gold)} articles of both belong together by their order"
        )
        predicted = [replace(article, id=name) for article, name in zip(predicted, gold, strict=True)]
    ledger = LossLedger()
    placed = [_place(article, gold.get(article.id), ledger) for article in predicted]
    moved = sum(one is not other for one, other in zip(placed, predicted, strict=True))
    if moved:
        remarks.append(
            f"{moved} texts differ from the gold text in white space alone; their spans were placed by the other characters"
        )
    return placed, remarks + ledger.summary()


def _place(predicted: Article, gold: Article | None, ledger: LossLedger) -> Article:
    if gold is None or predicted.text == gold.text:
        return predicted
    here, there = _visible(predicted.text), _visible(gold.text)
    if _characters(predicted.text) != _characters(gold.text):
        return predicted
    moved = {}
    for span in predicted.spans:
        first, behind = np.searchsorted(here, [span.start, span.end]).tolist()
        if first < behind:  # a span of white space alone is on no character
            moved[span] = replace(span, start=int(there[first]), end=int(there[behind - 1]) + 1)
    return respan(
        predicted,
        moved.values(),
        moved=moved,
        stage="placing",
        ledger=ledger,
        text=gold.text,
        annotated=None,
        labels=None,
        rejected=(),
    )


def _visible(text: str) -> npt.NDArray[np.int64]:
    """Offsets of the characters that are not white space."""
    return np.array([place for place, character in enumerate(text) if not character.isspace()], dtype=np.int64)


def _characters(text: str) -> Sequence[str]:
    return "".join(text.split())
