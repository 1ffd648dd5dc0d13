"""No model's own code runs: wherever transformers loads or builds something by a folder's description, it is told so."""

import ast

from conftest import REPOSITORY

LOADING = ("from_pretrained", "from_config", "pipeline")


def trusting_calls(source: str) -> list[str]:
    """The calls that load or build something and do not say `trust_remote_code=False`."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    named = [(ast.unparse(call.func).rpartition(".")[2], call) for call in calls]
    return [
        ast.unparse(call)
        for name, call in named
        if name in LOADING
        and not any(word.arg == "trust_remote_code" and ast.unparse(word.value) == "False" for word in call.keywords)
    ]


def test_what_is_loaded_brings_no_code():
    files = [*(REPOSITORY / "src").rglob("*.py"), *(REPOSITORY / "scripts").glob("*.py")]
    found = {str(path): trusting_calls(path.read_text(encoding="utf-8")) for path in files}
    assert len(files) > 300
    assert {path: calls for path, calls in found.items() if calls} == {}


def test_a_call_that_says_nothing_is_found():
    assert trusting_calls("transformers.AutoModel.from_pretrained('x')") == ["transformers.AutoModel.from_pretrained('x')"]
    assert trusting_calls("AutoModel.from_pretrained(x, trust_remote_code=False)") == []
