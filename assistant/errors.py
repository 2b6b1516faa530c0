"""The tree of errors that this product raises. It knows nothing else of the product.

AssistantError            base: a message (what happened, what it means), a hint (what to do)
├── UsageError            exit 2: asked for in a way that cannot be done; nothing was tried
│   ├── SettingsError     a setting has a value that cannot work
│   ├── GuideError        a guide is missing, empty or not readable as Markdown text
│   └── InputError        a pasted text or a file cannot be read
└── FailureError          exit 3: it was tried and did not work
    ├── CacheError        the cache folder cannot be written or read
    ├── EncoderError      the sentence encoder cannot be loaded
    ├── BackendError      the language model cannot be loaded or stopped working
    │   └── BackendBusyError   too many readers are waiting for the model
    ├── ProcessError      a process could not be started
    └── ServeError        the web server cannot start (port in use, …)
"""

from __future__ import annotations


class AssistantError(Exception):
    """Base of all errors of this product.

    `message` says what happened and what it means; `hint` says what to do next. Both are plain
    text for a learner, without secrets and without a traceback.
    """

    exit_code = 3

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class UsageError(AssistantError):
    """Asked for in a way that cannot be done (exit code 2)."""

    exit_code = 2


class SettingsError(UsageError):
    """A setting has a value that cannot work."""


class GuideError(UsageError):
    """A guide is missing, empty or not readable as Markdown text."""


class InputError(UsageError):
    """A pasted text or a file cannot be read."""


class FailureError(AssistantError):
    """It was tried and did not work (exit code 3)."""


class CacheError(FailureError):
    """The cache folder cannot be written or read."""


class EncoderError(FailureError):
    """The sentence encoder cannot be loaded."""


class BackendError(FailureError):
    """The language model cannot be loaded or stopped working."""


class BackendBusyError(BackendError):
    """Too many readers are already waiting for the language model."""


class ProcessError(FailureError):
    """A process could not be started at all."""


class ServeError(FailureError):
    """The web server cannot start."""
