"""`eventtag.predict`: tags new articles into a file, as a job that can be continued."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from eventtag.article import Article
from eventtag.engines.choice import choose_precision
from eventtag.errors import DataError, OutputError, SettingsError
from eventtag.formats.jsonl import article_from_json
from eventtag.formats.label_map import labels_only, map_labels
from eventtag.formats.label_studio_interface import interface_path, own_names, render_interface, require_free, write_interface
from eventtag.jobs.array import ArrayTask, array_task
from eventtag.jobs.assembly import WriteOutput
from eventtag.jobs.dead_letters import DeadLetter
from eventtag.jobs.job import Job, decided, read_description
from eventtag.jobs.outputs import check_format, format_of_path, part_suffix, write_predictions
from eventtag.jobs.progress import Progress
from eventtag.jobs.ray_engine import RayActors
from eventtag.jobs.reading.inputs import STANDARD_INPUT, find_files, read_rows
from eventtag.jobs.reading.rows import InputRow, Place
from eventtag.jobs.reading.streams import COMPRESSED
from eventtag.jobs.reading.tables import is_dataset
from eventtag.jobs.run import SHARD_BYTES, Engine, JobOptions, JobReport, run_job
from eventtag.jobs.shards import Shard, cut_shards
from eventtag.jobs.store import ShardRecord, ShardStore
from eventtag.jobs.tagged_shard import tag_shard
from eventtag.jobs.taggers import LoadTagger
from eventtag.jobs.time_limit import ArticleClock
from eventtag.jobs.worker import Tagged
from eventtag.jobs.workers import Workers
from eventtag.ledger import LossLedger
from eventtag.models.checkpoint import WEIGHTS_FILE, checkpoint_folder, read_info
from eventtag.settings import MISSING, InferencePrecision, OutputFormat, PredictSettings, TaggingEngine
from eventtag.settings.building import with_values
from eventtag.stored_json import parse_stored
from eventtag.training.continued import runs_of

log = logging.getLogger(__name__)

WITHOUT_EFFECT = frozenset(
    {
        "checkpoint",
        "input",
        "page_seconds",
        "article_seconds",
        "output",
        "workers",
        "engine",
        "ray_address",
        "ray_cpus",
        "ray_gpus",
        "max_bad_rows",
        "retry_dead_letter",
        "shard",
        "json_logs",
    }
)
"""Settings that do not change a job's output. Checkpoint and input are compared by their content."""
MANY_FILES = 10_000
"""With more files, their sizes are not held in memory, and the share of the input that was read is not known."""


def predict(
    checkpoint: str | os.PathLike[str] | PredictSettings,
    input: str | os.PathLike[str] = MISSING,  # noqa: A002 - the key's name
    output: str | os.PathLike[str] = MISSING,
    *,
    on_progress: Callable[[Progress], None] | None = None,
    **settings: Any,
) -> JobReport:
    """Tag new articles into a file: `predict("outputs/mine", "news/*.jsonl", "tagged.parquet")`. The same call continues an
    interrupted job.

    `checkpoint` may also be a run. Further keyword arguments are the settings of `eventtag predict` (docs/reference/settings.md).
    Workers are new Python processes, so a script must call this under `if __name__ == "__main__":`. To tag a few texts in memory,
    use `Tagger`.

    Raises DataError if more rows than `max_bad_rows` could not be tagged (the output exists then, too); SettingsError,
    CheckpointError and OutputError before anything is tagged.
    """
    if isinstance(checkpoint, PredictSettings):
        wanted = with_values(checkpoint, settings)
    else:
        given = {"input": os.fspath(input), "output": os.fspath(output)}
        wanted = with_values(PredictSettings(checkpoint=os.fspath(checkpoint)), given | settings)
    if wanted.output in ("-", MISSING) or wanted.input == MISSING:
        raise SettingsError("predict needs input and output, names of files or folders; eventtag.Tagger tags texts in memory")
    return _predict(replace(wanted, checkpoint=str(checkpoint_folder(wanted.checkpoint))), on_progress)


def output_format(settings: PredictSettings) -> OutputFormat:
    """The format of the output file: the one that is named, or that of its suffix. Raises SettingsError for an unknown suffix."""
    if settings.format is not OutputFormat.auto:
        return settings.format
    if settings.output.endswith("/"):
        return OutputFormat.jsonl  # a folder has no suffix
    return OutputFormat(format_of_path(Path(settings.output)))


def _predict(settings: PredictSettings, on_progress: Callable[[Progress], None] | None) -> JobReport:
    chosen = output_format(settings)
    check_format(chosen.value, sentences=settings.sentences)
    job = Job(Path(settings.output))
    if job.output.is_dir() and not settings.output.endswith("/") and chosen is not OutputFormat.brat:
        raise OutputError(
            f"output={settings.output}: is a folder; give the name of a file, in it for example, or output={settings.output}/ for a folder "
            "of parts"
        )
    task = None if settings.shard is None else array_task(settings.shard, job, os.environ)
    info, sha256 = read_info(Path(settings.checkpoint), unread=(WEIGHTS_FILE,))
    decisive: dict[str, Any] = {key: value for key, value in asdict(settings).items() if key not in WITHOUT_EFFECT}
    precision = _precision(settings)
    decisive |= {"checkpoint": sha256, "format": chosen.value, "precision": precision}
    names: dict[str, str] = {}
    if chosen is OutputFormat.label_studio:
        names = names_of_run(Path(settings.checkpoint), info.labels.labels)
        decisive |= {"names": names} if names else {}
        require_free(interface_path(job.output), render_interface(settings.labels or info.labels.labels, names))
    state, extent, share = input_state(settings.input)
    in_parts = settings.output.endswith("/") and chosen is not OutputFormat.brat  # which is a folder by itself
    options = JobOptions(
        shard_rows=settings.shard_rows,
        parts=part_suffix(chosen.value) if in_parts else None,
        task=task,
        adopted=("precision",) if settings.precision is InferencePrecision.auto else (),
        output={
            "labels": info.labels.labels,
            "title": f"{Path(settings.input).name}, tagged by eventtag",
            "names": names,
        },
        retry_dead_letters=settings.retry_dead_letter,
        input_state=state,
        input_extent=extent,
        share=share,
        notes={"checkpoint": settings.checkpoint, "workers": _workers(settings)},
    )
    ledger = LossLedger()

    def engine(shards: Iterator[Shard], store: ShardStore) -> Generator[ShardRecord | Tagged, None, None]:
        # Another task may have begun the job, with the precision that is fastest on its own machine.
        return _engine(settings, decided(job.output, "precision"))(shards, store)

    report = run_job(
        read_settings_rows(settings),
        job.output,
        engine,
        settings=decisive,
        write=build_writer(job, chosen.value, sentences=settings.sentences, ledger=ledger),
        options=options,
        on_progress=on_progress,
    )
    if report.missing is not None:
        assert task is not None
        _tell_task(report, task)
        return report
    _tell(report, settings, ledger)
    require_few_bad_rows(report.bad_rows, int(report.manifest["rows"]), settings.max_bad_rows, where=str(report.job.dead_letters))
    return report


def require_few_bad_rows(bad: int, rows: int, allowed: float, *, where: str) -> None:
    """Raise DataError if more rows are bad than `allowed`: a share of all if below 1, else a number."""
    if bad > (allowed * rows if allowed < 1 else allowed):
        raise DataError(
            f"{bad} of {rows} rows could not be tagged, which is more than max_bad_rows={allowed:g}; they are named in {where}\n"
            + ("all other rows are tagged" if bad < rows else "no row was tagged; check input= and text_field=")
        )


def names_of_run(checkpoint: Path, labels: Sequence[str]) -> dict[str, str]:
    """By label of the checkpoint, its name in the articles of the run, if the run's label map maps only one name to it."""
    try:
        for run in runs_of(checkpoint):
            if run.data.label_map:
                break
    except (SettingsError, DataError):
        return {}
    names = own_names(run.data.label_map, labels)
    for label in labels:
        sources = [name for name, target in labels_only(run.data.label_map).items() if target == label]
        if label not in names and sources not in ([], [label]):
            log.info(
                "label_studio: data.label_map of the run gives %s to %s, so the tasks call it %s",
                ", ".join(sources),
                label,
                label,
            )
    return names


def build_factory(settings: PredictSettings, precision: str, *, threads: int | None = None) -> LoadTagger:
    """A function that makes the tagger of these settings in any process."""
    return LoadTagger(
        settings.checkpoint,
        precision=precision,
        batch_tokens=settings.batch_tokens,
        thresholds=dict(settings.thresholds),
        min_score=settings.min_score,
        labels=None if settings.labels is None else tuple(settings.labels),
        threads=threads,
        stride=settings.stride,
    )


def tag_rows(settings: PredictSettings) -> Iterator[Article | DeadLetter]:
    """The articles of the input with their spans, in order and without a job. A row that cannot be tagged gives its dead letter."""
    settings = replace(settings, checkpoint=str(checkpoint_folder(settings.checkpoint)))
    tag = build_factory(settings, settings.precision.value)()
    clock = ArticleClock(settings.article_seconds)
    for shard in cut_shards(read_settings_rows(settings), max_rows=settings.shard_rows, max_bytes=SHARD_BYTES):
        tagged = tag_shard(shard, tag, clock=clock)
        for position in range(len(shard.rows)):
            letter = tagged.letters.get(position)
            yield letter or article_from_json(parse_stored(tagged.articles[position].json))


def read_settings_rows(settings: PredictSettings) -> Iterator[InputRow]:
    """The rows of the input that the settings describe."""
    return read_rows(
        settings.input,
        text_field=settings.text_field,
        id_field=settings.id_field,
        require_id=settings.require_id,
        max_row_bytes=settings.max_row_bytes,
        page_seconds=settings.page_seconds,
        encoding=settings.encoding,
    )


def _precision(settings: PredictSettings) -> str:
    """The precision asked for; for `auto`, that with which the job was begun, so that every machine continues it alike."""
    begun = decided(Path(settings.output), "precision")
    if settings.precision is InferencePrecision.auto and isinstance(begun, str):
        log.info("precision=auto: %s, with which this job was begun", begun)
        return begun
    if settings.precision is not InferencePrecision.auto:
        log.info("precision=%s, as asked for", settings.precision.value)
    return choose_precision(Path(settings.checkpoint), settings.precision.value, threads=settings.threads)


def _engine(settings: PredictSettings, precision: str) -> Engine:
    make_tagger = build_factory(settings, precision, threads=settings.threads)
    if settings.engine is TaggingEngine.ray:
        anywhere = replace(make_tagger, checkpoint=str(Path(settings.checkpoint).absolute()))
        return RayActors(
            anywhere,
            settings.workers,
            settings.ray_cpus,
            settings.ray_gpus,
            settings.threads,
            settings.ray_address,
            settings.article_seconds,
        )
    return Workers(make_tagger, _workers(settings), settings.threads, settings.article_seconds)


def _workers(settings: PredictSettings) -> int:
    if settings.workers is not None:
        return settings.workers
    if Path("/dev/nvidia0").exists():
        return 1  # the model runs on the GPU
    return max(1, len(os.sched_getaffinity(0)) // settings.threads)


def build_writer(job: Job, format_name: str, *, sentences: bool, ledger: LossLedger) -> WriteOutput | None:
    """The writer of a job's output; None if the output is exactly what the shards hold. The labels and title of a page, and the
    names of labels, are those with which the job was begun. For Label Studio, it also writes the labelling interface.
    """
    if format_name == "jsonl" and not sentences:
        return None

    def write(articles: Iterator[Article], path: Path) -> None:
        page = (read_description(job) or {})["output"]
        if names := page.get("names"):
            articles = map_labels(articles, names, ledger=ledger, keep_others=True)
        write_predictions(
            articles, path, format_name, ledger=ledger, labels=page["labels"], sentences=sentences, title=page["title"]
        )
        if format_name == OutputFormat.label_studio.value:
            wanted = (read_description(job) or {})["settings"].get("labels") or page["labels"]
            write_interface(interface_path(job.output), render_interface(wanted, names))

    return write


def input_state(source: str) -> tuple[str | None, str | None, Callable[[Place], float | None] | None]:
    """A digest of the input's files, their sizes and times; one of their names in it and sizes; and which part of them lies before a
    place, if that can be told.
    """
    if source == STANDARD_INPUT:
        return None, None, None
    digest, extent = hashlib.sha256(), hashlib.sha256()
    starts: dict[str, tuple[int, int]] = {}
    position = count = 0
    root = Path(source)
    files = (
        ((file, str(file.relative_to(root))) for file in sorted(root.rglob("*")) if file.is_file())
        if is_dataset(root)
        else ((file.path, file.name) for file in find_files(source))
    )
    for file, name in files:
        stat = file.stat()
        extent.update(f"{name}\0{stat.st_size}\n".encode("utf-8", "surrogateescape"))
        digest.update(f"{file}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode("utf-8", "surrogateescape"))
        count += 1
        if count <= MANY_FILES:
            starts[str(file)] = (position, stat.st_size)
        position += stat.st_size

    def share(place: Place) -> float | None:
        if count > MANY_FILES or place.file not in starts or position == 0:
            return None
        start, size = starts[place.file]
        if place.offset is None or place.file.endswith(COMPRESSED):
            return None if count == 1 else (start + size) / position
        return (start + place.offset) / position

    return digest.hexdigest(), extent.hexdigest(), share


def _tell_task(report: JobReport, task: ArrayTask) -> None:
    counts, output = report.manifest, report.job.output
    log.info(
        "%s: task %d of %s is done: %d articles, %d of them tagged now in %.1f s, %d spans, %d rows that could not be tagged",
        output, task.number, task.division, report.articles, report.tagged, report.seconds, counts["spans"], report.bad_rows,
    )  # fmt: skip
    if report.missing:
        log.info("%d shards of other tasks are missing; `eventtag job status %s` names these tasks", report.missing, output)
    else:
        log.info("all shards are stored, and another task puts the output together")


def _tell(report: JobReport, settings: PredictSettings, ledger: LossLedger) -> None:
    manifest = report.manifest
    counts = f"{settings.output}: {manifest['spans']} spans in {report.articles} articles"
    if report.nothing_to_do:
        log.info("%s; finished before, nothing to do", counts)
    else:
        rate = report.tokens / max(report.seconds, 1e-9)
        log.info("%s, %d of them tagged now in %.1f s (%.0f tokens/s)", counts, report.tagged, report.seconds, rate)
    if output_format(settings) is OutputFormat.label_studio:
        log.info("labelling interface: %s (Settings > Labeling Interface > Code)", interface_path(report.job.output))
    tell_losses(report, ledger)


def tell_losses(report: JobReport, ledger: LossLedger) -> None:
    """Log what the output's format could not hold, the links that the job's settings leave out, and how many rows of which kinds could not
    be tagged.
    """
    if dropped := report.manifest.get("dropped_links"):
        log.info("  %d links dropped at selecting spans: a span of theirs is left out (labels, min_score, thresholds)", dropped)
    for line in ledger.summary():
        log.info("  %s", line)
    if report.bad_rows:
        log.info("%d rows could not be tagged (%s):", report.bad_rows, report.job.dead_letters)
        for kind, count in sorted(report.manifest["kinds"].items(), key=lambda item: -item[1])[:10]:
            log.info("  %d %s", count, kind)
