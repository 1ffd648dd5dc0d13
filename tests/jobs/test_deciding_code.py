"""Which modules decide what is tagged."""

import shutil
import subprocess
from pathlib import Path

from warm import FORGET, warm_programs

import eventtag
from eventtag.jobs.job import DECIDING, code_digest

PACKAGE = Path(eventtag.__file__).parent


def test_code_that_does_not_decide_what_is_tagged_may_change_while_a_job_is_half_done(tmp_path):
    package = tmp_path / "eventtag"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    before = code_digest(package)
    assert before == code_digest()

    def changed(more: str, *names: str) -> bool:
        """Whether the digest is another one when this is added to these files."""
        old = {package / name: (package / name).read_text() for name in names}
        for file, text in old.items():
            file.write_text(text + more)
        try:
            return code_digest.__wrapped__(package) != before
        finally:
            for file, text in old.items():
                file.write_text(text)

    free = ("settings/commands.py", "cli/main.py", "formats/brat.py", "training/run.py", "jobs/run.py", "jobs/reading/inputs.py")
    assert not changed("\nMORE = 1\n", *free)
    deciding = ("text/words.py", "heads/chain.py", "tagging/tagger.py", "models/network.py", "jobs/tagged_shard.py")
    assert all(changed("\nMORE = 1\n", name) for name in deciding)
    assert not changed('\n# why\n"""A docstring."""\n', *deciding)
    assert all(list(PACKAGE.glob(pattern)) for pattern in DECIDING)


def test_all_modules_that_tag_decide_what_is_tagged():
    program = (
        f"{FORGET}import eventtag.engines.torch_backend, eventtag.models.network, eventtag.jobs.taggers, eventtag.tagging.tagger\n"
        "print(*(name for name in sys.modules if name.startswith('eventtag.')))"
    )
    command = [warm_programs() / "python", "-c", program]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    layers = ("text", "encoding", "heads", "links", "models", "engines", "tagging")
    paths = {name.replace(".", "/").removeprefix("eventtag/") for name in loaded}
    files = {f"{path}.py" for path in paths if (PACKAGE / f"{path}.py").is_file()}
    deciding = {file.relative_to(PACKAGE).as_posix() for pattern in DECIDING for file in PACKAGE.glob(pattern)}
    accepting = {"models/accepted.py"}  # which checkpoints are refused changes no output
    # Neither does how articles are shown, and how files are written and checked.
    showing = {f"{name}.py" for name in ("errors", "ledger", "manifest", "notebook", "printable", "staging", "stored_json")}
    assert {file for file in files if file.split("/")[0] in layers or "/" not in file} - accepting - showing <= deciding
    assert {"tagging/tagger.py", "text/words.py", "models/network.py"} <= files
