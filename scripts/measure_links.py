"""What a link head costs, and what the naive rule reaches on the same articles: `python scripts/measure_links.py LINKED PLAIN`.

LINKED and PLAIN are runs with the same settings but for `model.links`. First comes the rule of the nearest event on the gold spans of
the sample's test articles; `eventtag evaluate checkpoint=LINKED` prints the scores of the link head. Then comes the CPU time of tagging
these articles, interleaved, the best of the rounds, with torch and with the exports that both runs have.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from eventtag.article import Article
from eventtag.engines.choice import LIBRARIES, export_folder
from eventtag.event_records.linking import nearest_links
from eventtag.formats.jsonl import read_jsonl
from eventtag.ledger import LossLedger
from eventtag.models.checkpoint import checkpoint_folder
from eventtag.tagging.tagger import Tagger
from eventtag.text.sentences import sentences_of_spans


def naive(articles: list[Article]) -> None:
    """Print F1 of links by the naive rule."""
    counts = {"strict": [0, 0, 0], "unlabelled": [0, 0, 0]}
    for article in articles:
        found = nearest_links(article.spans, sentences_of_spans(article))
        for name, gold, said in (
            ("strict", set(article.links or ()), set(found)),
            ("unlabelled", {(a.event, a.participant) for a in article.links or ()}, {(a.event, a.participant) for a in found}),
        ):
            for place, number in enumerate((len(gold & said), len(gold), len(said))):
                counts[name][place] += number
    for name, (right, gold, said) in counts.items():
        print(f"nearest, {name}: precision {right / said:.3f}, recall {right / gold:.3f}, F1 {2 * right / (gold + said):.3f}")


def cost(linked: str, plain: str, articles: list[Article], rounds: int) -> None:
    """Print CPU seconds with and without the link head, by engine."""
    texts = [Article(article.id, article.text) for article in articles]
    for precision in LIBRARIES:
        folders = [checkpoint_folder(path) for path in (linked, plain)]
        exported = all(export_folder(folder, precision).is_dir() for folder in folders)
        if precision != "fp32" and not exported:
            continue
        for device in ("cpu", None) if exported and precision == "fp32" else ("cpu",) if not exported else (None,):
            taggers = [Tagger.load(folder, precision=precision, device=device) for folder in folders]
            best = [float("inf")] * 2
            for _ in range(rounds):
                for place, tagger in enumerate(taggers):
                    started = time.process_time()
                    tagged = list(tagger.tag_many(texts))
                    best[place] = min(best[place], time.process_time() - started)
            ratio = best[0] / best[1]
            print(f"{taggers[0].backend.engine} {precision}: {best[0]:.2f} s with, {best[1]:.2f} s without, ratio {ratio:.3f}")
            assert tagged


def main() -> None:
    """Measure as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("linked")
    parser.add_argument("plain")
    parser.add_argument("--articles", default="data/sample/articles.jsonl")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    found = read_jsonl(Path(arguments.articles), ledger=LossLedger())
    articles = [article for article in found if article.meta["split"] == "test"]
    naive(articles)
    cost(arguments.linked, arguments.plain, articles, arguments.rounds)


if __name__ == "__main__":
    main()
