"""No regex of the reading rooms takes more than linear time, whatever it is given.

Each is run over tricky pieces repeated to 12,000 characters. One that takes long must take at most
about four times as long as on 3,000; a quadratic one takes sixteen times.
"""

from __future__ import annotations

import re
import time
from types import ModuleType

import pytest

from assistant import (
    condense,
    facts,
    inputs,
    lines,
    reading,
    redact,
    screen_text,
    tracebacks,
    unwrap,
)

LONG, SHORT = 12_000, 3_000
FAST = 0.03  # seconds of the processor: nothing quadratic is done by then
MOST = 9.0  # times as long for four times the text

MODULES: tuple[ModuleType, ...] = (
    condense,
    facts,
    inputs,
    lines,
    reading,
    redact,
    screen_text,
    tracebacks,
    unwrap,
)


def patterns(module: ModuleType) -> list[re.Pattern[str]]:
    """Every compiled pattern at the top of the module, in rows and dictionaries too."""
    found: list[re.Pattern[str]] = []

    def collect(value: object) -> None:
        if isinstance(value, re.Pattern):
            found.append(value)
        elif isinstance(value, (tuple, list, frozenset)):
            for part in value:
                collect(part)
        elif hasattr(value, "pattern"):
            collect(value.pattern)

    for value in vars(module).values():
        collect(value)
    # tried at one place only, and given up at the first failure
    found = [pattern for pattern in found if pattern is not inputs._STRING]
    return [pattern for pattern in dict.fromkeys(found) if isinstance(pattern.pattern, str)]


PIECES = (
    *("a", "A", "0", "l", "_", "-", ".", "/", ":", "=", " ", "\t", "\n", "'", '"', "\\", "<", ">"),
    *(
        "^",
        "~",
        "`",
        "(",
        "[",
        "{",
        "|",
        "│",
        "·",
        "\x1b",
        "\x1b[",
        "\x1b]",
        "[31m",
        "[0;",
        "\u0301",
    ),
    *(
        "a.",
        "a_",
        "a-",
        "a/",
        "a:",
        "a=",
        "a ",
        "a,",
        "a@",
        "1 ",
        "1.",
        "1, ",
        "1x",
        "A0 ",
        "\n ",
        ". ",
    ),
    *(
        "> ",
        ">>",
        "E   ",
        "| ",
        "x | ",
        "[rank0]: ",
        "(a pid=1) ",
        "2026-11-20 10:11:12,123 ",
        "INFO ",
    ),
    *(
        'File "',
        'File "a.py", line 1',
        '  File "a.py"\n',
        "Cell In[1]",
        "---> 1 ",
        "a.py:1: ",
        "/a.py:1 in ",
    ),
    *(
        "Error",
        "Error: ",
        "aError",
        "a.Error: ",
        "Exception ignored ",
        "Traceback (most recent call last)",
    ),
    *("what is you ", "do you store ", "epoch 1", "1: 1x1 ", "Process ", "Fatal Python error: "),
    *(
        "password=",
        "password=a,",
        "my password is ",
        "token=",
        "token ",
        "A_TOKEN=",
        "api_key: ",
        "--token ",
    ),
    *(
        "eyJ",
        "eyJaaaaaaaa.",
        "sk-",
        "hf_",
        "a://",
        "a://b:",
        "https://",
        "https://aaaaaaaaaaaaaaaaaaaaa",
    ),
    *(
        "authorization: ",
        "Bearer ",
        "Cookie: ",
        "cookies={",
        "?key=",
        "sig=",
        "123456789:AA",
        "gsk_",
    ),
    *(
        "-----BEGIN PRIVATE KEY-----",
        "Private-Lines: 1\n",
        "AGE-SECRET-KEY-1",
        "kaggle ",
        "kaggle key ",
        "wandb ",
    ),
    *(
        "curl ",
        "curl -u ",
        "curl -u a:",
        "docker login ",
        "docker login -p ",
        "mysql ",
        "mysql -p",
        "echo a | ",
    ),
    *(
        "machine a login b ",
        "redis-cli -a ",
        "sshpass -p ",
        "Roboflow('",
        "Passwort: ",
        '{"key": "',
        "\\n",
    ),
    *(
        "No module named ",
        "size mismatch for a",
        "Missing key(s) in state_dict: ",
        '"a.b", ',
        "torch.Size([",
    ),
    *(
        "Input type (a) and ",
        "to have the same dtype, but got: ",
        "query.dtype: a key.dtype: ",
        "but found ",
    ),
    *(
        "Expected size 1",
        "tensor a (1) ",
        "weight of size [1, ",
        "shape '[1, ",
        "index 1 is out of bounds for ",
    ),
    *(
        "Tried to allocate 1 ",
        "1.5 GiB ",
        "1 GiB total capacity; ",
        "shared memory object <a>",
        "Bind for 1:1",
    ),
    *(
        "PackagesNotFoundError: ",
        "PackagesNotFoundError: a\n\n",
        "a: command not found",
        "sh: 1: ",
        "liba.so",
    ),
    *(
        "ConnectionPool(host='",
        "for url: https://a",
        "gated repo for url https://a/",
        "a/b is ",
        "a/b",
    ),
    *(
        "cannot import name 'a' from '",
        "'a' object has ",
        "module 'a",
        "imread_('",
        "can't open file '",
    ),
    *('"traceback": [', '"a", ', '"\\', "AAA", "AAA ", "1ine 1", "In [l]", "No  module  "),
)


def seconds(pattern: re.Pattern[str], text: str) -> float:
    started = time.process_time()
    for _ in pattern.finditer(text):
        pass
    pattern.match(text)
    return time.process_time() - started


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_every_pattern_is_linear(module: ModuleType) -> None:
    slow = []
    assert patterns(module)
    for pattern in patterns(module):
        for piece in PIECES:
            text = f"x {piece * (LONG // len(piece))}"
            if seconds(pattern, text) <= FAST:
                continue
            long = min(seconds(pattern, text) for _ in range(2))
            short = min(seconds(pattern, text[:SHORT]) for _ in range(3))
            if long > FAST and long > MOST * short:
                slow.append((pattern.pattern[:60], piece, round(short, 4), round(long, 4)))
    assert slow == []


def test_the_measure_finds_a_quadratic_pattern() -> None:
    quadratic = re.compile(r"a+b")
    long, short = (min(seconds(quadratic, "a" * n) for _ in range(3)) for n in (LONG, SHORT))
    assert long > FAST
    assert long > MOST * short
