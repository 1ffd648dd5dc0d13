"""Writing tagged articles: as data, as suggestions for annotation tools, or as a page.

    jsonl, parquet          an article with its spans
    csv                     a span a row, and one for an article without spans; metadata in columns
    label_studio, prodigy,
    doccano, brat           tasks with suggested spans, for people to correct
    conll                   words and tags
    html                    a page with highlighted spans

The writers are those of `eventtag.formats`; what a format cannot hold (scores in doccano and CoNLL, metadata in brat) goes to the
ledger. Articles are written as they come, so that a million need no more memory than one; brat's file names are the exception.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eventtag.article import Article
from eventtag.errors import OutputError, SettingsError
from eventtag.formats.csv_cells import unguarded
from eventtag.formats.csv_spans import SPAN_COLUMNS
from eventtag.formats.file_names import require_file_name
from eventtag.formats.registry import read_articles, recognise, write_articles
from eventtag.jobs.reading.rows import DistinctIds
from eventtag.ledger import LossLedger
from eventtag.reporting.highlight import page
from eventtag.respan import respan
from eventtag.span import Span, flatten
from eventtag.staging import staged_file

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class PredictionFormat:
    """How predictions are written in a format: the options of its writer, the suffixes by which `format_of_path` knows it, and whether
    it can hold each span's sentence.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    suffixes: tuple[str, ...] = ()
    sentences: bool = False


PREDICTION_FORMATS: Mapping[str, PredictionFormat] = {
    "jsonl": PredictionFormat(suffixes=(".jsonl", ".ndjson"), sentences=True),
    "parquet": PredictionFormat(suffixes=(".parquet",), sentences=True),
    "csv": PredictionFormat({"rows": "spans"}, (".csv",), sentences=True),
    "label_studio": PredictionFormat({"predictions": True}),
    "prodigy": PredictionFormat({"predictions": True}),
    "doccano": PredictionFormat({"offsets": "utf16"}),
    "brat": PredictionFormat(),
    "conll": PredictionFormat(suffixes=(".conll", ".iob", ".bio")),
    "html": PredictionFormat(suffixes=(".html", ".htm")),
}
PART_FORMATS = ("jsonl", "parquet", "csv")
"""Formats that may be written as a folder of files."""


def format_of_path(path: Path) -> str:
    """The format that a file's suffix stands for; `jsonl` for a name without one. Raises SettingsError for any other suffix."""
    suffix = path.suffix.lower()
    if not suffix:
        return "jsonl"
    known = {suffix: name for name, entry in PREDICTION_FORMATS.items() for suffix in entry.suffixes}
    if suffix not in known:
        raise SettingsError(
            f"output={path}: the suffix {suffix} stands for no format; known are {', '.join(known)}\n"
            f"choose one of these, or say format= ({', '.join(PREDICTION_FORMATS)})"
        )
    return known[suffix]


def check_format(name: str, *, sentences: bool = False) -> None:
    """Raise SettingsError for a format that predictions cannot be written in, or that cannot hold sentences where they are wanted."""
    if name not in PREDICTION_FORMATS:
        raise SettingsError(f"format={name} cannot hold predictions; allowed: {', '.join(PREDICTION_FORMATS)}")
    if sentences and not PREDICTION_FORMATS[name].sentences:
        able = ", ".join(other for other, entry in PREDICTION_FORMATS.items() if entry.sentences)
        raise SettingsError(f"sentences=true: {name} cannot hold the sentences of spans; formats that can: {able}")


def part_suffix(name: str) -> str:
    """The suffix of the files of a folder that predictions are written to; raises SettingsError for a format that cannot be cut."""
    if name not in PART_FORMATS:
        raise SettingsError(
            f"output=.../: a folder of files is written as {', '.join(PART_FORMATS)}, not as {name}; leave out the /"
        )
    return PREDICTION_FORMATS[name].suffixes[0]


def select_spans(
    article: Article,
    *,
    min_score: float = 0.0,
    thresholds: Mapping[str, float] | None = None,
    labels: Sequence[str] | None = None,
    ledger: LossLedger,
) -> Article:
    """The article with those of its predicted spans that have one of `labels` (None: any), a score of at least `min_score`, and at
    least the threshold of their label where `thresholds` has one; links of the others go with them, and the ledger names these.
    """
    limits = thresholds or {}

    def wanted(span: Span) -> bool:
        score = span.score if span.score is not None else 1.0
        return (labels is None or span.label in labels) and score >= max(min_score, limits.get(span.label, 0.0))

    chosen = [span for span in article.spans if wanted(span)]
    return respan(article, chosen, stage="selecting spans", ledger=ledger, asked=True)


def write_predictions(
    articles: Iterable[Article],
    path: Path,
    format_name: str,
    *,
    ledger: LossLedger,
    labels: Sequence[str] = (),
    sentences: bool = False,
    title: str = "Tagged by eventtag",
    model_version: str = "eventtag",
) -> None:
    """Write articles with predicted spans to a file (brat: a folder), which appears when all of it is there.

    `labels`: in the order in which `html` colours them. `sentences`: with every span stands its sentence, its text and offsets.
    `title` is that of the page, `model_version` what Label Studio shows. An id that cannot be a file name or stand in a CoNLL file is
    changed, and the ledger says so. Raises SettingsError as `check_format` does, OutputError if `path` exists or cannot be written.
    """
    check_format(format_name, sentences=sentences)
    if format_name == "html":
        with staged_file(path) as file:
            file.writelines(page(_flat(articles, ledger), labels, title=title))
        return
    options = dict(PREDICTION_FORMATS[format_name].options)
    if sentences:
        options["sentences"] = True
    if format_name == "label_studio":
        options["model_version"] = model_version
    if format_name == "brat":
        articles = _with_ids(articles, _file_name, str.casefold, "writing brat", ledger)
    elif format_name == "conll":
        articles = _with_ids(articles, lambda name: name.replace("\n", " "), str, "writing conll", ledger)
    write_articles(articles, path, format_name, ledger=ledger, options=options)


def read_spans(path: Path) -> pd.DataFrame:
    """The spans of a file of predictions, or of a folder of them, a row each, with the columns that the CSV has.

    Raises FormatError or SettingsError for a page or what is made for an annotation tool.
    """
    import pandas as pd

    files = sorted(path.glob("*.csv")) if path.is_dir() else [path]
    if files and files[0].suffix == ".csv":
        tables = [pd.read_csv(file, usecols=list(SPAN_COLUMNS), dtype=str, keep_default_na=False) for file in files]
        table = pd.concat(tables, ignore_index=True).map(unguarded)
        return table[table["label"] != ""].reset_index(drop=True).astype({"start": int, "end": int, "score": float})
    entry, _ = recognise(path)
    if entry.name not in PART_FORMATS:
        raise SettingsError(f"{path}: {entry.title} is no table of spans; write the output as {', '.join(PART_FORMATS)}")
    rows = (
        (article.id, span.start, span.end, span.label, article.mention(span), span.score)
        for article in read_articles(path, entry.name, ledger=LossLedger())
        for span in article.spans
    )
    return pd.DataFrame(rows, columns=SPAN_COLUMNS)


def _flat(articles: Iterable[Article], ledger: LossLedger) -> Iterator[Article]:
    """The articles, with what a page does not show in the ledger."""
    for article in articles:
        for span, _ in flatten(article.spans)[1]:
            ledger.add_span(article.id, "writing html", "dropped", "overlaps a longer span", span)
        yield article


def _with_ids(
    articles: Iterable[Article], change: Callable[[str], str], key: Callable[[str], str], stage: str, ledger: LossLedger
) -> Iterator[Article]:
    """The articles with changed ids, of which no two have the same `key`."""
    seen = DistinctIds()
    for article in articles:
        name = change(article.id)
        if not seen.add(key(name)):
            name = f"{name}~{hashlib.sha256(article.id.encode()).hexdigest()[:12]}"
        if name == article.id:
            yield article
        else:
            ledger.note(article.id, stage, "id", "is changed to one that the format can hold", detail=name)
            yield replace(article, id=name)


def _file_name(name: str) -> str:
    """The id, with what no file name may hold replaced by `_`, and cut."""
    usable = "".join("_" if character in "/\\" or character < " " else character for character in name).encode()[:160]
    text = usable.decode("utf-8", errors="ignore")
    text = f"_{text}" if text.startswith(".") or not text else text
    try:
        require_file_name(text)
    except OutputError:  # an odd character that is left
        return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    return text
