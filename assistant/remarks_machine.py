"""What figures of a machine mean: memory, shared memory, workers, processor, builds, environments.

Rows for `remarks.py`; arithmetic on the reader's own figures. They refuse to know guides.
"""

from __future__ import annotations

import itertools
import re

from assistant.quoting import as_code, is_harmless
from assistant.remark_form import Remark, RemarkRow, number, row, say

_UNITS = {"K": 1 / 1024, "M": 1.0, "G": 1024.0, "T": 1024.0**2}
_SIZE = r"(\d{1,6}(?:\.\d{1,4})?) (K|M|G|T)iB"
_ASKED = re.compile(
    rf"Tried to allocate {_SIZE}\b.{{0,260}}?(?:{_SIZE}|(0) bytes)(?: is)? free", re.DOTALL
)


def _short(text: str, body: str) -> Remark | None:
    """How much memory was missing: what was asked less what was free."""
    del body
    found = _ASKED.search(text)
    if found is None:
        return None
    asked = float(found[1]) * _UNITS[found[2]]
    free = 0.0 if found[5] else float(found[3]) * _UNITS[found[4]]
    if free >= asked:
        return None
    missing = asked - free
    much = f"{missing:.0f} MiB" if missing < 1024 else f"{missing / 1024:.1f} GiB"
    wanted = as_code(f"{found[1]} {found[2]}iB")
    had = as_code("0 bytes" if found[5] else f"{found[3]} {found[4]}iB")
    said = f"{wanted} were asked for and {had} free, so only this one step was {much} short"
    return Remark(f"{said}, and the next would want more.", found.start())


_HELD = re.compile(
    r"\bnvidia-smi\b[^\n]{0,60}?(?<![\d.])(?P<a>\d{1,6}(?:\.\d{1,2})? ?(?:MiB|GiB|GB|gigs?|G))\b"
    r"|(?P<b>\d{1,6}(?:\.\d{1,2})? ?(?:MiB|GiB|GB|gigs?))\b[^\n]{0,30}\bnvidia-smi\b",
    re.IGNORECASE,
)
_LIVING = re.compile(r"\bmemory_allocated\(\)[^\n]{0,12}\n?\W{0,4}(?P<a>\d{1,3}\.\d{1,3})\b")


def _held(text: str, body: str) -> Remark | None:
    del body
    living = _LIVING.search(text)
    if living is not None:
        said = (
            f"`memory_allocated` counts living tensors only, so {as_code(living['a'])} are still "
            "in reach of some name: one `del` took away one name, others (the optimizer, a list "
            "of losses, an output of a cell) still lead to the same tensors."
        )
        return Remark(said, living.start())
    found = _HELD.search(text)
    if found is None:
        return None
    said = (
        f"The {as_code(found['a'] or found['b'])} in nvidia-smi are living tensors and PyTorch's "
        "reserve together. Print `torch.cuda.memory_allocated()`: if it is near 0, all of it is "
        "reserve and `empty_cache()` gives it back; if not, a name still holds it."
    )
    return Remark(said, found.start())


_ALLOCATED = re.compile(r"\ballocated[ :=]{1,3}(\d{1,4}(?:\.\d{1,2})?) ?(GB|GiB|MB|MiB)\b", re.I)


def _grows(text: str, body: str) -> Remark | None:
    """Memory that each round leaves behind."""
    del body
    found = list(_ALLOCATED.finditer(text))[:50]
    values = [float(one[1]) for one in found]
    if len(values) < 2 or any(b <= a for a, b in itertools.pairwise(values)):
        return None
    step = (values[-1] - values[0]) / (len(values) - 1)
    unit = found[0][2]
    said = (
        f"From {as_code(found[0][1])} to {as_code(found[-1][1])} {unit}: each round leaves about "
        f"{number(step)} {unit} of living tensors behind, since `allocated` counts only those. So "
        "something from the last round is still named somewhere; emptying the cache does not help."
    )
    return Remark(said, found[0].start())


_NTH = re.compile(
    r"\b(?:at|with|by) the (?P<a>2nd|3rd|4th|5th|second|third|fourth|fifth)\b", re.IGNORECASE
)
_FULL = re.compile(
    r"out of memory|\bOOM\b|nothing left|no longer fits|full\b|crash|fail", re.IGNORECASE
)
_PLACES = {"2nd": 2, "3rd": 3, "4th": 4, "5th": 5, "second": 2, "third": 3, "fourth": 4, "fifth": 5}


def _nth_run(text: str, body: str) -> Remark | None:
    del body
    found = _NTH.search(text)
    if found is None or not _FULL.search(text):
        return None
    place = _PLACES[found["a"].lower()]
    before = "the first one" if place == 2 else f"the {place - 1} before"
    said = (
        f"That the {as_code(found['a'])} no longer fits while those before it did says that "
        f"something of {before} is still in memory: a list of results or the output of a cell may "
        "keep it, while a name that is assigned again keeps the last one only."
    )
    return Remark(said, found.start())


_SHM = re.compile(r"/dev/shm\D{0,12}(?P<a>(\d{1,6}) ?(M|G)(?:i?B)?)\b")
_BATCH = re.compile(r"\bbatch(?:[_ ]size)?(?: of)? ?[=:]? ?(\d{1,4})\b", re.IGNORECASE)


def _shared(text: str, body: str) -> Remark | None:
    del body
    found = _SHM.search(text)
    if found is None:
        return None
    room = int(found[2]) * _UNITS[found[3]]
    told = _BATCH.search(text)
    batch = int(told[1]) if told else 32
    size = batch * 3 * 224 * 224 * 4 / 2**20
    if size <= 0 or room > 100 * size:
        return None
    said = (
        f"A batch of {batch} pictures of 224 x 224 in float32 takes {size:.0f} MiB, so "
        f"{as_code(found['a'])} hold about {number(max(1, room // size))}; two workers "
        "want four ready. So it is full at once."
    )
    return Remark(said, found.start())


_CARD = re.compile(
    r"\b(?:card|gpu|titan|rtx|gtx|geforce|tesla|[tpv]\d{1,3}0?)\b[^\n]{0,24}?(?<![\d.])(\d{1,3}) ?"
    r"(?:GB|gigs?|G)\b(?! used)",
    re.IGNORECASE,
)
# the card that somebody has left behind, or compares with
_ELSEWHERE = re.compile(r"\b(?:old|laptop|typical|vengo|spark|here|exam|machine)\b|\b128 ?GB", re.I)


def _working_size(text: str, body: str) -> Remark | None:
    """From the guide's own table: which batch a card of this size takes."""
    card = _CARD.search(text)
    known = re.search(r"ResNet-50[^|\n]*\|\s*(\d{2,4}): ([\d.]{1,6})", body)
    if card is None or known is None or _ELSEWHERE.search(text) or not 2 <= int(card[1]) <= 100:
        return None
    each = float(known[2]) / int(known[1]) * 1.25  # the guide: allow up to a quarter more
    fits = int(int(card[1]) * 0.93 * 0.9 / each)
    if fits < 4:
        return None
    size = 1 << (fits.bit_length() - 1)
    said = (
        f"By the guide's table a ResNet-50 at 224 pixels needs {known[2]} GiB for {known[1]} "
        f"pictures; so counted, with a quarter to spare, {as_code(f'{card[1]} GB')} take about "
        f"{size}. Start there and halve it if the memory is full."
    )
    return Remark(said, card.start())


def _two_batches(text: str, body: str) -> Remark | None:
    del body
    sizes = [
        int(one)
        for one in re.findall(
            r"(?<![\w./-])(8|16|32|64|128|256|512|1024)\b(?!-\d)(?! ?(?:[GM]i?B|px|pixel))",
            text,
            re.I,
        )
    ]
    if len(set(sizes)) < 2:
        return None
    low, high = min(sizes), max(sizes)
    said = (
        f"From {as_code(str(low))} to {as_code(str(high))} the memory for a step grows about "
        f"{high // low} times and an epoch has {high // low} times fewer updates. So go up only "
        "while the pictures per second still rise."
    )
    return Remark(said, re.search(rf"\b{low}\b", text).start())  # type: ignore[union-attr]


# /home/me/.venv/lib/python3.12/site-packages/timm/…
_PYTHON = re.compile(r"([/\\][\w./\\+-]{0,120}?)/lib/(python\d\.\d{1,2})/(?:site|dist)-packages/")


def _which_python(text: str, body: str) -> Remark | None:
    """The environment that failed, from the paths of its packages."""
    del body
    found = list(_PYTHON.finditer(text))
    if not found or len({one[1] + one[2] for one in found}) > 1 or not is_harmless(found[0][1]):
        return None
    last = found[-1]
    if last[1] in {"/usr", "/usr/local"}:
        said = (
            f"The paths name the Python that failed: {as_code(last[2])} under {as_code(last[1])}, "
            "the machine's or container's own and not a virtual environment; it must be installed "
            "for that one."
        )
    else:
        said = (
            f"The paths name the Python that failed: {as_code(last[2])} of the environment "
            f"{as_code(last[1])}. It must be installed for that one; another terminal may well "
            "use another."
        )
    return Remark(said, last.start())


_NAMELESS = re.compile(r"No module named '?([A-Za-z_]\w{0,60})'?(?![\w.])")


def _several(text: str, body: str) -> Remark | None:
    del body
    found = list(_NAMELESS.finditer(text))[:50]
    names = [as_code(name) for name in dict.fromkeys(one[1] for one in found) if name != "pip"]
    if not 2 <= len(names) <= 8:
        return None
    said = (
        f"Not one package is missing but {len(names)}: {', '.join(names)}. If you have "
        "them all, the program runs in another Python than the one that has them."
    )
    return Remark(said, found[0].start())


_BUSY = re.compile(r"(?<![\d.])(?P<a>\d{3,5}) ?%")


def _busy_cores(text: str, body: str) -> Remark | None:
    del body
    found = _BUSY.search(text)
    if found is None or int(found["a"]) < 200:
        return None
    said = (
        f"{as_code(found['a'] + ' %')} means that {round(int(found['a']) / 100)} processor cores "
        "are fully busy: with a silent fan that speaks for a computation on the CPU, so ask torch "
        "first whether it sees a GPU at all."
    )
    return Remark(said, found.start())


_MEMORY = r"free GPU memory|memory reset|memory between"
ROWS: tuple[RemarkRow, ...] = (
    row(rf"{_MEMORY}|out of memory", _short),
    row(_MEMORY, _held),
    row(
        _MEMORY,
        say(
            r"(?P<a>\b(?:torch\.cuda\.)?empty_cache\(\))"
            r"(?=[^\n]{0,80}\b(?:not|nothing|still|stays?|doesn.t|didn.t|never)\b)",
            "You have called {a} already: it gives back only blocks that no tensor uses, so what "
            "stays is held by a name of yours. Delete and collect first, then call it again.",
        ),
    ),
    row(
        rf"{_MEMORY}|out of memory",
        say(
            r"\b(?P<a>restart|alone)\w*[^\n.]{0,60}?\b(?:works|goes through|runs|fine|fits)\b",
            "You say it yourself ({a}): that it goes without what ran before proves two things: "
            "the card is large enough, and what ran before stands in the way.",
        ),
    ),
    row(_MEMORY, _grows),
    row(_MEMORY, _nth_run),
    row(
        _MEMORY,
        say(
            r"\b(?P<a>exception|traceback)\b[^\n]{0,200}\bagain\b",
            "The {a} itself is what holds on to it: Python keeps the last one together with every "
            "variable of the functions it came through, tensors included, so each new try starts "
            "with the memory of the one that failed.",
        ),
    ),
    row(r"DataLoader", _shared),
    row(
        r"DataLoader",
        say(
            r"\b(?P<a>(?:num_)?workers? ?= ?0)\b"
            r"(?=[^\n.]{0,25}?\b(?:runs?|works?|ok|fine|batches)\b)",
            "That it runs with {a} is worth much: there the main process reads the files itself, "
            "so your paths and pictures are all right. What more workers add is processes of "
            "their own and the shared memory between them.",
        ),
    ),
    row(
        r"DataLoader",
        say(
            r"\b(?:only|just) (?:behaves|works|runs)\b[^\n.]{0,40}?"
            r"\b(?P<a>no (?:extra )?workers?)\b",
            "That it goes with {a} clears your files and your data set, which the main process "
            "then reads itself. What comes in with the first one is a second process and the "
            "shared memory between the two.",
        ),
    ),
    row(r"batch size", _working_size),
    row(r"batch size", _two_batches),
    row(
        r"No module named",
        say(
            r"\b(?P<a>(?:just|already) installed|installed (?:it|the latest)|already satisfied)\b",
            "You say {a}, and the program still does not find it: then it was installed for "
            "another Python. Use the very interpreter that printed the error for the install.",
        ),
    ),
    row(
        r"No module named",
        say(
            r"\b(?P<a>(?:other|another|new|fresh|anderen) (?:container|venv|environment|kernel))\b",
            "You name the {a}: what is installed in one place is not in the next, each has only "
            "what its own image and its own pip put there.",
        ),
    ),
    row(r"No module named", _several),
    row(r"No module named|not found", _which_python),
    row(
        r"container|compiled with CUDA|no GPU|pip for PyTorch",
        say(
            r"(?<![\w.])(?P<a>(?:\d\.\d{1,2}\.\d{1,2})?\+cpu)\b",
            "The ending in {a} settles it: this build has no GPU code in it, so neither the "
            "driver nor a setting is to blame, and only another build helps.",
        ),
    ),
    row(
        r"container|compiled with CUDA|no GPU|pip for PyTorch",
        say(
            r"\b(?P<a>torch\.version\.cuda)\b[^\n]{0,12}\bNone\b",
            "{a} names the CUDA version that torch was built with; None means without, so this "
            "is a CPU build and the driver has nothing to do with it.",
        ),
    ),
    row(
        r"environment reset|NumPy",
        say(
            r"cannot be run in NumPy (?P<a>2\.\d{1,2}\.\d{1,2})",
            "pip put NumPy {a} in the place of a 1.x, and whatever was compiled for 1.x breaks "
            "with it: that is one cause for all your messages, not several.",
        ),
    ),
    row(r"diagnostic", _busy_cores),
    row(
        r"\b429\b",
        say(
            r"\b(?P<a>429)\b|(?P<b>Too Many Requests)",
            "This is no lasting refusal: too many requests came within a short time, and the same "
            "one succeeds later. One download into a folder that all can read makes it one "
            "request instead of one for each seat.",
        ),
    ),
    row(
        r"checkpoint|cut off|No such file",
        say(
            r"\bexists?: True\b[^\n]{0,12}\bsize: (?P<a>0)\b",
            "Your own line says it: the file exists and has {a} bytes. The path is right, then; "
            "the file was begun and nothing came.",
        ),
    ),
)
