"""`eventtag.select`: chooses what to annotate next, and writes it for an annotation tool."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eventtag.api.predict import input_state, names_of_run, require_few_bad_rows
from eventtag.article import Article
from eventtag.errors import SettingsError
from eventtag.estimates.annotated_sample import DRAWN, PROBABILITY
from eventtag.estimates.sample_record import SampleRecord, record_path, write_record
from eventtag.formats.label_map import map_labels
from eventtag.formats.label_studio_interface import interface_path, render_interface, require_free, write_interface
from eventtag.formats.records import TO_ANNOTATE
from eventtag.formats.registry import format_of_suffix, get_format, write_articles
from eventtag.jobs.dead_letters import letter_kind, letter_line
from eventtag.jobs.outputs import PREDICTION_FORMATS
from eventtag.jobs.progress import Progress
from eventtag.jobs.reading.inputs import STANDARD_INPUT
from eventtag.ledger import LossLedger
from eventtag.models.checkpoint import checkpoint_folder
from eventtag.selection.choosing import Choice, choose
from eventtag.selection.pool import REASONS, TaggedPool, read_tagged_pool, seen_by
from eventtag.selection.tasks import SAY_UNANNOTATED, build_tasks, require_able
from eventtag.settings import MISSING, SelectSettings
from eventtag.settings.building import with_values
from eventtag.settings.select import Unit
from eventtag.staging import require_absent, staged_file, write_json
from eventtag.tagging.tagger import Tagger

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

SCHEMA = 1
TOOLS = ("label_studio", "prodigy", "doccano")
"""Formats that are written as `predict` writes them: as tasks, not as annotation."""


@dataclass(frozen=True)
class ChosenUnit:
    """A chosen article or sentence, by `article` and offsets. `selected_by` is the strategy, or `sample` for an article drawn at random,
    which has a `probability` in place of a `score`.
    """

    article: str
    start: int
    end: int
    words: int
    selected_by: str
    score: float | None = None
    probability: float | None = None


@dataclass(frozen=True, repr=False)
class SelectResult:
    """The articles that were written, and the `units` in them that are to be annotated.

    `left_out` counts articles of the pool by reason. `pool` is the number of articles that could be chosen, `rows` that of the rows that
    were read, and `bad_rows` that of the rows that could not be read or tagged.
    """

    articles: tuple[Article, ...]
    units: tuple[ChosenUnit, ...]
    left_out: Mapping[str, int]
    pool: int
    rows: int
    bad_rows: int
    notes: tuple[str, ...]
    ledger: LossLedger
    record: Path

    @property
    def words(self) -> int:
        """The number of words that annotators have to read."""
        return sum(unit.words for unit in self.units)

    def __repr__(self) -> str:
        return f"SelectResult({len(self.units)} units in {len(self.articles)} articles, {self.words} words)"

    def to_pandas(self) -> pd.DataFrame:
        """A row for each unit."""
        import pandas as pd

        return pd.DataFrame([asdict(unit) for unit in self.units], columns=list(ChosenUnit.__dataclass_fields__))


def select(
    checkpoint: str | os.PathLike[str] | SelectSettings,
    input: str | os.PathLike[str] = MISSING,  # noqa: A002 - the key's name
    output: str | os.PathLike[str] = MISSING,
    *,
    on_progress: Callable[[Progress], None] = lambda _: None,
    **settings: Any,
) -> SelectResult:
    """Choose what to annotate next: `select("outputs/mine", "news/*.jsonl", "tasks.json", format="label_studio", n=50)`.

    Further keyword arguments are the settings of `eventtag select` (docs/reference/settings.md). Files beside the output
    record the choice (`.selection.json`), the random draw (`.sample.json`), and the rows that could not be read or tagged, if there are
    any (`.dead_letter.jsonl`).

    Raises SettingsError, CheckpointError and OutputError before anything is tagged; DataError if nothing may be chosen, and if more rows
    than `max_bad_rows` could not be read or tagged (the output is written all the same).
    """
    if isinstance(checkpoint, SelectSettings):
        wanted = with_values(checkpoint, settings)
    else:
        given = {"input": os.fspath(input), "output": os.fspath(output)}
        wanted = with_values(SelectSettings(checkpoint=os.fspath(checkpoint)), given | settings)
    if MISSING in (wanted.input, wanted.output):
        raise SettingsError("select needs input and output, names of files or folders")
    wanted = replace(wanted, checkpoint=str(checkpoint_folder(wanted.checkpoint)))
    return _select(wanted, on_progress)


def _select(settings: SelectSettings, on_progress: Callable[[Progress], None]) -> SelectResult:
    target = Path(settings.output)
    format_name = get_format(format_of_suffix(target) if settings.format == "auto" else settings.format).name
    require_able(format_name, settings.unit)
    paths = {kind: target.with_name(f"{target.name}.{kind}") for kind in ("selection.json", "dead_letter.jsonl")}
    for path in (target, record_path(target), *paths.values()):
        require_absent(path)
    checkpoint = Path(settings.checkpoint)
    tagger = Tagger.load(
        checkpoint, precision=settings.precision.value, batch_tokens=settings.batch_tokens, threads=settings.threads
    ).with_thresholds(settings.thresholds)
    names, xml = {}, ""
    if format_name == "label_studio":
        names = names_of_run(checkpoint, tagger.labels.labels)
        xml = render_interface(tagger.labels.labels, names, shown=TO_ANNOTATE if settings.unit is Unit.sentence else None)
        require_free(interface_path(target), xml)
    ledger = LossLedger()
    share = None if settings.input == STANDARD_INPUT else input_state(settings.input)[2]
    target.absolute().parent.mkdir(parents=True, exist_ok=True)
    found = read_tagged_pool(
        settings,
        tagger,
        seen_by(checkpoint),
        target.absolute().parent,
        ledger=ledger,
        by_sentence=settings.unit is Unit.sentence,
        share=share,
        on_progress=on_progress,
    )
    choice = choose(found, settings)
    tasks, without = build_tasks(found, choice, settings, format_name, tagger)
    written = tuple(map_labels(tasks, names, ledger=ledger, keep_others=True)) if names else tasks
    options = PREDICTION_FORMATS[format_name].options if format_name in TOOLS else {}
    write_articles(written, target, format_name, ledger=ledger, options=options)
    if xml:
        write_interface(interface_path(target), xml)
    if found.letters:
        with staged_file(paths["dead_letter.jsonl"]) as file:
            file.writelines(letter_line(letter) + "\n" for letter in found.letters)
    units = _units(found, choice, settings)
    _write_draw(found, choice, settings, record_path(target), [task.id for task in written])
    result = SelectResult(
        written,
        units,
        found.left_out,
        len(found.drawable),
        found.rows,
        len(found.letters),
        (
            *_bad_row_notes(found, paths["dead_letter.jsonl"]),
            *_notes(found, choice, units, settings, format_name, ledger, without),
        ),
        ledger,
        paths["selection.json"],
    )
    write_json(result.record, _record(result, settings, tagger))
    require_few_bad_rows(len(found.letters), found.rows, settings.max_bad_rows, where=str(paths["dead_letter.jsonl"]))
    return result


def _units(found: TaggedPool, choice: Choice, settings: SelectSettings) -> tuple[ChosenUnit, ...]:
    """The drawn articles, then the chosen units, the most wanted first."""
    units, words = found.units, dict[int, int]()
    for number in choice.drawn:
        words[number] = int(units.words[units.articles == number].sum())
    drawn = []
    for number in choice.drawn:
        article = found.article(number)
        probability = choice.about[article.id][PROBABILITY]
        drawn.append(ChosenUnit(article.id, 0, len(article.text), words[number], DRAWN, probability=probability))
    chosen = [
        ChosenUnit(
            found.pool.ids[int(units.articles[unit])],
            int(units.starts[unit]),
            int(units.ends[unit]),
            int(units.words[unit]),
            settings.strategy.value,
            score=float(choice.scores[unit]),
        )
        for unit in choice.units.tolist()
    ]
    return (*drawn, *chosen)


def _write_draw(found: TaggedPool, choice: Choice, settings: SelectSettings, path: Path, ids: list[str]) -> None:
    """The record of the random draw, as `eventtag sample` writes it."""
    if not choice.draws:
        return
    pool = found.drawable
    besides = tuple(sorted(name for name in ids if name not in choice.about))
    rule = found.drawing_units.rule
    made = SampleRecord(
        choice.design, settings.input, len(pool), len(found.drawing_units), pool.fingerprint, (choice.draws,), choice.about, rule,
        version("eventtag"), besides,
    )  # fmt: skip
    write_record(made, path)


def _bad_row_notes(found: TaggedPool, dead_letters: Path) -> list[str]:
    """How many rows cannot be chosen because they could not be read or tagged, and why."""
    if not found.letters:
        return []
    kinds = Counter(letter_kind(letter.stage, letter.reason) for letter in found.letters).most_common(10)
    counts = "; ".join(f"{count} {kind}" for kind, count in kinds)
    return [f"{len(found.letters)} of {found.rows} rows could not be read or tagged and are left out ({dead_letters}): {counts}"]


def _notes(
    found: TaggedPool,
    choice: Choice,
    units: tuple[ChosenUnit, ...],
    settings: SelectSettings,
    format_name: str,
    ledger: LossLedger,
    without: int,
) -> list[str]:
    """What the user is to know of the choice."""
    notes = list(found.notes)
    notes += [f"{count} articles are left out: {REASONS[reason]}" for reason, count in found.left_out.items()]
    words, drawn = (
        sum(unit.words for unit in units if unit.selected_by in ways) for ways in ((DRAWN, settings.strategy.value), (DRAWN,))
    )
    total = words or 1
    if drawn:
        over = f", which is more than the budget of {settings.words}" if settings.words and words > settings.words else ""
        notes.append(f"{drawn} of {words} words are in articles drawn at random ({100 * drawn / total:.0f} %){over}")
    if settings.random_share and not drawn:
        notes.append(
            "no article could be drawn at random, because the checkpoint learnt from a part of each article that may be chosen"
        )
    used = sum(unit.words if settings.words else 1 for unit in units if unit.selected_by != DRAWN)
    if used < choice.budget * 0.9:
        notes.append(
            f"{settings.strategy.value} chose {used} of {choice.budget:g} {'words' if settings.words else settings.unit.value + 's'}; the "
            "pool has no more that fit"
        )
    if without:
        notes.append(f"{without} articles are partly annotated; they keep their annotation and get no suggestions")
    if format_name in SAY_UNANNOTATED:
        notes.append(
            'an article with "annotated": [] is to be annotated whole; delete that field when it is'
            + ("; where the field has sentences, leave it as it is" if settings.unit is Unit.sentence else "")
        )
    elif format_name not in TOOLS:
        notes.append(
            f"{format_name} cannot say which articles nobody has annotated yet; annotate all of them before the file is used"
        )
    lost = {note.part for note in ledger.notes if note.stage.startswith("writing")}
    if "text" in lost:
        notes.append(f"{format_name} changes texts, so the articles drawn at random cannot serve `eventtag estimate`")
    elif "meta" in lost:
        notes.append(f"{format_name} does not hold how each article was chosen; the files beside the output do")
    return notes


def _record(result: SelectResult, settings: SelectSettings, tagger: Tagger) -> dict[str, Any]:
    """What made the choice, as JSON."""
    about = tagger.about or {}
    by_way: dict[str, int] = {}
    for unit in result.units:
        by_way[unit.selected_by] = by_way.get(unit.selected_by, 0) + unit.words
    return {
        "schema": SCHEMA,
        "version": version("eventtag"),
        "checkpoint": {key: about.get(key) for key in ("path", "sha256", "engine", "precision")},
        "settings": {
            "unit": settings.unit.value,
            "strategy": settings.strategy.value,
            "n": None if settings.words else settings.budget,
            "words": settings.words,
            "random_share": settings.random_share,
            "suggestions": settings.suggestions,
            "seed": settings.seed,
            "thresholds": dict(tagger.calibration.thresholds),
        },
        "pool": {
            "input": settings.input,
            "rows": result.rows,
            "bad_rows": result.bad_rows,
            "could_be_chosen": result.pool,
            "left_out": dict(result.left_out),
        },
        "words": by_way,
        "units": [{key: value for key, value in asdict(unit).items() if value is not None} for unit in result.units],
        "notes": list(result.notes),
    }
