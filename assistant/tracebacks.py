"""Texts to the exceptions that they show, in reading order, and the one that explains the failure.

Reads Python tracebacks (3.8 to 3.14, chained, grouped, re-raised from worker processes), IPython's,
Rich's boxes and pytest's reports, behind quoting, log prefixes and rank prefixes; and bare last
lines in the middle of words. Refuses to know what a message means: see `signatures` and `facts`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from assistant.lines import Lines, prompt_end
from assistant.types import ExceptionText, Frame

# --- rows --------------------------------------------------------------------------------------

_KNOWN = (
    r"(?:Error|Exception|Warning|Interrupt|Exit|Iteration|Timeout|Fault|NotFound|Failure|"
    r"Busy|Failed)"
)
# "RuntimeError: mat1 and mat2 …", "torch.OutOfMemoryError: …", "KeyboardInterrupt"
_LAST_LINE = re.compile(
    rf"^(?P<name>(?:[A-Za-z_]\w{{0,80}}\.){{0,8}}\w{{0,80}}{_KNOWN}\w{{0,40}})"
    r"(?: ?:(?:\s(?P<message>.*))?)?$"
)
# below frames any name will do: "cv2.error: OpenCV(5.…", "queue.Empty", "SegmentationFault: …"
_LAST_LINE_BARE = re.compile(
    r"^(?P<name>(?:[A-Za-z_]\w*\.){1,8}[A-Za-z_]\w*|[A-Z]\w{3,60}|error|timeout)"
    r"(?::\s(?P<message>.*))?$"
)
# "cv2.error: OpenCV(5.0.0) …"
_BARE_NAME = re.compile(r"^\s{0,40}(?:[a-z_]\w{0,40}\.){1,8}error: \S")
# a message inside words: "… -> RuntimeError: CUDA out of memory."
_INLINE = re.compile(
    rf"(?<![\w.])(?P<name>(?:[A-Za-z_]\w*\.){{0,8}}[A-Z]\w*{_KNOWN}|"
    r"[A-Z]\w*(?:Error|Exception))\b(?: ?:[ \t]*(?P<message>[^\n]*))?"
)
_HEAD = "Traceback (most recent call last)"
_FRAME = re.compile(
    r'^\s*File "(?P<file>[^"\n]{1,500})", line (?P<line>\d{1,9})(?:,? in (?P<function>.{1,200}))?'
)
# faulthandler: "Fatal Python error: Segmentation fault", frames innermost first
_CRASH = re.compile(r"^(?P<message>Fatal Python error: \S.{0,500})$")
_CRASH_BETWEEN = re.compile(r"^\s*$|(?:Current t|T)hread 0x|Python runtime state|Stack \(")
_IPY_FRAME = re.compile(
    r"^(?:File (?P<file>\S.{0,400}?):(?P<line>\d{1,9})(?:,? in (?P<function>.{1,200}))?"
    r"|(?P<cell>(?:Cell|Input) In ?\[\d{1,6}\])(?:, line (?P<cline>\d{1,9}))?"
    r"(?:,? in (?P<cfun>.{1,200}))?"
    r"|(?P<old><ipython-input-[^>]{1,80}>|~?/[^\s:]{1,300}\.py) in (?P<ofun>.{1,200}))$"
)
_ARROW = re.compile(r"^-{2,}>\s?(?P<line>\d{1,9})?\s?(?P<code>.*)$")
_RICH_FRAME = re.compile(
    r"^(?P<file>(?:/|~|[A-Za-z]:\\|<)[^\n]{0,300}?):(?P<line>\d{1,9}) in (?P<function>\S{1,200})"
)
# "test_shape.py:21: in count", "test_shape.py:21:" below its code, "test_shape.py:6: ValueError"
_PYTEST_FRAME = re.compile(
    r"^(?P<file>[\w./\\-]{1,300}\.py):(?P<line>\d{1,9}):"
    r"(?: (?:in (?P<function>\S{1,200})|\w{1,100}))?$"
)
# the same with the whole last line, as --tb=line prints it; a warning is no failure
_PYTEST_PLACE = re.compile(
    r"^(?P<file>[\w./\\-]{1,300}\.py):(?P<line>\d{1,9}): "
    rf"(?P<name>(?![\w.]{{0,200}}Warning\b)(?:[A-Za-z_]\w{{0,80}}\.){{0,8}}\w{{0,80}}{_KNOWN}\w{{0,40}})"
    r"(?:: (?P<message>.*))?$"
)
_LIBRARY = re.compile(
    r"site-packages|dist-packages|[/\\]lib[/\\]python\d|[/\\]Lib[/\\]|<frozen|<__array|"
    r"conda[/\\]pkgs|<string>"
)
_AFTERMATHS = frozenset(
    "SystemExit KeyboardInterrupt ChildFailedError CalledProcessError ProcessRaisedException "
    "ProcessExitedException BrokenProcessPool".split()
)
# GitHub's "Error: Process completed with exit code 1."
_EXITED = re.compile(r"^Process completed with exit code \d")
_BROKEN_PIPES = frozenset("EOFError BrokenPipeError ConnectionResetError".split())
_GONE = re.compile(r"DataLoader worker \(pid[^\n]{1,120}\) exited unexpectedly")
_IGNORED = "Exception ignored "
_MAX_MESSAGE_LINES = 80


def parse_exceptions(text: str) -> tuple[ExceptionText, ...]:
    """Return every exception that `text` shows, in reading order, with spans into `text`.

    Never raises; linear in the length of `text`. Without any traceback, messages in the middle of
    words are found too.
    """
    lines = Lines(text)
    telling = {form for form, bare in lines.bare.items() if _may_tell(bare)}
    found = list(_read(lines, [at for at, form in enumerate(lines.forms) if form in telling]))
    if not found:
        found = list(_inline(text))
    return tuple(found)


def pick_cause(text: str, exceptions: Sequence[ExceptionText]) -> int:
    """Return the index of the exception that explains the failure, -1 if there is none.

    That is the last one: the one that stopped the program. A worker's original exception stands
    before the line that re-raises it and says the same, so the last one names it as well. Endings
    that only report another failure, and what Python ignored while it ended, do not count.
    """
    for index in range(len(exceptions) - 1, -1, -1):
        begin = exceptions[index - 1].end if index else 0
        ignored = _IGNORED in text[begin : exceptions[index].start]
        if not ignored and not _is_aftermath(exceptions, index):
            return index
    return len(exceptions) - 1


def _is_aftermath(exceptions: Sequence[ExceptionText], index: int) -> bool:
    """Endings that only report another failure: an exit code, a failed subprocess, Ctrl-C; and,
    after another failure, a worker that is gone or a pipe whose other end is."""
    exception = exceptions[index]
    name = exception.name.rpartition(".")[2]
    if name in _AFTERMATHS or _EXITED.match(exception.message):
        return True
    others = any(e.name.rpartition(".")[2] != "Empty" for e in exceptions[:index])
    file = exception.frames[-1].file if exception.frames else ""
    return others and (
        (name in _BROKEN_PIPES and "multiprocessing" in file)
        or _GONE.search(exception.message) is not None
    )


def is_last_line(text: str) -> bool:
    """Whether a line says how an exception ended: its name, a colon and its message."""
    found = _LAST_LINE.match(text.strip())
    return bool(found and found["message"])


def mentions_exception(text: str) -> bool:
    """Whether a line names an exception with its message, at its beginning or among words."""
    return any(found["message"] for found in _INLINE.finditer(text)) or bool(_BARE_NAME.match(text))


# --- reading -----------------------------------------------------------------------------------


def _may_tell(text: str) -> bool:
    """Whether a line, wherever it stands, may begin a traceback, a frame or an exception.

    It is asked of forms, so no pattern here may name a digit.
    """
    stripped = text.strip()
    return bool(
        _HEAD in text
        or _LAST_LINE.match(stripped)
        or _LAST_LINE_BARE.match(stripped)
        or _frame_head(stripped)
        or _PYTEST_PLACE.match(stripped)
        or _CRASH.match(text)
    )


def _read(lines: Lines, telling: Sequence[int]) -> Iterable[ExceptionText]:
    """Walk the lines that may tell something once, collecting frames until a last line closes
    them."""
    frames: list[Frame] = []
    in_traceback = False
    after = 0
    for position in telling:
        if position < after:
            continue
        text = lines[position].text
        if _HEAD in text:
            frames, in_traceback = [], True
        elif crash := _CRASH.match(text):
            after, frames = _crash_frames(lines, position + 1)
            message = crash["message"].strip()
            start, end = lines[position].start, lines[position].end
            yield ExceptionText("", message, start, end, tuple(frames))
            frames, in_traceback = [], False
        elif (placed := _PYTEST_PLACE.match(text.strip())) and placed["message"]:
            after = _message_end(lines, position)
            there = _make(placed["file"], placed["line"], None, "")
            yield _exception(lines, position, after, placed, [there])
            frames, in_traceback = [], False
        elif (frame := _frame(lines, position)) is not None:
            frames.append(frame)
            in_traceback = True
        elif last := _last_line(text, frames, in_traceback):
            end = _message_end(lines, position)
            after, place = _pytest_place(lines, end, last["name"])
            yield _exception(lines, position, end, last, [*frames, *place])
            frames, in_traceback = [], False


def _crash_frames(lines: Lines, position: int) -> tuple[int, list[Frame]]:
    """Where to go on below a crash, and the frames that faulthandler lists, outermost first."""
    frames: list[Frame] = []
    while position < len(lines):
        frame = _frame(lines, position)
        if frame is not None:
            frames.append(replace(frame, code=""))
        elif frames or not _CRASH_BETWEEN.match(lines[position].text):
            break
        position += 1
    return position, frames[::-1]


def _last_line(text: str, frames: Sequence[Frame], in_traceback: bool) -> re.Match[str] | None:
    stripped = text.strip()
    found = _LAST_LINE.match(stripped)
    if found and (in_traceback or found["message"] or stripped == "KeyboardInterrupt"):
        return found
    if frames and in_traceback and text[:1].strip():
        return _LAST_LINE_BARE.match(stripped)
    return None


# the beginning of a line that a logger wrote
_LOGGED = re.compile(r"\[?(?:\d{4}-\d\d-\d\d[T ]\d\d:\d\d|(?:DEBUG|INFO|WARNING|ERROR|CRITICAL)\b)")


def _message_end(lines: Lines, position: int) -> int:
    """Index after the last line of the message that starts at `position`."""
    end = position + 1
    while end < len(lines) and end - position < _MAX_MESSAGE_LINES:
        text = lines[end].text
        if not text.strip():
            if not _goes_on(lines, position, end):
                break
        elif (
            _starts_something_else(text)
            or _frame(lines, end) is not None
            or (_LOGGED.match(lines.rows[end]) and not _LOGGED.match(lines.rows[position]))
        ):
            break
        end += 1
    return end


def _goes_on(lines: Lines, position: int, empty: int) -> bool:
    """Whether a message that began at `position` goes on after the empty line: with an indented
    line, or because the line before ended with a colon: with what comes after one of its further
    lines ("… WeightsUnpickler error: "), with a list after the first (conda's "  - timm")."""
    following = lines[empty + 1].text if empty + 1 < len(lines) else ""
    if not following.strip() or _frame(lines, empty + 1) is not None:
        return False
    is_open = lines[empty - 1].text.endswith(":")
    if is_open and empty == position + 1:
        return following.startswith(("\t", "    ", "  - "))
    return following.startswith(("\t", "    ")) or (
        is_open and not _starts_something_else(following)
    )


def _pytest_place(lines: Lines, end: int, name: str) -> tuple[int, tuple[Frame, ...]]:
    """pytest names the place below the message, "test_shape.py:6: AssertionError": where to go
    on, and that frame."""
    for index in range(end, min(end + 3, len(lines))):
        found = _PYTEST_PLACE.match(lines[index].text.strip())
        if found and found["name"].rpartition(".")[2] == name.rpartition(".")[2]:
            code = _code_above(lines, index)
            return index + 1, (_make(found["file"], found["line"], None, code),)
    return end, ()


_NEW = re.compile(
    r"^(?:Traceback \(|The above exception|During handling of|Original Traceback|-{20,}|={10,}|"
    r"\+-[+-]|[\w.-]{0,40}[@:~][^ ]{0,80}[$#] |\$ |>>> |In \[\d|Process \w|"
    r"\w{3} \d\d \d\d:\d\d|[IWEF]\d{4} \d\d:\d\d:\d\d|"
    r"\S{1,40} exited with code \d|\"{3}$|Exception ignored |Exception in thread |"
    # what comes after a program: fences of a copy, exit codes, times, the launcher's own lines
    r"[`~]{3,}\w{0,12}$|</?pre>|\[Finished in \d|make(?:\[\d{1,3}\])?: \*\*\* |exit status \d|"
    r"srun: |slurmstepd: |wandb: |\[[IWEF]\d{3,4} \d\d:|real\s{1,9}\d{1,6}m[\d.]{1,9}s$|"
    r"(?:Segmentation fault|Aborted|Bus error|Illegal instruction|Killed)(?: \(core dumped\))?$|"
    r"\S{1,300}:\d{1,9}: \w{0,40}Warning: |[^|]{0,80}\d{1,3}%\||"
    r"Command (?:exited|terminated) |\[end of output\]|Task exception was never)"
)


def _starts_something_else(text: str) -> bool:
    stripped = text.strip()
    if _NEW.match(stripped) or prompt_end(stripped):
        return True
    if _HEAD in text or _PYTEST_PLACE.match(stripped):
        return True
    return not text.startswith((" ", "\t")) and bool(_LAST_LINE.match(text))


def _exception(
    lines: Lines,
    position: int,
    end: int,
    last: re.Match[str],
    frames: Sequence[Frame],
) -> ExceptionText:
    rest = [lines[at].text for at in range(position + 1, end)]
    message = "\n".join([last["message"] or "", *rest]).strip()
    return ExceptionText(
        name=last["name"],
        message=message,
        start=lines[position].start + last.start("name"),
        end=lines[end - 1].end,
        frames=tuple(frames),
    )


def _frame(lines: Lines, position: int) -> Frame | None:
    """The frame whose head stands at `position`, with its line of code, or None."""
    found = _frame_head(lines[position].text.strip())
    if found is None:
        return None
    if found.re is not _IPY_FRAME:
        above = found.re is _PYTEST_FRAME and not found["function"]
        code = _code_above(lines, position) if above else _code_below(lines, position)
        return _make(found["file"], found["line"], found["function"], code)
    file = found["file"] or found["cell"] or found["old"]
    number, code = _arrow_below(lines, position)
    code = code or (_code_below(lines, position) if not number else "")
    line = found["line"] or found["cline"] or number
    return _make(file, line, found["function"] or found["cfun"] or found["ofun"], code)


def _frame_head(text: str) -> re.Match[str] | None:
    """What Python, IPython, Rich or pytest print above a frame's line of code."""
    if text.startswith('File "') and (found := _FRAME.match(text)):
        return found
    return _IPY_FRAME.match(text) or _RICH_FRAME.match(text) or _PYTEST_FRAME.match(text)


def _make(file: str, line: str | None, function: str | None, code: str) -> Frame:
    own = not _LIBRARY.search(file)
    return Frame(file, int(line or 0), (function or "").strip(), code.strip()[:300], own)


def _code_below(lines: Lines, position: int) -> str:
    """The line below the head of a frame, if it is set in further than that."""
    if position + 1 >= len(lines):
        return ""
    code = lines[position + 1].text.strip()
    deeper = _column(lines, position + 1) > _column(lines, position)
    return code if deeper and not code.startswith('File "') else ""


def _column(lines: Lines, position: int) -> int:
    """Where in its row the text of a line begins."""
    line = lines[position]
    indent = len(line.text) - len(line.text.lstrip())
    return line.start + indent - (line.end - len(lines.rows[position]))


_MARKED = re.compile(r"^> {2,}\S")
_BELOW_MARKED = re.compile(r"^(?:E {2}|\s*[\^~ ]*$)")


def _code_above(lines: Lines, position: int) -> str:
    """The line of code that pytest marks with ">" above the message and the place."""
    place = lines[position]
    quoted = place.start - (place.end - len(lines.rows[position]))
    for at in range(position - 1, max(position - _MAX_MESSAGE_LINES, -1), -1):
        row = lines.rows[at][quoted:]
        if _MARKED.match(row):
            return row[1:].strip()
        if not _BELOW_MARKED.match(row):
            break
    return ""


def _arrow_below(lines: Lines, position: int) -> tuple[str | None, str]:
    for at in range(position + 1, min(position + 12, len(lines))):
        text = lines[at].text.strip()
        if found := _ARROW.match(text):
            return found["line"], found["code"]
        if not text:
            break
    return None, ""


def _inline(text: str) -> Iterable[ExceptionText]:
    """Messages in the middle of words, where there is no traceback."""
    for found in _INLINE.finditer(text):
        message = (found["message"] or "").strip()
        if message or found["name"].rpartition(".")[2].endswith(("Error", "Interrupt")):
            yield ExceptionText(found["name"], message, found.start(), found.end())
