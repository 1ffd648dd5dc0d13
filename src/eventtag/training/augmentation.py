"""Training windows that are changed a little in every epoch: other names in their mentions, another casing, hidden tokens.

What is changed is a pure function of seed, epoch and window, so that a resumed run changes the same. Mention replacement is that of
Dai and Adel 2020 (https://aclanthology.org/2020.coling-main.343/).

Letters for shapes: T tokens of a window, M tokens of a mention.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from transformers import PreTrainedTokenizerBase

from eventtag.encoding.casing import CASINGS
from eventtag.errors import SettingsError
from eventtag.labels import LabelSet
from eventtag.settings import AugmentationSettings
from eventtag.training.features import Feature

IntArray = npt.NDArray[np.int64]

WITH_CASE = [CASINGS.index(kind) for kind in ("lower", "title", "upper", "mixed")]
FORMS = [CASINGS.index(kind) for kind in ("lower", "title", "upper")]
"""Casings that a whole window is given. Digits and scripts without case keep theirs."""
SPACED = ("Ġ", "▁")
"""How tokens begin that stand for the white space before them too, in byte-level and SentencePiece vocabularies."""
STREAM = 1
"""Sets these random numbers apart from those of `sample_outside`."""


class Place(NamedTuple):
    """Tokens [start, end) of a window that are a mention, and the tag id of its first word."""

    start: int
    end: int
    begin: int


class Tokens(NamedTuple):
    """Some tokens of a window, as in `Feature`: `input_ids`, `casing_ids`, `words` and `tag_ids`, each [M]."""

    input_ids: IntArray
    casing_ids: IntArray
    words: npt.NDArray[np.bool_]
    tag_ids: IntArray


class Kind(NamedTuple):
    """What a mention has in common with those that may take its place: the tag id of its first word, and whether its first token stands
    for white space before it too.
    """

    begin: int
    spaced: bool


@dataclass(frozen=True)
class Augmentation:
    """What is changed: the share of mentions that are replaced, by which `mentions` (distinct ones), with the ids of the tokens that are
    `spaced`; the share of windows that get another casing; the share of tokens, other than `special` ones, that become `mask_id`. A window
    grows to `max_length` at most.
    """

    replacement: float = 0.0
    mentions: Mapping[Kind, Sequence[Tokens]] = field(default_factory=dict)
    spaced: frozenset[int] = frozenset()
    casing: float = 0.0
    masking: float = 0.0
    mask_id: int = -1
    special: frozenset[int] = frozenset()
    max_length: int = 0


def build_augmentation(
    settings: AugmentationSettings,
    features: Sequence[Feature],
    tokenizer: PreTrainedTokenizerBase,
    labels: LabelSet,
    *,
    max_length: int,
    told_casing: bool,
) -> Augmentation | None:
    """What the settings ask for; None where they ask for nothing. `told_casing`: whether casing ids are all that the model knows of how
    words are written.

    Raises SettingsError where the model is not told of casing, or the tokenizer has no mask.
    """
    if not (settings.mention_replacement or settings.casing or settings.masking):
        return None
    if settings.casing and not told_casing:
        raise SettingsError(
            f"trainer.augmentation.casing={settings.casing} is not allowed: this encoder sees capitals in its tokens, or is not told of "
            "casing at all;\nleave it at 0, or take an encoder that lower-cases, with model.casing=true"
        )
    if settings.masking and tokenizer.mask_token_id is None:
        raise SettingsError(
            f"trainer.augmentation.masking={settings.masking} is not allowed: the encoder's tokenizer has no mask token; leave it at 0"
        )
    spaced = frozenset(token_id for token, token_id in tokenizer.get_vocab().items() if token.startswith(SPACED))
    replaced = labels.labels if settings.mention_labels is None else settings.mention_labels
    begins = [labels.begin_id(label) for label in replaced] if settings.mention_replacement else []
    return Augmentation(
        settings.mention_replacement,
        collect_mentions(features, begins, spaced=spaced),
        spaced,
        settings.casing,
        settings.masking,
        -1 if tokenizer.mask_token_id is None else tokenizer.mask_token_id,
        frozenset(tokenizer.all_special_ids),
        max_length,
    )


def augment_anew(feature: Feature, /, *, how: Augmentation, key: tuple[int, ...]) -> Feature:
    """The window as `how` changes it, drawn with `key`."""
    return augment(feature, how, np.random.default_rng((*key, STREAM)))


def augment(feature: Feature, how: Augmentation, random: np.random.Generator) -> Feature:
    """The window with mentions replaced, then its casing changed, then tokens hidden."""
    if how.replacement:
        feature = replace_mentions(feature, how, random)
    if how.casing and random.random() < how.casing:
        form = random.choice(FORMS)
        cased = np.isin(feature.casing_ids, WITH_CASE)
        feature = replace(feature, casing_ids=np.where(cased, form, feature.casing_ids))
    if how.masking:
        hidden = random.random(len(feature.input_ids)) < how.masking
        hidden &= ~np.isin(feature.input_ids, list(how.special))
        feature = replace(feature, input_ids=np.where(hidden, how.mask_id, feature.input_ids))
    return feature


def collect_mentions(
    features: Iterable[Feature], begins: Collection[int], *, spaced: frozenset[int] = frozenset()
) -> dict[Kind, list[Tokens]]:
    """The distinct mentions of the windows whose first word has one of the tag ids `begins`, in the order of the windows."""
    found: dict[Kind, dict[tuple[bytes, ...], Tokens]] = {}
    for feature in features:
        for place in find_mentions(feature):
            if place.begin in begins:
                mention = _cut(feature, place.start, place.end)
                same_kind = found.setdefault(_kind(feature, place, spaced), {})
                same_kind.setdefault(tuple(part.tobytes() for part in mention), mention)
    return {kind: list(mentions.values()) for kind, mentions in found.items()}


def find_mentions(feature: Feature) -> Iterator[Place]:
    """The mentions whose gold is complete in the window: all their words have it, and the word behind them, which ends them."""
    firsts = np.flatnonzero(feature.words)
    tags = feature.tag_ids[firsts].tolist()
    for number, begin in enumerate(tags):
        if begin <= 0 or begin % 2 == 0:  # not the B- tag of a label
            continue
        behind = number + 1
        while behind < len(tags) and tags[behind] == begin + 1:
            behind += 1
        if behind == len(tags) or tags[behind] < 0:
            continue
        end = int(firsts[behind - 1]) + 1
        while end < firsts[behind] and feature.casing_ids[end]:  # tokens of white space belong to no word and have no casing
            end += 1
        yield Place(int(firsts[number]), end, begin)


def replace_mentions(feature: Feature, how: Augmentation, random: np.random.Generator) -> Feature:
    """The window with each mention replaced, with the probability `how.replacement`, by another one of the same label.

    A mention stays where there is no other, or the window would grow too long.
    """
    parts: list[Tokens] = []
    done, length = 0, len(feature.input_ids)
    for place in find_mentions(feature):
        choices = how.mentions.get(_kind(feature, place, how.spaced), ())
        if random.random() >= how.replacement or not choices:
            continue
        number = int(random.integers(len(choices)))
        if np.array_equal(choices[number].input_ids, feature.input_ids[place.start : place.end]):
            number = (number + 1) % len(choices)
        chosen = choices[number]
        new_length = length + len(chosen.input_ids) - (place.end - place.start)
        if new_length > max(how.max_length, length):
            continue
        parts += [_cut(feature, done, place.start), chosen]
        done, length = place.end, new_length
    joined = Tokens(*map(np.concatenate, zip(*parts, _cut(feature, done, len(feature.input_ids)), strict=True)))
    return replace(feature, **joined._asdict())


def _kind(feature: Feature, place: Place, spaced: frozenset[int]) -> Kind:
    return Kind(place.begin, int(feature.input_ids[place.start]) in spaced)


def _cut(feature: Feature, start: int, end: int) -> Tokens:
    part = slice(start, end)
    return Tokens(feature.input_ids[part], feature.casing_ids[part], feature.words[part], feature.tag_ids[part])
