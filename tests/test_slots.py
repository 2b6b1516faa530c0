from __future__ import annotations

import pytest

from assistant.slots import aim, aim_code, fill, fill_code, plain

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
        # as a formatter of Markdown writes it
        (fenced("python", "n = {{checkpoint_classes | 9}}"), fenced("python", "n = 10")),
        (fenced("python", "n = {{model_classes | 9}} + 1"), fenced("python", "n = 9 + 1")),
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


DEEP = "1. So:\n\n   - Or:\n\n{0}```bash\n{0}pip install {{{{missing_module|timm}}}}\n{0}```"


@pytest.mark.parametrize(
    "markdown",
    [
        DEEP.format(" " * 8),  # in a list within a list
        "- ```bash\n  pip install {{missing_module|timm}}\n  ```",
        "````bash\necho '\n```'\npip install {{missing_module|timm}}\n````",
        "~~~sh\n```\npip install {{missing_module|timm}}\n~~~",
    ],
)
def test_a_fence_is_known_wherever_it_stands(markdown: str) -> None:
    assert fill(markdown, {"missing_module": "evil"}) == plain(markdown)


def test_shell_lines_are_aimed_at_the_interpreter_that_was_looked_at() -> None:
    code = (
        "pip install timm\n  python -m pip install lap\n%pip install x\n!pip install y\npip list\n"
        'python3 -c "import cv2" || python -m pip install z\npython -m venv lab\npython train.py'
    )
    aimed = [
        "/opt/v/bin/python -m pip install timm",
        "  /opt/v/bin/python -m pip install lap",
        "%pip install x",
        "!pip install y",
        "pip list",
        '/opt/v/bin/python -c "import cv2" || /opt/v/bin/python -m pip install z',
        "python -m venv lab",
        "python train.py",
    ]
    assert aim_code(code, "/opt/v/bin/python", language="bash").splitlines() == aimed
    assert aim(
        f"pip install is a verb\n```bash\n{code}\n```", "/opt/v/bin/python"
    ).splitlines() == [
        "pip install is a verb",
        "```bash",
        *aimed,
        "```",
    ]
    assert (
        aim_code("pip install a", "/a b/python", language="sh") == "'/a b/python' -m pip install a"
    )


@pytest.mark.parametrize(
    "code",
    [
        "source lab/bin/activate\npython -m pip install torch",
        "conda activate lab\npip install torch",
        "docker run --rm -it IMAGE\npip install torch",
    ],
)
def test_what_enters_another_environment_is_left_alone(code: str) -> None:
    assert aim_code(code, "/opt/v/bin/python", language="bash") == code


def test_code_of_another_language_is_left_alone() -> None:
    code = "pip install = 1"
    assert aim_code(code, "/opt/v/bin/python", language="python") == code
