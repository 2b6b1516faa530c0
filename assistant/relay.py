"""Passes a program's output and our own signals on at once, and keeps the last bytes of the output.

A stream of ours that is a terminal is a terminal for the program too (a pseudo-terminal whose bytes
are not changed); any other is a pipe. Two streams of ours that are the same file stay one, so that
their order is kept. It refuses to know which program runs and why.

Not kept as it was: the pseudo-terminal is not the program's controlling one (that stays the real
one, and so does its input); what a background process writes after the program has ended is lost.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import selectors
import signal
import termios
import threading
import tty
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

_BLOCK = 65536
_LOOK = 0.1  # seconds between two looks whether the program has ended
_KEPT = 128 * 1024  # last bytes of each stream
_TORN = 4096  # longest first line that is left out whole
_PASSED_ON = frozenset(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGWINCH")
    if hasattr(signal, name)
)
_ENDING = frozenset({"SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"})


@dataclass(slots=True)
class Channel:
    """One way out: `given` is the program's end, `source` ours, `target` our own stream."""

    target: int
    source: int
    given: int
    is_terminal: bool
    tail: bytearray = field(default_factory=bytearray)

    def resize(self) -> None:
        """Give the program's terminal the size of ours."""
        if self.is_terminal:
            with contextlib.suppress(termios.error, OSError):
                termios.tcsetwinsize(self.source, termios.tcgetwinsize(self.target))

    def keep(self, block: bytes) -> None:
        """Remember the last bytes; never much more than is kept."""
        self.tail += block
        if len(self.tail) > 2 * _KEPT:
            del self.tail[:-_KEPT]


def open_channels() -> tuple[Channel, ...]:
    """One channel for our standard output and one for our standard error, or one for both.

    () if these streams are closed: then the program gets what we have. Raises nothing.
    """
    try:
        same = os.path.samestat(os.fstat(1), os.fstat(2))
        return (_open_channel(1),) if same else (_open_channel(1), _open_channel(2))
    except (OSError, termios.error):
        return ()


def close_channels(channels: tuple[Channel, ...]) -> None:
    """Give channels back that no program was started with."""
    for channel in channels:
        os.close(channel.given)
        os.close(channel.source)


def relay(channels: tuple[Channel, ...], *, is_over: Callable[[], bool]) -> None:
    """Pass output on until all of it is closed, or the program is over and nothing is left."""
    with selectors.DefaultSelector() as streams:
        for channel in channels:
            os.close(channel.given)
            streams.register(channel.source, selectors.EVENT_READ, channel)
        while streams.get_map():
            over = is_over()
            ready = streams.select(timeout=0 if over else _LOOK)
            if over and not ready:
                break
            for key, _ in ready:
                if not _pass_block(key.data):
                    streams.unregister(key.fileobj)
                    os.close(key.fd)
        for key in list(streams.get_map().values()):
            os.close(key.fd)


def read_tail(channels: tuple[Channel, ...]) -> bytes:
    """The last bytes of standard output, then those of standard error.

    What the cut may have torn is left out: half a secret would not be recognised as one.
    """
    parts = []
    for channel in channels:
        part = bytes(channel.tail[-_KEPT:])
        if len(channel.tail) > _KEPT:
            end = part.find(b"\n", 0, _TORN)
            part = part[end + 1 if end >= 0 else _TORN :]
        parts.append(part)
    return b"\n".join(part for part in parts if part)


@contextlib.contextmanager
def signals_held() -> Iterator[Callable[[], None]]:
    """While this lasts our signals wait for `signals_passed`; yields what undoes it in a child."""
    if not hasattr(signal, "sigtimedwait"):  # not Linux: the terminal itself tells the program
        old = signal.signal(signal.SIGINT, lambda number, frame: None)
        try:
            yield lambda: None
        finally:
            signal.signal(signal.SIGINT, old)
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED_ON)
    try:
        yield lambda: _set_mask(before)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def signals_passed(pid: int, channels: tuple[Channel, ...]) -> Iterator[set[int]]:
    """Pass signals on to the program `pid` while this lasts; yields the set of those that came.

    What the terminal sends (Ctrl-C) has reached the program already: it is in our process group.
    A second one could break its clean-up, so only what was sent to us alone is passed on.
    """
    came: set[int] = set()
    over = threading.Event()

    def wait() -> None:
        while not over.is_set():
            info = signal.sigtimedwait(_PASSED_ON, _LOOK)
            if info is None:
                continue
            came.add(info.si_signo)
            resized = info.si_signo == signal.SIGWINCH
            for channel in channels if resized else ():
                channel.resize()
            if info.si_code <= 0 or resized:  # SI_USER and the like: sent by a process
                with contextlib.suppress(OSError):
                    os.kill(pid, info.si_signo)

    thread = threading.Thread(target=wait, name="signals", daemon=True)
    if hasattr(signal, "sigtimedwait"):
        thread.start()
    try:
        yield came
    finally:
        over.set()
        if thread.is_alive():
            thread.join()


def is_asked_to_end(came: set[int]) -> bool:
    """Whether somebody told the program to end."""
    return any(signal.Signals(number).name in _ENDING for number in came)


def _set_mask(mask: set[signal.Signals | int]) -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _open_channel(target: int) -> Channel:
    is_terminal = os.isatty(target)
    if not is_terminal:
        source, given = os.pipe()
        return Channel(target, source, given, is_terminal)
    source, given = os.openpty()
    tty.setraw(given)  # our own terminal does to the bytes what a terminal does, once
    channel = Channel(target, source, given, is_terminal)
    channel.resize()
    return channel


def _pass_block(channel: Channel) -> bool:
    """Read a block and write it; False when either side is closed."""
    try:
        block = os.read(channel.source, _BLOCK)
    except OSError as error:  # EIO: all who had the pseudo-terminal have closed it
        if error.errno != errno.EIO:
            raise
        return False
    channel.keep(block)
    return bool(block) and _write(channel.target, block)


def _write(target: int, block: bytes) -> bool:
    left = memoryview(block)
    while left:
        try:
            left = left[os.write(target, left) :]
        except BlockingIOError:  # somebody who shares our stream made it non-blocking
            select.select([], [target], [])
        except OSError:  # nobody reads us any more: closing our end tells the program
            return False
    return True
