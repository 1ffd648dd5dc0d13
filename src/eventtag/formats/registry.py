"""All formats by name, and the two functions by which every command reads and writes articles."""

from __future__ import annotations

import codecs
import importlib
import inspect
import itertools
import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from eventtag.article import Article
from eventtag.errors import DataError, FormatError, OutputError, SettingsError
from eventtag.formats.archives import is_archive, unpacked
from eventtag.formats.file_names import ABOUT, remark_unread, visible_files
from eventtag.formats.label_map import map_labels
from eventtag.formats.unrecognised import describe
from eventtag.ledger import LossLedger

log = logging.getLogger(__name__)

_SURROGATE = re.compile("[\ud800-\udfff]")
HEAD_SIZE = 65536
"""Bytes of a file's beginning that a format may look at to recognise itself."""
MAX_LINE = 1 << 23
"""Bytes that are read beyond that to complete a line: an article may be long."""
MAX_FILES, SAMPLES = 20000, 5
"""Files of a folder that are looked at to recognise its format, and of one suffix those whose beginnings are read."""


@dataclass(frozen=True, slots=True)
class Format:
    """One annotation format: its module (called as it, or `module`) has `read_NAME`, `write_NAME` and `sniff_NAME`.

    A reader is `read(path, *, ledger, **options) -> Iterator[Article]`, a writer `write(articles, path, *, ledger, **options)`; their
    keyword parameters are the format's options. `sniff(head)` says why a file's beginning (decoded as UTF-8, bad bytes replaced) looks
    like the format, or None; `sign` is a pattern that says it, with the reason. `folder`: the reader takes a folder itself, and the writer
    makes one; of other formats a folder is read file by file. `markers`: files by whose names a folder is recognised. `extra`: the optional
    dependency that is needed. `surrogates`, `scores`, `unsure`: it can hold lone surrogates, scores of spans, unsure roles of events.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    folder: bool = False
    markers: tuple[str, ...] = ()
    extra: str | None = None
    module: str | None = None
    sign: tuple[str, str] | None = None
    surrogates: bool = False
    scores: bool = False
    unsure: bool = False
    flat: bool = False

    def _function(self, verb: str) -> Any:
        module = importlib.import_module(f"eventtag.formats.{self.module or self.name}")
        return getattr(module, f"{verb}_{self.name}", None)

    @property
    def read(self) -> Callable[..., Iterator[Article]]:
        """The reader."""
        return self._function("read")  # type: ignore[no-any-return]

    @property
    def write(self) -> Callable[..., None] | None:
        """The writer, where there is one."""
        return self._function("write")  # type: ignore[no-any-return]

    def sniff(self, head: str) -> str | None:
        """Why the beginning of a file looks like the format; None where it does not, or the format has no recogniser."""
        if self.sign:
            return self.sign[1] if re.search(self.sign[0], head) else None
        function = self._function("sniff")
        with suppress(RecursionError):  # nested too deep to be anything that a tool writes
            return function(head) if function else None
        return None

    @property
    def options(self) -> dict[str, tuple[Any, ...]]:
        """The reader's options, each with the values that it may have; none where anything of its type is allowed."""
        return _options(self.read)

    @property
    def write_options(self) -> dict[str, tuple[Any, ...]]:
        """The writer's options, likewise."""
        return _options(self.write) if self.write else {}


def _options(function: Callable[..., Any]) -> dict[str, tuple[Any, ...]]:
    types = get_type_hints(function)
    parameters = inspect.signature(function).parameters.values()
    names = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.name != "ledger"]
    return {name: _values(types[name]) for name in names}


def _values(kind: Any) -> tuple[Any, ...]:
    if get_origin(kind) is Literal:
        return get_args(kind)
    parts = [_values(part) for part in get_args(kind)] if get_origin(kind) in (Union, UnionType) else []
    return tuple(itertools.chain(*parts)) if all(parts) else ()


PARQUET = (r"\APAR1", "begins with the sign of Parquet files, PAR1")
SPACY = ("\\Ax[\x01\x5e\ufffd]", "begins with the sign of zlib data, as .spacy files")
XMI = (r"<xmi:XMI\b", "is XML with the root xmi:XMI")
CAS_JSON = (r'"%(?:TYPES|FEATURE_STRUCTURES)"\s*:', "is JSON with %TYPES or %FEATURE_STRUCTURES")
DATASET = ("dataset_dict.json", "dataset_info.json")
INLINE = (r"\A---\r?\n(?:[^\n:]+:[^\n]*\n)+---\r?\n", "begins with a header of `key: value` lines between `---`")

FORMATS = {
    entry.name: entry
    for entry in (
        Format("jsonl", "the project's JSONL", (".jsonl", ".ndjson", ".json"), surrogates=True, scores=True, unsure=True),
        Format("inline", "inline markup", (".txt",), folder=True, sign=INLINE, flat=True),
        Format("conll", "CoNLL columns", (".conll", ".iob", ".bio", ".tsv", ".txt"), flat=True),
        Format("brat", "brat standoff", (".ann", ".txt"), folder=True, scores=True),
        Format("label_studio", "Label Studio JSON", (".json", ".jsonl"), surrogates=True, scores=True),
        Format("doccano", "doccano JSONL", (".jsonl", ".json"), surrogates=True),
        Format("prodigy", "Prodigy JSONL", (".jsonl", ".json"), surrogates=True, scores=True),
        Format("webanno_tsv", "WebAnno TSV 3 (INCEpTION)", (".tsv",), folder=True),
        Format("conllu", "CoNLL-U with Entity= or NE=", (".conllu",)),
        Format("re3d", "re3d's JSON", (".json",), folder=True, markers=("entities.json",), surrogates=True),
        Format("csv", "CSV with a column of spans", (".csv", ".tsv"), scores=True),
        Format("parquet", "Parquet with a column of spans", (".parquet",), sign=PARQUET, scores=True, unsure=True),
        Format("hf_dataset", "Hugging Face dataset on disk", (), folder=True, flat=True, markers=DATASET),
        Format("spacy", "spaCy DocBin", (".spacy",), extra="spacy", sign=SPACY),
        Format("xmi", "UIMA CAS XMI", (".xmi",), folder=True, extra="cas", module="cas", sign=XMI),
        Format("cas_json", "UIMA CAS JSON", (".json",), folder=True, extra="cas", module="cas", sign=CAS_JSON),
        Format("cat", "CAT XML (ECB+, MEANTIME)", (".xml",), folder=True),
    )
}


def get_format(name: str) -> Format:
    """The format of that name; raises SettingsError with the known names."""
    if name not in FORMATS:
        raise SettingsError(f"unknown format {name!r}; known: auto, {', '.join(FORMATS)}")
    return FORMATS[name]


def recognise(path: Path) -> tuple[Format, str]:
    """The format of a file, folder or zip archive by its content, and why; raises FormatError when none or several fit.

    In a folder the files of the most frequent suffix decide, the first ones that are not empty; where they are of no known format,
    those of the next. Where nothing is recognised, a suffix that only one format has decides.
    """
    _require_there(path)
    if is_archive(path):
        with unpacked(path) as folder:
            return recognise(folder)
    for entry in FORMATS.values() if path.is_dir() else ():
        for marker in entry.markers:
            if (path / marker).is_file():
                return entry, f"holds a file {marker}"
    samples = _samples(path) if path.is_dir() else [path]
    empty = bool(samples)
    for sample in samples:
        if not (head := _head(sample)).strip():
            continue
        empty = False
        fitting = _sniff(head, sample.suffix.lower())
        if len(fitting) == 1:
            entry, reason = fitting[0]
            return entry, reason if sample == path else f"{sample.relative_to(path)} {reason}"
        if fitting:
            raise _unknown("several formats fit: " + ", ".join(entry.name for entry, _ in fitting), path)
    for suffix in dict.fromkeys(sample.suffix.lower() for sample in samples):
        alone = [entry for entry in FORMATS.values() if suffix in entry.suffixes]
        if len(alone) == 1:
            return alone[0], f"ends in {suffix}, as files of no other format do"
    if empty:
        raise FormatError("is empty, so that its format cannot be recognised; check the path", path=path)
    found = describe(_head(samples[0])) if samples else ""
    raise _unknown("no known format fits" + (f": {found}\nif it is one of them all the same" if found else ""), path)


def _require_there(path: Path) -> None:
    if not path.exists():
        raise FormatError("no such file or folder; check the path", path=path)


def _unknown(problem: str, path: Path) -> FormatError:
    return FormatError(f"{problem}; name it (--from NAME, data.format=NAME; known: {', '.join(FORMATS)})", path=path)


def _samples(folder: Path) -> list[Path]:
    """The first files of each known suffix, those with content before empty ones, the most frequent suffix first."""
    known = {suffix for entry in FORMATS.values() for suffix in entry.suffixes}
    found: dict[str, list[Path]] = {}
    for file in itertools.islice(visible_files(folder), MAX_FILES):
        if (suffix := file.suffix.lower()) in known:
            found.setdefault(suffix, []).append(file)
    chosen: list[Path] = []
    for _, files in sorted(found.items(), key=lambda item: (-len(item[1]), item[0])):
        chosen += sorted(files, key=lambda file: (file.stat().st_size == 0, file))[:SAMPLES]
    return chosen


def _head(sample: Path) -> str:
    try:
        with sample.open("rb") as file:
            data = file.read(HEAD_SIZE) + file.readline(MAX_LINE)
    except OSError as error:
        raise FormatError(f"cannot be read ({error.strerror}); check the path", path=sample) from error
    encoding = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8"
    return data.decode(encoding, errors="replace").removeprefix("\ufeff")


def _sniff(head: str, suffix: str) -> list[tuple[Format, str]]:
    found = [(entry, reason) for entry in FORMATS.values() if (reason := entry.sniff(head))]
    return [item for item in found if suffix in item[0].suffixes] or found


def read_articles(
    path: str | os.PathLike[str],
    format_name: str = "auto",
    *,
    ledger: LossLedger | None = None,
    label_map: Mapping[str, str | None] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Iterator[Article]:
    """Stream the articles of a file, folder or zip archive, labels mapped, ids checked. What was lost in reading is in the ledger; where
    none is given, it is logged as a warning after the last article.

    Where files of a folder share ids, all ids are made of the file's path relative to the folder and the id. Raises FormatError (a
    DataError) with file and line, SettingsError for an unknown format or option, DataError for an id that occurs twice in a file.
    """
    path = Path(path)
    told = LossLedger() if ledger is None else ledger
    _require_there(path)
    if is_archive(path):
        articles = _from_archive(path, format_name, ledger=told, label_map=label_map, options=options)
    else:
        entry = recognise(path)[0] if format_name == "auto" else get_format(format_name)
        _check_options(entry, entry.options, options or {})
        articles = _read_files(entry, path, told, options or {})
        if label_map:
            articles = map_labels(articles, label_map, ledger=told)
        articles = _distinct(articles, path)
    return articles if ledger is told else _told(articles, told, path)


def _told(articles: Iterator[Article], ledger: LossLedger, path: Path) -> Iterator[Article]:
    yield from articles
    _warn(ledger, path)


def _warn(ledger: LossLedger, path: Path) -> None:
    for line in ledger.summary():
        log.warning("%s: %s", path, line)


def _from_archive(path: Path, format_name: str, **how: Any) -> Iterator[Article]:
    with unpacked(path) as folder:
        yield from read_articles(folder, format_name, **how)


def _check_options(entry: Format, allowed: Mapping[str, tuple[Any, ...]], options: Mapping[str, Any]) -> None:
    for name, value in sorted(options.items()):
        if name not in allowed:
            raise SettingsError(f"format {entry.name} has no option {name!r}; it has: {', '.join(allowed) or 'none'}")
        if allowed[name] and value not in allowed[name]:
            raise SettingsError(f"{name}: {value!r} is unknown; allowed: {', '.join(allowed[name])}")


def _read_files(entry: Format, path: Path, ledger: LossLedger, options: Mapping[str, Any]) -> Iterator[Article]:
    if path.is_dir():
        remark_unread(path, entry.suffixes, ledger)
    if entry.folder or path.is_file():
        yield from entry.read(path, ledger=ledger, **options)
        return
    files = sorted(file for file in visible_files(path) if file.suffix.lower() in entry.suffixes)
    about = [file for file in files if ABOUT.fullmatch(file.name) and file.suffix.lower() == ".txt"]
    if about:
        ledger.remark(f"left out as no articles: {', '.join(file.relative_to(path).as_posix() for file in about)}")
        files = [file for file in files if file not in about]
    if not files:
        raise FormatError(f"holds no file that ends in {', '.join(entry.suffixes)}; give the file itself", path=path)
    shared = len(files) > 1 and _share_ids(entry, files, options)
    if shared:
        ledger.remark("files of the folder share article ids, so that each id is made of the file's path and the id")
    for file in files:
        empty = True
        for article in entry.read(file, ledger=ledger, **options):
            empty = False
            yield replace(article, id=_id_with_path(article.id, file, path)) if shared else article
        if empty:
            ledger.remark("a file of the folder holds no article")


def _share_ids(entry: Format, files: Iterable[Path], options: Mapping[str, Any]) -> bool:
    """Whether two of the files hold articles of the same id; the files are read for that."""
    seen: set[str] = set()
    for file in files:
        own = {article.id for article in entry.read(file, ledger=LossLedger(), **options)}
        if not seen.isdisjoint(own):
            return True
        seen |= own
    return False


def _id_with_path(article_id: str, file: Path, folder: Path) -> str:
    """The id below the file's path; below its folder's where the reader made the id of the file's name."""
    place = file.relative_to(folder)
    made = article_id == file.stem or article_id.startswith(f"{file.stem}-")
    prefix = (place.parent if made else place.with_suffix("")).as_posix()
    return article_id if prefix == "." else f"{prefix}/{article_id}"


def _distinct(articles: Iterable[Article], path: Path) -> Iterator[Article]:
    seen: set[str] = set()
    for article in articles:
        if article.id in seen:
            raise DataError(f"{path}: the article id {article.id!r} occurs twice; give every article its own id")
        seen.add(article.id)
        yield article


def format_of_suffix(path: Path) -> str:
    """The format in which articles are written where only the file's suffix says it.

    Raises SettingsError for a suffix that stands for no format or for several, and for a name without one.
    """
    suffix = path.suffix.lower()
    writable = [entry for entry in FORMATS.values() if suffix in entry.suffixes and entry.write is not None]
    chosen = [entry for entry in writable if entry.name == suffix[1:]] or writable
    if len(chosen) == 1 and not chosen[0].folder:
        return chosen[0].name
    problem = (
        f"the suffix {suffix} stands for {'no format' if not writable else 'several formats'}" if suffix else "has no suffix"
    )
    allowed = ", ".join(entry.name for entry in (writable or FORMATS.values()) if entry.write is not None)
    raise SettingsError(f"{path}: {problem}, so that nothing says the format; name it (--to, format_name): {allowed}")


def write_articles(
    articles: Iterable[Article],
    path: str | os.PathLike[str],
    format_name: str = "auto",
    *,
    ledger: LossLedger | None = None,
    options: Mapping[str, Any] | None = None,
) -> None:
    """Write articles to a file or folder; `auto` is the format of the file's suffix. What the format cannot hold goes to the ledger;
    where none is given, it is logged as a warning.

    Raises SettingsError for an unknown suffix, format or option or a format without a writer, OutputError when `path` exists or two ids
    would be one file.
    """
    path = Path(path)
    told = LossLedger() if ledger is None else ledger
    entry = get_format(format_of_suffix(path) if format_name == "auto" else format_name)
    if entry.write is None:
        raise SettingsError(f"format {entry.name} can be read but not written")
    _check_options(entry, entry.write_options, options or {})
    kept: Iterator[Article] = (_holdable(article, entry, told) for article in articles)
    entry.write(_distinct_files(kept, path) if entry.folder else kept, path, ledger=told, **(options or {}))
    if ledger is None:
        _warn(told, path)


def _holdable(article: Article, entry: Format, ledger: LossLedger) -> Article:
    """The article without what the format cannot hold; lone surrogates, which come out of damaged JSON, become U+FFFD."""
    stage = f"writing {entry.name}"
    if not entry.surrogates and not article.text.isascii() and _SURROGATE.search(article.text):
        ledger.note(article.id, stage, "text", "lone surrogates become U+FFFD")
        article = replace(article, text=_SURROGATE.sub("\ufffd", article.text))
    if not entry.scores and any(link.score is not None for link in article.links or ()):
        ledger.note(article.id, stage, "links", "scores are not kept")
        article = replace(article, links=tuple(replace(link, score=None) for link in article.links or ()))
    if not entry.scores and any(span.score is not None or span.status_score is not None for span in article.spans):
        ledger.note(article.id, stage, "spans", "scores are not kept")
        article = replace(article, spans=tuple(replace(span, score=None, status_score=None) for span in article.spans))
    if not entry.unsure and any(span.unsure_roles for span in article.spans):
        ledger.note(article.id, stage, "links", "in which roles the tagger is unsure whether anybody has them is not kept")
        article = replace(article, spans=tuple(replace(span, unsure_roles=()) for span in article.spans))
    return article


def _distinct_files(articles: Iterable[Article], path: Path) -> Iterator[Article]:
    """Guards formats with one file an article; on some systems names that differ only in case are one."""
    seen: dict[str, str] = {}
    for article in articles:
        key = article.id.casefold()
        if key in seen:
            raise OutputError(
                f"{path}: the articles {seen[key]!r} and {article.id!r} would be one file; "
                "rename one, or use a format with one file for all"
            )
        seen[key] = article.id
        yield article
