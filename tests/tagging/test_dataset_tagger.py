import pickle
import shutil

import datasets
import pytest
from datasets.fingerprint import Hasher

from eventtag.errors import CheckpointError, SettingsError
from eventtag.tagging.dataset_tagger import DatasetTagger
from eventtag.tagging.tagger import Tagger

TEXTS = [
    "Nothing here .",
    "Police arrested Miners in Lima .",
    None,
    "Rebels blocked Reuters in Perth . Nurses met Moscow in Accra .",
]


def test_a_dataset_gets_the_spans_of_the_tagger(checkpoint):
    dataset = datasets.Dataset.from_dict({"body": TEXTS, "day": [1, 2, 3, 4]})
    tag = DatasetTagger(str(checkpoint), text_column="body")
    rows = dataset.map(tag, batched=True, batch_size=2, features=tag.features(dataset), load_from_cache_file=False).to_list()
    tagger = Tagger.load(checkpoint)
    for text, row in zip(TEXTS, rows, strict=True):
        expected = tagger.tag(text) if text else ()
        assert [(s["start"], s["end"], s["label"]) for s in row["spans"]] == [(s.start, s.end, s.label) for s in expected]
        assert [s["score"] for s in row["spans"]] == pytest.approx([s.score for s in expected], abs=1e-5)
        assert all(text[s["start"] : s["end"]] == s["text"] for s in row["spans"])
    assert rows[1]["spans"]
    assert [row["day"] for row in rows] == [1, 2, 3, 4]


def test_it_pickles_small_and_is_known_by_what_it_would_write(checkpoint, tmp_path):
    tag = DatasetTagger(str(checkpoint))
    tag({"text": TEXTS[1:2]})
    assert len(pickle.dumps(tag)) < 1000
    assert Hasher.hash(tag) == Hasher.hash(pickle.loads(pickle.dumps(tag))) == Hasher.hash(DatasetTagger(str(checkpoint)))
    assert Hasher.hash(tag) != Hasher.hash(DatasetTagger(str(checkpoint), min_score=0.5))
    copy = tmp_path / "checkpoint"
    shutil.copytree(checkpoint, copy)
    before = Hasher.hash(DatasetTagger(str(copy)))
    with (copy / "manifest.json").open("a") as file:
        file.write("\n")
    assert Hasher.hash(DatasetTagger(str(copy))) != before


def test_a_missing_checkpoint_is_said_at_once(tmp_path):
    with pytest.raises(CheckpointError, match="is no checkpoint"):
        DatasetTagger(str(tmp_path))


def test_links_and_status_come_in_a_column_that_is_asked_for(linked_run, checkpoint):
    dataset = datasets.Dataset.from_dict({"text": TEXTS})
    tag = DatasetTagger(str(linked_run / "checkpoint"), links_column="links")
    rows = dataset.map(tag, batched=True, features=tag.features(dataset), load_from_cache_file=False).to_list()
    (tagged,) = Tagger.load(linked_run).tag_many([TEXTS[1]])
    assert tagged.links
    assert [(k["event_start"], k["participant_start"], k["role"]) for k in rows[1]["links"]] == [
        (link.event.start, link.participant.start, link.role) for link in tagged.links
    ]
    assert [span["status"] for span in rows[1]["spans"]] == [span.status for span in tagged.spans]
    with pytest.raises(SettingsError, match="has no link head"):
        DatasetTagger(str(checkpoint), links_column="links")({"text": TEXTS[1:2]})
