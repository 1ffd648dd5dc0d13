"""Outputs that are whole or absent, also on a disk that takes nothing more."""

import errno
import os

import pytest

from eventtag.errors import OutputError, SettingsError
from eventtag.staging import named_full_disk, staged_file


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_disk_that_takes_nothing_more_is_an_error_that_says_where_and_what_to_do(number):
    with pytest.raises(OutputError) as raised, named_full_disk("runs/mine", then="try again"):
        raise OSError(number, os.strerror(number))
    assert str(raised.value).startswith(f"runs/mine: cannot be written ({os.strerror(number)})")
    assert str(raised.value).endswith("\nMake room on the disk and try again")


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
