"""An article as tokens. The whole text is tokenised once, and every token belongs to a word of the text.

Letters for shapes: N tokens of the article (no special tokens), W words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from eventtag.encoding.casing import word_casings
from eventtag.errors import CheckpointError, EventtagError
from eventtag.text.lines import begins_line
from eventtag.text.sentences import find_sentences
from eventtag.text.words import UNSPACED, find_words

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerBase

IntArray = npt.NDArray[np.int64]

SPACE_MARK = "\u2581"
"""How sentencepiece's vocabularies write the blank before a word."""
_SURROGATE = re.compile("[\ud800-\udfff]")
_LEAVE_OUT = "leave this text out, or use a model with another tokenizer.json"
_ANOTHER = "copy the model again, or use one with another tokenizer.json"


@dataclass(frozen=True, slots=True)
class TokenisedText:
    """`input_ids` [N]; `word_of` [N]: index of the word that each token belongs to, -1 for a token of white space only.

    `words` [W, 2]: character offsets (half-open) of the words that own at least one token. `first_token` [W]: the first token of
    each. `sentence_of` [W]: number of the sentence that each word begins in, rising. `begins_line` [W]: whether a line ends before it
    (`eventtag.text.lines`). `casing` [N]: casing id of each token's word (`eventtag.encoding.casing`).
    """

    input_ids: IntArray
    word_of: IntArray
    words: IntArray
    first_token: IntArray
    sentence_of: IntArray
    begins_line: npt.NDArray[np.bool_]
    casing: IntArray


class SpecialTokens(NamedTuple):
    """The ids that a tokenizer puts before and after one sequence (`[CLS]` and `[SEP]`, say)."""

    prefix: IntArray
    suffix: IntArray


@contextmanager
def tokenizer_errors(problem: str, remedy: str) -> Iterator[None]:
    """Raises CheckpointError (problem, reason, remedy) for all that the library raises, also for its panics, which are no Exception."""
    try:
        yield
    except EventtagError:
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__module__ != "pyo3_runtime":
            raise
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise CheckpointError(f"{problem} ({reason})\n{remedy}") from error


def read_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of a checkpoint folder, without transformers. Raises CheckpointError for a file that is none."""
    from tokenizers import Tokenizer

    file = folder / "tokenizer.json"
    with tokenizer_errors(f"{file}: cannot be read as a tokenizer", "copy the checkpoint again"):
        return Tokenizer.from_file(str(file))


def special_tokens(tokenizer: Tokenizer | PreTrainedTokenizerBase) -> SpecialTokens:
    """The special tokens around every window. Raises CheckpointError if the tokenizer keeps nothing of a letter."""
    with tokenizer_errors("the tokenizer cannot read the letter a", _ANOTHER):
        encoding = _bare(tokenizer).encode("a")
    ids = np.array(encoding.ids, dtype=np.int64)
    inner = np.flatnonzero(np.array(encoding.special_tokens_mask) == 0)
    if not len(inner):
        raise CheckpointError(f"the tokenizer keeps nothing of the letter a\n{_ANOTHER}")
    return SpecialTokens(ids[: inner[0]], ids[inner[-1] + 1 :])


def require_usable(
    tokenizer: Tokenizer | PreTrainedTokenizerBase, *, vocabulary: int, where: str, max_length: int | None = None
) -> None:
    """Raise CheckpointError unless a model with so many word embeddings can read every token of the tokenizer and, with `max_length`, a
    window has room for text between its special tokens.
    """
    bare = _bare(tokenizer)
    try:
        special = special_tokens(bare)
    except CheckpointError as error:
        raise CheckpointError(f"{where}: {error}") from error
    highest = max((*bare.get_vocab().values(), *special.prefix.tolist(), *special.suffix.tolist()))
    if highest >= vocabulary:
        raise CheckpointError(
            f"{where}: its tokenizer has the token id {highest}, and the model knows the ids 0 to {vocabulary - 1}\n"
            "tokenizer.json and the weights do not belong together: copy the model again, or use another one"
        )
    size = len(special.prefix) + len(special.suffix)
    if max_length is not None and size >= max_length:
        raise CheckpointError(
            f"{where}: its tokenizer puts {size} special tokens into each window, which holds {max_length} (window.max_length)\n"
            f"{_ANOTHER}"
        )


def tokenise(text: str, tokenizer: Tokenizer | PreTrainedTokenizerBase) -> TokenisedText:
    """Tokenise the whole text, with no truncation. `[SEP]`, `<s>` and similar strings are text here, not control tokens.

    A token that covers several words of a script without blanks is divided into its parts, if the vocabulary has them. Other words that
    share a token are joined into one, so that each token belongs to one word. Words that the tokenizer drops
    (stray control characters) are left out. Raises CheckpointError if the tokenizer fails on the text.
    """
    readable = _SURROGATE.sub(" ", text)  # tokenizers take no lone surrogate; a space is one character as well
    bare = _bare(tokenizer)
    with tokenizer_errors(f"the tokenizer fails on a text of {len(text)} characters that begins {text[:40]!r}", _LEAVE_OUT):
        encoding = bare.encode(readable, add_special_tokens=False)
    ids = _without_controls(np.array(encoding.ids, dtype=np.int64), bare)
    offsets = np.array(encoding.offsets, dtype=np.int64).reshape(-1, 2)
    words = find_words(text)
    ids, offsets = _divided(ids, offsets, words, readable, bare)
    first, last = _words_touched(offsets, words, len(text))

    joined = np.zeros(len(words), dtype=np.bool_)
    for low, high in zip(first[first < last].tolist(), last[first < last].tolist(), strict=True):
        joined[low + 1 : high + 1] = True
    group = np.cumsum(~joined) - 1
    group_of_token = np.where(last < 0, -1, group[np.minimum(first, len(words) - 1)] if len(words) else -1)

    owners, first_token = np.unique(group_of_token, return_index=True)
    first_token = first_token[owners >= 0]
    owners = owners[owners >= 0]
    starts = words[~joined, 0]
    ends = words[np.append(~joined[1:], True), 1] if len(words) else words[:, 1]
    kept = np.stack([starts[owners], ends[owners]], axis=1)
    renumber = np.full(len(starts) + 1, -1, dtype=np.int64)
    renumber[owners] = np.arange(len(owners))
    sentence_starts = [start for start, _ in find_sentences(text)]
    word_of = renumber[group_of_token]
    return TokenisedText(
        input_ids=ids,
        word_of=word_of,
        words=kept,
        first_token=first_token.astype(np.int64),
        sentence_of=np.searchsorted(sentence_starts, kept[:, 0], side="right"),
        begins_line=begins_line(text, kept),
        casing=np.append(word_casings(text, kept), 0)[word_of],
    )


def _divided(ids: IntArray, offsets: IntArray, words: IntArray, text: str, bare: Tokenizer) -> tuple[IntArray, IntArray]:
    """Ids [N] and offsets [N, 2] with a token for each word in place of tokens that cover several words of a script without blanks.

    A span could not begin or end inside such a token ("在北京"). A token stays as it is if the vocabulary lacks one of the parts.
    """
    first, last = _words_touched(offsets, words, len(text))
    crossing = [at for at in np.flatnonzero(first < last).tolist() if UNSPACED.search(text, *offsets[at].tolist())]
    parts: dict[int, list[tuple[int, int, int]]] = {}
    for at in crossing:
        start, end = offsets[at].tolist()
        edges = [start, *words[first[at] + 1 : last[at] + 1, 0].tolist(), end]
        found = _ids_of_parts(int(ids[at]), [text[left:right] for left, right in pairwise(edges)], bare)
        if found is not None:
            parts[at] = [(number, left, right) for number, (left, right) in zip(found, pairwise(edges), strict=True)]
    if not parts:
        return ids, offsets
    rows = [row for at, number in enumerate(ids.tolist()) for row in parts.get(at, [(number, *offsets[at].tolist())])]
    divided = np.array(rows, dtype=np.int64)
    return divided[:, 0], divided[:, 1:]


def _ids_of_parts(token: int, parts: Sequence[str], bare: Tokenizer) -> list[int] | None:
    """The ids of a token's parts in the spelling of its vocabulary; None if one is missing."""
    model: Any = bare.model
    inside = getattr(model, "continuing_subword_prefix", None) or ""
    written = bare.id_to_token(token) or ""
    before = next((mark for mark in (SPACE_MARK, inside) if mark and written.startswith(mark)), "")
    spelt = [(before + parts[0], parts[0]), *((inside + part,) for part in parts[1:])]
    found = [next((number for one in ways if (number := bare.token_to_id(one)) is not None), None) for ways in spelt]
    return None if None in found else [number for number in found if number is not None]


def _bare(tokenizer: Tokenizer | PreTrainedTokenizerBase) -> Tokenizer:
    """The tokenizer that transformers' class wraps. It neither cuts nor pads, and reads `[SEP]` in a text as text."""
    wrapper: Any = tokenizer
    bare: Tokenizer = getattr(wrapper, "backend_tokenizer", wrapper)
    bare.no_truncation()
    bare.no_padding()
    bare.encode_special_tokens = True
    return bare


def _without_controls(ids: IntArray, bare: Tokenizer) -> IntArray:
    """[N]: the ids of a text's tokens, with the unknown token in place of control tokens.

    Some vocabularies hold control tokens among their pieces (`<s>` of XLM-RoBERTa's), so that the model behind the tokenizer finds them.
    """
    special = [number for number, token in bare.get_added_tokens_decoder().items() if token.special]
    found = np.isin(ids, special)
    if not found.any():
        return ids
    unknown = _unknown_id(bare)
    found &= ids != unknown
    return np.where(found, unknown, ids)


def _unknown_id(bare: Tokenizer) -> int:
    """The id of unknown tokens; that of a letter if the tokenizer has none."""
    model: Any = bare.model
    name = getattr(model, "unk_token", None)
    if name is not None and (known := bare.token_to_id(name)) is not None:
        return known
    with suppress(Exception):  # a unigram model shows it for a character that no vocabulary has, or fails if it has none
        if pieces := model.tokenize("\U0010ffff"):
            return int(pieces[-1].id)
    return int(bare.encode("a", add_special_tokens=False).ids[-1])


def _words_touched(offsets: IntArray, words: IntArray, size: int) -> tuple[IntArray, IntArray]:
    """[N], [N]: first and last word that each token touches; last is -1 where it touches none."""
    if not len(words) or not len(offsets):
        return np.zeros(len(offsets), dtype=np.int64), np.full(len(offsets), -1, dtype=np.int64)
    first = np.searchsorted(words[:, 1], offsets[:, 0], side="right")
    last = np.searchsorted(words[:, 0], offsets[:, 1], side="left") - 1
    empty = (first > last) | (offsets[:, 0] >= offsets[:, 1]) | (offsets[:, 0] >= size)
    return np.where(empty, 0, first), np.where(empty, -1, last)
