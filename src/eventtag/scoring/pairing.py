"""Gold articles and their predictions, matched by article id."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from eventtag.article import Article
from eventtag.errors import DataError, summarise_problems
from eventtag.scoring.tally import Pair


def pair_predictions(gold: Mapping[str, Article], predictions: Iterable[Article], *, source: str) -> tuple[list[Pair], int]:
    """(pairs in the order of `gold`, number of predicted articles that `gold` does not have).

    The gold article says what is annotated; of a predicted article, only the spans are used. Raises DataError, naming `source` and
    the articles, if gold articles have no prediction or texts differ.
    """
    found: dict[str, Article] = {}
    others = 0
    problems: list[str] = []
    for article in predictions:
        wanted = gold.get(article.id)
        if wanted is None:
            others += 1
            continue
        if article.text != wanted.text:
            problems.append(_text_difference(wanted, article))
        if article.id in found:
            problems.append(f"article {article.id!r} stands there twice; keep one of its predictions")
        found[article.id] = article
    missing = [name for name in gold if name not in found]
    if missing:
        problems.append(
            f"{len(missing)} of {len(gold)} gold articles are not there, the first is {missing[0]!r}; "
            "an article without predictions must be there with no span"
        )
    if problems:
        raise DataError(summarise_problems(f"{source} does not fit the gold articles:", problems))
    return [(article, found[name].spans) for name, article in gold.items()], others


def _text_difference(gold: Article, predicted: Article) -> str:
    place = next(
        (n for n, (a, b) in enumerate(zip(gold.text, predicted.text, strict=False)) if a != b),
        min(len(gold.text), len(predicted.text)),
    )
    one, other = (text[place : place + 20] for text in (gold.text, predicted.text))
    return (
        f"article {gold.id!r}: its text differs from the gold text from character {place} on ({one!r} in gold, {other!r} here); "
        "offsets can only be compared on the same text"
    )
