"""Build data/sample/articles.jsonl from the articles in data/sample/articles/, which are the source and are edited by hand.

python scripts/build_sample.py            write the file anew
python scripts/build_sample.py --check    only say whether it is up to date (exit code 1 if not)
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from eventtag.errors import EventtagError
from eventtag.formats.jsonl import json_line
from eventtag.formats.registry import read_articles
from eventtag.ledger import LossLedger

SAMPLE = Path(__file__).resolve().parent.parent / "data" / "sample"


def main() -> int:
    """Build or check; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing")
    arguments = parser.parse_args()
    target = SAMPLE / "articles.jsonl"
    try:
        articles = list(read_articles(SAMPLE / "articles", "inline", ledger=LossLedger()))
    except EventtagError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    content = "".join(json_line(article) + "\n" for article in articles)
    if arguments.check:
        if target.exists() and target.read_text(encoding="utf-8") == content:
            return 0
        print(f"{target} is not what its source gives; run `python scripts/build_sample.py`", file=sys.stderr)
        return 1
    target.write_text(content, encoding="utf-8", newline="")
    print(f"{target}: {len(articles)} articles, {sum(len(article.spans) for article in articles)} spans")
    return 0


if __name__ == "__main__":
    sys.exit(main())
