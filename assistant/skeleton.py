"""The skeleton of an entry, from the answers to a few questions.

`assistant lint` names each line of it that is still to be written, and `assistant verify` refuses
its blocks until they are real. It refuses to know where the answers come from and where the text
goes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

QUESTIONS = {
    "title": "What goes wrong, in a few words (for example: Loading a saved model fails)?",
    "message": "The last line of the message, as it is printed (empty if there is none):",
    "cause": "Why does it happen, in one sentence?",
    "fix": "What should one do, in one sentence?",
    "source": "Address of an official page about it:",
}

# what stands in for words and code that are still to be written
UNWRITTEN = (
    "Name the error here",
    "Say here why it happens",
    "Say here what to do first",
    "Say here what looks alike and is another thing",
    "Say here what one sees when it works",
    "Say here in one to three sentences why that helps",
    "Say here where this knowledge comes from",
    "the lines that a learner would write",
    "what holds after the fix, and not before",
    "the shortest lines whose package prints the message",
    "https://example.org/replace-this",
)

NEW_GUIDE = """\
---
origin: Say here where this knowledge comes from
---

# {title}

## Errors
"""

_TEMPLATE = """\
### Error: {title} {{#{id}}}

**Symptoms**:
- {symptom}

**Cause**: {cause}

**Tell it apart**: Say here what looks alike and is another thing.

**Solution**: {fix}

```python fix
# the lines that a learner would write
```

**Check**: Say here what one sees when it works.

```python check
assert True  # what holds after the fix, and not before
```

**Why it works**: Say here in one to three sentences why that helps.

**Reproduce**:

```python reproduce
# the shortest lines whose package prints the message
```

**Sources**: [{page}]({source})
"""


def render_new_guide(name: str) -> str:
    """The head of a guide file: its origin, which every answer shows, and its title."""
    words = " ".join(re.findall(r"\w+", name))
    return NEW_GUIDE.format(title=words.capitalize() or "Errors")


def render_skeleton(answers: Mapping[str, str]) -> str:
    """Markdown of an entry; missing answers leave a line that says what belongs there."""
    said = {
        name: " ".join(text.replace("{{", "{ {").split())
        for name, text in answers.items()
        if text.strip()
    }
    title = said.get("title") or said.get("message") or "Name the error here"
    message = said.get("message", "").replace("`", "'")
    source = said.get("source", "https://example.org/replace-this")
    return _TEMPLATE.format(
        title=title.replace("#", ""),
        id=_id_of(title),
        symptom=f"`{message}`" if message else title,
        cause=_sentence(said.get("cause", "Say here why it happens")),
        fix=_sentence(said.get("fix", "Say here what to do first")),
        page=re.sub(r"^https?://|/$", "", source).replace("]", ""),
        source=source.replace(" ", "%20").replace(")", "%29"),
    )


def _id_of(title: str) -> str:
    """A few words of the title: 'Loading a model fails' becomes loading-a-model-fails."""
    words = re.findall(r"[a-z0-9]+", title.lower())
    return "-".join(words)[:50].strip("-") or "new-entry"


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
