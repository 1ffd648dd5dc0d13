import json
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import REPOSITORY

from eventtag.api.fetch import HOMES, LOCK
from eventtag.cli.commands import fetch as fetch_command

CAT = """<Document doc_name="1_1ecb.xml" doc_id="D1"><token t_id="1" sentence="0" number="0">Kyiv</token>
<token t_id="2" sentence="0" number="1">fell</token><Markables><{0} m_id="7"><token_anchor t_id="2"/></{0}></Markables></Document>"""
CONLLU = "# newdoc id = a{0}\n# global.Entity = eid-etype-head\n1\tKyiv\t_\t_\t_\t_\t_\t_\t_\tEntity=(e1-place-1)\n"
TREES = {
    "meantime": {"intra_cross-doc_annotation/corpus_gm/1_GM.xml": CAT.format("EVENT_MENTION")},
    "gum_news": {f"dep/GUM_news_{n}.conllu": CONLLU.format(n) for n in range(3)} | {"dep/GUM_bio_x.conllu": CONLLU.format("x")},
    "litbank": {"entities/brat/1_a.txt": "Kyiv fell", "entities/brat/1_a.ann": "T1\tGPE 0 4\tKyiv\n", "README.md": "LitBank"},
    "re3d": {
        f"{part}/{file}": text
        for part in ("CENTCOM", "US State Department", "BBC Online")
        for file, text in {
            "documents.json": json.dumps({"_id": part[0], "text": "Kyiv fell", "sourceName": part}) + "\n",
            "entities.json": json.dumps(
                {"_id": "x", "documentId": part[0], "begin": 0, "end": 4, "type": "Location", "value": "Kyiv", "confidence": 1}
            )
            + "\n",
        }.items()
    },
    "crossner": {f"ner_data/politics/{split}.txt": f"Kyiv\tB-location\n{split}\tO\n" for split in ("train", "dev", "test")}
    | {"ner_data/conll2003/train.txt": "EU\tB-ORG\n"},
}  # fmt: skip
KEPT = {
    "meantime": ["intra_cross-doc_annotation/corpus_gm/1_GM.xml"],
    "gum_news": [f"conllu/GUM_news_{n}.conllu" for n in range(3)],
    "litbank": ["README.md", "entities/1_a.ann", "entities/1_a.txt"],
    "re3d": [f"{part}/{file}.json" for part in ("centcom", "us_state_department") for file in ("documents", "entities")],
    "crossner": [f"politics/{split}.txt" for split in ("dev", "test", "train")],
}


@pytest.fixture
def fetch(monkeypatch):
    monkeypatch.setenv("EVENTTAG_CORPORA", "")

    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["eventtag fetch", *arguments])
        return fetch_command.run()

    return run


def build(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_nothing_is_fetched_before_the_licence_is_accepted(fetch, tmp_path, capsys):
    home = build(tmp_path / "home", TREES["litbank"])
    assert fetch("litbank", "--copy", str(home), "--to", str(tmp_path / "corpora")) == 1
    assert "CC BY 4.0" in (said := capsys.readouterr().err)
    assert "--accept-licence" in said
    assert not (tmp_path / "corpora").exists()


@pytest.mark.parametrize("name", TREES)
def test_a_copy_of_each_home_becomes_the_corpus_of_its_configuration(fetch, tmp_path, name, capsys):
    home = build(tmp_path / "home", TREES[name])
    assert fetch(name, "--accept-licence", "--copy", str(home), "--to", str(tmp_path / "corpora")) == 0, capsys.readouterr()
    manifest = json.loads((tmp_path / "corpora" / name / "manifest.json").read_text())
    assert sorted(manifest["files"]) == KEPT[name]
    assert manifest["copied_from"] == str(home)
    assert not (tmp_path / "corpora" / LOCK).exists()
    assert f"train with data={name}" in capsys.readouterr().out
    assert fetch(name, "--accept-licence", "--copy", str(home), "--to", str(tmp_path / "corpora")) == 1
    assert "exists already" in capsys.readouterr().err


def ecbplus_home(folder: Path) -> Path:
    build(folder / "ECB+_LREC2014", {"ECBplus_coreference_sentences.csv": "Topic,File,Sentence Number\n1,1ecb,0\n"})
    with zipfile.ZipFile(folder / "ECB+_LREC2014" / "ECB+.zip", "w") as archive:
        archive.writestr("ECB+/1/1_1ecb.xml", CAT.format("ACTION_OCCURRENCE"))
        archive.writestr("__MACOSX/ECB+/1/._1_1ecb.xml", "x")
    return folder


def git(folder: Path, *command: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    return subprocess.run(["git", *identity, *command], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A home under git, at whose commit ECB+ is pinned."""
    home = ecbplus_home(tmp_path / "home")
    (home / "other.bin").write_bytes(b"not needed")
    git(home, "init", "--quiet")
    git(home, "config", "uploadpack.allowFilter", "true")
    git(home, "config", "uploadpack.allowAnySHA1InWant", "true")
    git(home, "add", ".")
    git(home, "commit", "--quiet", "-m", "data")
    pinned = replace(HOMES["ecbplus"], commit=git(home, "rev-parse", "HEAD"))
    monkeypatch.setitem(HOMES, "ecbplus", pinned)
    return home


def test_a_corpus_is_fetched_at_its_commit_and_held_to_the_lock(fetch, repository, tmp_path, capsys):
    (repository / "ECB+_LREC2014" / "ECBplus_coreference_sentences.csv").write_text("changed later")
    git(repository, "commit", "--quiet", "-am", "later")
    arguments = ["ecbplus", "--accept-licence", "--home", repository.as_uri(), "--to"]
    assert fetch(*arguments, str(tmp_path / "one")) == 0, capsys.readouterr()
    manifest = json.loads((tmp_path / "one" / "ecbplus" / "manifest.json").read_text())
    assert sorted(manifest["files"]) == ["ECB+/1/1_1ecb.xml", "ECBplus_coreference_sentences.csv"]
    lock = json.loads((tmp_path / "one" / LOCK).read_text())
    assert lock["ecbplus"] == {"commit": manifest["commit"], "sha256": manifest["sha256"]}
    assert "first fetch of this commit" in capsys.readouterr().err
    corpus = tmp_path / "one" / "ecbplus"
    shutil.rmtree(corpus)
    assert fetch(*arguments, str(tmp_path / "one")) == 0
    shutil.rmtree(corpus)
    for content, message in (
        (json.dumps({"ecbplus": {**lock["ecbplus"], "sha256": "0" * 64}}), "nothing is kept"),
        ("[]", "corpora.lock.json: cannot be read"),
    ):
        (tmp_path / "one" / LOCK).write_text(content)
        assert fetch(*arguments, str(tmp_path / "one")) == 1
        assert message in capsys.readouterr().err
        assert not corpus.exists()


def test_a_home_without_the_commit_is_an_error(fetch, repository, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(HOMES, "ecbplus", replace(HOMES["ecbplus"], commit="1" * 40))
    assert fetch("ecbplus", "--accept-licence", "--home", repository.as_uri(), "--to", str(tmp_path / "corpora")) == 1
    assert "git fetch failed" in capsys.readouterr().err


def test_a_corpus_without_a_repository_is_downloaded_by_hand(fetch, tmp_path, capsys):
    assert fetch("meantime", "--accept-licence", "--to", str(tmp_path)) == 1
    assert "download the corpus there and give it with --copy" in capsys.readouterr().err
    archive = tmp_path / "meantime_newsreader_english_oct15.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        for name, text in TREES["meantime"].items():
            opened.writestr(f"meantime_newsreader_english_oct15/{name}", text)
    assert fetch("meantime", "--accept-licence", "--copy", str(archive), "--to", str(tmp_path)) == 0


def test_an_archive_that_leads_out_of_its_folder_is_refused(fetch, tmp_path, capsys):
    archive = tmp_path / "evil.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("../../escaped.txt", "x")
    assert fetch("meantime", "--accept-licence", "--copy", str(archive), "--to", str(tmp_path / "corpora")) == 1
    assert "leads out of the folder" in capsys.readouterr().err
    assert not list(tmp_path.parent.glob("**/escaped.txt"))


@pytest.mark.corpora
def test_the_copies_at_hand_are_taken(fetch, tmp_path, capsys):
    corpora = REPOSITORY.parent / "shared" / "corpora"
    if not corpora.is_dir():
        pytest.skip("needs the real corpora")
    assert fetch("litbank", "--accept-licence", "--copy", str(corpora / "litbank"), "--to", str(tmp_path)) == 0
    assert "20 articles" in capsys.readouterr().out
