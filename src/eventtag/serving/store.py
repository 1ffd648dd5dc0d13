"""Corrections that people made, kept in one file that only grows.

    {"key": "label_studio/1.1795969450/7", "time": "2026-11-29T16:24:43+00:00", "source": "label_studio", "annotator": "3",
     "document": "label_studio/1.1795969450/2", "article": {"id": "...", "text": "...", "spans": [...]},
     "rejected": [{"start": 0, "end": 4, "label": "ACTOR"}]}
    {"key": "label_studio/1.1795969450/7", "time": "2026-11-29T16:30:02+00:00", "deleted": true}

One line is one event; the last event of a key counts. A line is on the disk before its request is answered, so confirmed
corrections survive the end of the process at any instant. An incomplete last line was never confirmed: it is moved to a file beside
this one.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from eventtag.article import Article
from eventtag.errors import DataError, FormatError, OutputError
from eventtag.formats.json_file import dump_json
from eventtag.formats.jsonl import article_from_json, json_line
from eventtag.serving.refusals import RequestError
from eventtag.span import Span
from eventtag.staging import sync_folder
from eventtag.stored_json import parse_stored

log = logging.getLogger(__name__)

CORRECTIONS_FILE = "corrections.jsonl"
ANNOTATOR_FIELD = "annotator"
"""Field of an exported article's `meta`, as `eventtag agreement` reads it."""


def key_part(name: str) -> str:
    """A name as a part of a key whose parts are joined by `/`."""
    return name.replace("%", "%25").replace("/", "%2F")


@dataclass(frozen=True)
class Correction:
    """What one annotator says of an article: its spans where it was looked at (`annotated`), and spans that are not exactly mentions with
    that label (`rejected`).

    `key` names the annotation: a later one with the same key takes its place. `document` names what it is of, for tools that delete
    documents.
    """

    key: str
    source: str
    annotator: str
    article: Article
    rejected: tuple[Span, ...] = ()
    document: str = ""
    time: str = ""

    def exported(self, *, name: str | None = None) -> Article:
        """The article with its rejected spans, and the annotator and the tool in its metadata; `name` takes the place of its id."""
        meta: dict[str, Any] = {**self.article.meta, "source": self.source}
        if self.annotator:
            meta[ANNOTATOR_FIELD] = self.annotator
        rejected = tuple(span for span in self.rejected if span not in self.article.spans)
        return replace(self.article, id=name or self.article.id, meta=meta, rejected=rejected)


class Corrections:
    """The corrections in a folder, which one process writes at a time. Raises FormatError for a file with a damaged line in its middle."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / CORRECTIONS_FILE
        self.events = 0
        """How many events were ever written; it changes with every correction."""
        self._current: dict[str, Correction] = {}
        self._changed: dict[str, int] = {}  # by key, the number of its last event
        self._lock = threading.Lock()
        existed = self.file.exists()
        self._descriptor = os.open(self.file, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        if not existed:
            sync_folder(folder)
        self._size = self._read()

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)

    def __len__(self) -> int:
        return len(self._current)

    def __iter__(self) -> Iterator[Correction]:
        with self._lock:
            return iter(list(self._current.values()))

    def exported(self, annotator: str | None = None) -> list[Article]:
        """All corrections (or those of one annotator) as articles with distinct ids, in the order in which they were made.

        Where an article has several corrections, its id is followed by `@` and the annotator, as everywhere, and by a number where that
        is not enough.
        """
        chosen = [one for one in self if annotator is None or one.annotator == annotator]
        ids = Counter(one.article.id for one in chosen)
        taken = {name for name, times in ids.items() if times == 1}
        found = []
        for one in chosen:
            name = one.article.id
            if ids[name] > 1:
                wanted = f"{name}@{one.annotator}"
                name = next(free for number in count(1) if (free := wanted if number == 1 else f"{wanted}@{number}") not in taken)
                taken.add(name)
            found.append(one.exported(name=name))
        return found

    def counts(self) -> Counter[str]:
        """How many corrections there are by source."""
        return Counter(correction.source for correction in self)

    def get(self, key: str) -> Correction | None:
        """The correction of a key, if there is one."""
        return self._current.get(key)

    def save(self, corrections: Sequence[Correction], *, since: int | None = None) -> None:
        """Keep corrections; they are on the disk when this returns. `since`: how many events the sender knew of.

        Raises OutputError, with none of them kept, when they cannot be; DataError for an annotator whose name no file can hold;
        RequestError (409) where another correction of a key came after `since`.
        """
        for correction in corrections:
            correction.exported(name=f"{correction.article.id}@{correction.annotator}")
        now = datetime.now(UTC).isoformat(timespec="seconds")
        timed = [replace(correction, time=now) for correction in corrections]
        self._append([_record(correction) for correction in timed], timed, since=since)

    def delete(self, keys: Iterable[str]) -> int:
        """Forget the corrections of these keys, those without one included; returns how many there were. Errors as for `save`."""
        known = [key for key in keys if key in self._current]
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self._append([{"key": key, "time": now, "deleted": True} for key in known], known)
        return len(known)

    def delete_documents(self, documents: Iterable[str]) -> int:
        """Forget all corrections of these documents. Errors as for `save`."""
        gone = set(documents)
        return self.delete([correction.key for correction in self if correction.document in gone])

    def _append(
        self, records: Sequence[Mapping[str, Any]], events: Sequence[Correction | str], *, since: int | None = None
    ) -> None:
        if not records:
            return
        data = "".join(dump_json(record) + "\n" for record in records).encode("utf-8")
        with self._lock:
            if since is not None and any(isinstance(event, Correction) and self._is_news(event, since) for event in events):
                raise RequestError(
                    "this article was accepted under this name after it was opened here, in another window perhaps; reload the page to "
                    "see that, or accept the article once more to replace it",
                    status=409,
                )
            self._require_in_place()
            try:
                written = 0
                while written < len(data):
                    written += os.write(self._descriptor, data[written:])
                os.fsync(self._descriptor)
            except OSError as error:
                os.ftruncate(self._descriptor, self._size)  # half a line would spoil the next one
                raise OutputError(
                    f"{self.file}: the correction could not be written ({error.strerror}) and is not kept; make room on the disk and "
                    "send it again"
                ) from error
            self._size += len(data)
            for event in events:
                self._apply(event)

    def _is_news(self, correction: Correction, since: int) -> bool:
        """Whether its key has got another correction after so many events; the same one may be sent again."""
        there = self._current.get(correction.key)
        return self._changed.get(correction.key, 0) > since and (
            there is None or replace(there, time=correction.time) != correction
        )

    def _require_in_place(self) -> None:
        """Raise OutputError where the file has lost its name, and with it what would be written."""
        try:
            if os.path.samestat(os.fstat(self._descriptor), self.file.stat()):
                return
        except FileNotFoundError:
            pass
        raise OutputError(
            f"{self.file}: was moved, removed or replaced after the server was started, so that the correction is not kept; put the file "
            "back, or start the server anew, and send it again"
        )

    def _apply(self, event: Correction | str) -> None:
        self.events += 1
        self._changed[event if isinstance(event, str) else event.key] = self.events
        if isinstance(event, str):
            self._current.pop(event, None)
        else:
            self._current.pop(event.key, None)  # so that the last one that was changed stands last
            self._current[event.key] = event

    def _read(self) -> int:
        """Take in all lines; returns the size of the file."""
        with self.file.open("rb") as file:
            whole = 0
            for number, line in enumerate(file, start=1):
                try:
                    event = _event(line)
                except (DataError, ValueError, KeyError, TypeError) as error:
                    if file.read(1):
                        raise FormatError(
                            f"is damaged ({error}); take the line out, or bring the file back from a copy",
                            path=self.file,
                            line=number,
                        ) from error
                    self._take_off(line, whole, number)
                    break
                if not line.endswith(b"\n"):
                    os.write(self._descriptor, b"\n")
                    os.fsync(self._descriptor)
                    whole += 1
                whole += len(line)
                self._apply(event)
        return whole

    def _take_off(self, torn: bytes, whole: int, number: int) -> None:
        aside = self.file.with_name(f"{CORRECTIONS_FILE}.torn-{number}")
        aside.write_bytes(torn)
        os.ftruncate(self._descriptor, whole)
        os.fsync(self._descriptor)
        log.warning(
            "%s: its last line was not written to the end, as the process or the machine ended; it was never confirmed to anybody. It is "
            "taken off and kept in %s; the %d lines before it are whole",
            self.file, aside, number - 1,
        )  # fmt: skip


def _record(correction: Correction) -> dict[str, Any]:
    return {
        "key": correction.key,
        "time": correction.time,
        "source": correction.source,
        "annotator": correction.annotator,
        "document": correction.document,
        "article": json.loads(json_line(correction.article)),
        "rejected": [_span_record(span) for span in correction.rejected],
    }


def _event(line: bytes) -> Correction | str:
    record = parse_stored(line)
    if record.get("deleted"):
        return str(record["key"])
    article = article_from_json(record["article"])
    rejected = tuple(Span(int(item["start"]), int(item["end"]), str(item["label"])) for item in record["rejected"])
    texts = {key: str(record[key]) for key in ("key", "source", "annotator", "document", "time")}
    return Correction(article=article, rejected=rejected, **texts)


def _span_record(span: Span) -> dict[str, Any]:
    return {"start": span.start, "end": span.end, "label": span.label}
