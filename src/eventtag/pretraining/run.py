"""Pre-training: an encoder learns the language of articles without annotation (masked-language modelling on the domain: Gururangan et
al. 2020, https://aclanthology.org/2020.acl-main.740/).

RUN/pretraining.json    settings, fingerprint of the texts, versions
RUN/trainer/            states to resume from; removed when the run ends
RUN/encoder/            the encoder and its tokenizer, as Hugging Face saves them, pretraining.json with the losses, and seen.json with
                        hashes of the articles (`eventtag.corpus.seen`)
RUN/metrics.json        held-out loss before, by epoch and after; written last
"""

from __future__ import annotations

import hashlib
import itertools
import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import exp
from pathlib import Path
from typing import Any

import numpy as np
import transformers

from eventtag.article import Article
from eventtag.corpus.loading import load_corpus
from eventtag.corpus.seen import Seen, article_key, write_seen
from eventtag.errors import DataError, OutputError, RunFinishedError, SettingsError, TrainingError
from eventtag.jobs.reading.inputs import read_rows
from eventtag.models.encoders import TINY, local_files, longest_input
from eventtag.pretraining.masked import MaskedEncoder, load_masked_encoder, start_from_frequencies
from eventtag.pretraining.masking import build_masking
from eventtag.pretraining.text_windows import TextWindow, build_text_windows, count_tokens
from eventtag.pretraining.trainer import MaskedTrainer
from eventtag.run_folder import claimed_folder, written
from eventtag.settings.pretrain import PretrainSettings
from eventtag.staging import named_full_disk, remove_partial, remove_whole, require_absent, staged_folder, write_json
from eventtag.stored_json import read_stored
from eventtag.training.learnt import seen_by_encoder
from eventtag.training.loop.arguments import build_pretraining_arguments
from eventtag.training.loop.dropout import quicken_dropout
from eventtag.training.loop.processes import require_one_process
from eventtag.training.loop.saving import CONTINUE, STATES, clear_states, newest_sound, remove_newer
from eventtag.training.record import plain, require_same_run, versions

log = logging.getLogger(__name__)

RECORD_FILE = "pretraining.json"
METRICS_FILE = "metrics.json"
RUN_FILES = ("trainer", "encoder", METRICS_FILE)
SHOWN = 5
"""Bad rows that are named one by one."""


@dataclass(frozen=True)
class PretrainingResult:
    """The folder of the encoder, and the content of metrics.json."""

    encoder: Path
    metrics: Mapping[str, Any]


@dataclass(frozen=True)
class Texts:
    """Windows to learn from and to measure on, the record's description of their articles, and the articles' hashes."""

    train: list[TextWindow]
    held_out: list[TextWindow]
    about: Mapping[str, Any]
    seen: Seen


def pretrain(settings: PretrainSettings) -> PretrainingResult:
    """Run or resume pre-training as the settings say.

    Raises an EventtagError before any training for wrong settings, unreadable or too few articles, a run directory that holds anything but
    this run or in which another process works, or a run that cannot be resumed; RunFinishedError if `settings.resume` is set and the run is
    finished with the same settings and articles; OutputError if the disk is full; TrainingError if the loss is no longer finite.
    """
    require_one_process("eventtag pretrain")
    with named_full_disk(settings.run_dir, then=CONTINUE), claimed_folder(Path(settings.run_dir), "pretrain"):
        return _pretrain(settings, Path(settings.run_dir))


def _pretrain(settings: PretrainSettings, run_dir: Path) -> PretrainingResult:
    begun = (run_dir / RECORD_FILE).exists()
    finished = begun and (run_dir / METRICS_FILE).exists()
    if finished:
        clear_states(run_dir)
        if not settings.resume:
            raise OutputError(f"{run_dir / 'encoder'}: this run is finished and is not overwritten; give another run_dir")
    there = written(run_dir, RUN_FILES)
    if there and not begun:
        raise TrainingError(
            f"{run_dir}: holds {', '.join(there)}, but no {RECORD_FILE}, which would say of which run; it cannot be continued, and "
            "nothing was changed there. Give another run_dir"
        )
    if begun and not settings.resume:
        raise OutputError(f"{run_dir}: holds an unfinished run; continue it with resume=true, or give another run_dir")
    transformers.set_seed(settings.seed)
    encoder = _load(settings)
    texts = _read_texts(settings, encoder)
    record = {"settings": plain(settings), "data": texts.about, "encoder": local_files(settings.model.name)}
    record |= {"seed": settings.seed, "versions": versions()}
    if finished:
        raise _finished(run_dir, record)
    trainer = _build_trainer(settings, encoder, texts)
    remove_partial(run_dir, (RECORD_FILE, *RUN_FILES))
    remove_partial(run_dir / "trainer", STATES)
    if begun:
        require_same_run(run_dir / RECORD_FILE, record)
        if (run_dir / "encoder" / RECORD_FILE).exists():
            remove_whole(run_dir / "encoder")  # stopped while it finished; it writes the same again
        require_absent(run_dir / "encoder")
    else:
        write_json(run_dir / RECORD_FILE, record)
    log.info(
        "%d articles in %d windows, %d held out in %d; encoder %s%s",
        texts.about["articles"], len(texts.train), texts.about["held_out"], len(texts.held_out), settings.model.name,
        " with a new head" if encoder.new_head else "",
    )  # fmt: skip
    state = newest_sound(run_dir / "trainer", processes=1)
    remove_newer(run_dir / "trainer", state)
    before = trainer.held_out_loss()  # of the unchanged encoder, also if a saved state is loaded next
    log.info("before: held-out loss %.4f, perplexity %.1f", before, exp(before))
    if state is not None:
        log.info("resuming from %s", state)
    started = time.perf_counter()
    trainer.train(resume_from_checkpoint=None if state is None else str(state))
    metrics = _metrics(trainer, before, time.perf_counter() - started)
    model: Any = trainer.network
    with staged_folder(run_dir / "encoder") as folder:
        model.base_model.save_pretrained(folder)
        encoder.tokenizer.save_pretrained(folder)
        content = {**record, "held_out": {key: metrics[key] for key in ("before", "head_alone", "epochs", "after")}}
        write_seen(texts.seen | seen_by_encoder(settings.model.name), folder)
        write_json(folder / RECORD_FILE, content)
    write_json(run_dir / METRICS_FILE, metrics)
    clear_states(run_dir)
    return PretrainingResult(run_dir / "encoder", metrics)


def _finished(run_dir: Path, record: Mapping[str, Any]) -> OutputError:
    said = f"{run_dir / 'encoder'}: this run is finished"
    try:
        before = read_stored(run_dir / RECORD_FILE)
        require_same_run(run_dir / RECORD_FILE, {**record, "versions": before["versions"]})
    except (TrainingError, ValueError, TypeError, KeyError) as error:
        return OutputError(f"{said} and is not overwritten; give another run_dir\n({error})")
    return RunFinishedError(f"{said}; nothing to do")


def _load(settings: PretrainSettings) -> MaskedEncoder:
    texts = [article.text for article in _read_articles(settings)] if settings.model.name == TINY else []
    encoder = load_masked_encoder(
        settings.model.name,
        revision=settings.model.revision,
        attention_dropout=settings.model.attention_dropout,
        seed=settings.seed,
        texts=texts,
    )
    limit = longest_input(encoder.model, encoder.tokenizer)
    if limit is not None and settings.max_length > limit:
        raise SettingsError(
            f"max_length={settings.max_length} is not allowed: {settings.model.name} reads at most {limit} tokens"
        )
    quicken_dropout(encoder.model)
    return encoder


def _read_articles(settings: PretrainSettings) -> Iterable[Article]:
    parts: list[Iterable[Article]] = []
    if settings.data is not None:
        parts.append(load_corpus(settings.data).articles("train"))
    if settings.input is not None:
        parts.append(_read_new(settings.input, settings.text_field))
    return itertools.chain(*parts)


def _read_new(source: str, text_field: str) -> Iterator[Article]:
    """The articles of a source; the log names rows that cannot be read, which are left out."""
    bad = 0
    for row in read_rows(source, text_field=text_field, unique_ids=False):
        if row.article is not None:
            yield row.article
            continue
        bad += 1
        if bad <= SHOWN:
            log.warning("%s:%s: left out: %s", row.place.file, row.place.line or "", row.problem)
    if bad > SHOWN:
        log.warning("%s: %d rows were left out in all", source, bad)


def _read_texts(settings: PretrainSettings, encoder: MaskedEncoder) -> Texts:
    """Read and tokenise the articles, one after another, and draw those that are held out."""
    digest = hashlib.sha256()
    keys: list[str] = []

    def digested(articles: Iterable[Article]) -> Iterable[Article]:
        for article in articles:
            digest.update(hashlib.sha256(article.text.encode("utf-8", "surrogatepass")).digest())
            keys.append(article_key(article.text))
            yield article

    articles = build_text_windows(digested(_read_articles(settings)), encoder.tokenizer, max_length=settings.max_length)
    with_words = [windows for windows in articles if windows]
    keys = [key for key, windows in zip(keys, articles, strict=True) if windows]
    if len(with_words) < 2:
        raise DataError(
            f"found {len(with_words)} articles with a word in them; pre-training needs two at least, one to measure on"
        )
    random = np.random.default_rng(settings.seed)
    count = min(max(round(settings.held_out * len(with_words)), 1), len(with_words) - 1)
    held = set(random.permutation(len(with_words))[:count].tolist())
    return Texts(
        [window for number, windows in enumerate(with_words) if number not in held for window in windows],
        [window for number, windows in enumerate(with_words) if number in held for window in windows],
        {"articles": len(articles), "held_out": count, "sha256": digest.hexdigest()},
        Seen(
            read=frozenset(key for number, key in enumerate(keys) if number not in held),
            chose=frozenset(keys[number] for number in held),  # the epoch that is kept
        ),
    )


def _build_trainer(settings: PretrainSettings, encoder: MaskedEncoder, texts: Texts) -> MaskedTrainer:
    if encoder.new_head:
        start_from_frequencies(encoder.model, count_tokens(texts.train, len(encoder.tokenizer)))
    return MaskedTrainer(
        encoder,
        build_pretraining_arguments(settings.trainer, seed=settings.seed, output_dir=Path(settings.run_dir) / "trainer"),
        texts.train,
        texts.held_out,
        build_masking(encoder.tokenizer, share=settings.mask_share, whole_words=settings.whole_words),
        head_learning_rate=settings.trainer.head_learning_rate,
        head_first=settings.trainer.head_first,
    )


def _metrics(trainer: MaskedTrainer, before: float, seconds: float) -> dict[str, Any]:
    history = trainer.state.log_history
    after = trainer.held_out_loss()
    log.info("after: held-out loss %.4f, perplexity %.1f", after, exp(after))
    return {
        "before": before,
        "head_alone": next((entry["head_alone_loss"] for entry in history if "head_alone_loss" in entry), None),
        "epochs": [{"epoch": entry["epoch"], "loss": entry["eval_loss"]} for entry in history if "eval_loss" in entry],
        "after": after,
        "perplexity": exp(after),
        "loss": [{"epoch": entry["epoch"], "loss": entry["loss"]} for entry in history if "loss" in entry],
        "seconds": seconds,
    }
