"""Formats whose library is an optional dependency."""

from __future__ import annotations

import importlib
from types import ModuleType

from eventtag.errors import SettingsError


def load_extra(module: str, extra: str) -> ModuleType:
    """Import the module; raises SettingsError that says what to install."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise SettingsError(f"this needs the package {module}: pip install 'eventtag[{extra}]' ({error})") from error
