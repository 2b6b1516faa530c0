"""The only file that starts a process: argv, environment, limits → result.

What it protects: no shell is ever involved; nothing is inherited but what is passed in; output,
time, resident memory and number of processes are limited; when the program ends or a limit is
reached, every descendant is killed, those that left the process group too (`supervisor.py`).

What escapes: work that another service is asked to do (systemd, docker, cron); on systems without
/proc and subreapers (not Linux), descendants that left the process group; a program that kills its
keeper, for children it starts between two looks at the process table, a tenth of a second apart;
programs of another user (setuid). Memory is summed over processes, so shared pages count more than
once; memory on the GPU, and what is taken between two looks, is not seen. It is no sandbox: the
program reads and writes what its user may. A fork bomb in one group ends in seconds; one whose
every child leaves the group is ended too, but held two cores busy for a minute.

`run_through` is for a command that a person typed: it runs unchanged and unprotected, as it would
without us.

It refuses to know what is run and why: what may be run is decided by its callers.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NoReturn

from assistant import relay, supervisor
from assistant.errors import ProcessError

_KEEPER = (sys.executable, "-I", "-S", "-B", supervisor.__file__)
_LOOK = 0.1  # seconds between two looks at the process tree
_FAREWELL = 3.0  # seconds that the keeper gets to end everything before we do it ourselves
_BLOCK = 65536

# What a program needs to find its libraries, its device and its language.
_KEPT_NAME = re.compile(
    r"PATH|LANG|LANGUAGE|LC_\w+|TZ|USER|LOGNAME|LD_LIBRARY_PATH|PYTHONUSERBASE"
    r"|(?:CUDA|NVIDIA|PYTORCH|OMP|MKL)_\w+"
)
# MY_API_KEY, HF_TOKEN, NVIDIA_API_KEY, GITHUB_PAT, AWS_SECRET_ACCESS_KEY, DB_PASSWORD
_SECRET_NAME = re.compile(
    r"TOKEN|KEY|SECRET|PASS|CREDENTIAL|AUTH|COOKIE|SESSION|(?:^|_)PAT(?:_|$)"
    r"|^(?:HF|HUGGING\w*|OPENAI|ANTHROPIC|AWS|AZURE|GOOGLE|WANDB|KAGGLE|GITHUB|GH)_",
    re.IGNORECASE,
)
_HOME_NAMES = (
    "HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME",
    "YOLO_CONFIG_DIR", "MPLCONFIGDIR", "TORCH_HOME", "HF_HOME", "TRITON_CACHE_DIR",
    "TORCHINDUCTOR_CACHE_DIR", "CUDA_CACHE_PATH",
)  # fmt: skip
_SWITCHES = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1", "YOLO_AUTOINSTALL": "false"}

Stop = Literal["", "time", "output", "memory", "processes"]


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a program may take. Reaching any of them ends it and its descendants.

    `output_bytes` counts for stdout and stderr each; `memory_bytes` is resident memory of the
    whole tree (None: unwatched); `file_bytes` is the largest file it may write (None: unlimited).
    """

    seconds: float
    output_bytes: int = 1_000_000
    memory_bytes: int | None = None
    processes: int = 512
    file_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class ProcessResult:
    """How a program ended. `returncode` is negative for a signal, None if it was ended by us
    or its end could not be seen; output is decoded as UTF-8 with replacement and cut at the cap."""

    argv: tuple[str, ...]
    returncode: int | None
    stdout: str
    stderr: str
    timed_out: bool
    truncated: bool
    killed_for_memory: bool
    killed_for_processes: bool
    seconds: float


def run_process(
    argv: Sequence[str],
    *,
    environment: Mapping[str, str],
    limits: Limits,
    stdin: bytes = b"",
    cwd: Path | None = None,
) -> ProcessResult:
    """Run a program to its end, or to a limit, and return what it printed.

    `argv[0]` is a path or a name on the PATH of `environment`; `stdin` is fed to it, and empty
    means no input. Raises ProcessError only if the program cannot be started at all.
    """
    program = _find_program(argv, environment=environment)
    order: dict[str, object] = {"argv": [program, *argv], "environment": dict(environment)}
    order["file_bytes"] = limits.file_bytes
    started = time.monotonic()
    handles = _start_keeper(order, environment=environment, stdin=stdin, cwd=cwd)
    run = _Run(*handles, limits=limits, deadline=started + limits.seconds)
    try:
        run.follow()
    finally:
        run.finish()
    ending = _read_ending(bytes(run.report_text), program=program)
    return ProcessResult(
        argv=tuple(argv),
        returncode=None if run.stop else ending,
        stdout=run.output[1].decode(errors="replace"),
        stderr=run.output[2].decode(errors="replace"),
        timed_out=run.stop == "time",
        truncated=run.stop == "output",
        killed_for_memory=run.stop == "memory",
        killed_for_processes=run.stop == "processes",
        seconds=time.monotonic() - started,
    )


def scrubbed_environment(base: Mapping[str, str], *, home: Path) -> dict[str, str]:
    """Return what a program of the learner's Python needs of `base`, and no secret.

    Only listed names are kept, and of those none that looks like a secret. HOME, caches and
    settings folders become `home`, so that nothing is written elsewhere; PYTHONUSERBASE still
    points to the real user's packages, so that the program sees what the learner's programs see.
    """
    kept = {
        name: value
        for name, value in base.items()
        if _KEPT_NAME.fullmatch(name) and not _SECRET_NAME.search(name)
    }
    real_home = base.get("HOME", "")
    if "PYTHONUSERBASE" not in kept and real_home:
        kept["PYTHONUSERBASE"] = os.path.join(real_home, ".local")
    return kept | dict.fromkeys(_HOME_NAMES, str(home)) | _SWITCHES


@dataclass(frozen=True, slots=True)
class Passage:
    """How a command ended that was run through us: its `returncode` (negative for a signal), the
    last bytes of its output, whether somebody told it to end, and why it could not be started."""

    returncode: int
    tail: bytes = b""
    asked_to_end: bool = False
    refused: str = ""


def run_through(argv: Sequence[str]) -> Passage:
    """Run a command with our own streams, folder, environment and terminal, output shown at once.

    Signals that are sent to us reach it; memory stays bounded however much it writes. A command
    that cannot be started gives the exit code of a shell: 127 if it is not there, else 126.
    """
    channels = relay.open_channels()
    streams = (channels[0].given, channels[-1].given) if channels else (None, None)
    with relay.signals_held() as release:
        try:
            program = subprocess.Popen(
                argv, stdout=streams[0], stderr=streams[1], close_fds=False, preexec_fn=release
            )
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            relay.close_channels(channels)
            said = f"{argv[0]}: {getattr(error, 'strerror', None) or error}"
            return Passage(127 if isinstance(error, FileNotFoundError) else 126, refused=said)
        with relay.signals_passed(program.pid, channels) as came:
            relay.relay(channels, is_over=lambda: program.poll() is not None)
            returncode = program.wait()
    return Passage(returncode, relay.read_tail(channels), relay.is_asked_to_end(came))


def end_like(returncode: int) -> NoReturn:
    """End this process as that one ended: by the same signal, or with the same exit code."""
    if returncode < 0:
        with contextlib.suppress(ImportError, OSError, ValueError):
            import resource

            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the core would be ours
        with contextlib.suppress(OSError, ValueError):
            signal.signal(-returncode, signal.SIG_DFL)
        os.kill(os.getpid(), -returncode)
    os._exit(128 - returncode if returncode < 0 else returncode)


@dataclass(slots=True)
class _Run:
    """A running program: its streams, what was read so far, and why it was stopped."""

    keeper: subprocess.Popen[bytes]
    control: int
    report: int
    limits: Limits = field(kw_only=True)
    deadline: float = field(kw_only=True)
    stop: Stop = ""
    output: dict[int, bytearray] = field(default_factory=lambda: {1: bytearray(), 2: bytearray()})
    report_text: bytearray = field(default_factory=bytearray)
    seen: dict[int, supervisor.Process] = field(default_factory=dict)
    next_look: float = 0.0

    def follow(self) -> None:
        """Read until all streams are closed, watching the limits."""
        with selectors.DefaultSelector() as streams:
            for stream, name in ((self.keeper.stdout, 1), (self.keeper.stderr, 2)):
                if stream is not None:
                    streams.register(stream, selectors.EVENT_READ, name)
            streams.register(self.report, selectors.EVENT_READ, "report")
            while streams.get_map():
                for key, _ in streams.select(timeout=_LOOK):
                    if not self._read(key):
                        streams.unregister(key.fileobj)
                self._watch()
                if self.stop and time.monotonic() > self.deadline + _FAREWELL:
                    return

    def finish(self) -> None:
        """End whatever is left, in every case, and close our ends of the pipes."""
        self._close_control()
        try:
            self.keeper.wait(timeout=_FAREWELL)
        except subprocess.TimeoutExpired:
            supervisor.end_descendants(self.keeper.pid)
            self.keeper.kill()
            self.keeper.wait()
        self._kill_seen()
        os.close(self.report)
        for stream in filter(None, (self.keeper.stdout, self.keeper.stderr)):
            stream.close()

    def _read(self, key: selectors.SelectorKey) -> bool:
        """Read a block; False at the end of the stream. What exceeds the cap is thrown away."""
        block = os.read(key.fd, _BLOCK)
        if key.data == "report":
            self.report_text += block
            if not self.report_text:  # the keeper died: somebody killed it
                self._kill_seen()
            return bool(block)
        kept = self.output[key.data]
        room = self.limits.output_bytes - len(kept)
        kept += block[:room]
        if len(block) > room:
            self._end("output")
        return bool(block)

    def _watch(self) -> None:
        now = time.monotonic()
        if now >= self.deadline:
            self._end("time")
        if now < self.next_look or self.stop:
            return
        tree = supervisor.descendants(self.keeper.pid)
        self.seen |= {process.pid: process for process in tree}
        self.next_look = now + max(_LOOK, 5 * (time.monotonic() - now))
        memory = sum(process.pages for process in tree) * os.sysconf("SC_PAGE_SIZE")
        if self.limits.memory_bytes is not None and memory > self.limits.memory_bytes:
            self._end("memory")
        if len(tree) > self.limits.processes:
            self._end("processes")

    def _end(self, reason: Stop) -> None:
        """Tell the keeper to end the program; the streams then close by themselves."""
        if self.stop:
            return
        self.stop = reason
        self.deadline = time.monotonic()
        self._close_control()
        self.keeper.send_signal(signal.SIGCONT)  # in case that the program froze it

    def _kill_seen(self) -> None:
        """Kill what was seen in the tree; it is dead already unless the keeper was killed."""
        for process in self.seen.values():
            supervisor.send_signal(process, signal.SIGKILL)

    def _close_control(self) -> None:
        if self.control >= 0:
            os.close(self.control)
            self.control = -1


def _find_program(argv: Sequence[str], *, environment: Mapping[str, str]) -> str:
    """Return the path of the program, or raise ProcessError for what cannot be started."""
    words = [*argv, *environment, *environment.values()]
    if not argv or not argv[0] or any("\0" in word for word in words):
        raise ProcessError("A program cannot be started from an empty or broken command.")
    program = shutil.which(argv[0], path=environment.get("PATH", os.defpath))
    if program is None:
        raise ProcessError(
            f"The program {argv[0]} is not on this machine, or may not be executed.",
            hint="Check its path, and whether it is installed.",
        )
    return os.path.abspath(program)


def _start_keeper(
    order: Mapping[str, object], *, environment: Mapping[str, str], stdin: bytes, cwd: Path | None
) -> tuple[subprocess.Popen[bytes], int, int]:
    """Start the keeper, hand it the order, and return it with our ends of the two pipes."""
    control_read, control_write = os.pipe()
    report_read, report_write = os.pipe()
    try:
        with tempfile.TemporaryFile() as given:
            given.write(stdin)
            given.seek(0)
            keeper = subprocess.Popen(
                (*_KEEPER, str(control_read), str(report_write)),
                stdin=given if stdin else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                cwd=cwd,
                env={k: v for k, v in environment.items() if k == "LD_LIBRARY_PATH"},
                pass_fds=(control_read, report_write),
                start_new_session=True,
            )
    except (OSError, ValueError) as error:
        os.close(control_write)
        os.close(report_read)
        raise ProcessError(f"A process could not be started: {error}.") from error
    finally:
        os.close(control_read)
        os.close(report_write)
    with contextlib.suppress(OSError), open(control_write, "wb", closefd=False) as pipe:
        pipe.write(json.dumps(order).encode() + b"\n")
    return keeper, control_write, report_read


def _read_ending(report: bytes, *, program: str) -> int | None:
    """Read the exit code from the keeper's report; None if it wrote none."""
    value = json.loads(report or b"{}")
    if "refused" in value:
        raise ProcessError(
            f"The program {program} could not be started: {value['refused']}.",
            hint="Check that the file can be executed on this kind of machine.",
        )
    return value.get("status")  # type: ignore[no-any-return]
