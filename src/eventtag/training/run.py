"""A training run: from articles to a checkpoint and its scores.

RUN/run.json            settings, data fingerprints, seed, versions
RUN/settings.yaml       the resolved settings alone
RUN/losses.jsonl        the loss ledger
RUN/intermediate/       the run of intermediate fine-tuning (`model.intermediate`); removed when the run ends
RUN/trainer/            states to resume from; removed when the run ends
RUN/checkpoint/         the best checkpoint on the validation articles
RUN/report.*            its scores there, as JSON, Markdown and a page
RUN/predictions.jsonl   its spans there
RUN/metrics.json        loss and validation scores by epoch, time, tokens per second
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import transformers
import yaml

from eventtag.corpus.clusters import clusters_of
from eventtag.corpus.loading import Corpus
from eventtag.encoding.align import record_unmatchable
from eventtag.encoding.tokens import tokenise
from eventtag.errors import DataError, OutputError, RunFinishedError, SettingsError, TrainingError
from eventtag.heads.registry import head_of
from eventtag.ledger import LossLedger
from eventtag.link import ROLES
from eventtag.links.scheme import LinkScheme, learnt_scheme
from eventtag.manifest import MANIFEST_FILE
from eventtag.models.checkpoint import load_checkpoint
from eventtag.models.encoders import add_link_head, load_encoder, longest_input
from eventtag.models.lora import add_lora
from eventtag.reporting.losses import write_losses
from eventtag.run_folder import RUN_FILES, SCORE_FILES, claimed_folder, written
from eventtag.scoring.report import EvaluationReport
from eventtag.scoring.slices import require_fields
from eventtag.settings import Precision, TrainSettings
from eventtag.settings.model import LEARN_OVERLAPS
from eventtag.staging import named_full_disk, remove_known, remove_partial, remove_whole, require_absent, staged_file, write_json
from eventtag.stored_json import read_stored
from eventtag.tagging.tagger import Tagger
from eventtag.training.continued import base_checkpoint, corpus_of, require_promises, with_base
from eventtag.training.data.features import Feature, build_features
from eventtag.training.data.teachers import ask_teachers, read_unlabelled
from eventtag.training.duration import with_epochs
from eventtag.training.encoder_defaults import with_encoder_defaults
from eventtag.training.finish import METRICS_FILE as METRICS_FILE
from eventtag.training.finish import TrainingResult as TrainingResult
from eventtag.training.finish import finish
from eventtag.training.fitted_calibration import evaluate_calibrated, require_known_targets
from eventtag.training.intermediate import IntermediateRun, plan_intermediate, share, take_weights
from eventtag.training.learnt import learns_across_lines, learns_cut_strings, seen_in_run
from eventtag.training.loop.arguments import build_arguments
from eventtag.training.loop.checkpointing import enable_checkpointing
from eventtag.training.loop.dropout import quicken_dropout
from eventtag.training.loop.optimizer import freeze
from eventtag.training.loop.precision import Arithmetic, choose_arithmetic
from eventtag.training.loop.processes import from_first, is_first_process, process_count
from eventtag.training.loop.saving import CONTINUE, STATES, clear_states, newest_sound, remove_newer
from eventtag.training.loop.trainer import ArticleTrainer, EpochWatch, typical_inputs
from eventtag.training.loop.word_table import keep_gradient
from eventtag.training.promises import divide_validation
from eventtag.training.record import RECORD_FILE, build_record, plain, recorded_arithmetic, require_same_run
from eventtag.training.tracking import require_trackers, tracked

log = logging.getLogger(__name__)

NOTABLE_UNKNOWN = 0.05
"""If at least this share of the training articles' tokens are unknown to the tokenizer, the log warns."""
NOTABLE_OVERLAPS = 0.02
"""If at least this share of all spans overlap others and are not learnt, the log names the settings that learn them."""


AfterEpoch = Callable[[float, Mapping[str, float]], None]
"""Called with the epoch (1 after the first) and its validation scores (`eval_micro_f1` and others); an error that it raises ends training.
"""


def train(
    settings: TrainSettings,
    *,
    corpus: Corpus | None = None,
    whole: Corpus | None = None,
    shared: Path | None = None,
    after_epoch: AfterEpoch | None = None,
) -> TrainingResult:
    """Run or resume training as the settings say, on `corpus` if given in place of the corpus that they name; from the encoder, or from
    the checkpoint of `settings.base`.

    `whole` is the corpus that `corpus` is a part of: intermediate fine-tuning learns from no article of it. `shared` is a folder on the
    run's file system through which runs share the checkpoint of their intermediate fine-tuning.

    Raises an EventtagError before anything is computed for wrong settings or data, a run directory that is not empty and was not made by
    training or in which another process works, or a run that cannot be resumed; RunFinishedError if `settings.resume` is set and the run is
    finished with the same settings and data; OutputError if the disk is full; TrainingError if the loss is no longer finite.
    """
    require_trackers(settings.trainer.tracking)
    settings = with_encoder_defaults(with_base(settings))
    run_dir = Path(settings.run_dir)
    claimed = claimed_folder(run_dir, "train") if is_first_process() else nullcontext()
    with named_full_disk(run_dir, then=CONTINUE), claimed, tracked(settings.trainer.tracking, run_dir):
        return _train(settings, corpus, whole, shared, after_epoch)


def _train(
    settings: TrainSettings,
    corpus: Corpus | None,
    whole: Corpus | None = None,
    shared: Path | None = None,
    after_epoch: AfterEpoch | None = None,
    arithmetic: Arithmetic | None = None,
) -> TrainingResult:
    """As `train`; with `arithmetic` it is not chosen here."""
    run_dir = Path(settings.run_dir)
    begun = _is_begun(run_dir, resume=settings.resume)
    if corpus is None:
        corpus = corpus_of(settings)
        require_trainable(corpus)
    require_known_targets(settings.evaluation, corpus.labels, links=settings.model.links)
    require_fields(corpus.splits["validation"], settings.evaluation.slices or ())
    if corpus.cluster_field is not None:
        clusters_of(corpus.splits["validation"], corpus.cluster_field)  # fail before training
    require_promises(settings, divide_validation(corpus.splits["validation"], settings.evaluation, corpus.cluster_field)[1])
    record = build_record(settings, corpus)
    intermediate = plan_intermediate(settings, whole or corpus)
    if intermediate is not None:
        record["intermediate"] = intermediate.describe()
    if begun and (run_dir / METRICS_FILE).exists():
        raise _finished(run_dir, record)
    seen = seen_in_run(settings, corpus, intermediate)
    if begun:
        require_same_run(run_dir / RECORD_FILE, record)
    trainer = _build_trainer(settings, corpus)  # several processes are connected from here on
    if begun:
        trainer.arithmetic = recorded_arithmetic(run_dir / RECORD_FILE)
    else:
        wanted = settings.trainer.precision
        trainer.arithmetic = arithmetic or choose_arithmetic(trainer.network, typical_inputs(trainer), wanted)
        record["arithmetic"] = trainer.arithmetic.to_json()
    state = None
    if is_first_process():
        _open_run(settings, record, corpus.ledger, begun=begun)
        state = newest_sound(run_dir / "trainer", processes=process_count())
        remove_newer(run_dir / "trainer", state)
    state = from_first(state)
    log.info(
        "%s: %d training articles in %d windows, %d validation articles (split %s); encoder %s",
        corpus.name, len(corpus.splits["train"]), len(trainer.features), len(corpus.splits["validation"]), corpus.rule,
        settings.model.name if settings.base is None else f"{settings.model.name}, as it is in {settings.base}",
    )  # fmt: skip
    if after_epoch is not None:
        trainer.add_callback(EpochWatch(after_epoch))
    if state is not None:
        log.info("resuming from %s", state)
    elif intermediate is not None:
        _tune_first(trainer, intermediate, shared)
    trainer.speed.start()
    trainer.train(resume_from_checkpoint=None if state is None else str(state))
    speed = trainer.speed.report(trainer.network, trainer.arithmetic)
    if trainer.state.best_metric is None:
        raise TrainingError("no epoch was finished, so there is no checkpoint; raise trainer.epochs")
    result = finish(settings, corpus, trainer, record, speed, seen) if is_first_process() else None
    finished = from_first(result)
    assert finished is not None
    return finished


def _tune_first(trainer: ArticleTrainer, intermediate: IntermediateRun, shared: Path | None) -> None:
    """Give the model the weights of its intermediate fine-tuning, which runs here unless its checkpoint is in `shared` or this run had
    finished it before an interruption.
    """
    precision = Precision(trainer.arithmetic.precision)
    settings = replace(intermediate.settings, trainer=replace(intermediate.settings.trainer, precision=precision))
    run_dir = Path(settings.run_dir)
    learnt = (
        run_dir / "checkpoint" if shared is None else shared / replace(intermediate, settings=settings).key(trainer.arithmetic)
    )
    if shared is None or not learnt.exists():
        if (run_dir / METRICS_FILE).exists() and not (run_dir / "checkpoint").exists():
            remove_known(run_dir, RUN_FILES)  # it was shared and has been removed since
        if not (run_dir / METRICS_FILE).exists():
            log.info("intermediate fine-tuning: %s, %g epochs", intermediate.corpus.name, settings.trainer.epochs)
            _train(settings, intermediate.corpus, arithmetic=trainer.arithmetic)
            log.info("intermediate fine-tuning: done")
        if shared is not None:
            share(run_dir / "checkpoint", learnt)
    take_weights(trainer.network, learnt)
    transformers.set_seed(trainer.args.seed)  # as in a run that found the checkpoint there


def _is_begun(run_dir: Path, *, resume: bool) -> bool:
    """Whether a run was begun in this folder. Raises OutputError if it is not to be continued, TrainingError if its record is missing."""
    if (run_dir / RECORD_FILE).exists():
        if (run_dir / METRICS_FILE).exists():
            clear_states(run_dir)
            if not resume:
                raise OutputError(f"{run_dir / 'checkpoint'}: this run is finished and is not overwritten; give another run_dir")
        elif not resume:
            raise OutputError(f"{run_dir}: holds an unfinished run; continue it with resume=true, or give another run_dir")
        return True
    there = written(run_dir, RUN_FILES)
    if there:
        raise TrainingError(
            f"{run_dir}: holds {', '.join(there)}, but no {RECORD_FILE}, which would say of which run; it cannot be continued, and "
            "nothing was changed there. Give another run_dir"
        )
    return False


def _finished(run_dir: Path, record: Mapping[str, Any]) -> OutputError:
    """The error for a finished run, which says whether it is the run that is asked for. Versions and number of processes do not matter."""
    said = f"{run_dir / 'checkpoint'}: this run is finished"
    try:
        before = read_stored(run_dir / RECORD_FILE)
        kept = {key: before[key] for key in ("versions", "processes") if key in before}
        require_same_run(run_dir / RECORD_FILE, {**record, **kept})
    except (TrainingError, ValueError, TypeError) as error:
        return OutputError(f"{said} and is not overwritten; give another run_dir\n({error})")
    return RunFinishedError(f"{said}; nothing to do")


def require_trainable(corpus: Corpus) -> None:
    """Raise DataError if train or validation is missing, or one of them has no span of a configured label."""
    for split in ("train", "validation"):
        if split not in corpus.splits:
            raise DataError(
                f"corpus {corpus.name!r} has no {split} articles (found: {', '.join(corpus.splits)}; split {corpus.rule}); "
                "set data.split_field, data.validation or data.validation_share"
            )
        spans = corpus.describe(split)["spans"]
        absent = [label for label, count in spans.items() if not count]
        if absent:
            raise DataError(
                f"corpus {corpus.name!r}: split {split} has no span with the label {absent[0]} (found: {spans}); "
                "split in another way, or map the label to another or to null (data.label_map)"
            )


def _build_trainer(settings: TrainSettings, corpus: Corpus) -> ArticleTrainer:
    """Model, training windows and arguments; errors in the settings are raised here, before anything is written."""
    transformers.set_seed(settings.seed)
    texts = [article.text for article in corpus.splits["train"]]
    scheme = _link_scheme(corpus) if settings.model.links and settings.base is None else None
    if settings.base is None:
        model, tokenizer = load_encoder(settings.model, corpus.labels, seed=settings.seed, texts=texts, links=scheme)
    else:
        loaded = load_checkpoint(base_checkpoint(settings.base)[0])
        model, tokenizer = loaded.model, loaded.tokenizer
        if loaded.info.labels != corpus.labels:
            raise SettingsError(
                f"base={settings.base} has the labels {list(loaded.info.labels.labels)}, the articles have {list(corpus.labels.labels)}; "
                "map them with data.label_map, or train without base"
            )
        scheme = None if loaded.info.links is None else loaded.info.links.scheme
        if scheme is None and settings.model.links:
            scheme = _link_scheme(corpus)
            model = add_link_head(model, tokenizer, corpus.labels, scheme, seed=settings.seed)
            log.info("base=%s has no link head; it gets a new one", settings.base)
        elif scheme is not None and learnt_scheme(corpus.splits["train"], corpus.labels)[0] is None:
            log.warning(
                "no training article has links, so the link head of base=%s learns no more, while the encoder does", settings.base
            )
    add_lora(model, settings.model.lora)
    freeze(model, settings.trainer.freeze_layers)
    quicken_dropout(model)
    if process_count() == 1 and "optim" not in settings.trainer.extra:  # several exchange gradients in hooks
        keep_gradient(model.get_input_embeddings())
    if settings.trainer.gradient_checkpointing:
        enable_checkpointing(model)
    limit = longest_input(model, tokenizer)
    if limit is not None and settings.window.max_length > limit:
        raise SettingsError(
            f"window.max_length={settings.window.max_length} is not allowed: {settings.model.name} reads at most {limit} tokens"
        )
    head = head_of(model.config)
    articles = [*corpus.splits["train"], *read_unlabelled(settings.teacher, ledger=corpus.ledger)]
    features = build_features(
        articles,
        tokenizer,
        corpus.labels,
        settings.window,
        ledger=corpus.ledger,
        handling=corpus.handling_of,
        head=head,
        soft_targets=ask_teachers(articles, settings.teacher, corpus.labels, tokenizer) if settings.teacher.checkpoints else None,
        links=scheme,
    )
    if not features:
        raise DataError("split train: no article has an annotated region with a word in it; check `annotated` of the articles")
    corpus.require_kept()
    _warn_of_unknown(features, tokenizer, settings.model.name)
    trained = with_epochs(settings.trainer, [len(feature.input_ids) for feature in features], processes=process_count())
    found = head.decoder(model)
    crosses_lines = learns_across_lines(corpus)
    if not crosses_lines:
        log.info("no span of the training articles goes on in the next line, so the tagger will find none that does")
    cuts_strings = learns_cut_strings(corpus)
    if not cuts_strings:
        log.info(
            "no span of the training articles begins or ends inside a string between blanks, so the tagger will find none that does"
        )
    for article in corpus.splits["validation"]:
        words = tokenise(article.text, tokenizer).words
        record_unmatchable(
            article, words, ledger=corpus.ledger,
            overlap=found.overlap, max_width=found.max_width, crosses_lines=crosses_lines, cuts_strings=cuts_strings,
        )  # fmt: skip

    choosing, _ = divide_validation(corpus.splits["validation"], settings.evaluation, corpus.cluster_field)

    def score(current: transformers.PreTrainedModel) -> EvaluationReport:
        tagger = Tagger(
            current, tokenizer, corpus.labels, settings.window, crosses_lines=crosses_lines, cuts_strings=cuts_strings
        )
        return evaluate_calibrated(tagger, choosing, settings.evaluation)[0].report

    return ArticleTrainer(
        model,
        build_arguments(trained, seed=settings.seed, output_dir=Path(settings.run_dir) / "trainer"),
        features,
        tokenizer,
        corpus.labels,
        trained,
        score=score,
    )


def _warn_of_unknown(features: Sequence[Feature], tokenizer: transformers.PreTrainedTokenizerBase, name: str) -> None:
    """The log says so if the encoder's vocabulary lacks the articles' language."""
    read = sum(len(feature.input_ids) for feature in features)
    unknown = sum(int((feature.input_ids == tokenizer.unk_token_id).sum()) for feature in features)
    if unknown >= NOTABLE_UNKNOWN * read:
        log.warning(
            "%.0f %% of the tokens of the training articles are unknown to the tokenizer of %s, which reads nothing there; "
            "choose an encoder of their language, or model=xlmr_base (docs/how-to/other-languages.md)",
            100 * unknown / read, name,
        )  # fmt: skip


def _link_scheme(corpus: Corpus) -> LinkScheme:
    """What a new link head is to know. The log says which links are not learnt; raises DataError where none can be."""
    scheme, left_out = learnt_scheme(corpus.splits["train"], corpus.labels)
    for line in left_out:
        log.warning("%s", line)
    if scheme is None:
        raise DataError(
            f"model.links=true: no training article of {corpus.name} has a link that can be learnt (roles: {', '.join(ROLES)}); annotate "
            "links, or leave model.links out"
        )
    return scheme


def _open_run(settings: TrainSettings, record: Mapping[str, Any], ledger: LossLedger, *, begun: bool) -> None:
    """Write what is known before training. In an interrupted run, remove unfinished files and those written while it finished; it writes
    the same again. Raises OutputError for an existing file that the run will write.
    """
    run_dir = Path(settings.run_dir)
    remove_partial(run_dir, RUN_FILES)
    remove_partial(run_dir / "trainer", STATES)
    if (
        begun and (run_dir / "checkpoint" / MANIFEST_FILE).exists()
    ):  # the scores are written after it, so they are removed before it
        for name in SCORE_FILES:
            (run_dir / name).unlink(missing_ok=True)
        remove_whole(run_dir / "checkpoint")
    for name in ("checkpoint", *SCORE_FILES):
        require_absent(run_dir / name)
    if begun:
        (run_dir / "losses.jsonl").unlink(missing_ok=True)  # a resumed run records the same losses again
    if not (run_dir / RECORD_FILE).exists():
        write_json(run_dir / RECORD_FILE, record)
    if not (run_dir / "settings.yaml").exists():
        with staged_file(run_dir / "settings.yaml") as file:
            yaml.safe_dump(plain(settings), file, sort_keys=False, allow_unicode=True)
    _report_losses(ledger, run_dir)


def _report_losses(ledger: LossLedger, run_dir: Path) -> None:
    for line in [*ledger.remarks, *ledger.summary()]:
        log.info("%s", line)
    unlearnt = ledger.dropped_at("resolving overlaps")
    if unlearnt > NOTABLE_OVERLAPS * ledger.seen:
        log.info("%s would learn and find the %d spans that overlap others, too", LEARN_OVERLAPS, unlearnt)
    write_losses(ledger, run_dir / "losses.jsonl")
