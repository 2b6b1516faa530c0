"""Row `jupyter`, inside a target: which Jupyter servers and kernels this user runs, and with what.

Reads Jupyter's runtime files and /proc. The files hold tokens and keys: only pid, port and folder
are taken out of them. Of a command line only the interpreter is kept. Refuses to speak to a server,
and to end anything.
"""

import json
import os
import re
import sys
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from assistant.probes.inside.shared import Document, guarded, read_text

MOST_RUNTIME_FILES = 300
MOST_PROCESSES = 20000
SERVER_FILE = re.compile(r"(?:jpserver|nbserver)-(\d+)\.json$")
KERNEL_FILE = re.compile(r"kernel-[\w.-]{1,80}\.json$")


def collect_jupyter(order: "Mapping[str, Any]") -> "Document":
    """Servers and kernels that run, and runtime files that no process belongs to."""
    variables = order.get("variables") or {}
    home = str(order["home"])
    folder = str(
        variables.get("JUPYTER_RUNTIME_DIR")
        or os.path.join(
            str(variables.get("JUPYTER_DATA_DIR") or os.path.join(home, ".local/share/jupyter")),
            "runtime",
        )
    )
    names = guarded(lambda: sorted(os.listdir(folder))[:MOST_RUNTIME_FILES])
    names = names if isinstance(names, list) else []
    kernels = guarded(find_kernel_processes)
    kernels = kernels if isinstance(kernels, list) else []
    alive = {row["file"] for row in kernels}
    files = [name for name in names if KERNEL_FILE.match(name)]
    return {
        "executable": sys.executable,
        "folder": folder,
        "found": os.path.isdir(folder),
        "proc": os.path.isdir("/proc/self"),
        "servers": [
            guarded(partial(read_server, folder, name)) for name in names if SERVER_FILE.match(name)
        ],
        "kernels": kernels,
        "left_over": [name for name in files if name not in alive],
    }


def read_server(folder: str, name: str) -> "Document":
    """One server: its process, port and folder; no token, no address with one in it."""
    path = os.path.join(folder, name)
    if not os.path.isfile(path):
        raise ValueError("it is no file")
    value = json.loads(read_text(path))
    found = SERVER_FILE.match(name)
    pid = int(found.group(1)) if found else 0
    words = read_command(pid)
    alive = any(re.search(r"jupyter|notebook|ipython", word) for word in words[:3])
    root = value.get("root_dir") or value.get("notebook_dir") or ""
    row = {"pid": pid, "port": value.get("port"), "root": str(root)[:300], "alive": alive}
    return dict(row, **(read_process_facts(pid, words) if alive else {}))


def find_kernel_processes() -> "list[Document]":
    """Processes of this user that were started with a kernel's connection file."""
    rows = []
    for pid in [int(name) for name in os.listdir("/proc") if name.isdigit()][:MOST_PROCESSES]:
        try:
            if os.stat(f"/proc/{pid}").st_uid != os.getuid():
                continue
            words = read_command(pid)
        except OSError:
            continue
        file = find_connection_file(words)
        if file and not is_wrapper(words):
            rows.append(dict(read_process_facts(pid, words), pid=pid, file=file))
    return rows


def find_connection_file(words: "list[str]") -> str:
    """The name of the kernel's connection file on its command line, '' if there is none."""
    for place, word in enumerate(words):
        name = os.path.basename(word.partition("=")[2] or word)
        follows = place > 0 and words[place - 1] in ("-f", "--f")
        if KERNEL_FILE.match(name) and (follows or word.startswith("--f=")):
            return name
    return ""


def is_wrapper(words: "list[str]") -> bool:
    """Whether this is a shell or a debugger around the kernel, which is a process of its own."""
    return not re.search(r"python|ipykernel|julia|/R$|java|xpython", " ".join(words[:3]))


def read_command(pid: int) -> "list[str]":
    """The words of a process's command line; [] if it is gone or another user's."""
    try:
        return [word for word in read_text(f"/proc/{pid}/cmdline").split("\0") if word]
    except OSError:
        return []


def read_process_facts(pid: int, words: "list[str]") -> "Document":
    """Interpreter, working folder and resident memory of a process."""
    first = words[0] if words else ""
    real = guarded(lambda: os.readlink(f"/proc/{pid}/exe"))
    pages = guarded(lambda: int(read_text(f"/proc/{pid}/statm").split()[1]))
    state = guarded(lambda: read_text(f"/proc/{pid}/stat").rpartition(")")[2].split()[0])
    return {
        "interpreter": first[:300] if os.path.isabs(first) else str(real)[:300],
        "gone": isinstance(real, str) and real.endswith(" (deleted)"),
        "folder": guarded(lambda: os.readlink(f"/proc/{pid}/cwd")),
        "bytes": pages * os.sysconf("SC_PAGE_SIZE") if isinstance(pages, int) else None,
        "state": state if isinstance(state, str) else "",
    }
