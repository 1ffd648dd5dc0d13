"""Training windows that epochs change: what changes, what does not, and that it is the same again in a resumed run."""

from collections import Counter
from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from conftest import make_article
from hypothesis import given
from hypothesis import strategies as st
from test_run import settings_of
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from eventtag.encoding.align import IGNORED
from eventtag.encoding.casing import CASINGS
from eventtag.errors import SettingsError
from eventtag.labels import LabelSet
from eventtag.ledger import LossLedger
from eventtag.modeling.tiny import build_tiny_tokenizer
from eventtag.settings import (
    AugmentationSettings,
    Head,
    ModelSettings,
    TeacherSettings,
    TrainerSettings,
    TrainSettings,
    WindowSettings,
)
from eventtag.training.augmentation import (
    Augmentation,
    augment,
    augment_anew,
    build_augmentation,
    collect_mentions,
    find_mentions,
)
from eventtag.training.drawn import DrawnWindows
from eventtag.training.features import Feature, build_features
from eventtag.training.run import train

LABELS = LabelSet()
BEGINS = [LABELS.begin_id(label) for label in LABELS.labels]
SPECIAL = (101, 102)


@st.composite
def windows(draw) -> Feature:
    """Words of one to three tokens, some with a token of white space behind them; gold that is legal but for words without any."""
    ids, casing, words, tags = [SPECIAL[0]], [0], [False], [IGNORED]
    before = draw(st.sampled_from([IGNORED, 0]))
    for size, space, wanted in draw(
        st.lists(st.tuples(st.integers(1, 3), st.booleans(), st.sampled_from([0, IGNORED, *range(1, 7)])), max_size=12)
    ):
        tag = wanted
        if tag > 0 and tag % 2 == 0 and before not in (tag, tag - 1, IGNORED):
            tag -= 1
        before = tag
        ids += draw(st.lists(st.integers(1, 9), min_size=size, max_size=size))
        casing += [draw(st.integers(1, len(CASINGS) - 1))] * size
        words += [True] + [False] * (size - 1)
        tags += [tag] + [IGNORED] * (size - 1)
        if space:
            ids, casing, words, tags = [*ids, 99], [*casing, 0], [*words, False], [*tags, IGNORED]
    arrays = ([*ids, SPECIAL[1]], [*casing, 0], [*tags, IGNORED])
    return Feature("a", *(np.array(item) for item in arrays), np.zeros(7, dtype=np.bool_), np.array([*words, False]))


def units(feature: Feature) -> list[tuple]:
    """Words and tokens of no word, in order: ids, casing ids, tag (None without a word)."""
    found = []
    for token, kind, first, tag in zip(feature.input_ids, feature.casing_ids, feature.words, feature.tag_ids, strict=True):
        if first or not kind:
            found.append(((int(token),), (int(kind),), int(tag) if first else None))
        else:
            ids, kinds, word_tag = found[-1]
            assert tag == IGNORED
            found[-1] = ((*ids, int(token)), (*kinds, int(kind)), word_tag)
    return found


def complete_mentions(feature: Feature) -> list[tuple[int, int, int]]:
    """First and last unit, and first tag, of the mentions all of whose words have gold, with a word behind them that has it too."""
    whole = units(feature)
    places = [place for place, unit in enumerate(whole) if unit[2] is not None]
    found = []
    for number, place in enumerate(places):
        begin = whole[place][2]
        if begin > 0 and begin % 2:
            last = number
            while last + 1 < len(places) and whole[places[last + 1]][2] == begin + 1:
                last += 1
            if last + 1 < len(places) and whole[places[last + 1]][2] != IGNORED:
                found.append((place, places[last], begin))
    return found


def folded(feature: Feature) -> tuple[list, list]:
    """The units with each complete mention as its label alone; and these mentions."""
    whole, rest, mentions, done = units(feature), [], [], 0
    for first, last, begin in complete_mentions(feature):
        rest += [*whole[done:first], begin]
        mentions.append((begin, tuple(whole[first : last + 1])))
        done = last + 1
    return rest + whole[done:], mentions


@given(st.lists(windows(), min_size=1, max_size=5), st.integers(0, 2**32), st.integers(0, 40), st.sampled_from([0.5, 1.0]))
def test_mentions_are_replaced_by_others_of_their_label_and_nothing_else_changes(features, seed, room, share):
    mentions = collect_mentions(features, BEGINS)
    known = {mention for feature in features for mention in folded(feature)[1]}
    how = Augmentation(share, mentions, max_length=room)
    for feature in features:
        found = augment(feature, how, np.random.default_rng(seed))
        arrays = (found.input_ids, found.casing_ids, found.words, found.tag_ids)
        assert len({len(array) for array in arrays}) == 1
        assert len(found.input_ids) <= max(room, len(feature.input_ids))
        (rest, replaced), (rest_before, before) = folded(found), folded(feature)
        assert rest == rest_before
        assert [begin for begin, _ in replaced] == [begin for begin, _ in before]
        assert set(replaced) <= known
        assert Counter(found.tag_ids[found.tag_ids % 2 == 1].tolist()) == Counter(
            feature.tag_ids[feature.tag_ids % 2 == 1].tolist()
        )
        tags = found.tag_ids[found.words].tolist()
        assert all(tag < 0 or previous < 0 or LABELS.legal_transitions[previous, tag] for previous, tag in pairwise(tags))


@given(windows())
def test_complete_mentions_are_found(feature):
    """By a second, plainer way of looking for them."""
    whole, ends = units(feature), [0]
    for ids, _, _ in whole:
        ends.append(ends[-1] + len(ids))
    assert [(ends[first], ends[last + 1], begin) for first, last, begin in complete_mentions(feature)] == list(
        find_mentions(feature)
    )


@pytest.fixture(scope="module")
def real(articles):
    tokenizer = build_tiny_tokenizer([article.text for article in articles])
    return tokenizer, build_features(articles, tokenizer, LABELS, WindowSettings(max_length=64, stride=6), ledger=LossLedger())


def byte_level_tokenizer(texts):
    """Cased, and most of its tokens stand for the white space before a word too, as RoBERTa's do."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=["<s>", "</s>"], initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0), trim_offsets=True, add_prefix_space=False)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="</s>")


@pytest.mark.parametrize("build", [build_tiny_tokenizer, byte_level_tokenizer], ids=["word pieces", "byte level"])
def test_windows_of_articles_read_as_before_with_other_names_in_them(build, articles):
    tokenizer = build([article.text for article in articles])
    features = build_features(articles, tokenizer, LABELS, WindowSettings(max_length=64, stride=6), ledger=LossLedger())
    how = build_augmentation(
        AugmentationSettings(mention_replacement=1.0, mention_labels=["ACTOR"]), features, tokenizer, LABELS,
        max_length=64, told_casing=False,
    )  # fmt: skip
    actors = {article.text[span.start : span.end] for article in articles for span in article.spans if span.label == "ACTOR"}
    replaced = 0
    for feature in features:
        changed = augment(feature, how, np.random.default_rng(1))
        before, after = (tokenizer.decode(item.input_ids, skip_special_tokens=True).split() for item in (feature, changed))
        assert len(before) == len(after)
        for old, new in zip(before, after, strict=True):
            assert (old in actors) == (new in actors)
            assert old == new if old not in actors else old != new
            replaced += old in actors
    assert replaced > 100


def test_a_mention_that_may_go_on_where_there_is_no_gold_is_left_alone(real):
    tokenizer, _ = real

    def found(article) -> list[int]:
        features = build_features([article], tokenizer, LABELS, WindowSettings(max_length=64, stride=6), ledger=LossLedger())
        return [place.begin for place in find_mentions(features[0])]

    article = make_article("a", "Police/ACTOR met/EVENT Rebels/ACTOR in Lima/LOCATION")
    assert found(article) == [1, 3, 1]
    assert found(replace(article, annotated=((0, len("Police met Rebels")),))) == [1, 3]


def test_changes_are_a_pure_function_of_seed_epoch_and_window(real):
    tokenizer, features = real
    wanted = AugmentationSettings(mention_replacement=0.5, casing=0.5, masking=0.2)
    how = build_augmentation(wanted, features, tokenizer, LABELS, max_length=64, told_casing=True)

    def changed(seed: int, epoch: int, index: int) -> tuple:
        windows = DrawnWindows([features[0]] * 3, partial(augment_anew, how=how), seed=seed)
        windows.set_epoch(epoch)
        return tuple(windows[index].input_ids.tolist())

    assert len(DrawnWindows(features, partial(augment_anew, how=how), seed=1)) == len(features)
    assert changed(1, 4, 2) == changed(1, 4, 2)
    assert len({changed(1, 4, 2), changed(2, 4, 2), changed(1, 5, 2), changed(1, 4, 1)}) == 4


@given(windows(), st.integers(0, 2**32))
def test_a_whole_window_gets_another_casing_and_what_has_no_case_keeps_its_own(feature, seed):
    found = augment(feature, Augmentation(casing=1.0), np.random.default_rng(seed))
    cased = np.isin(feature.casing_ids, [CASINGS.index(kind) for kind in ("lower", "title", "upper", "mixed")])
    assert len(set(found.casing_ids[cased].tolist())) <= 1
    assert {CASINGS[kind] for kind in found.casing_ids[cased]} <= {"lower", "title", "upper"}
    assert (found.casing_ids[~cased] == feature.casing_ids[~cased]).all()
    assert found.input_ids is feature.input_ids
    assert found.tag_ids is feature.tag_ids


@pytest.mark.parametrize("share", [0.2, 0.7])
def test_about_the_share_is_changed(share):
    ids = np.array([SPECIAL[0], *[7] * 2000, SPECIAL[1]])
    casing = np.array([0, *[CASINGS.index("mixed")] * 2000, 0])
    feature = Feature("a", ids, casing, np.zeros(2002, dtype=np.int64), np.zeros(7, dtype=np.bool_), casing > 0)
    how = Augmentation(masking=share, mask_id=103, special=frozenset(SPECIAL))
    found = augment(feature, how, np.random.default_rng(3))
    assert (found.input_ids == 103).mean() == pytest.approx(share, abs=0.04)
    assert set(found.input_ids[[0, -1]]) == set(SPECIAL)
    assert set(found.input_ids[1:-1].tolist()) == {7, 103}
    recased = [augment(feature, Augmentation(casing=share), np.random.default_rng(n)).casing_ids[1] for n in range(600)]
    counts = Counter(CASINGS[kind] for kind in recased)
    assert counts.keys() == {"mixed", "lower", "title", "upper"}
    assert counts["mixed"] / 600 == pytest.approx(1 - share, abs=0.08)
    assert min(counts[form] for form in ("lower", "title", "upper")) > 600 * share / 3 * 0.6


@pytest.mark.parametrize(
    ("trainer", "more", "message"),
    [
        ({"masking": 1.5}, {}, r"trainer\.augmentation\.masking=1\.5 is not allowed: a share, 0 to 1"),
        ({"mention_labels": ["WHO"]}, {}, r"mention_labels=WHO is not allowed: the labels are ACTOR, EVENT, LOCATION"),
        ({"mention_replacement": 0.1}, {"model": ModelSettings(name="tiny", head=Head.span)}, r"not with model\.head=span"),
        ({"mention_replacement": 0.1}, {"teacher": TeacherSettings(checkpoints=["x"])}, r"nor with teacher\.checkpoints"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(trainer, more, message):
    with pytest.raises(SettingsError, match=message):
        TrainSettings(trainer=TrainerSettings(augmentation=AugmentationSettings(**trainer)), **more)


def test_casing_is_refused_where_the_encoder_sees_capitals_and_hiding_where_it_has_no_mask(corpus_file, tmp_path, real):
    settings = settings_of(corpus_file, tmp_path / "run", trainer={"augmentation": AugmentationSettings(casing=0.1)})
    with pytest.raises(SettingsError, match=r"trainer\.augmentation\.casing=0\.1 is not allowed: this encoder sees capitals"):
        train(settings)
    assert not (tmp_path / "run").exists() or not any((tmp_path / "run").iterdir())
    _, features = real
    bare = build_tiny_tokenizer(["Lima"])
    bare.mask_token = None
    with pytest.raises(SettingsError, match=r"trainer\.augmentation\.masking=0\.1 is not allowed: .* has no mask token"):
        build_augmentation(AugmentationSettings(masking=0.1), features, bare, LABELS, max_length=64, told_casing=True)
    assert build_augmentation(AugmentationSettings(), features, bare, LABELS, max_length=64, told_casing=False) is None
