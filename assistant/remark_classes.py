"""How many classes a text speaks of: said outright, in code, or by the name of a data set.

It refuses to know what the number is good for.
"""

from __future__ import annotations

import re

# "12 bread sorts", "10 kinds of traffic signs", "num_classes=37", "Linear(512, 10)"
_CLASSES = re.compile(
    r"\b(\d{1,4})[ -](?:[a-z]+ ){0,2}"
    r"(?:class(?:es)?|kinds?|sorts|types|species|categories|breeds)\b"
    r"|\bn(?:um)?_classes ?= ?(\d{1,4})|\bLinear\(\w{1,12}, ?(\d{1,4})\)",
    re.IGNORECASE,
)
_DATA_SETS = (
    (re.compile(r"\bcifar-?100\b", re.IGNORECASE), 100),
    (re.compile(r"\bcub-?200\b", re.IGNORECASE), 200),
    (re.compile(r"\b(?:cifar-?10|(?:fashion-?)?mnist)\b", re.IGNORECASE), 10),
    (re.compile(r"\b(?:cats?\W{1,5}(?:and |vs\.? )?dogs?|dogs?\W{1,5}(?:and |vs\.? )?cats?)\b",
                re.IGNORECASE), 2),
)  # fmt: skip


def find_classes(text: str) -> int:
    """How many classes the text speaks of, 0 if it does not say."""
    for found in _CLASSES.finditer(text):
        count = int(next(value for value in found.groups() if value))
        if 2 <= count <= 1000:
            return count
    return next((count for pattern, count in _DATA_SETS if pattern.search(text)), 0)
