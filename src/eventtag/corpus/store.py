"""A corpus on disk as token classification: a `datasets.DatasetDict` by split, and a manifest of where it came from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from eventtag.corpus.loading import Corpus
from eventtag.formats.hf_dataset import write_hf_dataset
from eventtag.ledger import LossLedger
from eventtag.staging import json_text

MANIFEST_FILE = "manifest.json"


def store_corpus(corpus: Corpus, path: Path, *, inputs: Iterable[Path], ledger: LossLedger) -> dict[str, Any]:
    """Save the splits with `save_to_disk` and write `manifest.json` into the same folder; returns the manifest.

    A row is an article: `tokens`, `ner_tags` (ClassLabel, IOB2), `offsets`, `ignored`, `id`, `text`. `inputs` are the files or
    folders that the corpus was read from; the manifest has the sha256 of each file. What word tags cannot hold goes to the ledger.
    Raises OutputError if `path` exists.
    """
    articles = (
        replace(article, meta={**article.meta, "split": split}) for split, chosen in corpus.splits.items() for article in chosen
    )
    write_hf_dataset(articles, path, ledger=ledger, labels=corpus.labels.labels)
    manifest = {
        "corpus": corpus.name,
        "licence": corpus.licence,
        "labels": list(corpus.labels.labels),
        "split_rule": corpus.rule,
        "splits": {split: corpus.describe(split) for split in corpus.splits},
        "inputs": {str(name): digest for name, digest in sorted(_digests(inputs))},
        "lost": ledger.summary(),
    }
    (path / MANIFEST_FILE).write_text(json_text(manifest), encoding="utf-8")
    return manifest


def _digests(inputs: Iterable[Path]) -> Iterable[tuple[Path, str]]:
    for path in inputs:
        files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
        for file in files:
            name = Path(path.name) if path.is_file() else Path(path.name) / file.relative_to(path)
            yield name, hashlib.sha256(file.read_bytes()).hexdigest()
