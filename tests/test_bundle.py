"""The support report: readable, without secrets, without the home folder."""

from __future__ import annotations

import io
import json
import zipfile

from assistant.bundle import build_bundle
from assistant.render import doctor_json
from assistant.types import Finding

SECRET = "hf_" + "a1" * 12
FINDING = Finding(
    "packages",
    "fail",
    f"timm is missing in /home/ada/cv {SECRET}",
    next="install it\x1b[2J",
    source="importlib",
    where="the Python /home/ada/cv/bin/python",
    facts=(("proxy", "http://ada:tiger123@proxy:8080"),),
)


def test_a_person_can_read_it_before_sharing_it() -> None:
    data = build_bundle(doctor_json("lab", [FINDING]), [FINDING], home="/home/ada")
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        texts = {name: file.read(name).decode() for name in file.namelist()}
    assert set(texts) == {"README.txt", "report.txt", "report.json"}
    everything = "\n".join(texts.values())
    for hidden in (SECRET, "tiger123", "/home/ada", "\x1b"):
        assert hidden not in everything
    assert "✗ packages: timm is missing in ~/cv" in texts["report.txt"]
    assert "next: install it" in texts["report.txt"]
    report = json.loads(texts["report.json"])
    assert report["target"] == "lab"
    assert report["rows"][0]["status"] == "fail"
    assert report["versions"]["assistant"]
    assert "gradio" in report["versions"]
