from __future__ import annotations

import pytest

from assistant.slots import aim_pip, fill, fill_code, plain

VALUES = {
    "missing_module": "timm",
    "missing_file": "weights/my sam.pth",
    "checkpoint_classes": "10",
    "python": "/opt/my env/bin/python",
}


def fenced(language: str, line: str) -> str:
    return f"```{language}\n{line}\n```"


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("Install {{missing_module}} there.", "Install `timm` there."),
        ("Install `{{missing_module}}` there.", "Install `timm` there."),
        ("It has {{checkpoint_classes}} classes.", "It has `10` classes."),
        ("It has {{model_classes}}.", "It has the classes of your model."),
        ("It has {{model_classes|so many classes}}.", "It has so many classes."),
        (fenced("python", "n = {{checkpoint_classes|10}}"), fenced("python", "n = 10")),
        (fenced("python", "import {{missing_module|x}}"), fenced("python", "import timm")),
        (
            fenced("python", "open({{missing_file}})"),
            fenced("python", "open('weights/my sam.pth')"),
        ),
        (
            fenced("python", "open('{{missing_file|a.pth}}')"),
            fenced("python", "open('weights/my sam.pth')"),
        ),
        # no value of a paste reaches a command
        (fenced("bash", "pip install {{missing_module|timm}}"), None),
        (fenced("python", "!pip install {{missing_module|timm}}"), None),
        (fenced("python", "os.system('{{missing_file|ls}}')"), None),
        (fenced("sh", "cat {{missing_file|weights.pth}}"), None),
        (fenced("bash", "{{python}} -V"), fenced("bash", "'/opt/my env/bin/python' -V")),
    ],
)
def test_slots(text: str, filled: str | None) -> None:
    assert fill(text, VALUES) == (plain(text) if filled is None else filled)


@pytest.mark.parametrize(
    "value",
    ["x; import os", "x'y", 'x"y', "x`y", "x\ny", "x)", "__import__('os')", "{{x}}", "a b", ""],
)
def test_a_value_that_cannot_be_a_name_is_not_filled_in(value: str) -> None:
    code = "import {{missing_module|timm}}"
    assert fill_code(code, {"missing_module": value}, language="python") == "import timm"


@pytest.mark.parametrize("value", ["a'; import os #", "a\nb", "$(id)", "`id`", "a;b", "a|b", "*"])
def test_a_path_with_signs_of_a_language_is_not_filled_in(value: str) -> None:
    code = "open({{missing_file|'w.pth'}})"
    assert fill_code(code, {"missing_file": value}, language="python") == "open('w.pth')"


def test_pip_is_aimed_at_the_interpreter_that_was_looked_at() -> None:
    text = "pip install timm\n  python -m pip install lap\n%pip install x\n!pip install y\npip list"
    assert aim_pip(text, "/opt/v/bin/python").splitlines() == [
        "/opt/v/bin/python -m pip install timm",
        "  /opt/v/bin/python -m pip install lap",
        "%pip install x",
        "!pip install y",
        "pip list",
    ]
    assert aim_pip("pip install a", "/a b/python") == "'/a b/python' -m pip install a"
