"""The pages of the documentation, which come with the package: `eventtag help docs/how-to/speed.md`."""

from __future__ import annotations

import sys
from difflib import get_close_matches
from pathlib import Path

import eventtag
from eventtag.cli.terminal import print_result
from eventtag.errors import SettingsError


def docs_dir() -> Path:
    """The folder of the pages: inside the installed package, or at the top of a source tree."""
    package = Path(eventtag.__file__).parent
    inside = package / "docs"
    return inside if inside.is_dir() else package.parent.parent / "docs"


def find_page(name: str) -> Path | None:
    """The page that `docs/how-to/speed.md`, `how-to/speed` or `speed` names; None if no page, or more than one, has this name.

    A folder's name stands for its first page: `reference`.
    """
    wanted = name.removeprefix("docs/").removesuffix(".md")
    pages = _pages()
    if wanted in pages:
        return pages[wanted]
    if f"{wanted}/index" in pages:
        return pages[f"{wanted}/index"]
    found = [page for path, page in pages.items() if path.rpartition("/")[2] == wanted]
    return found[0] if len(found) == 1 else None


def show_page(name: str) -> None:
    """Print a page, laid out where standard output is a terminal. Raises SettingsError for a name that no page has."""
    page = find_page(name)
    if page is None:
        names = [*_pages(), *(path.rpartition("/")[2] for path in _pages())]
        near = get_close_matches(name.removeprefix("docs/").removesuffix(".md"), names, n=1)
        meant = f"did you mean {near[0]}?" if near else f"pages: {', '.join(_pages())}"
        raise SettingsError(f"no command and no page {name!r}; {meant}")
    text = page.read_text(encoding="utf-8")
    if not sys.stdout.isatty():
        print_result(text)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    Console().print(Markdown(text))


def _pages() -> dict[str, Path]:
    folder = docs_dir()
    return {page.relative_to(folder).with_suffix("").as_posix(): page for page in sorted(folder.rglob("*.md"))}
