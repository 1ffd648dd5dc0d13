"""Write a corpus in one format after another, read each back, and compare: does a chain through the formats give it back unchanged?

    python scripts/check_chain.py ../shared/corpora/ecbplus --read-option sentences=ECBplus_coreference_sentences.csv

The first chain is of the formats that hold everything (annotated regions and labels, metadata, overlapping spans), the second, without
regions, labels and metadata, of those that hold text and overlapping spans. Formats of one flat layer are in the tests
(tests/formats/test_registry.py). The exit code is 1 where an article came back changed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from eventtag.article import Article
from eventtag.cli.file_command import pairs
from eventtag.formats.registry import FORMATS, read_articles, write_articles
from eventtag.ledger import LossLedger

EVERYTHING = ("jsonl", "label_studio", "doccano", "prodigy", "csv", "parquet", "spacy")
TEXT_AND_SPANS = ("brat", "webanno_tsv", "xmi", "cas_json", "conllu", "label_studio")


def main() -> int:
    """Run both chains; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    parser.add_argument("--from", dest="source_format", default="auto")
    parser.add_argument("--read-option", action="append", default=[], metavar="KEY=VALUE")
    arguments = parser.parse_args()
    options = pairs(arguments.read_option, "--read-option")
    articles = list(read_articles(arguments.path, arguments.source_format, ledger=LossLedger(), options=options))
    plain = [Article(article.id, article.text, article.spans) for article in articles]
    print(f"{len(articles)} articles, {sum(len(article.spans) for article in articles)} spans")
    return int(not (_chain(articles, EVERYTHING) and _chain(plain, TEXT_AND_SPANS)))


def _chain(articles: Sequence[Article], names: Sequence[str]) -> bool:
    """Whether the articles come back unchanged from each format, which is given what came back from the one before."""
    wanted = {article.id: replace(article, meta=dict(article.meta)) for article in articles}
    current = list(articles)
    with tempfile.TemporaryDirectory() as scratch:
        for name in names:
            path = Path(scratch) / f"{name}{'' if FORMATS[name].folder else FORMATS[name].suffixes[0]}"
            write_articles(current, path, name, ledger=LossLedger())
            current = list(read_articles(path, name, ledger=LossLedger()))
            changed = [article.id for article in current if article != wanted.get(article.id)]
            lost = len(wanted) - len(current)
            print(f"{name}: {f'{len(changed)} changed, the first {changed[0]!r}' if changed else 'unchanged'}, {lost} lost")
            if changed or lost:
                return False
    return True


if __name__ == "__main__":
    sys.exit(main())
