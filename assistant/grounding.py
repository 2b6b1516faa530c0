"""Does a sentence of the model say only what the guide, the paste or the evidence says?

Commands, code and URLs must stand in a matched entry. Names, paths, versions and numbers may also
come from paste and evidence. Nothing but the entry may supply what follows an installer, downloader
or shell verb. A sentence that breaks a rule is dropped whole, with the reason; in doubt a name or a
command is dropped and plain words are kept. It refuses to know what is true: only who said it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from assistant.commands import LINKING, is_command
from assistant.grounds import (
    LINK,
    VERSIONED,
    WARNING,
    Grounds,
    alphabets_of,
    measures_of,
)
from assistant.wording import (
    CODE_SPAN,
    FENCE_MARK,
    LONGEST,
    NUMBER,
    TOKEN,
    bare_word,
    command_words,
    is_plain,
    is_plain_part,
    tokens,
)


def find_fault(sentence: str, grounds: Grounds) -> str | None:
    """Return why `sentence` must not be shown, None if it may be. Pure; linear in its length."""
    if len(sentence) > LONGEST + 8:
        return "it does not end"
    for rule in _RULES:
        reason = rule(sentence, grounds)
        if reason:
            return reason
    return None


# --- characters, markup, addresses ---------------------------------------------------------------

# letters that only fill space; the emoji selector
_BLANK_LETTERS = "\u115f\u1160\u3164\uffa0\u2800\ufe0f"
_LOOKALIKES = str.maketrans("асеорхуіјѕԁһԛԝкмтнвαοριυν", "aceopxyijsdhqwkmtnbaopiuv")
# prompts and headings, tags, links, "[7]" as a citation, entities, escapes, templates
_MARKUP = re.compile(
    r"^\s*(?:>+|[$#%!]+)\s*\w|>>>|<[a-z/!?]|\]\s*[(\[]|(?<![\w,])\[\d+\]|!\[|\[[^\]]*\]:|&#|&[a-z]{2,8};|\\[ux][0-9a-f]{2}|\{\{|\$\{|\$\(",
    re.IGNORECASE,
)
# host.tld/path with any other ending; a folder 'models.v2/' is dropped with it
_HOST_PATH = re.compile(r"^(?:[\w-]+\.)+[a-z]{2,12}/\S", re.IGNORECASE)


def _odd_characters(sentence: str, grounds: Grounds) -> str | None:
    previous = ""
    for character in unicodedata.normalize("NFC", sentence):
        category = unicodedata.category(character)
        if category in {"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"} and character not in "\n\t":
            return "it holds invisible characters"
        if character == "\ufe0f" and unicodedata.category(previous or " ") == "So":
            continue  # a sign shown as an emoji
        if character in _BLANK_LETTERS or (category[0] == "M" and previous.isascii()):
            return "it holds invisible characters"
        if character.isalnum() and unicodedata.normalize("NFKC", character) != character:
            return f"'{character}' only looks like a letter"
        previous = character
    return None


def _mixed_alphabets(sentence: str, grounds: Grounds) -> str | None:
    for token in TOKEN.findall(sentence):
        alphabets = alphabets_of(token)
        if len(alphabets) > 1 and "LATIN" in alphabets:
            return f"'{token}' mixes alphabets"
        if not alphabets <= grounds.alphabets:
            return f"'{token}' is in an alphabet that nobody used here"
        plain = token.casefold().translate(_LOOKALIKES)
        if alphabets - {"LATIN"} and plain.isascii() and not is_plain_part(plain):
            return f"'{token}' only looks like a word"
    return None


def _markup(sentence: str, grounds: Grounds) -> str | None:
    return "it holds markup or a link" if _MARKUP.search(sentence) else None


def _links(sentence: str, grounds: Grounds) -> str | None:
    found = [match.group(0) for match in LINK.finditer(sentence)]
    found += [token for token in tokens(sentence) if _HOST_PATH.match(token)]
    for link in found:
        if link.casefold().rstrip(".,;:!?'*/") not in grounds.links:
            return f"the address {link[:80]} is not in the guide"
    return None


# --- code and commands ---------------------------------------------------------------------------

# "pipe it into bash", and operators of a shell outside code
_PIPED = re.compile(
    r"\bpip(?:e|es|ed|ing)\b.{0,80}\b(?:sh|bash|zsh|shell|python3?)\b|&&|\|\s*\w|\|\||>\s*/|<<",
    re.IGNORECASE,
)
_CALL = re.compile(r"(?<![\w.])(\w+)\((?!e?s\))")
_DANGEROUS = frozenset("eval exec compile system popen __import__ getattr setattr globals".split())


def _code(sentence: str, grounds: Grounds) -> str | None:
    if FENCE_MARK.search(sentence):
        return "it holds a code block"
    if sentence.count("`") % 2:
        return "it holds code that does not end"
    for span in CODE_SPAN.findall(sentence):
        words = command_words(span)
        if len(words) == 1 and grounds.has(words[0]):
            continue
        if not words or _run_length(words, grounds) < len(words):
            return f"the code '{span[:60]}' is not in the guide"
    return None


def _warnings(sentence: str, grounds: Grounds) -> str | None:
    """'Set `weights_only=False`', where the guide says that this is wrong."""
    flat = sentence.casefold()
    for span in grounds.warned:
        if span in flat and not WARNING.search(sentence):
            return f"the guide warns of '{span[:60]}'"
    return None


# what may stand between "in" and a place, behind a command
_ARTICLES = frozenset("a an the your this that its his her their our my which one exactly".split())
_PLACES = frozenset("in into on from at with within under inside to of for".split())


def _leads_on(words: list[str], at: int, grounds: Grounds) -> bool:
    """'… install timm in a terminal' goes on in words, '… install timm in detector' does not."""
    after = words[at + 1] if at + 1 < len(words) else ""
    return words[at] not in _PLACES or after in _ARTICLES or after in grounds.entry_words


def _calls(sentence: str, grounds: Grounds) -> str | None:
    for name in _CALL.findall(sentence):
        word = name.casefold()
        if word not in grounds.entry_words and (
            word in _DANGEROUS or word not in grounds.context_words
        ):
            return f"the call {name[:60]}() is not in the guide"
    return None


def _commands(sentence: str, grounds: Grounds) -> str | None:
    """'pip install yolo-1': a verb and all that belongs to it must stand in the entry's code."""
    if _PIPED.search(CODE_SPAN.sub(" ", sentence)):
        return "it pipes something into a shell"
    raw = sentence.replace("`", " ").casefold().split()
    words = [bare_word(word) for word in raw]
    for at, word in enumerate(words[:-1]):
        if not is_command(word, words[at + 1]) or raw[at].endswith((".", ",", ";", ":", ")")):
            continue
        length = _run_length(words[at:], grounds)
        after = words[at + length] if at + length < len(words) else ""
        is_over = not after or raw[at + length - 1].endswith((".", ",", ":", ")", "!", "?"))
        goes_on = after in LINKING and _leads_on(words, at + length, grounds)
        if length < 2 or not (is_over or goes_on):
            return f"the command '{' '.join(words[at : at + 6])[:60]}' is not in the guide"
    return None


def _run_length(words: list[str], grounds: Grounds) -> int:
    """How many of these words, from the first one, stand in one line of the entry's code."""
    longest = 0
    for line in grounds.lines:
        for start, word in enumerate(line):
            if word == words[0]:
                pairs = zip(words, line[start:], strict=False)
                length = next((n for n, (a, b) in enumerate(pairs) if a != b), None)
                longest = max(longest, min(len(words), len(line) - start, length or 10_000))
    return longest


# --- what is fetched, and names ------------------------------------------------------------------

# verbs that make somebody fetch something, in the languages of the course
_FETCH = re.compile(
    r"(?<![\w-])(?:(?:re|un|pip-?)?install|instal(?!l)|installier|installez|download|herunterlad|"
    r"upgrade|downgrade|upgrading|downgrading|clone|cloning|fetch|télécharg|descarg|scaric|"
    r"安装|下载|установ|скача)\w*",
    re.IGNORECASE,
)
_FETCH_OBJECTS = frozenset(
    "a an the this that it them its your their his her our my missing required needed right "
    "correct latest newest new older newer version versions package packages package's module "
    "modules library libraries file files checkpoint checkpoints model models weights again first "
    "and or not yet be only properly correctly anything something everything nothing both all any "
    "one same dependency dependencies image images data dataset error python extra extras".split()
)
# what ends the object of such a verb: from here on plain words may stand
_OBJECT_ENDS = frozenset(
    "in into inside to from on of for with by using through so because if when while once before "
    "after then which where who is are was has have can will should must may but until than as "
    "solves fixes helps makes brings puts takes needs gives means does did".split()
)
_NAME_LIKE = re.compile(
    r"[_/\\=@#$%&|<>~^*+:]|\w\.\w|--|[a-z][A-Z]|[A-Za-z]-?\d|\d-?[A-Za-z]|^-\w|^\.\w"
)
_FILE = re.compile(r"^[/~][\w./-]*/\w+$|\w\.(?:py|ipynb|ya?ml|json|csv|txt|log)(?::\d+)?$")
# words beside which a package is named
_PACKAGE = re.compile(
    r"packages?|librar(?:y|ies)|modules?|wheels?|dependenc(?:y|ies)|repos?|called|named|"
    r"(?:obtain|get|grab|add|try|use|import|need)(?:s|ed|ing)?"
)
_COMPOUNDS = frozenset(
    "based like only side style specific related aware free level wide ready trained tuned "
    "dependent independent compatible bit class classes image images".split()
)
_BRANDS = frozenset("pytorch numpy github jupyterlab opencv imagenet".split())  # not to be fetched
_PHRASES = frozenset("and/or input/output train/test true/false yes/no on/off e.g i.e".split())
_ENGLISH = frozenset("the is are your you it this that not and with for to".split())


def _fetched(sentence: str, grounds: Grounds) -> str | None:
    """'install the yolo package': what is fetched must be named by the entry."""
    for found in _FETCH.finditer(sentence):
        is_object = True
        for token in tokens(sentence[found.end() :]):
            word = token.casefold()
            is_object = is_object and word not in _OBJECT_ENDS
            if word in grounds.entry_words or word in _FETCH_OBJECTS:
                continue
            if not is_object and (
                is_plain(word) or (grounds.has(word) and _is_file_or_number(word))
            ):
                continue
            return f"'{token[:60]}' after '{found.group(0)}' is not in the guide"
    return None


def _is_file_or_number(word: str) -> bool:
    return bool(NUMBER.fullmatch(word) or _FILE.search(word))


def _packages(sentence: str, grounds: Grounds) -> str | None:
    """'the tim package', 'a package called timn': a name nearly like one of the guide's."""
    words = [token.casefold() for token in tokens(sentence)]
    for at, noun in enumerate(words):
        if not _PACKAGE.fullmatch(noun):
            continue
        for word in words[max(0, at - 2) : at] + words[at + 1 : at + 4]:
            if grounds.has(word) or word in LINKING:
                continue
            if any(_is_near(word, name) for name in grounds.names):
                return f"'{word}' is nearly a name of the guide, and none"
    return None


# "try timm fixer": a plain word behind a name of the guide makes another name of it
_TRY = re.compile(r"(?:try|use|get|grab|add|obtain|need|import|take|fetch)(?:s|ing)?")
_ADVERBS = frozenset("instead first directly then too only now here either itself properly".split())


def _compounds(sentence: str, grounds: Grounds) -> str | None:
    words = [token.casefold() for token in tokens(sentence)]
    for verb, name, noun in zip(words, words[1:], words[2:], strict=False):
        if not _TRY.fullmatch(verb) or name not in grounds.names:
            continue
        if not (noun in LINKING or noun in _ADVERBS or grounds.has(noun)):
            return f"'{name} {noun}' is made from a name of the guide"
    return None


_DESTROY = re.compile(r"(?:delet|remov|eras|wip|format|overwrit|destroy|purg)\w{0,4}")
_PRECIOUS = frozenset(
    "everything home root disk drive system partition folder folders directory file files data "
    "dataset datasets checkpoint checkpoints weights environment container".split()
)


def _destroys(sentence: str, grounds: Grounds) -> str | None:
    """'Delete everything in your home folder': what is to be deleted must be the guide's advice."""
    words = [token.casefold() for token in tokens(sentence)]
    for at, verb in enumerate(words):
        if not _DESTROY.fullmatch(verb):
            continue
        stem = verb[:5]
        known = any(word.startswith(stem) for word in grounds.entry_words)
        lost = [word for word in words[at + 1 : at + 8] if word in _PRECIOUS]
        if lost and not (known and all(word in grounds.entry_words for word in lost)):
            return f"the guide does not say to {verb[:20]} '{lost[0]}'"
    return None


def _is_near(word: str, name: str) -> bool:
    """Whether one letter more, less or other makes `name` of `word`."""
    if abs(len(word) - len(name)) > 1 or len(name) < 3 or word == name:
        return False
    start = next((n for n, (a, b) in enumerate(zip(word, name, strict=False)) if a != b), None)
    if start is None:
        return True
    rests = {(word[start + 1 :], name[start:]), (word[start:], name[start + 1 :])}
    rests.add((word[start + 1 :], name[start + 1 :]))
    return any(a == b for a, b in rests)


def _names(sentence: str, grounds: Grounds) -> str | None:
    """Anything that looks like a file, module, flag or API name must have been named before."""
    for token in tokens(sentence):
        word = token.casefold()
        if grounds.has(word) or word in _BRANDS or word in _PHRASES or NUMBER.fullmatch(word):
            continue
        if _NAME_LIKE.search(token):
            number, _, noun = word.partition("-")
            if not (NUMBER.fullmatch(number) and noun in _COMPOUNDS) and not word.endswith("%"):
                return f"'{token[:60]}' is named neither in the guide nor in your text"
        parts = set(word.split("-"))
        if len(parts) > 1 and parts & grounds.names and not parts & _COMPOUNDS:
            return f"'{token[:60]}' is made from a name of the guide"
    return None


def _encoded(sentence: str, grounds: Grounds) -> str | None:
    """Long runs of letters and digits are data, not words, whoever pasted them."""
    for run in re.findall(r"[A-Za-z0-9+]{20,}", sentence):
        kinds = sum(bool(re.search(kind, run)) for kind in ("[a-z]", "[A-Z]", "[0-9]"))
        if run.casefold() not in grounds.entry_words and (kinds == 3 or len(run) >= 40):
            return "it holds encoded data"
    return None


def _numbers(sentence: str, grounds: Grounds) -> str | None:
    for number in NUMBER.findall(sentence):
        if not grounds.has(number):
            return f"the number {number} is neither in the guide nor in your text"
    for measure in measures_of(sentence):
        word = measure.partition(" ")[0]
        is_version = word in VERSIONED or word in grounds.names
        if measure not in grounds.measures and (word[0].isdigit() or is_version):
            return f"'{measure}' is neither in the guide nor in your text"
    return None


def _unknown_words(sentence: str, grounds: Grounds) -> str | None:
    """In an English sentence, a word that is neither English nor named before is an invented name.

    A sentence in another language is left to the other rules.
    """
    words = [token.casefold() for token in tokens(sentence)]
    letters = [word for word in words if not NUMBER.search(word)]
    known = _BRANDS | _PHRASES
    unknown = [w for w in letters if not (grounds.has(w) or w in known or is_plain(w))]
    share = 0.5 if _ENGLISH.intersection(words) else 0.3
    if unknown and len(unknown) <= max(1, len(letters) * share):
        return f"'{unknown[0][:60]}' is neither a plain word nor named in the guide or your text"
    return None


_Rule = Callable[[str, Grounds], str | None]
_RULES: tuple[_Rule, ...] = (
    _odd_characters,
    _mixed_alphabets,
    _markup,
    _links,
    _code,
    _warnings,
    _calls,
    _commands,
    _destroys,
    _fetched,
    _packages,
    _compounds,
    _encoded,
    _names,
    _numbers,
    _unknown_words,
)
