"""`eventtag.split`: divides articles into train, validation and test, and measures what these have in common."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eventtag.api.articles import Source, name_of, read_source, require_names
from eventtag.article import Article
from eventtag.corpus.loading import split_by_field
from eventtag.corpus.near_duplicates import Duplicates, find_near_duplicates
from eventtag.corpus.seen import article_key
from eventtag.corpus.splits import SPLITS, Leakage, extend_split, leakage, split_articles
from eventtag.errors import DataError, SettingsError
from eventtag.formats.registry import format_of_suffix, write_articles
from eventtag.ledger import LossLedger
from eventtag.staging import require_absent

if TYPE_CHECKING:
    import pandas as pd


STAGE = "splitting"


@dataclass(frozen=True, repr=False)
class SplitResult:
    """The articles with their split in `meta["split"]`, and the `rule` that made it, in words.

    `leaks` is what training shares with the `measured` split, `plain_leaks` what it would share after a plain draw of articles;
    `duplicates` are None if nobody looked for them.
    """

    articles: tuple[Article, ...]
    rule: str
    measured: str
    leaks: Leakage
    plain_leaks: Leakage
    duplicates: Duplicates | None
    ledger: LossLedger

    def __repr__(self) -> str:
        return f"SplitResult({', '.join(f'{name} {len(self[name])}' for name in SPLITS)})"

    def __getitem__(self, split: str) -> tuple[Article, ...]:
        return tuple(article for article in self.articles if article.meta["split"] == split)

    def to_pandas(self) -> pd.DataFrame:
        """The split of every article, by id."""
        import pandas as pd

        return pd.DataFrame([{"id": article.id, "split": article.meta["split"]} for article in self.articles])


def split(
    articles: Source,
    output: str | os.PathLike[str] | None = None,
    *,
    validation: float = 0.15,
    test: float = 0.15,
    seed: int = 13,
    group: str | None = None,
    time: str | None = None,
    extend: Source | None = None,
    stratify: bool = True,
    look_for_duplicates: bool = True,
    max_loss: float = 0.0,
    **reading: Any,
) -> SplitResult:
    """Divide articles into train, validation and test: `split("articles.jsonl", "split.jsonl")["test"]`.

    Near-duplicates and articles with one value of the metadata field `group` stay together. `validation` and `test` are shares of
    the articles. `time` names a metadata field with an ISO date: the oldest articles are train, the newest test. `extend` is an
    earlier split, whose articles keep their splits and are in the result too. A new article with the same text replaces the earlier
    annotation, and the others are drawn (`extend_split`); the ledger names them. With `output`, the articles are written there, in
    the format of its suffix. `reading` are `format`, `options` and `label_map`.

    Raises DataError for no article, an article of `extend` without a split, or if more than the share `max_loss` of the spans is
    lost in reading; SettingsError for a field that no article has, or a suffix of `output` of no format; OutputError if the output
    exists.
    """
    if output is not None:
        require_absent(Path(output))
        format_of_suffix(Path(output))
    if extend is not None and time is not None:
        raise SettingsError(
            f"time={time!r} is not allowed with extend: in a split by time the newest articles are the test, so that new articles would "
            "move the earlier ones; leave it out"
        )
    ledger = LossLedger()
    found = list(read_source(articles, ledger, **reading))
    if not found:
        raise DataError(f"{name_of(articles)}: holds no article; check the path and --from")
    earlier = None if extend is None else _earlier(extend, ledger)
    ledger.require_at_most(
        max_loss * max(ledger.seen, 1),
        "nothing is written; mend them (`eventtag lint` shows all), or allow it: --max-loss SHARE",
    )
    if group is not None:
        require_names("group", [group], {name for article in found for name in article.meta}, "metadata field")
        for article in found:
            if article.meta.get(group) is None:
                ledger.note(article.id, STAGE, "meta", f"has no field {group}, so that it is a group of its own")
    shares: Mapping[str, Any] = {"validation_share": validation, "test_share": test, "seed": seed}
    if earlier is None:
        new = found
        duplicates = find_near_duplicates(found) if look_for_duplicates else None
        drawn = split_articles(found, **shares, stratify=stratify, group_field=group, time_field=time, duplicates=duplicates)
    else:
        old, new = _matched(earlier, found, ledger)
        found = [*(article for part in old.values() for article in part), *new]
        duplicates = find_near_duplicates(found) if look_for_duplicates else None
        extended = extend_split(old, new, **shares, stratify=stratify, group_field=group, duplicates=duplicates)
        drawn = extended.split
        for name in sorted(extended.tied):
            several = "of which some are in other splits too, " if name in extended.torn else ""
            what = f"a near-duplicate of earlier articles or in their group, {several}so that it is {drawn.split_of[name]}"
            ledger.note(name, STAGE, "article", what)
    for article in new:
        if (said := article.meta.get("split", drawn.split_of[article.id])) != drawn.split_of[article.id]:
            ledger.note(article.id, STAGE, "meta", "its field split said another split, and is written anew", detail=str(said))
    plain = split_articles(found, **shares, stratify=False) if len(found) >= len(SPLITS) else drawn
    marked = tuple(replace(article, meta={**article.meta, "split": drawn.split_of[article.id]}) for article in found)
    if output is not None:
        write_articles(_with_split_kept(marked, Path(output), ledger), output, ledger=ledger)
    measured = "test" if "test" in drawn.split_of.values() else "validation"
    before, after = (
        leakage(found, one.split_of, split=measured, duplicates=duplicates, group_field=group) for one in (plain, drawn)
    )
    return SplitResult(marked, drawn.rule, measured, after, before, duplicates, ledger)


def _earlier(source: Source, ledger: LossLedger) -> dict[str, tuple[Article, ...]]:
    """The articles of an earlier split. Raises DataError, which names it, for an article without a split."""
    articles = list(read_source(source, ledger))
    try:
        return split_by_field(articles, "split", {})
    except DataError as error:
        raise DataError(
            f"{name_of(source)}: {error}\ngive a file that `eventtag split` wrote, or name its splits so in the field split"
        ) from error


def _matched(
    earlier: Mapping[str, Sequence[Article]], given: Sequence[Article], ledger: LossLedger
) -> tuple[dict[str, list[Article]], list[Article]]:
    """The articles of the earlier split, those that are given again as they are now, and the given ones that it does not have, under ids of
    their own.

    An article that is given again takes the metadata fields that it lacks from the earlier one; if nobody looked at it, the annotation too.
    """
    again = {article_key(article.text) for article in given}
    old: dict[str, list[Article]] = {split: [] for split in SPLITS}
    before: dict[str, list[tuple[Article, str]]] = {}
    for split in reversed(SPLITS):  # test first, for texts that are in several splits
        for article in earlier[split]:
            if article_key(article.text) in again:
                before.setdefault(article_key(article.text), []).append((article, split))
            else:
                old[split].append(article)
    ids = {article.id for articles in old.values() for article in articles}
    new = []
    for article in given:
        name = article.id
        while name in ids:
            name = f"new/{name}"
        if name != article.id:
            ledger.note(name, STAGE, "id", "another article of the earlier split has its id, so that it is called new/ID")
        ids.add(name)
        article = replace(article, id=name)
        there = before.get(article_key(article.text))
        if there is None:
            new.append(article)
            continue
        then, split = there[0]
        if (said := article.meta.get("split", split)) != split:
            ledger.note(name, STAGE, "meta", f"its field split said another split, and it stays in {split}", detail=str(said))
        article = replace(article, meta={**then.meta, **article.meta})
        if not article.regions and not article.rejected and then.regions:
            ledger.note(
                name, STAGE, "article", f"nobody looked at it, so that it keeps its earlier annotation, and it stays in {split}"
            )
            article = replace(then, id=name, meta=article.meta)
        elif replace(then, id=name, meta=article.meta) != article:
            ledger.note(name, STAGE, "article", f"its annotation is the new one, and it stays in {split}")
        old[split].append(article)
    for there in before.values():
        for article, split in there:
            if article.id not in ids:
                what = f"an article that is given again has its text, and takes its place in {there[0][1]}"
                ledger.note(article.id, STAGE, "id", what if split == there[0][1] else f"{what}; it was in {split}")
    return old, new


def _with_split_kept(articles: Sequence[Article], output: Path, ledger: LossLedger) -> Iterator[Article]:
    """Passes the articles on and, when the last is written, refuses a format that has no place for the split, before `output` gets its
    name.
    """
    yield from articles
    if any(note.part == "meta" and "split" in note.detail.split(", ") for note in ledger.notes):
        raise SettingsError(
            f"{output}: its format holds no metadata, in which the split stands; name it .jsonl, .csv or .parquet"
        )
