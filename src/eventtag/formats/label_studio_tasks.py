"""The tasks of a Label Studio export, whichever of its shapes it has: full, JSON_MIN, or the annotations of a target storage.

In JSON_MIN and in a target storage each annotation is a record of its own, so that a task may stand in several records.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from eventtag.formats.json_file import list_of, mapping_of, read_records
from eventtag.formats.label_studio_regions import MINIMAL_FIELDS, is_region
from eventtag.formats.text_file import at_line

Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Task:
    """One task: its data, its annotations that were not skipped in the order of the file, its predictions.

    `minimal`: from JSON_MIN, whose regions do not say on which tag they lie. `meta`: what the task has under `meta`.
    """

    line: int
    number: int
    id: str | None
    data: Fields
    annotations: tuple[Fields, ...] = ()
    predictions: tuple[object, ...] = ()
    drafts: bool = False
    skipped: bool = False
    """Whether an annotation was skipped (cancelled) that has regions."""
    minimal: bool = False
    single: bool = False
    """Whether a record is one annotation."""
    meta: Fields = field(default_factory=dict)


def read_tasks(path: Path, records: Counter[str]) -> Iterator[Task]:
    """Stream the tasks; the records of one task are one task, where the last of them stands. Raises FormatError.

    `records`: in how many records each task stands of which an annotation is a record.
    """
    counts = Counter(records)
    waiting: dict[str, Task] = {}
    for task in read_single_tasks(path):
        if not task.single or task.id is None or records[task.id] <= 1:
            yield task
            continue
        counts[task.id] -= 1
        earlier = waiting.pop(task.id, None)
        if earlier is not None and _longest(earlier.data) != _longest(task.data):
            yield earlier  # another task of the same id, which the reader of all files refuses
            earlier = None
        joined = task if earlier is None else replace(earlier, annotations=earlier.annotations + task.annotations)
        waiting[task.id] = joined
        if counts[task.id] == 0:
            yield waiting.pop(task.id)


def _longest(data: Fields) -> str:
    """Annotators give different answers in the fields of JSON_MIN; the text is one."""
    return max((value for value in data.values() if isinstance(value, str)), key=len, default="")


def read_single_tasks(path: Path) -> Iterator[Task]:
    """Stream every record as a task. Raises FormatError."""
    for number, (line, record) in enumerate(read_records(path), start=1):
        with at_line(path, line):
            yield _task(record, line, number)


def _task(record: Fields, line: int, number: int) -> Task:
    inner = record.get("task")
    if isinstance(inner, Mapping) and "result" in record:
        data = mapping_of(inner.get("data"), "`task.data`")
        kept, skipped = _read_or_skipped([record])
        return Task(line, number, _id(inner), data, kept, skipped=skipped, single=True, meta=_mapping(inner.get("meta")))
    if not isinstance(record.get("data"), Mapping):
        # A control's regions stand in a list, or one alone.
        controls = ((name, value if isinstance(value, list) else [value]) for name, value in record.items())
        results = [_minimal_result(name, item) for name, items in controls for item in items if is_region(item)]
        others = {*MINIMAL_FIELDS, *(result["from_name"] for result in results)}
        data = {key: value for key, value in record.items() if key not in others}
        annotation = {"result": results, "completed_by": record.get("annotator"), "data": data}
        return Task(line, number, _id(record), data, (annotation,), minimal=True, single=True)
    listed = list_of(record, "annotations" if "annotations" in record else "completions")
    kept, skipped = _read_or_skipped([mapping_of(item, "one of `annotations`") for item in listed])
    more: dict[str, Any] = {"drafts": bool(record.get("drafts")), "skipped": skipped, "meta": _mapping(record.get("meta"))}
    return Task(line, number, _id(record), record["data"], kept, tuple(list_of(record, "predictions")), **more)


def _id(record: Fields) -> str | None:
    return str(record["id"]) if isinstance(record.get("id"), int | str) else None


def _mapping(value: object) -> Fields:
    return value if isinstance(value, Mapping) else {}


def _read_or_skipped(annotations: Sequence[Fields]) -> tuple[tuple[Fields, ...], bool]:
    """The annotations that were not skipped, and whether one that was has regions."""
    skipped = [bool(item.get("was_cancelled") or item.get("skipped")) for item in annotations]
    kept = tuple(item for item, out in zip(annotations, skipped, strict=True) if not out)
    return kept, any(item.get("result") for item, out in zip(annotations, skipped, strict=True) if out)


def _minimal_result(name: str, value: Fields) -> Fields:
    kinds = [key for key in value if key.endswith("labels")]
    kinds += [key for key in ("taxonomy", "choices", "rating", "number") if key in value]
    return {"type": next(iter(kinds), "labels"), "from_name": name, "value": value}
