"""A Hugging Face dataset on disk (`save_to_disk`), with words and tags, or with a text and spans.

    tokens: ["Kyiv", "fell"]   ner_tags: [5, 0]  (a ClassLabel with the names O, B-ACTOR, ..., or texts)

A row is an article; the name of a split becomes the metadata `split`. With the columns `text` and `offsets` (the [start, end]
of every word) the text is the stored one, else the words are joined by one space. Tags of any scheme are read; -100 marks a
word that nobody annotated.

Source: https://huggingface.co/docs/datasets/process#save
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from eventtag.article import Article, Region
from eventtag.errors import DataError, FormatError
from eventtag.formats.arrow_rows import numbered_rows
from eventtag.formats.json_file import dump_json, parse_value
from eventtag.formats.mentions import Mentions, joined
from eventtag.formats.offsets import Offsets
from eventtag.formats.records import (
    FIELD,
    SPANS_COLUMNS,
    TEXT_COLUMNS,
    Build,
    Columns,
    Record,
    carried_id,
    carry,
    choose_column,
    read_placed,
)
from eventtag.formats.tag_schemes import OUTSIDE, TagSpan, spans_of_tags, tags_of_spans
from eventtag.formats.tokenised import spans_over_words, words_by_line, words_joined, writable_spans
from eventtag.ledger import LossLedger
from eventtag.respan import respan
from eventtag.staging import staged_folder

TOKENS_COLUMNS = ("tokens", "words")
TAGS_COLUMNS = ("ner_tags", "tags", "labels", "ner")
IGNORED = -100
"""The tag id that PyTorch's loss ignores (https://docs.pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html)."""
BATCH = 256
"""Rows that are held in memory at a time when reading."""
_STAGE = "writing hf_dataset"


def read_hf_dataset(
    path: Path,
    *,
    ledger: LossLedger,
    tokens_column: str | None = None,
    tags_column: str | None = None,
    split: str | None = None,
    offsets: Offsets = "auto",
) -> Iterator[Article]:
    """Stream the rows as articles, split by split; `split` reads one only. The id is the column `id`, else made of split and row.

    `offsets`: what the offsets of spans count (`formats.offsets`). Raises FormatError with the split and the row.
    """
    import datasets  # slow to import

    try:
        loaded = datasets.load_from_disk(str(path))
        for part in loaded.values() if isinstance(loaded, datasets.DatasetDict) else [loaded]:
            part.data.validate(full=True)  # damaged Arrow data crashes whoever reads it
    except Exception as error:
        raise FormatError(
            f"cannot be loaded as a dataset ({str(error)[:200]}); save it again with save_to_disk", path=path
        ) from error
    splits = dict(loaded) if isinstance(loaded, datasets.DatasetDict) else {"": loaded}
    if split is not None and split not in splits:
        raise FormatError(f"has no split {split!r}; there are: {', '.join(splits)}", path=path)
    chosen = {name: rows for name, rows in splits.items() if split in (None, name)}
    shared = _share_ids(chosen)
    if shared:
        ledger.remark("splits share article ids, so that each id is made of the split's name and the id")
    for name, rows in chosen.items():
        for article in _read_split(path, name, rows, tokens_column, tags_column, offsets, ledger):
            if name and "split" not in article.meta:
                article = replace(article, meta={**article.meta, "split": name})
            yield replace(article, id=f"{name}/{article.id}") if shared else article


def _share_ids(splits: Mapping[str, Any]) -> bool:
    """Whether two splits have rows of the same id."""
    seen: set[str] = set()
    for rows in splits.values():
        if "id" not in rows.column_names:
            continue
        own = {str(row["id"]) for _, row in numbered_rows(_tables(rows.select_columns(["id"]))) if row["id"] is not None}
        if not seen.isdisjoint(own):
            return True
        seen |= own
    return False


def _tables(rows: Any) -> Iterator[Any]:
    """The rows as Arrow tables: what they hold is not decoded, and no file that they name is opened."""
    yield from rows.with_format("arrow").iter(batch_size=BATCH)


def _is_medium(feature: Any) -> bool:
    """Whether a column holds images, sounds or other things that `datasets` decodes."""
    if isinstance(feature, Mapping):
        return any(map(_is_medium, feature.values()))
    if isinstance(feature, list):
        return any(map(_is_medium, feature))
    return hasattr(feature, "decode_example") or _is_medium(getattr(feature, "feature", []))


def _read_split(
    path: Path, split: str, rows: Any, tokens_column: str | None, tags_column: str | None, offsets: Offsets, ledger: LossLedger
) -> Iterator[Article]:
    media = [name for name, feature in rows.features.items() if _is_medium(feature)]
    if media:
        ledger.remark(f"columns of images, sounds and the like are left out and not opened: {', '.join(media)}")
        rows = rows.remove_columns(media)
    columns = list(rows.column_names)
    has_words = any(name in columns for name in TOKENS_COLUMNS)
    with_spans = tokens_column is None and (
        {"text", "spans"} <= set(columns)
        or (not has_words and any(name in columns for name in TEXT_COLUMNS) and any(name in columns for name in SPANS_COLUMNS))
    )
    try:
        build: Build[dict[str, Any]]
        if with_spans:
            build = Columns.choose(columns).record
        else:
            tokens = choose_column(columns, tokens_column, TOKENS_COLUMNS, "tokens")
            tags = choose_column(columns, tags_column, TAGS_COLUMNS, "tags")
            feature = rows.features[tags]
            names = getattr(getattr(feature, "feature", feature), "names", None)
            build = functools.partial(_record, tokens=tokens, tags=tags, names=names)
        prefix = f"split {split!r}, " if split else ""
        yield from read_placed(
            path, lambda: numbered_rows(_tables(rows), prefix), build, offsets=offsets, ledger=ledger, stem=split or path.stem
        )
    except FormatError:
        raise
    except (DataError, OSError, KeyError, TypeError, ValueError) as error:
        raise FormatError(f"split {split!r}: {error}" if split else str(error), path=path) from error


def _record(
    row: Mapping[str, Any], default: str, ledger: LossLedger, *, tokens: str, tags: str, names: Sequence[str] | None
) -> Record:
    words, ids = row[tokens], row[tags]
    if not isinstance(words, list) or not isinstance(ids, list) or len(words) != len(ids):
        raise DataError(f"{tokens!r} and {tags!r} must be lists of the same length")
    carried = row.get(FIELD)
    carried = parse_value(carried) if isinstance(carried, str) and carried else None
    name = carried_id(carried) or (str(row["id"]) if row.get("id") not in (None, "") else default)
    text, places = _text(row, words)
    ignored = row.get("ignored")
    skip = ignored if isinstance(ignored, list) and len(ignored) == len(ids) else [False] * len(ids)
    # A mention outside the annotated regions stays one.
    found = [
        None if skipped and tag == OUTSIDE else tag for tag, skipped in zip((_tag(v, names) for v in ids), skip, strict=True)
    ]
    mentions = Mentions(name, ledger)
    for chunk in spans_of_tags([tag or OUTSIDE for tag in found]):
        mentions.add_words(places[chunk.first : chunk.last + 1], chunk.label)
    annotated = None
    if None in found:
        annotated = tuple(joined((w for w, tag in zip(places, found, strict=True) if tag is not None and w[0] < w[1]), text))
    own = {tokens, tags, FIELD, "id", "text", "offsets", "ignored"}
    meta = {key: value for key, value in row.items() if key not in own and value is not None and value != ""}
    return Record(name, text, meta=meta, carried=carried, placed=mentions.spans, annotated=annotated)


def _text(row: Mapping[str, Any], words: Sequence[object]) -> tuple[str, list[Region]]:
    text, offsets = row.get("text"), row.get("offsets")
    if not isinstance(text, str) or not isinstance(offsets, list):
        return words_joined(map(str, words))
    places = [(int(start), int(end)) for start, end in offsets]
    if len(places) != len(words) or any(not 0 <= start <= end <= len(text) for start, end in places):
        raise DataError("'offsets' must have a [start, end] inside 'text' for every word")
    return text, places


def _tag(value: object, names: Sequence[str] | None) -> str | None:
    """The tag's name; None where the word is to be ignored."""
    if isinstance(value, str):
        return value
    if value == IGNORED or value is None:
        return None
    if isinstance(value, int) and names is not None and 0 <= value < len(names):
        return str(names[value])
    raise DataError(f"the tag {value!r} has no name; the tags must be a ClassLabel or texts")


def write_hf_dataset(
    articles: Iterable[Article], path: Path, *, ledger: LossLedger, labels: Sequence[str] | str | None = None
) -> None:
    """Write a DatasetDict by the metadata `split`, or one Dataset where an article has none; all articles are held in memory.

    Columns: id, text, tokens, offsets, ner_tags (ClassLabel, IOB2), ignored (words outside the annotated regions, whose tag says
    nothing) and eventtag (the rest, as JSON). `labels` (a list, or names with commas) gives the order of the tags; further labels
    come after. Overlapping spans (the longest stays) and edges inside white space go to the ledger.
    """
    import datasets

    rows: dict[str, list[dict[str, Any]]] = {}
    first = labels.split(",") if isinstance(labels, str) else list(labels or ())
    found: set[str] = set()
    for article in articles:
        row = _row(article, ledger)
        found.update(tag[2:] for tag in row["ner_tags"] if tag != "O")
        split = article.meta.get("split")
        rows.setdefault(split if isinstance(split, str) and split.replace("_", "").isalnum() else "", []).append(row)
    names = ["O", *(f"{prefix}-{label}" for label in [*first, *sorted(found - set(first))] for prefix in "BI")]
    features = datasets.Features(
        {
            "id": datasets.Value("string"),
            "text": datasets.Value("string"),
            "tokens": datasets.List(datasets.Value("string")),
            "offsets": datasets.List(datasets.List(datasets.Value("int64"))),
            "ner_tags": datasets.List(datasets.ClassLabel(names=names)),
            "ignored": datasets.List(datasets.Value("bool")),
            FIELD: datasets.Value("string"),
        }
    )
    made = {split: datasets.Dataset.from_list(items, features=features) for split, items in rows.items()}
    if "" in made or not made:
        everything = [item for items in rows.values() for item in items]
        whole: Any = datasets.Dataset.from_list(everything, features=features)
    else:
        whole = datasets.DatasetDict(made)
    with staged_folder(path) as folder, _no_progress_bars(datasets):
        whole.save_to_disk(str(folder))


@contextlib.contextmanager
def _no_progress_bars(datasets: Any) -> Iterator[None]:
    enabled = datasets.utils.logging.is_progress_bar_enabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if enabled:
            datasets.enable_progress_bars()


def _row(article: Article, ledger: LossLedger) -> dict[str, Any]:
    kept = writable_spans(article, _STAGE, ledger=ledger, flat=True)
    sentences = words_by_line(article)
    words = [word for sentence in sentences for word in sentence]
    chunks = spans_over_words(article, kept, sentences, stage=_STAGE, ledger=ledger, places=words)
    moved = {chunk.span: replace(chunk.span, start=words[chunk.first][0], end=words[chunk.last][1]) for chunk in chunks}
    article = respan(article, moved.values(), moved=moved, stage=_STAGE, ledger=ledger)
    return {
        "id": article.id,
        "text": article.text,
        "tokens": [article.text[start:end] for start, end in words],
        "offsets": [[start, end] for start, end in words],
        "ner_tags": tags_of_spans([TagSpan(c.first, c.last, c.span.label) for c in chunks], len(words)),
        "ignored": [not article.all_annotated(*word) for word in words],
        FIELD: dump_json(carry(article)),
    }
