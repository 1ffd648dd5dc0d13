"""The labelling interface of Label Studio, which a project needs before it shows spans (https://labelstud.io/tags/labels).

    <View>
      <Labels name="label" toName="text">
        <Label value="Person" predicted_values="ACTOR"/>
      </Labels>
      <Text name="text" value="$text"/>
    </View>

The names of its tags are those in the tasks that `write_label_studio` writes. `predicted_values` is the tagger's own label, where a label
has another name; `eventtag serve` reads it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from xml.sax.saxutils import quoteattr

from eventtag.errors import OutputError, SettingsError
from eventtag.formats.label_map import labels_only
from eventtag.span import STATUSES
from eventtag.staging import staged_file

_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_PATTERN = re.compile(r"[*?\[]")


def interface_path(tasks: Path) -> Path:
    """The file beside the tasks that holds the interface."""
    beside = tasks.with_suffix(".xml")
    return beside if beside != tasks else tasks.with_name(f"{tasks.name}.interface.xml")


def render_interface(
    labels: Iterable[str], names: Mapping[str, str] | None = None, *, status: bool = False, shown: str | None = None
) -> str:
    """The XML for these labels; `names` are the project's own names of them, where they have others. `status`: with the choice of a status
    for each span. `shown`: a field of the tasks that stands above the text. Raises SettingsError for a label that XML cannot hold.
    """
    lines = []
    for label in labels:
        name = (names or {}).get(label, label)
        for text in (name, label):
            if _NO_XML.search(text):
                raise SettingsError(f"the label {text!r} holds a character that XML cannot; map it to another (label map, --map)")
        also = "" if name == label else f" predicted_values={quoteattr(label)}"
        lines.append(f"    <Label value={quoteattr(name)}{also}/>\n")
    inner = "".join(lines)
    choices = "".join(f'    <Choice value="{value}"/>\n' for value in STATUSES)
    choice = f'  <Choices name="status" toName="text" perRegion="true">\n{choices}  </Choices>\n' if status else ""
    header = "" if shown is None else f'  <Header value="${shown}" size="6"/>\n'
    return (
        f'<View>\n{header}  <Labels name="label" toName="text">\n{inner}  </Labels>\n{choice}'
        '  <Text name="text" value="$text"/>\n</View>\n'
    )  # fmt: skip


def require_free(path: Path, xml: str) -> bool:
    """Whether the interface is still to be written; raises OutputError where another file has its name."""
    if not path.exists():
        return True
    if path.is_file() and path.read_bytes() == xml.encode("utf-8"):
        return False
    raise OutputError(
        f"{path}: exists already, and the labelling interface would be written there; move it away, or give another output"
    )


def write_interface(path: Path, xml: str) -> None:
    """Write the interface, unless it is there. Raises OutputError as `require_free`."""
    if require_free(path, xml):
        with staged_file(path) as file:
            file.write(xml)


def own_names(label_map: Mapping[str, str | None], labels: Iterable[str]) -> dict[str, str]:
    """By label, the one name that the label map gives it; a label that several names or a pattern map to is left out, and all are where two
    labels would have one name.
    """
    found = {}
    for label in labels:
        sources = [name for name, target in labels_only(label_map).items() if target == label]
        if len(sources) == 1 and not _PATTERN.search(sources[0]) and sources[0] != label:
            found[label] = sources[0]
    shown = [found.get(label, label) for label in labels]
    return found if len(set(shown)) == len(shown) else {}
