"""Run docs/tutorial/first-tagger.ipynb, keep its output and pictures, and write docs/tutorial/first-tagger.md from it.

    python scripts/run_tutorial.py FOLDER                     run the cells in a new folder; renew notebook, pictures and page
    python scripts/run_tutorial.py FOLDER --short ARTICLES    only run the cells, on a few easy articles with a tiny model
    python scripts/run_tutorial.py --page                     only write the page
    python scripts/run_tutorial.py --check                    say whether the page is up to date (exit code 1 if not)

The notebook is the source. `!` begins a shell command, as in Jupyter. `lines` in a cell's metadata says which lines of the output are kept.
The pictures need Chromium.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK = ROOT / "docs" / "tutorial" / "first-tagger.ipynb"
PAGE = NOTEBOOK.with_suffix(".md")
IMAGES = ROOT / "docs" / "images"
SHORT = (
    "model=tiny model.intermediate.data=null trainer.epochs=12 trainer.batch_size=4 trainer.learning_rate=1e-2 "
    "trainer.head_learning_rate=1e-2 trainer.adversarial=0 window.max_length=24 window.stride=6"
)
"""Settings with which a tiny model learns the articles of the tests in seconds."""
HEAD = "<!-- Made from first-tagger.ipynb by scripts/run_tutorial.py: edit the notebook. -->\n\n"
Cell = dict[str, Any]


def main() -> int:
    """Do what the options say; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--short", type=Path, metavar="ARTICLES")
    parser.add_argument("--page", action="store_true")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    if options.check:
        if PAGE.read_text(encoding="utf-8") == render(notebook["cells"]):
            return 0
        print(f"{PAGE} is not what the notebook says; run `python scripts/run_tutorial.py --page`", file=sys.stderr)
        return 1
    if not options.page:
        if options.folder is None:
            parser.error("name a new folder to run the cells in")
        run(notebook["cells"], options.folder.resolve(), options.short and options.short.resolve())
        if options.short:
            return 0
        draw(options.folder.resolve())
        NOTEBOOK.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    PAGE.write_text(render(notebook["cells"]), encoding="utf-8")
    return 0


def run(cells: list[Cell], folder: Path, short: Path | None) -> None:
    """Run the code cells one after the other in the folder, and give each its output. The first that fails ends the program."""
    folder.mkdir()
    os.chdir(folder)
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    names: dict[str, Any] = {"__name__": "__main__"}
    number = 0
    for cell in cells:
        if cell["cell_type"] != "code":
            continue
        number += 1
        source = "".join(cell["source"])
        print(f"--- {source}", flush=True)
        text = run_commands(source, short) if source.startswith("!") else run_python(source, names)
        print(text, flush=True)
        text = text.replace(f"{folder}/", "")
        first, last = cell["metadata"].get("lines", (None, None))
        lines = text.rstrip().splitlines(keepends=True)[first:last]
        cell["execution_count"] = number
        cell["outputs"] = [{"name": "stdout", "output_type": "stream", "text": lines}] if lines else []


def run_commands(source: str, short: Path | None) -> str:
    """What the cell's commands print on a screen."""
    printed = ""
    for line in source.splitlines():
        command = line.removeprefix("!")
        if short is not None:
            command = command.replace("data=sample", str(short))
            command += {"train": f" {SHORT}", "predict": " workers=1"}.get(command.split()[1], "")
        done = subprocess.run(["bash", "-c", f"{command} 2>&1"], capture_output=True, text=True, check=False)
        printed += done.stdout
        if done.returncode:
            raise SystemExit(f"{command}\n{done.stdout}\nexit code {done.returncode}")
    return printed


def run_python(source: str, names: dict[str, Any]) -> str:
    """What the cell prints, and the value of its last line where that is an expression."""
    body = ast.parse(source)
    last = body.body.pop() if isinstance(body.body[-1], ast.Expr) else None
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(body, "cell", "exec"), names)  # noqa: S102 - the project's own notebook
        if last is not None:
            value = eval(compile(ast.Expression(last.value), "cell", "eval"), names)  # noqa: S307
            if value is not None:
                print(value)
    return printed.getvalue()


def render(cells: list[Cell]) -> str:
    """The page: text as it is, code and output in fences."""
    parts = []
    for cell in cells:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
        elif source.startswith("!"):
            parts.append("```sh\n" + re.sub(r"^!", "", source, flags=re.MULTILINE) + "\n```")
        else:
            parts.append(f"```python\n{source}\n```")
        for output in cell.get("outputs", ()):
            parts.append("```text\n" + "".join(output["text"]).rstrip() + "\n```")
    return HEAD + "\n\n".join(part.strip("\n") for part in parts) + "\n"


def draw(folder: Path) -> None:
    """The tutorial's pictures: the scores, the report page on a screen, and a tagged article."""
    from draw_readme_pictures import draw_article, draw_report

    from eventtag import Tagger

    run = folder / "outputs" / "first"
    scores = draw_report(json.loads((run / "test" / "report.json").read_text(encoding="utf-8")))
    (IMAGES / "tutorial-scores.svg").write_text(scores, encoding="utf-8")
    tagger = Tagger.load(run / "checkpoint")
    text = (ROOT / "data" / "sample" / "unseen.txt").read_text(encoding="utf-8")
    (IMAGES / "tutorial-tagged.svg").write_text(draw_article(text, tagger.tag(text), tagger.labels.labels), encoding="utf-8")
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1000,900"]
    page = (run / "test" / "report.html").as_uri()
    subprocess.run([*command, f"--screenshot={IMAGES / 'tutorial-report.png'}", page], check=True, capture_output=True)


if __name__ == "__main__":
    raise SystemExit(main())
