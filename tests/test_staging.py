"""Outputs that are whole or absent, also on a disk that takes nothing more."""

import errno
import os

import pytest

import eventtag
from eventtag import staging
from eventtag.article import Article
from eventtag.errors import OutputError, SettingsError
from eventtag.span import Span
from eventtag.staging import named_full_disk, staged_file, staged_folder


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "Make room on the disk"),
        (errno.EDQUOT, "Make room on the disk"),
        (errno.EROFS, "See to it that the disk can be written"),
        (errno.EFBIG, "Raise the limit of a file's size (ulimit -f)"),
    ],
)
def test_a_disk_that_takes_nothing_more_is_an_error_that_says_where_and_what_to_do(number, remedy):
    with pytest.raises(OutputError) as raised, named_full_disk("runs/mine", then="try again"):
        raise OSError(number, os.strerror(number))
    assert str(raised.value).startswith(f"runs/mine: cannot be written ({os.strerror(number)})")
    assert str(raised.value).endswith(f"\n{remedy} and try again")


def test_the_file_that_the_error_knows_is_named():
    with pytest.raises(OutputError, match=r"^runs/mine/a\.json: "), named_full_disk("runs/mine"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "runs/mine/a.json")


def test_what_libraries_make_of_a_full_disk_is_recognised():
    """safetensors and tokenizers raise errors of their own for it; these are their words."""
    with (
        pytest.raises(OutputError, match=r"^runs/mine: cannot be written \(No space left on device\)"),
        named_full_disk("runs/mine"),
    ):
        raise RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)")


@pytest.mark.parametrize(
    "error", [ValueError("no"), FileNotFoundError(errno.ENOENT, "gone", "a"), SettingsError("a=1"), KeyError("a")]
)
def test_other_errors_stay_what_they_are(error):
    with pytest.raises(type(error)) as raised, named_full_disk("runs/mine"):
        raise error
    assert raised.value is error


def test_a_file_on_a_disk_that_gets_full_while_it_is_written_is_named_and_leaves_nothing(tmp_path, monkeypatch):
    def full(_descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "report.json"
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError) as raised, named_full_disk("a run"), staged_file(path) as file:
        file.write("{}")
    assert str(raised.value).startswith(f"{path}: cannot be written (No space left on device)")
    assert not list(tmp_path.iterdir())


@pytest.fixture(params=["renameat2", "hard links", "neither"])
def file_system(request, monkeypatch):
    """A file system that knows a rename which refuses to replace, one that knows hard links, and one that knows neither."""
    if request.param != "renameat2":
        monkeypatch.setattr(staging.ctypes, "CDLL", lambda *_, **__: object())
    if request.param == "neither":

        def link(*_):
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))

        monkeypatch.setattr(os, "link", link)


@pytest.mark.usefixtures("file_system")
def test_a_file_that_appears_while_it_is_written_is_not_replaced(tmp_path):
    path = tmp_path / "report.json"
    with pytest.raises(OutputError, match=r"report\.json has appeared while"), staged_file(path):
        path.write_text("theirs")
    assert path.read_text() == "theirs"
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.json"]
    with staged_file(path, replace=True) as file:
        file.write("ours")
    with staged_file(tmp_path / "other.json") as file:
        file.write("ours")
    assert [(tmp_path / name).read_text() for name in ("report.json", "other.json")] == ["ours", "ours"]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["other.json", "report.json"]


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_a_folder_that_appears_while_it_is_written_is_not_replaced(tmp_path, kind):
    path = tmp_path / "corpus"

    def appear() -> None:
        if kind == "folder":
            path.mkdir()
            (path / "b.txt").write_text("theirs")
        elif kind == "file":
            path.write_text("theirs")
        else:
            path.symlink_to(tmp_path / "nowhere")

    with pytest.raises(OutputError, match=r"corpus has appeared while"), staged_folder(path):
        appear()
    assert [entry.name for entry in tmp_path.iterdir()] == ["corpus"]
    assert kind != "folder" or (path / "b.txt").read_text() == "theirs"


def test_an_empty_folder_becomes_the_output_s_but_no_file_s(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(OutputError, match=r"empty: is a folder; give the name of a file"), staged_file(tmp_path / "empty"):
        pass
    with staged_folder(tmp_path / "empty") as folder:
        (folder / "a.txt").write_text("ours")
    assert (tmp_path / "empty" / "a.txt").read_text() == "ours"


def test_a_link_that_leads_nowhere_is_there(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for stage in (staged_file, staged_folder):
        with pytest.raises(OutputError, match="exists already"), stage(tmp_path / "link"):
            pass


@pytest.mark.parametrize("target", ["nowhere", "theirs"])
def test_a_link_is_not_replaced(tmp_path, target):
    (tmp_path / "theirs").write_text("theirs")
    (tmp_path / "link").symlink_to(target)
    with pytest.raises(OutputError, match="link: is a link, which is not replaced"), staged_file(tmp_path / "link", replace=True):
        pass
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "theirs").read_text() == "theirs"


@pytest.mark.parametrize("number", [errno.EACCES, errno.ENOTDIR, errno.EEXIST, errno.EIO, errno.ENAMETOOLONG])
def test_an_error_of_the_place_names_it_and_says_what_to_do(number):
    message = r"^out/a\.json: cannot be read or written \(.*\); (a file stands .*; )?give another path"
    with pytest.raises(OutputError, match=message), named_full_disk("runs/mine"):
        raise OSError(number, os.strerror(number), "out/a.json")


@pytest.mark.parametrize("below", ["file/a.csv", "file/folder/a.csv"])
def test_an_output_below_a_file_says_that_a_file_is_in_the_way(tmp_path, below):
    (tmp_path / "file").write_text("mine")
    path = tmp_path / below
    message = "cannot be .*; a file stands where a folder of this path would be; give another path"
    with pytest.raises(OutputError, match=message), staged_file(path):
        pass
    with pytest.raises(OutputError, match=message), staged_folder(path):
        pass
    with pytest.raises(OutputError, match=message), named_full_disk(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    article = Article("a", "Rebels met", (Span(7, 10, "EVENT"),))
    with pytest.raises(OutputError, match=message):
        eventtag.records([article], path)
    assert (tmp_path / "file").read_text() == "mine"
