"""What all commands share: the app, common options, settings, the one rim for failures.

Exit codes: 0 answered, 1 no entry matches, 2 usage or configuration, 3 failure. It refuses to know
any command.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assistant import __version__
from assistant.errors import AssistantError
from assistant.render import strip_controls

if TYPE_CHECKING:
    from assistant.settings import Settings

app = typer.Typer(
    name="assistant",
    help="From an error on the screen to a fix that works, on your own machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

GuideOption = Annotated[
    list[str] | None,
    typer.Option(
        "--guide",
        "-g",
        help="Guide file or folder, also several; 'builtin' adds the shipped ones.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
TargetOption = Annotated[
    str | None, typer.Option("--target", help="Name of the Python to look at (see targets).")
]


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Print the version when asked."""
    if version:
        print(f"assistant {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command line; every expected failure is one clear message and an exit code."""
    try:
        code = app(standalone_mode=False)  # click returns the code of an Exit, or None
        sys.exit(code if isinstance(code, int) else 0)
    except AssistantError as error:
        _fail(error)
    except typer.Exit as leave:
        sys.exit(leave.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        print("Stopped.", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:  # the rim of the command line: no traceback in a learner's face
        shown = getattr(error, "format_message", None)
        if shown is not None:  # click's usage errors
            print(f"{shown()}\nTry: assistant --help", file=sys.stderr)
            sys.exit(2)
        if os.environ.get("ASSISTANT_DEBUG"):
            raise
        print(
            f"Something inside the assistant went wrong ({type(error).__name__}). Your text is not "
            "lost; run the same command with ASSISTANT_DEBUG=1 to see where.",
            file=sys.stderr,
        )
        sys.exit(3)


# --- what the commands share -----------------------------------------------------------------


def read_settings(**arguments: Any) -> Settings:
    """Settings with these arguments on top. Raises SettingsError."""
    from assistant.settings import load_settings

    if arguments.get("guide") is not None:
        arguments["guide"] = tuple(arguments["guide"])
    return load_settings(**arguments)


def _fail(error: AssistantError) -> None:
    print(strip_controls(f"{error.message}\n{error.hint}".strip()), file=sys.stderr)
    leave(error.exit_code)


def leave(code: int) -> None:
    """End at once: threads of model libraries may still hold the interpreter."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
