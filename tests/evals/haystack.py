"""Measures hit@1 among 1,000 generated distractor entries, many of them look-alikes.

    python -m tests.evals.haystack [GUIDE]

The distractors are faults of the same forms as the guide's with another subject: other missing
modules, other layers and shapes, other files, memory of other programs, downloads from other
hosts, other dtypes, plus questions on other matters. Cases: `development.jsonl`, in scope only.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from assistant.build import build_retriever, prepare_environment
from assistant.library import load_library
from assistant.reading import read_query
from assistant.settings import load_settings
from assistant.types import Entry

COUNT = 1000
MODULES = (
    "mmcv albumentations detectron2 kornia skimage torchaudio lightning open_clip supervision "
    "pycocotools xformers einops fvcore monai keras tensorflow jax wandb tensorboard tqdm yaml "
    "pandas seaborn scipy numba cupy onnx onnxruntime tensorrt triton apex deepspeed peft "
    "bitsandbytes gradio streamlit fastapi torchmetrics torchinfo thop ptflops shapely rasterio "
    "SimpleITK pydicom nibabel imgaug lpips piq facenet_pytorch insightface dlib mediapipe paddle"
).split()
PLACES = ["a notebook", "a container", "a worker process", "a conda environment", "a script"]
LAYERS = ["Conv1d", "Conv3d", "LSTM", "Embedding", "GroupNorm", "Linear", "ConvTranspose2d"]
PROGRAMS = ["a language model", "TensorFlow", "JAX", "a video decoder", "Diffusers", "Whisper"]
HOSTS = ["zenodo.org", "kaggle.com", "drive.google.com", "github.com", "download.pytorch.org"]
FILES = ["yolo11n.pt", "mobile_sam.pt", "resnet50.pth", "config.yaml", "labels.json", "vae.ckpt"]
TOPICS = [
    "learning rate warm-up", "label smoothing", "mixup", "knowledge distillation", "pruning",
    "anchor boxes", "depth estimation", "optical flow", "style transfer", "super resolution",
    "pose estimation", "contrastive learning", "diffusion sampling", "attention rollout",
    "gradient checkpointing", "model averaging", "focal loss", "triplet loss", "OCR", "tracking",
]  # fmt: skip


def main() -> None:
    prepare_environment(os.environ)
    guide = sys.argv[1] if len(sys.argv) > 1 else "builtin"
    library = load_library((guide,))
    make = build_retriever(load_settings())
    alone = _hits(make(library, True)[0])
    distractors = {entry.id: entry for entry in itertools.islice(iter_distractors(), COUNT)}
    crowd = replace(
        library, entries=library.entries | distractors, fingerprint=f"{library.fingerprint}-crowd"
    )
    among = _hits(make(crowd, True)[0])
    print(f"{guide}: {len(library.entries)} entries, hit@1 {alone:.3f}")
    print(f"with {len(distractors)} distractors: hit@1 {among:.3f}, {among - alone:+.3f}")


def iter_distractors() -> Iterator[Entry]:
    """More than a thousand entries that are not the guide's."""
    for module, place in itertools.product(MODULES, PLACES):
        yield _entry(
            f"ModuleNotFoundError: No module named '{module}' in {place}",
            f"ModuleNotFoundError: No module named '{module}'",
            f"{module} is not installed in the Python of {place}.",
        )
    for layer, size in itertools.product(LAYERS, range(16, 512, 16)):
        yield _entry(
            f"{layer} got an input of another size ({size})",
            f"RuntimeError: {layer} expected {size} features but got {size * 2}",
            f"The tensor that reaches {layer} has another shape than it was built for.",
        )
    for program, size in itertools.product(PROGRAMS, range(1, 40)):
        yield _entry(
            f"{program} runs out of memory at {size} GB",
            f"{program}: cannot allocate {size} GB of memory",
            f"{program} asks for more memory than there is.",
        )
    for host, code in itertools.product(HOSTS, range(400, 430)):
        yield _entry(
            f"Download from {host} fails with status {code}",
            f"HTTP Error {code} for https://{host}/file",
            f"{host} refused or lost the request.",
        )
    for file, place in itertools.product(FILES, PLACES):
        yield _entry(
            f"{file} is missing in {place}",
            f"FileNotFoundError: [Errno 2] No such file or directory: '{file}'",
            f"{file} was never downloaded to {place}.",
        )
    for topic, place in itertools.product(TOPICS, PLACES):
        yield _entry(f"How does {topic} work in {place}?", "", f"{topic} is a method of its own.")


def _entry(title: str, symptom: str, cause: str) -> Entry:
    return Entry(
        id="distractor-" + "".join(c if c.isalnum() else "-" for c in title.lower()),
        kind="error" if symptom else "question",
        title=title,
        section="",
        file="distractors.md",
        line=1,
        end_line=1,
        body=cause,
        solution=cause,
        symptoms=(symptom,) if symptom else (),
        causes=(cause,),
    )


def _hits(retriever: object) -> float:
    path = Path(__file__).parent / "development.jsonl"
    cases = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    found = [
        retriever.search(read_query(case["text"])).matches[0].id in case["gold"]  # type: ignore[attr-defined]
        for case in cases
        if case["gold"]
    ]
    return sum(found) / len(found)


if __name__ == "__main__":
    main()
