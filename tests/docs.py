"""Writes the generated parts of the README, or checks that they are up to date.

    python -m tests.docs           write
    python -m tests.docs --check   fail (exit 1) if something has changed

A generated part stands between `<!-- generated: NAME -->` and `<!-- end: NAME -->`.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable
from pathlib import Path

from assistant.build import build_prober
from assistant.library import load_library
from assistant.models import RECOMMENDED
from assistant.render import render_markdown_table
from assistant.settings import Settings, load_settings
from assistant.types import Entry
from assistant.verified import blocks_digest, load_verified

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
_MESSAGE = 100  # characters of a message in a table
PART = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end: \2 -->)", re.DOTALL)


def settings_table() -> str:
    home = str(Path.home())
    rows = []
    for name, info in Settings.model_fields.items():
        default = info.default
        text = ",".join(default) if isinstance(default, tuple) else str(default)
        text = text.replace(home, "~") or "(none)"
        rows.append((f"`ASSISTANT_{name.upper()}`", f"`{text}`", info.description or ""))
    return render_markdown_table(("variable", "default", "what it is"), rows)


def probes_table() -> str:
    rows = [
        (f"`{p.id}`{' (cell)' if p.is_cell else ''}", p.title, p.reads, p.never)
        for p in build_prober(load_settings()).probes()
    ]
    return render_markdown_table(("probe", "title", "reads", "never"), rows)


def models_table() -> str:
    rows = [
        (f"`{m.hub_id}`", f"{m.weights_gb:g} GB", f"{m.speed} ({m.mark})", m.why)
        for m in RECOMMENDED
    ]
    return render_markdown_table(("model", "weights", "tokens/s on one Spark", "why"), rows)


def proof_table() -> str:
    """By guide: how many of its errors `assistant verify --write` has seen reproduced and fixed."""
    known = load_verified()
    rows = []
    for guide in load_library([]).guides:
        errors = [entry for entry in guide.entries if entry.kind == "error"]
        open_ = [e for e in errors if e.id not in known or known[e.id].blocks != blocks_digest(e)]
        proven = len(errors) - len(open_)
        others = ", ".join(f"`{e.id}` ({_open_for(e)})" for e in open_)
        share = f"{proven} of {len(errors)} ({proven / max(len(errors), 1):.0%})"
        rows.append((f"`{Path(guide.file).name}`", share, others or "none"))
    return render_markdown_table(("guide", "errors reproduced and fixed", "open"), rows)


def _open_for(entry: Entry) -> str:
    needs = sorted({need for block in entry.proof for need in block.terms.needs})
    if not entry.proof:
        return entry.unproven.removeprefix("Not run: ").rstrip(".") or "not run"
    return f"needs {', '.join(needs)}" if needs else "new"


def verified_table() -> str:
    """Every proven entry: the message that the packages gave, when, and with which versions."""
    rows = []
    for id_, row in load_verified().items():
        says = f"{row.says[:_MESSAGE]}…" if len(row.says) > _MESSAGE else row.says
        message = says.replace("`", "'").replace("<", "&lt;")
        packages = ", ".join(f"{name} {version}" for name, version in row.packages.items())
        rows.append((f"`{id_}`", message, f"{row.date}, {packages or 'Python ' + row.python}"))
    return render_markdown_table(("entry", "message", "last proven"), rows)


def tree() -> str:
    """Every module with the first line of its docstring."""
    lines = ["```text"]
    for path in sorted((ROOT / "assistant").rglob("*.py")):
        relative = path.relative_to(ROOT)
        if path.name == "__init__.py" and path.parent.name in {"assistant"}:
            continue
        summary = (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").splitlines()[0]
        lines.append(f"{relative!s:36} {summary}")
    return "\n".join([*lines, "```"])


PARTS: dict[str, Callable[[], str]] = {
    "settings": settings_table,
    "probes": probes_table,
    "models": models_table,
    "proof": proof_table,
    "verified": verified_table,
    "tree": tree,
}


def render(text: str) -> str:
    """Return the README's text with every generated part made anew."""
    return PART.sub(lambda part: f"{part[1]}{PARTS[part[2]]()}\n{part[3]}", text)


def main() -> int:
    old = README.read_text("utf-8")
    new = render(old)
    if "--check" in sys.argv:
        if old != new:
            print("README.md is out of date. Run: make docs")
        return int(old != new)
    README.write_text(new, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
