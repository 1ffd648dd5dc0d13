"""Event records of 40 real articles read by a reader: `python scripts/read_records.py choose FOLDER` and `... table JUDGEMENTS`.

`choose` writes FOLDER/articles.jsonl from FOLDER/gum_news.jsonl, re3d.jsonl and ecbplus.jsonl, which `eventtag convert data=NAME` made: the
first 20 articles of GUM's Wikinews and the first 10 of re3d by id, and article N_1ecb of the first 10 topics of ECB+; six
sentences of each.

`table` counts a reader's judgements, one per line. A row of the records has `article_id`, `corpus`, `start`, `end` (of its event's
mention), `status`, `verdict` (right, slip or wrong), `kinds` of slips or errors, and what its `date` and `place` are. The verdict missing
is an event that has no row. Intervals are of the 95 % level, by a bootstrap over articles.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from eventtag.text.sentences import find_sentences

SENTENCES = 6
ROWS = ("right", "slip", "wrong")
Judgement = Mapping[str, Any]


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def joined(text: str) -> str:
    """A text of ECB+, which has tokens only, without the spaces around punctuation."""
    text = re.sub(r" +([,.;:?!%)\]]|'s\b|n't\b|'(?:re|ve|ll|d|m)\b|'(?= |$))", r"\1", text, flags=re.M)
    text = re.sub(r"`` +| +''", '"', text)
    return re.sub(r"([(\[$]) +", r"\1", text)


def choose(folder: Path) -> list[dict[str, Any]]:
    """The 40 articles, each with its corpus, and its date where the corpus has one."""

    def topic(article: Judgement) -> int:
        return int(article["id"].split("_")[0])

    ecb = [article for article in read_lines(folder / "ecbplus.jsonl") if article["id"].endswith("_1ecb")]
    chosen = {
        name: sorted(read_lines(folder / f"{name}.jsonl"), key=lambda article: article["id"]) for name in ("gum_news", "re3d")
    }
    groups = {"gum_news": chosen["gum_news"][:20], "re3d": chosen["re3d"][:10], "ecbplus": sorted(ecb, key=topic)[:10]}
    articles = []
    for name, group in groups.items():
        for article in group:
            text = joined(article["text"]) if name == "ecbplus" else article["text"]
            date = {"date": article["meta"]["dateCreated"]} if "dateCreated" in article["meta"] else {}
            end = find_sentences(text)[:SENTENCES][-1][1]
            articles.append({"id": article["id"], "text": text[:end], "meta": {"corpus": name, **date}})
    return articles


def table(judgements: Sequence[Judgement], rounds: int = 5000) -> list[str]:
    """The lines of the tables."""
    lines = ["| articles | number | rows | right | right with a slip | wrong | missing rows |", "|---|--:|--:|--:|--:|--:|--:|"]
    parts = {
        name: [one for one in judgements if one["corpus"] == name] for name in dict.fromkeys(one["corpus"] for one in judgements)
    }
    parts["all"] = list(judgements)
    parts["asserted"] = [one for one in judgements if one.get("status") == "asserted"]
    for name, part in parts.items():
        counts = Counter(one["verdict"] for one in part)
        rows = sum(counts[verdict] for verdict in ROWS)
        cells = [f"{counts[verdict]} ({counts[verdict] / rows:.1%})" for verdict in ROWS]
        missing = "" if name == "asserted" else counts["missing"]
        lines.append(f"| {name} | {len({one['article_id'] for one in part})} | {rows} | {' | '.join(cells)} | {missing} |")
    ids = sorted({one["article_id"] for one in judgements})
    counted = Counter((one["article_id"], one["verdict"]) for one in judgements)
    by_article = np.array([[counted[name, verdict] for verdict in ROWS] for name in ids])
    drawn = by_article[np.random.default_rng(0).integers(0, len(ids), (rounds, len(ids)))].sum(axis=1)
    for place, verdict in enumerate(ROWS):
        low, high = np.percentile(drawn[:, place] / drawn.sum(axis=1), [2.5, 97.5])
        lines.append(f"{verdict}: {low:.1%} to {high:.1%}")
    for verdict in ("wrong", "slip"):
        kinds = Counter(kind for one in judgements if one["verdict"] == verdict for kind in one["kinds"])
        lines.append(f"{verdict}: {', '.join(f'{kind} {count}' for kind, count in kinds.most_common())}")
    for field in ("date", "place"):
        counts = Counter(one[field] for one in judgements if one.get(field))
        lines.append(f"{field}: {', '.join(f'{kind} {count}' for kind, count in counts.most_common())}")
    return lines


def main() -> None:
    """Run one of the two."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["choose", "table"])
    parser.add_argument("path", type=Path, metavar="PATH", help="FOLDER or JUDGEMENTS")
    args = parser.parse_args()
    if args.command == "table":
        print("\n".join(table(read_lines(args.path))))
        return
    lines = [json.dumps(article, ensure_ascii=False) + "\n" for article in choose(args.path)]
    (args.path / "articles.jsonl").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
