"""Runs that continue from the checkpoint of an earlier run (`base`): what they take from it, and the articles that they learn.

Encoder, head, labels and windows are the checkpoint's. The validation and test articles of the earlier run keep their splits, and
the new articles are added to its training articles; a new article with the text of an earlier one replaces it. If the data settings
themselves give the splits, the corpus is the one that they describe.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import yaml

from eventtag.article import Article
from eventtag.corpus.loading import Corpus, fingerprint, found_labels, load_corpus
from eventtag.corpus.mixing import CORPUS_FIELD
from eventtag.corpus.near_duplicates import find_near_duplicates
from eventtag.corpus.seen import Seen, article_key, read_seen
from eventtag.errors import CheckpointError, DataError, EventtagError, SettingsError
from eventtag.heads.registry import PLAIN_HEAD
from eventtag.ledger import LossLedger
from eventtag.manifest import read_json
from eventtag.models.accepted import CONFIG_FILE, OURS
from eventtag.models.checkpoint import CheckpointInfo, checkpoint_folder, find_checkpoint, read_info
from eventtag.respan import respan
from eventtag.settings import MISSING, Head, IntermediateSettings, ModelSettings, Overlaps, TrainSettings, WindowSettings
from eventtag.settings.building import build_settings
from eventtag.stored_json import read_stored

log = logging.getLogger(__name__)

ATTENTION_DROPOUT = ("attention_probs_dropout_prob", "attention_dropout")
"""The names that architectures have for it."""
OF_HEADS = ("overlap", "max_span_width")
"""Settings of the model that a checkpoint's configuration has if its head has them."""
OF_THE_SPLIT = ("validation_share", "test_share", "split_seed", "cluster_field")
"""Settings of the data that mean nothing where the splits of an earlier run stay."""


def settings_of_run(checkpoint: Path) -> TrainSettings:
    """The settings of the run that made a checkpoint. Raises SettingsError if there is no run beside it, or its articles are unknown."""
    file = checkpoint_folder(checkpoint).resolve().parent / "settings.yaml"
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
        found = build_settings(TrainSettings, {key: value for key, value in values.items() if key != "run_dir"})
    except OSError as error:
        raise SettingsError(
            f"{file}: there is no run beside the checkpoint, so nothing says which articles it learnt from and which test it; give the "
            "folder of a run, with all that `eventtag train` left there"
        ) from error
    except (yaml.YAMLError, UnicodeError, RecursionError, TypeError, AttributeError, SettingsError) as error:
        raise SettingsError(f"{file}: the settings of the run cannot be read ({error}); train it anew") from error
    if found.data.path == MISSING and not found.data.corpora:
        raise SettingsError(f"{file}: the run learnt from articles that were given in Python; train it from a file")
    return found


def runs_of(checkpoint: Path) -> Iterator[TrainSettings]:
    """The settings of the run that made a checkpoint, of the run that this one continued, and so on.

    Raises SettingsError as `settings_of_run`; DataError if a run continues itself, as it seems to where folders of runs were renamed.
    """
    met: list[Path] = []
    path: Path | None = checkpoint
    while path is not None:
        place = checkpoint_folder(path).resolve()
        if place in met:
            raise DataError(
                f"{place.parent / 'settings.yaml'}: by its base= this run continues itself, so the folder of a run was renamed or "
                "replaced; give the folders the names that they had, or train without base"
            )
        met.append(place)
        settings = settings_of_run(place)
        yield settings
        path = None if settings.base is None else Path(settings.base)


def corpus_of_run(checkpoint: Path) -> Corpus:
    """The articles of the run that made a checkpoint, in their splits. Raises SettingsError as `settings_of_run`, DataError if they are
    not those that the run recorded, or as `runs_of`.
    """
    settings = settings_of_run(checkpoint)
    with suppress(SettingsError):  # `corpus_of` knows whether an earlier run that is gone is needed
        for _ in runs_of(checkpoint):
            pass
    corpus = corpus_of(settings)
    record = checkpoint_folder(checkpoint).resolve().parent / "run.json"
    try:
        then = {split: about["sha256"] for split, about in read_stored(record)["data"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{record}: does not say which articles the run had ({error}); bring it back from a copy") from error
    for split in {**then, **corpus.splits}:
        if then.get(split) != (fingerprint(corpus.splits[split]) if split in corpus.splits else None):
            raise DataError(
                f"{corpus.name}: its {split} articles are not those that the run recorded in {record}; the file has changed since, or "
                "another version of eventtag drew the split. Bring the earlier file back, and give new articles in a file of their own"
            )
    return corpus


def base_checkpoint(base: str) -> tuple[Path, CheckpointInfo, str]:
    """The checkpoint that `base` names, its record, and the sha256 of its manifest. Raises CheckpointError."""
    path = find_checkpoint(base)
    if path is None:
        raise CheckpointError(f"base={base}: there is no checkpoint; give a finished run of `eventtag train`, or its checkpoint")
    return path, *read_info(path)


def with_base(settings: TrainSettings, given: Collection[str] | None = None) -> TrainSettings:
    """The settings with the model and the windows of their `base`; unchanged without one.

    `given` are the keys (`model.head`) that the user set; None: those that differ from the defaults. `model.links=true` adds a link head to
    a base without one. Raises SettingsError for another key that contradicts the base, with both values, CheckpointError for a base that
    is none.
    """
    if settings.base is None:
        return settings
    path, info, _ = base_checkpoint(settings.base)
    model, usual = settings.model, ModelSettings()
    found = _architecture(path, info)
    for key, value in found.items():
        wanted = getattr(model, key)
        asked = f"model.{key}" in given if given is not None else wanted != getattr(usual, key)
        if key == "links" and wanted and asked:
            continue
        if asked and wanted is not None and wanted != value:
            raise SettingsError(
                f"model.{key}={_shown(wanted)} is not allowed: the model of base={settings.base} has {key} {_shown(value)}; leave "
                f"model.{key} out, or train without base"
            )
    first = IntermediateSettings(data=None)
    asked = "model.intermediate.data" in given if given is not None else model.intermediate not in (first, IntermediateSettings())
    if asked and model.intermediate.data is not None:
        raise SettingsError(
            f"model.intermediate.data={model.intermediate.data.name} is not allowed: base={settings.base} has learnt already, and the run "
            "continues from it; leave it out, or train without base"
        )
    chosen = {
        item.name
        for item in fields(WindowSettings)
        if (f"window.{item.name}" in given if given is not None else getattr(settings.window, item.name) != item.default)
    }
    window = replace(info.window, **{name: getattr(settings.window, name) for name in chosen})
    found["links"] = found["links"] or model.links
    return replace(settings, model=replace(model, revision=None, intermediate=first, **found), window=window)


def _architecture(path: Path, info: CheckpointInfo) -> dict[str, Any]:
    """What the checkpoint's files say of the model's settings."""
    config = read_json(path / CONFIG_FILE, then="copy the checkpoint again")
    ours = config.get("model_type") == OURS
    inner = config["encoder"] if ours else config
    return {
        "name": info.training.get("encoder", str(path)),
        "head": Head(config.get("head", PLAIN_HEAD)),
        "layer_mix": bool(config.get("layer_mix", False)),
        "casing": bool(config.get("casing", False)),
        "links": config.get("links") is not None,
        "attention_dropout": next((inner[key] for key in ATTENTION_DROPOUT if key in inner), None),
        **{key: config[key] for key in OF_HEADS if key in config},
    }


def _shown(value: Any) -> str:
    return str(value.value) if isinstance(value, Head) else str(value)


def corpus_of(settings: TrainSettings, articles: Sequence[Article] | None = None) -> Corpus:
    """The corpus that a run with these settings learns from; `articles` are those that were given in place of `data.path`.

    With a `base` it has the base's labels. Raises what `load_corpus` raises; DataError if articles have labels that the base does not
    know, if test articles of the earlier run would be learnt, or if it is not known which these are.
    """
    if settings.base is None:
        return load_corpus(settings.data, articles=articles)
    path, info, _ = base_checkpoint(settings.base)
    known = info.labels.labels
    data = settings.data
    if data.labels is not None and set(data.labels) != set(known):
        raise SettingsError(
            f"data.labels={data.labels} is not allowed: base={settings.base} has the labels {list(known)}; leave data.labels out, or train "
            "without base"
        )
    data = replace(data, labels=None)
    declared = bool(data.corpora or data.split_field or data.validation or data.test)
    try:
        earlier = corpus_of_run(path)
    except EventtagError as error:
        if not declared:
            raise DataError(
                f"base={settings.base}: which articles test it is not known ({error})\nsay which of the articles are which: "
                "data.split_field=FIELD, or data.validation=FILE and data.test=FILE"
            ) from error
        log.warning("base=%s: which articles tested it is not known, so none of them can be kept from training (%s)", path, error)
        earlier = None
    corpus = load_corpus(data, articles=articles, seen=None if declared else Seen())
    _require_known(corpus, known, settings.base)
    if declared:
        _require_test_kept(corpus, earlier, settings.base)
        return replace(corpus, labels=info.labels)
    assert earlier is not None
    usual = type(data)()
    unused = [key for key in OF_THE_SPLIT if getattr(data, key) != getattr(usual, key)]
    if unused:
        log.warning(
            "base=%s: %s not used, as the splits are those of the earlier run",
            settings.base, " and ".join(f"data.{key}" for key in unused) + (" is" if len(unused) == 1 else " are"),
        )  # fmt: skip
    added = add_articles(earlier, corpus.articles("all"), what="articles")
    for note in added.notes:
        log.info("%s: %s", data.path if articles is None else corpus.name, note)
    ledger = LossLedger()
    for part in (earlier.ledger, corpus.ledger):
        ledger.absorb(part, prefix="")
    handling = earlier.handling if data.overlaps is Overlaps.error else corpus.handling
    return replace(
        added.corpus,
        rule=f"{earlier.rule}; {added.count} articles of {corpus.name} in train",
        ledger=ledger,
        allowed_loss=earlier.allowed_loss + corpus.allowed_loss,
        handling=handling,
    )


def _require_known(corpus: Corpus, known: Sequence[str], base: str) -> None:
    unknown = [label for label in found_labels(corpus.articles("all")) if label not in known]
    if unknown:
        raise DataError(
            f"{corpus.name}: its articles have the labels {', '.join(unknown)}, and base={base} has {', '.join(known)}\n"
            "map them with data.label_map (null drops a label) as for the earlier run, or train without base"
        )


def _require_test_kept(corpus: Corpus, earlier: Corpus | None, base: str) -> None:
    """Raise DataError if a test article of the earlier run would be learnt or choose. The log names those that test no more."""
    tested = {article_key(article.text): article for article in earlier.splits.get("test", ())} if earlier else {}
    for split in ("train", "validation"):
        moved = [article.id for article in corpus.splits.get(split, ()) if article_key(article.text) in tested]
        if moved:
            raise DataError(
                f"{len(moved)} test articles of base={base} are in split {split} now, {moved[0]!r} among them; leave them in test, as "
                "`eventtag split --extend` does"
            )
    there = {article_key(article.text) for article in corpus.splits.get("test", ())}
    gone = [article for key, article in tested.items() if key not in there]
    if not gone:
        return
    log.warning(
        "%d of %d test articles of base=%s are in no split now, %s among them, so they test nothing", len(gone), len(tested), base,
        repr(gone[0].id),
    )  # fmt: skip
    used = [article for split in ("train", "validation") for article in corpus.splits.get(split, ())]
    if copies := _copies(used, gone):
        log.warning(
            "%d training and validation articles are near-duplicates of these, %r among them; scores of the new checkpoint on the test "
            "articles of base=%s will be too high",
            len(copies), copies[0].id, base,
        )  # fmt: skip


def _copies(articles: Sequence[Article], others: Sequence[Article]) -> list[Article]:
    """The articles that have the text of others, whatever their white space and punctuation, or are near-duplicates of them."""
    keys = {article_key(article.text) for article in others}
    marked = [replace(article, id=f"other/{number}") for number, article in enumerate(others)]
    named = [replace(article, id=f"given/{number}") for number, article in enumerate(articles)]
    clusters = find_near_duplicates([*marked, *named]).clusters
    near = {name for cluster in clusters if any(name.startswith("other/") for name in cluster) for name in cluster}
    return [
        article
        for article, by_number in zip(articles, named, strict=True)
        if by_number.id in near or article_key(article.text) in keys
    ]


@dataclass(frozen=True)
class Added:
    """The corpus with the articles that are learnt, how many these are, and what became of the others."""

    corpus: Corpus
    count: int
    notes: tuple[str, ...]


def add_articles(corpus: Corpus, articles: Sequence[Article], *, what: str) -> Added:
    """The corpus with the articles added to its training articles; the notes call them `what`. Raises DataError if none can be learnt.

    If several articles have one text, the last one that an annotator looked at counts, with the rejected spans of all. An article that has
    only rejected spans adds these to the training article with its text. Near-duplicates of validation and test articles are not learnt.
    Spans with a label that the corpus does not have are left out.
    """
    notes = []
    latest = _latest(articles)
    if skipped := sum(not article.regions and not article.rejected for article in articles):
        notes.append(f"{skipped} articles were looked at nowhere (skipped)")
    if several := len(articles) - skipped - len(latest):
        notes.append(f"{several} {what} are of a text of which a later one counts")
    held_out = [article for split in ("validation", "test") for article in corpus.splits.get(split, ())]
    copies = {article.text for article in _copies(list(latest.values()), held_out)}
    if copies:
        notes.append(f"{len(copies)} {what} are of articles that score or choose the checkpoints, and are not learnt")
    learnt = [article for article in latest.values() if article.text not in copies]
    if not learnt:
        raise DataError(f"there are no {what} to learn from" + "".join(f"; {note}" for note in notes))
    there = {article.text: article for article in corpus.splits["train"]}
    learnt = [article if article.regions else _with_rejected(there.get(article.text, article), article) for article in learnt]
    replaced = {article_key(article.text) for article in learnt}
    kept = [article for article in corpus.splits["train"] if article_key(article.text) not in replaced]
    if taken := len(corpus.splits["train"]) - len(kept):
        notes.append(f"{taken} training articles are taken as they were corrected")
    known = set(corpus.labels.labels)
    if strange := sum(span.label not in known for article in learnt for span in article.spans):
        notes.append(f"{strange} spans have labels that the checkpoint does not have, and are not learnt")
    part = dict.fromkeys([CORPUS_FIELD] if corpus.parts else [], next(iter(corpus.parts), None))
    notes += [f"{what} are taken as articles of the corpus {name}" for name in part.values()]
    ids = {article.id for group in corpus.splits.values() for article in group}
    same = {(article.id, article_key(article.text)) for article in corpus.splits["train"]}
    added: list[Article] = []
    ledger = LossLedger()
    for article in learnt:
        name = article.id
        if (name, article_key(article.text)) not in same and name in ids:
            name = f"corrected/{name}"
            while name in ids:
                name += "'"
        ids.add(name)
        spans = [span for span in article.spans if span.label in known]
        meta = {**article.meta, **part}
        added.append(respan(article, spans, stage="training", ledger=ledger, asked=True, id=name, meta=meta))
    notes += ledger.summary()
    return Added(replace(corpus, splits={**corpus.splits, "train": (*kept, *added)}), len(added), tuple(notes))


def _latest(articles: Sequence[Article]) -> dict[str, Article]:
    """By text, the last article that was looked at, else the last with rejected spans; with the rejected spans of all with this text."""
    found: dict[str, Article] = {}
    for article in articles:
        if not article.regions and not article.rejected:
            continue
        before = found.get(article_key(article.text))
        if before is None:
            found[article_key(article.text)] = article
        elif article.regions or not before.regions:
            found[article_key(article.text)] = _with_rejected(article, before)
        else:
            found[article_key(article.text)] = _with_rejected(before, article)
    return found


def _with_rejected(article: Article, other: Article) -> Article:
    """The article with the rejected spans of another, too, where both have the same text; what is a span of it is not rejected."""
    if article.text != other.text or article is other:
        return article
    return replace(article, rejected=tuple({*article.rejected, *other.rejected} - set(article.spans)))


def require_promises(settings: TrainSettings, held: Sequence[Article]) -> None:
    """Raise SettingsError if articles that are held apart for a promise (`training.promises`) chose or taught the base.

    They chose nothing of a base that held the same half apart.
    """
    if settings.base is None or not held:
        return
    path, _, _ = base_checkpoint(settings.base)
    seen = read_seen(path)
    known = sum(seen.kind_of(article) is not None for article in held)
    try:
        earlier = settings_of_run(path)
        same = earlier.evaluation.confidence is not None and _held_by(path, earlier) >= {article_key(a.text) for a in held}
    except EventtagError:
        same = False
    if known and not same:
        raise SettingsError(
            f"evaluation.confidence={settings.evaluation.confidence:g} is not allowed here: {known} of the {len(held)} validation articles "
            f"that would be held apart chose or taught base={settings.base}, so they promise nothing about new articles; give other "
            "validation articles, leave it out, or train without base"
        )


def _held_by(path: Path, settings: TrainSettings) -> set[str]:
    """The keys of the validation articles that the run of a checkpoint held apart, and that neither taught nor chose its own base."""
    from eventtag.training.promises import divide_validation

    corpus = corpus_of_run(path)
    held = divide_validation(corpus.splits["validation"], settings.evaluation, corpus.cluster_field)[1]
    require_promises(settings, held)
    return {article_key(article.text) for article in held}
