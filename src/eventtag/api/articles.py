"""The articles that a function gets: a file or folder, the settings of a corpus, or articles in memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from eventtag.article import Article
from eventtag.corpus.loading import Corpus, load_corpus, read_corpus_articles
from eventtag.corpus.seen import Seen
from eventtag.errors import DataError, EventtagError, SettingsError
from eventtag.errors import require_names as require_names
from eventtag.formats.label_map import map_labels
from eventtag.formats.label_map import watch_labels as watch_labels
from eventtag.formats.registry import read_articles
from eventtag.ledger import LossLedger
from eventtag.settings import DataSettings
from eventtag.settings.building import build_settings
from eventtag.settings.data import MISSING
from eventtag.training.continued import corpus_of_run


@dataclass(frozen=True)
class Reading:
    """Articles that are read again each time, by a name for messages."""

    name: str
    read: Callable[[LossLedger], Iterator[Article]]


Source: TypeAlias = str | os.PathLike[str] | DataSettings | Mapping[str, Any] | Iterable[Article] | Reading
"""A path, the settings `data` (also as a mapping of their keys), articles, or what reads them."""


def listed(names: str | Iterable[str] | None) -> tuple[str, ...]:
    """The names of a list, or of a text that separates them by commas; none for None and for an empty text."""
    if isinstance(names, str) and names:
        return tuple(dict.fromkeys(map(str.strip, names.split(","))))
    return tuple(names or ())


def data_settings(source: Source) -> tuple[DataSettings, Sequence[Article] | None]:
    """The settings of the source, and the articles if they are in memory. Raises SettingsError for wrong settings."""
    if isinstance(source, DataSettings):
        return source, None
    if isinstance(source, str | os.PathLike):
        return DataSettings(path=os.fspath(source)), None
    if isinstance(source, Mapping):
        return build_settings(DataSettings, source, prefix="data."), None
    return DataSettings(), list(source.read(LossLedger())) if isinstance(source, Reading) else require_articles(source)


def require_articles(source: Iterable[Article]) -> list[Article]:
    """The articles as a list; raises DataError if something else is among them or an id occurs twice."""
    articles = list(source)
    seen: set[str] = set()
    for article in articles:
        if not isinstance(article, Article):
            raise DataError(f"articles: found {type(article).__name__}; give a path, or objects of eventtag.Article")
        if article.id in seen:
            raise DataError(f"articles: the id {article.id!r} occurs twice; give every article its own id")
        seen.add(article.id)
    return articles


def read_source(
    source: Source,
    ledger: LossLedger,
    *,
    format: str = "auto",  # noqa: A002 - the word for it in every command
    options: Mapping[str, Any] | None = None,
    label_map: Mapping[str, str | None] | None = None,
) -> Iterator[Article]:
    """Stream the articles of a source; labels that `label_map` does not name keep theirs.

    A corpus that settings describe has its own format, options and label map, and all of its splits are read. Raises what the readers
    raise, and SettingsError for keys of both kinds and, after the last article, for a label of `label_map` that no article has.
    """
    articles: Iterator[Article]
    if isinstance(source, Reading):
        articles = source.read(ledger)
    elif isinstance(source, str | os.PathLike):
        articles = read_articles(Path(source), format, ledger=ledger, options=options)
    elif isinstance(source, DataSettings | Mapping):
        if format != "auto" or options:
            raise SettingsError("format and options of a corpus are keys of its settings: data.format, data.options")
        articles = iter(read_corpus_articles(data_settings(source)[0], ledger))
    else:
        articles = iter(require_articles(source))
    if not label_map:
        return articles
    watched = watch_labels(articles, lambda found: require_names("label_map", label_map, found, "label"))
    return map_labels(watched, label_map, ledger=ledger, keep_others=True)


def name_of(source: Source) -> str:
    """The name of the source in messages."""
    if isinstance(source, Reading):
        return source.name
    if isinstance(source, str | os.PathLike):
        return os.fspath(source)
    if isinstance(source, DataSettings | Mapping):
        return data_settings(source)[0].name
    return "articles"


def corpus_beside(checkpoint: Path, option: str, *, seen: Seen, labels: Sequence[str]) -> Corpus:
    """The articles of the run that made the checkpoint, which lie beside it, divided by what it has `seen`; of a run with a `base`, in the
    splits that it had. `labels` are those of the checkpoint.

    Raises SettingsError, which names the `option` that gives other articles, where they are not there or cannot be read; DataError as
    `load_corpus` does, and where those of a run that continued another have changed.
    """
    import yaml

    file = checkpoint.resolve().parent / "settings.yaml"
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
        found = build_settings(DataSettings, values["data"], prefix="data.")
        base = values.get("base")
    except OSError as error:
        raise SettingsError(
            f"{file}: there is no run beside the checkpoint, so nothing says which articles to take; give them by {option}"
        ) from error
    except (yaml.YAMLError, UnicodeError, RecursionError, KeyError, TypeError, AttributeError, SettingsError) as error:
        raise SettingsError(f"{file}: its data settings cannot be read ({error}); give the articles by {option}") from error
    if found.path == MISSING and not found.corpora:
        raise SettingsError(f"{file}: the run learnt from articles that were given in Python; give the articles by {option}")
    if base is not None:
        return corpus_of_run(checkpoint)
    try:
        return load_corpus(found if found.labels else replace(found, labels=list(labels)), seen=seen)
    except EventtagError as error:
        raise type(error)(f"{error}\nthese are the articles that {file} names; give others by {option}") from error
