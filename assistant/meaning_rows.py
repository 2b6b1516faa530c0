"""What messages mean, as rows: the form of a message, and one plain sentence about it.

Each row knows one form; the first that fits is said. It refuses to know how a row is matched and
shown (`meanings.py` does).
"""

from __future__ import annotations

from assistant.meaning_form import MeaningRow, rows
from assistant.meaning_tensors import ROWS as TENSORS

_FIRST: tuple[MeaningRow, ...] = tuple(
    rows(
        # --- imports -----------------------------------------------------------------------------
        (
            r"No module named '?(?P<package>[A-Za-z_]\w*)\.(?P<part>[\w.]+)",
            "`import` found {package}, but nothing in it is called {part}: this {package} is of "
            "another version than the code expects, or a file of your own has that name.",
        ),
        (
            r"No module named '?(?P<package>[A-Za-z_][\w-]*)",
            "`import` looks only at the packages of the one Python that runs this code, and "
            "{package} was not found among them; another Python on the same machine may have it.",
        ),
        (
            r"cannot import name '(?P<name>\w+)' from partially initialized module "
            r"'(?P<at>[\w.]+)'",
            "{at} was still being loaded when {name} was asked of it: two files import each other, "
            "or a file of your own carries the name of the package.",
        ),
        (
            r"cannot import name '(?P<name>\w+)' from '(?P<at>[\w.]+)'",
            "The module {at} was found, but it has no {name}: its version is not the one that this "
            "code was written for, or a file of your own hides it.",
        ),
        (
            r"(?<![\w-])(?P<package>[\w-]{1,60}) (?:library|package)s? but it was not found",
            "The program is complete, only {package} is missing in the Python that runs it.",
        ),
        (
            r"packages that were not found in your environment: (?P<package>[\w, -]{1,120}\w)",
            "The program's own files are there; what it needs besides, {package}, is missing in "
            "the Python that runs it.",
        ),
        (
            r"(?P<library>lib[\w.+-]+): cannot open shared object file",
            "A package was found, but the system library {library} that it is built on is not "
            "installed here.",
        ),
        (
            r"Torch not compiled with CUDA enabled",
            "The PyTorch in this Python is the build for the CPU: the graphics card may be fine, "
            "but this build cannot talk to it.",
        ),
        # --- files -------------------------------------------------------------------------------
        (
            r"No such file or directory: '(?P<path>/[^'\n]{1,300})'",
            "{path} is a full path, so it does not matter where you started the program: at that "
            "very place there is no such file.",
        ),
        (
            r"No such file or directory: '(?P<path>[^'\n]{1,300})'",
            "{path} does not begin with a slash, so Python looks for it below the folder in which "
            "the program was started, which need not be the folder of your script.",
        ),
        (
            r"failed reading zip archive: (?P<what>[^.\n]{3,80})",
            "A saved PyTorch file is a zip archive, and this one cannot be read ({what}): it was "
            "cut off while it was copied or downloaded, or is something else.",
        ),
        (
            r"Weights only load failed",
            "`torch.load` now reads plain weights only, and this file holds something else: other "
            "Python objects, or no weights at all.",
        ),
        (
            r"(?:EOFError|Ran out of input)",
            "The file ended before anything could be read from it: it is empty or was cut off.",
        ),
        (
            r"cannot identify image file '?(?P<path>[^'\n]{1,200})'?",
            "Pillow looked at the first bytes of {path} and knows no picture that begins so.",
        ),
        (
            r"image file is truncated \((?P<rest>[^)]{1,60})\)",
            "The picture begins well and ends too early ({rest}).",
        ),
        (
            r"\w\.empty\(\)",
            "OpenCV was handed an empty image: `imread` returns `None` instead of an error when "
            "it cannot read a file.",
        ),
        (
            r"Permission denied: '(?P<path>[^'\n]{1,300})'",
            "The system knows {path}, but the user who runs this program may not do that there.",
        ),
        # --- downloads ---------------------------------------------------------------------------
        (
            r"(?:HTTP ?Error:? |^)(?P<status>401)\b",
            "The server answered {status}: it wants to know who you are, and did not find out.",
        ),
        (
            r"(?:HTTP ?Error:? (?:HTTP Error )?|^\w+: )(?P<status>403)\b",
            "The server was reached and understood the request; {status} means that it refuses to "
            "hand this file to you.",
        ),
        (
            r"(?:HTTP ?Error:? (?:HTTP Error )?|^\w+: )(?P<status>429)\b",
            "{status} is no lasting refusal: too many requests came within a short time, and the "
            "same one succeeds later.",
        ),
        (
            r"(?:HTTP ?Error:? (?:HTTP Error )?|^\w+: )(?P<status>4\d\d|5\d\d)\b",
            "The server was reached and answered with the status {status} instead of the file.",
        ),
    )
)

_LAST: tuple[MeaningRow, ...] = tuple(
    rows(
        # --- memory ------------------------------------------------------------------------------
        (
            r"Tried to allocate (?P<a>[\d.]+ [KMGT]iB).{0,200}?(?P<b>[\d.]+ [KMGT]iB|0 bytes) "
            r"(?:is )?free",
            "The next piece of memory that was needed measures {a}, and {b} were left: everything "
            "that still holds tensors counts, also earlier cells and other programs.",
        ),
        (
            r"Tried to allocate (?P<a>[\d.]+ [KMGT]iB)",
            "One more piece of memory of {a} did not fit beside what is held already: everything "
            "that still holds tensors counts, also earlier cells and other programs.",
        ),
        (
            r"(?:OutOfMemoryError|CUDA error: out of memory|CUDA out of memory)",
            "The memory of the graphics card was full, counting earlier cells and other programs.",
        ),
        (
            r"device-side assert triggered",
            "A number was out of range in a computation on the graphics card, most often a label; "
            "the card reports it late, so the line shown need not be the guilty one.",
        ),
        (
            r"no kernel image is available",
            "This build of PyTorch brings no code for the kind of graphics card that you have.",
        ),
        # --- loading data ------------------------------------------------------------------------
        (
            r"DataLoader worker \(pid (?P<pid>\d+)\) is killed by signal: (?P<signal>[A-Za-z ]+?)"
            r"(?:\.|$)",
            "A DataLoader's worker is a process of its own; the system ended this one, number "
            "{pid}, with {signal}, so no Python error of your data set is shown.",
        ),
        (
            r"DataLoader timed out after (?P<a>\d+) seconds",
            "The main program waited {a} seconds for a batch and none came: the workers hang or "
            "are too slow.",
        ),
        (
            r"unable to allocate shared memory ?\(shm\) for file <(?P<a>[^>]{1,80})>",
            "Workers hand their batches over through shared memory, and there was no room left in "
            "it for {a}.",
        ),
        (
            r"exited unexpectedly",
            "A DataLoader's worker is a process of its own, and it ended without saying why.",
        ),
        # --- training ----------------------------------------------------------------------------
        (
            r"optimizer got an empty parameter list",
            "Nothing was handed to the optimizer: if only parameters with `requires_grad` are "
            "passed on, all of them are frozen.",
        ),
        (
            r"Target (?P<a>-?\d+) is out of bounds",
            "Classes are counted from 0 to the number of outputs minus 1, and a label says {a}.",
        ),
        (
            r"element 0 of tensors does not require grad",
            "Nothing on the way to this loss can be trained, so there is nothing to compute "
            "gradients for.",
        ),
        (
            r"backward through the graph a second time",
            "The intermediate values were thrown away after the first `backward`, and something "
            "in this step still hangs on them.",
        ),
        (
            r"modified by an inplace operation",
            "A value that `backward` needs was overwritten in between (`+=`, `relu_`, ...).",
        ),
        (
            r"(?<!\d)(?P<a>\d{1,5}x\d{1,5}) \((?P<b>no detections)\)",
            "The network looked at the picture in the size {a} and ran without a fault; {b} means "
            "that it was not sure enough of anything to report it.",
        ),
        (
            r"\bno (?:detections|objects found)",
            "The network ran without a fault; it was not sure enough of anything to report it.",
        ),
        # --- Python in general -------------------------------------------------------------------
        (
            r"'NoneType' object (?:has no attribute '(?P<name>\w+)'|is not \w+)",
            "A value is `None` here: an earlier call gave nothing back, and the code went on as "
            "if it had.",
        ),
        (
            r"'(?P<kind>[\w.]+)' object has no attribute '(?P<name>\w+)'",
            "What arrived there is a {kind}, and a {kind} has no {name}: the code was written for "
            "another kind of object.",
        ),
        (
            r"module '(?P<kind>[\w.]+)' has no attribute '(?P<name>\w+)'",
            "{kind} was imported, but has no {name}: another version, or a file of your own with "
            "the same name.",
        ),
        (
            r"index (?P<i>-?\d+) is out of bounds for (?:dimension|axis) \d+ with size 0",
            "There are no elements at all (size 0), so not even number {i} exists: nothing was "
            "found before this line.",
        ),
        (
            r"index (?P<i>-?\d+) is out of bounds for (?:dimension|axis) (?P<d>\d+) with size "
            r"(?P<n>\d+)",
            "Counting begins at 0: an axis with {n} elements has no number {i}.",
        ),
        (
            r"too many indices for tensor of dimension (?P<n>\d+)",
            "More numbers stand in the brackets than the tensor has axes ({n}).",
        ),
        (
            r"numel\(\) == 0",
            "The tensor is empty (`numel` is 0), so it has no largest element: nothing was found "
            "before this line.",
        ),
        (
            r"list index out of range",
            "A list was asked for a place that it does not have; often it is shorter than "
            "expected, or empty.",
        ),
        (
            r"unexpected keyword argument '(?P<name>\w+)'",
            "The function knows no argument called {name}: in the installed version it has "
            "another name, or it belongs to another function.",
        ),
        (
            r"missing \d+ required (?:positional|keyword-only) arguments?: '(?P<name>\w+)'",
            "The function cannot start without {name}, which was not passed.",
        ),
        (
            r"name '(?P<name>\w+)' is not defined",
            "Python has not met {name} yet: its line was not run, or it is spelt differently.",
        ),
        (
            r"^KeyError: (?P<name>['\"]?[\w./-]{1,80}['\"]?)",
            "A dictionary was asked for {name} and has no such entry.",
        ),
        (
            r"^AssertionError: (?P<wish>[^\n]{4,110})",
            "A condition that the code itself checks was not met: {wish}",
        ),
    )
)

# In this order: what is special before what is general.
ROWS = (*_FIRST, *TENSORS, *_LAST)
