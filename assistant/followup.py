"""What comes after "it did not help": the next best entry, and how it differs from the last one.

Pure: records and entries in, values out. It refuses to know where they are kept and shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from assistant.records import Record
from assistant.signatures import text_signatures
from assistant.types import Entry, ProbeInfo

# "**Tell it apart**: `No module named 'cv2'` is another matter." up to the next label or the end
_APART = re.compile(r"^\*\*Tell it apart(?::\*\*|\*\*\s*:)\s*(.+?)(?=\n\s*\n|\Z)", re.M | re.S)


LEAST = 0.1  # confidence of an entry that is worth a second try


@dataclass(frozen=True, slots=True)
class Followup:
    """The next entry to try; `differs` is Markdown on when it fits, '' if the guide says nothing.

    `tried` are the entries that were tried in this conversation, the last one at the end.
    """

    entry: Entry
    differs: str
    tried: tuple[str, ...]


def tried_before(turns: Iterable[Record]) -> tuple[str, ...]:
    """Entries that did not help in this conversation, each once, in order."""
    return tuple(dict.fromkeys(id_ for turn in turns for id_ in turn.tried))


def build_followup(
    record: Record, entries: Mapping[str, Entry], *, tried: Iterable[str] = ()
) -> Followup | None:
    """The best match that was not tried yet, None if none is left that comes near.

    `tried` are entries of earlier turns that did not help; the entry that `record` shows counts as
    tried too.
    """
    failed = tuple(dict.fromkeys((*tried, *record.tried, *filter(None, (record.shown,)))))
    near = [match.id for match in record.matches if match.confidence >= LEAST]
    left = [entries[id_] for id_ in near if id_ not in failed and id_ in entries]
    if not left:
        return None
    return Followup(left[0], _differs(left[0], entries.get(failed[-1]) if failed else None), failed)


def read_apart(entry: Entry) -> str:
    """The guide's own words on telling the entry apart, '' if it says nothing."""
    apart = _APART.search(entry.body)
    return apart[1].strip() if apart else ""


def deciding_probes(entries: Iterable[Entry], probes: Iterable[ProbeInfo]) -> tuple[str, ...]:
    """Ids of the probes that can confirm or refute one of these entries."""
    topics = {name for entry in entries for name in (entry.id, *_topics(entry.title))}
    return tuple(probe.id for probe in probes if topics & {*probe.informs, *probe.entries})


def _topics(title: str) -> Iterable[str]:
    found = [one for one in text_signatures(title) if one.family != "message"]
    return (name for one in found for name in (one.family, one.key))


def _differs(entry: Entry, earlier: Entry | None) -> str:
    """The guide's own words on telling it apart; else what one sees with each of the two."""
    if apart := read_apart(entry):
        return apart
    fits = f"This one fits if you see: {entry.symptoms[0]}" if entry.symptoms else ""
    other = f"The one before is for: {earlier.symptoms[0]}" if earlier and earlier.symptoms else ""
    return "\n\n".join(part for part in (fits, other) if part)
