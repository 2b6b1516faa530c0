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
from assistant.models import RECOMMENDED
from assistant.render import render_markdown_table
from assistant.settings import Settings, load_settings

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
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
        (f"`{p.id}`", p.title, p.reads, p.never) for p in build_prober(load_settings()).probes()
    ]
    return render_markdown_table(("probe", "title", "reads", "never"), rows)


def models_table() -> str:
    rows = [
        (f"`{m.hub_id}`", f"{m.weights_gb:g} GB", f"{m.speed} ({m.mark})", m.why)
        for m in RECOMMENDED
    ]
    return render_markdown_table(("model", "weights", "tokens/s on one Spark", "why"), rows)


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
