"""Reads what a pickle says without doing it, inside a target.

A pickle is a program for a stack. Here it is followed with stand-ins: where it asks to import
something there comes a `Named`, where it asks to call something there comes a `Made` that remembers
what was to be called with what. Nothing is imported, called or built. Opcodes, time and bytes are
bounded. Refuses to know what the values are good for.
"""

import io
import pickletools
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

MOST_PICKLE_BYTES, MOST_OPCODES, PICKLE_SECONDS = 48 << 20, 600_000, 8.0
PICKLE_MARK = object()


class Named:
    """Something that the pickle would import."""

    def __init__(self, name: str) -> None:
        self.name = name


class Made:
    """Something that the pickle would build: by calling `maker` with `arguments`."""

    def __init__(self, maker: "Any", arguments: "Any" = ()) -> None:
        self.maker = maker
        self.arguments = arguments
        self.pairs: list[tuple[Any, Any]] = []  # what was set by key
        self.state: Any = None

    @property
    def name(self) -> str:
        """What would be called, '' if that is not a plain import."""
        return self.maker.name if isinstance(self.maker, Named) else ""


class PickleReader:
    """Follows pickles one by one; `names` are all that they would import, in order."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.names: dict[str, None] = {}

    def read(self, data: "io.BytesIO") -> "Any":
        """Follow one pickle, return its value, leave `data` behind it.

        Raises ValueError, IndexError or KeyError for what is damaged or too long.
        """
        self.stack, self.memo = [], {}
        end = time.monotonic() + PICKLE_SECONDS
        for count, (opcode, argument, _) in enumerate(pickletools.genops(data)):
            if count > MOST_OPCODES or (count % 4096 == 0 and time.monotonic() > end):
                raise ValueError("the pickle is longer than any model needs")
            if opcode.name == "STOP":
                return self.stack.pop()
            if opcode.name not in PICKLE_ACTIONS:
                raise ValueError(f"the pickle uses {opcode.name}, which no model needs")
            PICKLE_ACTIONS[opcode.name](self, argument)
        raise ValueError("the pickle has no end")

    def push(self, value: "Any") -> None:
        """One value on top."""
        self.stack.append(value)

    def take_marked(self) -> "list[Any]":
        """Take everything since the last mark off the stack. Raises IndexError if there is none."""
        values = []
        while self.stack[-1] is not PICKLE_MARK:
            values.append(self.stack.pop())
        self.stack.pop()
        return values[::-1]

    def join(self, count: int) -> None:
        """Make one tuple of the upper values."""
        self.stack[-count:] = [tuple(self.stack[-count:])]

    def import_name(self, *parts: "Any") -> Named:
        """Note what would be imported; anything but texts is '?'."""
        name = ".".join(part[:200] if isinstance(part, str) else "?" for part in parts)
        self.names[name] = None
        return Named(name)

    def import_from_stack(self) -> None:
        """The module and the name lie on the stack."""
        name, module = self.stack.pop(), self.stack.pop()
        self.push(self.import_name(module, name))

    def call(self) -> None:
        """The function and its arguments lie on the stack."""
        arguments, maker = self.stack.pop(), self.stack.pop()
        self.push(Made(maker, arguments))

    def call_with_keywords(self) -> None:
        """Arguments by name lie above; they are left out."""
        self.stack.pop()
        self.call()

    def call_marked(self, maker: "Any", arguments: "list[Any]") -> None:
        """Old forms of a call."""
        self.push(Made(maker, tuple(arguments)))

    def fill_dict(self, values: "list[Any]") -> None:
        """Key, value, key, value … for what lies on top."""
        if isinstance(self.stack[-1], Made):
            self.stack[-1].pairs.extend(zip(values[::2], values[1::2]))

    def fill_list(self, values: "list[Any]") -> None:
        """More values for the list on top."""
        if isinstance(self.stack[-1], list):
            self.stack[-1].extend(values)

    def set_state(self, state: "Any") -> None:
        """The attributes of what lies on top."""
        if isinstance(self.stack[-1], Made):
            self.stack[-1].state = state

    def start_dict(self, values: "list[Any]") -> None:
        """A dictionary on top."""
        self.push(Made(Named("dict")))
        self.fill_dict(values)


def take_two(reader: PickleReader) -> "list[Any]":
    """Key and value from the stack."""
    value, key = reader.stack.pop(), reader.stack.pop()
    return [key, value]


def split_name(argument: "Any") -> "list[str]":
    """'collections OrderedDict' as pickletools gives it."""
    return str(argument).split(" ", 1)


def remember(reader: PickleReader, place: "Any") -> None:
    """Keep the top value under a number."""
    reader.memo[int(place)] = reader.stack[-1]


CONSTANT_OPCODES = (
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING",
    "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8",
    "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8",
)  # fmt: skip
PICKLE_ACTIONS: "dict[str, Callable[[PickleReader, Any], Any]]" = {
    **dict.fromkeys(CONSTANT_OPCODES, lambda r, a: r.push(a)),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), remember),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), lambda r, a: r.push(r.memo[int(a)])),
    "PROTO": lambda r, a: None,
    "FRAME": lambda r, a: None,
    "MARK": lambda r, a: r.push(PICKLE_MARK),
    "POP": lambda r, a: r.stack.pop(),
    "POP_MARK": lambda r, a: r.take_marked(),
    "DUP": lambda r, a: r.push(r.stack[-1]),
    "NONE": lambda r, a: r.push(None),
    "NEWTRUE": lambda r, a: r.push(True),
    "NEWFALSE": lambda r, a: r.push(False),
    "EMPTY_LIST": lambda r, a: r.push([]),
    "EMPTY_SET": lambda r, a: r.push([]),
    "EMPTY_TUPLE": lambda r, a: r.push(()),
    "EMPTY_DICT": lambda r, a: r.start_dict([]),
    "LIST": lambda r, a: r.push(r.take_marked()),
    "FROZENSET": lambda r, a: r.push(r.take_marked()),
    "TUPLE": lambda r, a: r.push(tuple(r.take_marked())),
    "TUPLE1": lambda r, a: r.join(1),
    "TUPLE2": lambda r, a: r.join(2),
    "TUPLE3": lambda r, a: r.join(3),
    "DICT": lambda r, a: r.start_dict(r.take_marked()),
    "APPEND": lambda r, a: r.fill_list([r.stack.pop()]),
    "APPENDS": lambda r, a: r.fill_list(r.take_marked()),
    "ADDITEMS": lambda r, a: r.fill_list(r.take_marked()),
    "SETITEM": lambda r, a: r.fill_dict(take_two(r)),
    "SETITEMS": lambda r, a: r.fill_dict(r.take_marked()),
    "GLOBAL": lambda r, a: r.push(r.import_name(*split_name(a))),
    "STACK_GLOBAL": lambda r, a: r.import_from_stack(),
    "INST": lambda r, a: r.call_marked(r.import_name(*split_name(a)), r.take_marked()),
    "OBJ": lambda r, a: r.call_marked(None, r.take_marked()),
    "REDUCE": lambda r, a: r.call(),
    "NEWOBJ": lambda r, a: r.call(),
    "NEWOBJ_EX": lambda r, a: r.call_with_keywords(),
    "BUILD": lambda r, a: r.set_state(r.stack.pop()),
    "PERSID": lambda r, a: r.push(Made(Named("storage"), (a,))),
    "BINPERSID": lambda r, a: r.push(Made(Named("storage"), r.stack.pop())),
    "MEMOIZE": lambda r, a: remember(r, len(r.memo)),
}
