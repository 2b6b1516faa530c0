"""Does a sentence of the model say only what the guide, the paste or the evidence says?

Commands, code and URLs must stand in a matched entry. Names, paths, versions and numbers may also
come from paste and evidence. Nothing but the entry may supply what follows an installer, downloader
or shell verb. A sentence that breaks a rule is dropped whole, with the reason.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from assistant.types import Entry, Finding, Query


@dataclass(frozen=True, slots=True)
class Grounds:
    """What may be repeated: `entry` anything, `context` (paste, evidence) names and numbers."""

    entry: str
    context: str
    entry_words: frozenset[str]
    context_words: frozenset[str]


_TOKEN = re.compile(r"[^\s,;!?()\[\]{}\"“”‘’…`]+")
_CODE_SPAN = re.compile(r"`([^`\n]{1,300})`")
_URL = re.compile(
    r"(?:\b[a-z][a-z0-9+.-]{1,12}://\S+|\bwww\.\S+|\b[\w-]+(?:\.[\w-]+)*\."
    r"(?:com|org|net|io|dev|ai|co|app|sh|xyz|ru|cn|de|info|me|gg|ly)\b(?:/\S*)?)",
    re.IGNORECASE,
)
_MARKUP = re.compile(r"<[a-zA-Z/!?]|\]\(|!\[|&#|&[a-z]{2,8};|javascript:|data:[a-z]+/", re.IGNORECASE)
# verbs that a shell knows: with what follows they must stand in the entry as they are
_SHELL = re.compile(
    r"(?<![\w-])(?:pip3?|pipx|conda|mamba|uvx?|poetry|npm|npx|apt(?:-get)?|yum|dnf|brew|snap|docker|podman|"
    r"wget|curl|git|sudo|su|bash|zsh|sh|powershell|python3?|ipython|chmod|chown|rm|mv|cp|dd|mkfs|kill(?:all)?|"
    r"pkill|export|source|eval|exec|nvidia-smi|systemctl|reboot|shutdown|huggingface-cli|hf|jupyter|make|cmake|ssh|scp)"
    r"(?=\s+[\w./~-]|\s*\|)"
)
# verbs of plain language that make somebody fetch something
_FETCH = re.compile(
    r"(?<![\w-])(?:re|un)?(?:install|download|upgrade|downgrade|import|clone|fetch|pull|add)(?:ing|ed|s|led|ling)?(?![\w-])",
    re.IGNORECASE,
)
_FETCH_OBJECTS = frozenset(
    "a an the this that it them its your their his her our my missing required needed right correct latest newest "
    "new older newer version versions package packages module modules library libraries file files checkpoint "
    "checkpoints model models weights again first and or then in into to from for with on of using by same "
    "python environment interpreter kernel notebook container is are was not be has have been before after "
    "properly correctly you can will should must need which where so because but if when as at all any one "
    "dependency dependencies image images data dataset error statement statements".split()
)
_NAME_LIKE = re.compile(
    r"[_/\\=@#$%&|<>~^*+]|\w\.\w|::|--|[a-z][A-Z]|[A-Za-z]\d|\d[A-Za-z]|^-\w"
)
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


def build_grounds(
    entries: Iterable[Entry], query: Query, findings: Iterable[Finding] = ()
) -> Grounds:
    """Collect what the model may repeat."""
    entry_text = "\n".join(f"{e.title}\n{e.body}\n{' '.join(e.symptoms)}" for e in entries)
    evidence = "\n".join(
        f"{f.summary}\n{f.next}\n{f.where}\n" + "\n".join(f"{n} {v}" for n, v in f.facts)
        for f in findings
    )
    context = f"{query.text}\n{evidence}"
    return Grounds(
        entry=_flat(entry_text),
        context=_flat(context),
        entry_words=frozenset(_words(entry_text)),
        context_words=frozenset(_words(context)),
    )


def find_fault(sentence: str, grounds: Grounds) -> str | None:
    """Return why `sentence` must not be shown, None if it may be. Pure; linear in its length."""
    for check in (_odd_characters, _markup, _urls, _shell, _fetch, _code, _names, _numbers):
        reason = check(sentence, grounds)
        if reason:
            return reason
    return None


def take_sentences(buffer: str, *, at_end: bool = False) -> tuple[list[str], str]:
    """Cut the complete sentences off a growing text: (sentences, rest to keep and grow).

    Fenced code stays one piece. `at_end` takes the rest as well.
    """
    sentences: list[str] = []
    while (end := _sentence_end(buffer)) is not None:
        sentences.append(buffer[:end].strip())
        buffer = buffer[end:]
    if at_end or len(buffer) > 1200:  # no end in sight: what comes is not a sentence
        sentences.append(buffer.strip())
        buffer = ""
    return [sentence for sentence in sentences if sentence], buffer


_END = re.compile(r"[.!?]['\"”)]{0,2}(?=\s+[A-Z\"“`'(*]|\s*\n)|\n\s*\n|\n(?=\s*(?:[-*]|\d+[.)])\s)")
_ABBREVIATION = re.compile(r"(?:\b(?:e\.g|i\.e|etc|vs|cf|approx|Fig|No)\.|\b[A-Z]\.)$")


def _sentence_end(buffer: str) -> int | None:
    fence = buffer.find("```")
    if fence >= 0:
        closing = buffer.find("```", fence + 3)
        before = _END.search(buffer, 0, fence)
        if before is None:
            return None if closing < 0 else closing + 3
    for found in _END.finditer(buffer):
        if not _ABBREVIATION.search(buffer[: found.start() + 1]):
            return found.end()
    return None


# --- rules -------------------------------------------------------------------------------------


def _odd_characters(sentence: str, grounds: Grounds) -> str | None:
    for character in sentence:
        category = unicodedata.category(character)
        if category in {"Cc", "Cf", "Co", "Cs", "Cn"} and character not in "\n\t":
            return "it holds invisible characters"
    for token in _TOKEN.findall(sentence):
        scripts = {unicodedata.name(c, "?").split()[0] for c in token if c.isalpha()}
        if len(scripts) > 1 and "LATIN" in scripts:
            return f"'{token}' mixes alphabets"
    return None


def _markup(sentence: str, grounds: Grounds) -> str | None:
    return "it holds markup or a link" if _MARKUP.search(sentence) else None


def _urls(sentence: str, grounds: Grounds) -> str | None:
    for found in _URL.finditer(sentence):
        if _flat(found.group(0).rstrip(".,;:)")) not in grounds.entry:
            return f"the address {found.group(0)} is not in the guide"
    return None


def _shell(sentence: str, grounds: Grounds) -> str | None:
    """'pip install yolo-1': verb and the rest of its clause must stand in the entry."""
    flat = _flat(sentence.replace("`", " "))
    for found in _SHELL.finditer(flat):
        clause = re.split(r"(?<=\w)[.,;:!?)](?:\s|$)|\s(?:to|and|in|from|on|or|so|if|then|again)\s", flat[found.start() :])[0]
        words = clause.split()
        if len(words) < 2:
            continue
        if not any(f"{' '.join(words[:n])}" in grounds.entry for n in range(len(words), min(2, len(words)) - 1, -1)):
            return f"the command '{clause[:60]}' is not in the guide"
        beyond = [w for w in words[2:6] if w.strip(".") not in grounds.entry_words and w not in _FETCH_OBJECTS]
        if beyond and clause not in grounds.entry:
            return f"'{beyond[0]}' after '{words[0]}' is not in the guide"
    return None


def _fetch(sentence: str, grounds: Grounds) -> str | None:
    """'install the yolo package': what is fetched must be named by the entry."""
    flat = _flat(sentence.replace("`", " "))
    for found in _FETCH.finditer(flat):
        for token in _TOKEN.findall(flat[found.end() :])[:5]:
            word = token.strip(".:'*")
            if word.endswith("'s"):
                word = word[:-2]
            if word and word not in grounds.entry_words and word not in _FETCH_OBJECTS:
                return f"'{word}' after '{found.group(0)}' is not in the guide"
            if token.endswith((".", ":")):
                break
    return None


def _code(sentence: str, grounds: Grounds) -> str | None:
    if "```" in sentence:
        return "it holds a code block"
    for span in _CODE_SPAN.findall(sentence):
        flat = _flat(span)
        if flat in grounds.entry:
            continue
        if " " not in flat and flat in grounds.context_words and not _SHELL.match(f"{flat} x"):
            continue
        return f"the code '{span[:60]}' is not in the guide"
    return None


def _names(sentence: str, grounds: Grounds) -> str | None:
    """Anything that looks like a file, module, flag or API name must have been named before."""
    for token in _TOKEN.findall(sentence):
        name = token.strip(".:'*").removesuffix("'s")
        if not name or not _NAME_LIKE.search(name) or _NUMBER.fullmatch(name):
            continue
        flat = _flat(name)
        if flat in grounds.entry_words or flat in grounds.context_words:
            continue
        if re.fullmatch(r"[a-z]+(?:/[a-z]+)+", flat) and all(
            part in grounds.entry_words or part in grounds.context_words or len(part) > 2
            for part in flat.split("/")
        ):
            continue  # and/or, input/output
        return f"'{name[:60]}' is named neither in the guide nor in your text"
    return None


def _numbers(sentence: str, grounds: Grounds) -> str | None:
    for number in _NUMBER.findall(sentence):
        if number not in grounds.entry_words and number not in grounds.context_words:
            return f"the number {number} is neither in the guide nor in your text"
    return None


# --- texts -------------------------------------------------------------------------------------


def _flat(text: str) -> str:
    return " ".join(text.replace("\u00a0", " ").split()).casefold()


def _words(text: str) -> Iterator[str]:
    """Every token of a text, whole and in its parts, so that 'model.fc' grounds 'fc' as well."""
    flat = text.casefold()
    for token in re.findall(r"[^\s,;!?()\[\]{}\"“”‘’…`'<>=|]+", flat):
        yield token
        yield token.strip(".:*'")
        yield from re.findall(r"[\w.+-]*\w", token)
    yield from re.findall(r"[a-z_][\w.-]*\w", flat)
    yield from re.findall(r"\w+", flat)
    yield from _NUMBER.findall(flat)
