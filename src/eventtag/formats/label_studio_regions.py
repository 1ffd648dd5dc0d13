"""The regions of one Label Studio annotation, as spans.

A result is a region where its value has a place in the text. Its labels are the list under its type, or under any key that ends in
`labels` (`hypertextlabels`, `htmllabels`, `paragraphlabels`, ...); a taxonomy's are its paths ("Place/City"). Results of another
type with the id of a labelled region (choices, notes, ...) are answers about it, and no spans.

Source: https://labelstud.io/guide/export
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from eventtag.errors import DataError
from eventtag.formats.json_file import list_of, mapping_of
from eventtag.formats.label_studio_text import Shown, is_region, place_of
from eventtag.formats.offsets import ForeignSpan
from eventtag.formats.span_lists import score_of

ANSWERS = frozenset({"choices", "textarea", "rating", "number", "datetime", "pairwise", "ranker", "relation", "taxonomy"})
NO_LABEL = "(no label)"


@dataclass
class Regions:
    """What an annotation's results are.

    `spans` with their scores; `lost`: regions of which the label or the place cannot be told, and why; `elsewhere`: tag and type of
    results that lie on another tag than the text's; `answers`: types of results that are no regions.
    """

    spans: list[ForeignSpan] = field(default_factory=list)
    lost: list[tuple[ForeignSpan, str]] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)


def results_of(annotation: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The results of an annotation or prediction; raises DataError where one is no object."""
    return [mapping_of(result, "one of `result`") for result in list_of(annotation, "result")]


def read_regions(results: Iterable[Mapping[str, Any]], where: Shown, tag: str | None) -> Regions:
    """The spans among the results that lie on `tag` (None: on any), in the offsets of the export.

    Raises DataError for a label that is no text, and for offsets that are no whole numbers.
    """
    found = Regions()
    labelled: set[object] = set()
    later: list[Mapping[str, Any]] = []
    for result in results:
        kind = str(result.get("type", "labels"))
        value = result.get("value")
        if kind in ANSWERS - {"taxonomy"} or not isinstance(value, Mapping):
            found.answers.append(kind)
        elif tag is not None and result.get("to_name", tag) != tag:
            found.elsewhere.append(f"{result['to_name']} ({kind})")
        elif not is_region(value):
            (found.answers if kind in ANSWERS else found.elsewhere).append(kind)
        elif kind in ANSWERS or not _labels(kind, value):
            later.append(result)
        else:
            labelled.add(result.get("id"))
            _add(found, result, kind, value, _labels(kind, value), where)
    labelled.discard(None)
    for result in sorted(later, key=lambda item: item.get("type") != "taxonomy"):
        kind = str(result.get("type", "labels"))
        if result.get("id") in labelled:
            found.answers.append(kind)
            continue
        labels = _labels(kind, result["value"])
        if labels and result.get("id") is not None:
            labelled.add(result["id"])
        _add(found, result, kind, result["value"], labels or [NO_LABEL], where)
    return found


def _labels(kind: str, value: Mapping[str, Any]) -> list[Any]:
    keys = [kind, *(key for key in value if key.endswith("labels")), "taxonomy"]
    labels: list[Any] = next((value[key] for key in keys if isinstance(value.get(key), list) and value[key]), [])
    return ["/".join(map(str, label)) if isinstance(label, list) and label else label for label in labels]


def _add(found: Regions, result: Mapping[str, Any], kind: str, value: Mapping[str, Any], labels: list[Any], where: Shown) -> None:
    surface = value["text"] if isinstance(value.get("text"), str) and value["text"] else None
    place = place_of(value, where)
    for label in labels:
        if not isinstance(label, str) or not label.strip():
            raise DataError(f"the label {label!r} of a region ({kind}) is not a text; label it in Label Studio")
        if place is None:
            lost = ForeignSpan(0, 0, label, surface)
            found.lost.append((lost, "its place is an XPath or a paragraph that is not there; export it with globalOffsets"))
        elif label == NO_LABEL:
            found.lost.append((ForeignSpan(*place, label, surface), "the region has no label; give it one in Label Studio"))
        else:
            found.spans.append(ForeignSpan(*place, label, surface, score_of(result.get("score", value.get("score")))))
