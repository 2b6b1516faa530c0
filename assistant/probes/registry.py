"""The rows: what each probe reads, never does, and which messages it informs.

It refuses to know how a row is run. `informs` names families of signatures and kinds of facts, so
that any guide profits; `entries` are ids only of entries without an exception. The rows with a cell
come last: they look at a learner's own variables, and no target can run them.
"""

from __future__ import annotations

from assistant.architectures import names as architecture_names
from assistant.probes.boxes import interpret_boxes
from assistant.probes.checkpoint import ANY, SAM_BYTES, interpret_checkpoint
from assistant.probes.checkpoint_keys import interpret_checkpoint_keys
from assistant.probes.dataloader import interpret_dataloader
from assistant.probes.environment import interpret_environment
from assistant.probes.gpu import interpret_gpu
from assistant.probes.hub import interpret_hub
from assistant.probes.image import interpret_image
from assistant.probes.jupyter import interpret_jupyter
from assistant.probes.labels import interpret_labels
from assistant.probes.masks import interpret_mask
from assistant.probes.memory import interpret_memory
from assistant.probes.normalization import interpret_normalization
from assistant.probes.packages import interpret_packages, is_incomplete
from assistant.probes.precision import interpret_precision
from assistant.probes.predictions import interpret_predictions
from assistant.probes.prompts import interpret_prompts
from assistant.probes.row import Probe
from assistant.probes.sam import interpret_sam
from assistant.probes.sizes import interpret_sizes
from assistant.probes.speed import interpret_speed
from assistant.probes.torchvision import interpret_torchvision
from assistant.probes.trainable import interpret_trainable
from assistant.probes.yolo import interpret_yolo
from assistant.types import Parameter

PROBES: tuple[Probe, ...] = (
    Probe(
        id="gpu",
        title="GPU and torch",
        reads="driver, device and clocks (NVML); torch's version, CUDA build and architecture list",
        never="opens no CUDA context, runs nothing on the GPU, changes no setting",
        seconds=30.0,
        informs=("cpu-only-torch", "no-kernel-image", "missing-library", "torch_version"),
        entries=(
            "vit-training-slow", "gpu-clock-stuck", "why-ngc-container", "quick-diagnostic",
            "still-stuck",
        ),
        interpret=interpret_gpu,
        torch=True,
    ),
    Probe(
        id="memory",
        title="Memory",
        reads="memory of GPU and machine, page cache, swap, /dev/shm, which processes hold the "
        "GPU, which notebooks run and what they hold",
        never="ends no process, frees nothing, shows no command line; opens no CUDA context unless "
        "asked to",
        seconds=20.0,
        informs=("out-of-memory", "process-killed", "memory_asked", "worker_signal"),
        entries=("gpu-memory-reset", "clear-gpu-memory", "batch-size", "quick-diagnostic"),
        interpret=interpret_memory,
        parameters=(
            Parameter(
                "context", "open a CUDA context and ask torch too", "choice", ("no", "yes"),
                default="no",
            ),
        ),
    ),
    Probe(
        id="packages",
        title="Packages",
        reads="which packages of the course this Python would import, version and file; names of "
        "files in the working folder that would be imported instead",
        never="installs and changes nothing; imports nothing unless asked to",
        seconds=40.0,
        informs=(
            "missing-module", "missing_module", "torchvision-operator",
            "numpy-abi", "cpu-only-torch",
        ),
        entries=("environment-reset", "quick-diagnostic", "still-stuck"),
        interpret=interpret_packages,
        parameters=(
            Parameter(
                "name", "a package to look up, instead of all of the course's", "name",
                told_by="missing_module",
            ),
            Parameter(
                "import", "also import the course's packages", "choice", ("no", "yes"), default="no"
            ),
        ),
        compares=is_incomplete,
    ),
    Probe(
        id="environment",
        title="Environment",
        reads="interpreter, pip, container, system, limits, free disk; of secrets only whether set",
        never="shows no value of a secret, writes nothing",
        seconds=10.0,
        informs=("missing-module", "missing_module", "dataloader-worker", "download-refused"),
        entries=(
            "environment-reset", "dataloader-hang", "why-ngc-container", "quick-diagnostic",
            "still-stuck",
        ),
        interpret=interpret_environment,
    ),
    Probe(
        id="jupyter",
        title="Jupyter",
        reads="Jupyter's runtime files, and of this user's kernels the interpreter, folder and "
        "memory",
        never="shows no token or key, speaks to no server, ends no kernel",
        seconds=10.0,
        informs=("missing-module", "missing_module", "out-of-memory", "process-killed"),
        entries=("gpu-memory-reset", "clear-gpu-memory", "environment-reset"),
        interpret=interpret_jupyter,
    ),
    Probe(
        id="hub",
        title="Downloads",
        reads="whether huggingface.co, dl.fbaipublicfiles.com, github.com and "
        "download.pytorch.org answer a HEAD request, whether a token is set, names and sizes in "
        "the caches",
        never="downloads nothing, sends and shows no token, follows no redirect",
        seconds=15.0,
        informs=("download-refused", "http-status", "unusable-file", "http_status", "http_host"),
        entries=(),
        interpret=interpret_hub,
        quick=False,
        network=True,
    ),
    Probe(
        id="dataloader",
        title="DataLoader workers",
        reads="how a DataLoader over zeros ends with and without two workers, /dev/shm, limits",
        never="runs none of your code, fills no shared memory that other programs use",
        seconds=90.0,
        informs=("dataloader-worker", "worker_pid", "worker_signal"),
        entries=("dataloader-hang",),
        interpret=interpret_dataloader,
        quick=False,
        alone=True,
        torch=True,
        file_bytes=64 << 20,
    ),
    Probe(
        id="torchvision",
        title="torchvision",
        reads="whether torchvision imports, its operator nms, a ResNet-18 with random weights",
        never="downloads no weights, changes nothing",
        seconds=90.0,
        informs=("torchvision-operator", "numpy-abi"),
        entries=("environment-reset",),
        interpret=interpret_torchvision,
        quick=False,
        alone=True,
        torch=True,
    ),
    Probe(
        id="precision",
        title="bf16 and fp16",
        reads="time and error of a matrix product in float32, bfloat16 and float16",
        never="takes no GPU memory where little is free, changes no setting",
        seconds=90.0,
        informs=("dtype-mismatch", "input_dtype", "weight_dtype"),
        entries=("training-precision",),
        interpret=interpret_precision,
        quick=False,
        alone=True,
        torch=True,
    ),
    Probe(
        id="yolo",
        title="YOLO on an image",
        reads="detections of your weights on your image at confidence 0.25, 0.1 and 0.01, classes, "
        "task, input size",
        never="downloads and installs nothing, runs no code that a weights file holds",
        seconds=180.0,
        informs=("yolo-no-detections",),
        entries=("yolo-empty-detections",),
        interpret=interpret_yolo,
        parameters=(
            Parameter("weights", "a .pt file of ultralytics", "path"),
            Parameter("image", "an image file", "path"),
        ),
        quick=False,
        alone=True,
        torch=True,
        file_bytes=16 << 20,
    ),
    Probe(
        id="sam",
        title="SAM on an image",
        reads="masks and scores of a point and a box with your checkpoint on your image, memory",
        never="downloads nothing, runs no code that a checkpoint holds",
        seconds=300.0,
        informs=("sam-prompt", "out-of-memory", "unusable-file"),
        entries=("sam-empty-masks",),
        interpret=interpret_sam,
        parameters=(
            Parameter("checkpoint", "a checkpoint of segment-anything", "path"),
            Parameter("image", "an image file", "path"),
        ),
        quick=False,
        alone=True,
        torch=True,
        memory_bytes=16 << 30,
        file_bytes=16 << 20,
    ),
    Probe(
        id="checkpoint",
        title="Checkpoint files",
        reads="names, sizes, first and last bytes of .pth, .pt and .safetensors files in the "
        "working folder and the caches of torch, the hub and ultralytics",
        never="loads, downloads and deletes nothing; reads a whole file only for its sum, if asked",
        seconds=30.0,
        informs=(
            "unusable-file", "broken-file", "missing-file", "weights-only", "missing_file",
        ),
        entries=(),
        interpret=interpret_checkpoint,
        parameters=(
            Parameter(
                "wanted", "the file that is missing", "choice", (ANY, *SAM_BYTES), default=ANY,
                told_by="missing_file",
            ),
            Parameter(
                "sums", "compare sums with file names (seconds for each GB)", "choice",
                ("no", "yes"), default="no",
            ),
        ),
    ),
    Probe(
        id="checkpoint-keys",
        title="Inside a checkpoint",
        reads="names and shapes of the weights in one file: which network, how many classes",
        never="unpickles and runs nothing of the file, needs no torch",
        seconds=30.0,
        informs=(
            "state-dict-load", "weights-only", "broken-file", "model_class", "mismatched_key",
        ),
        entries=(),
        interpret=interpret_checkpoint_keys,
        parameters=(
            Parameter("file", "a .pth, .pt or .safetensors file", "path"),
            Parameter(
                "architecture", "the network that you build", "choice",
                (ANY, *architecture_names()), default=ANY, told_by="model_network",
            ),
            Parameter(
                "classes", "its number of classes (0: do not compare)", "number",
                low=0, high=100_000, default="0", told_by="model_classes",
            ),
        ),
        quick=False,
    ),
    Probe(
        id="image",
        title="Image files",
        reads="format, size, mode, values and camera notes of one picture, or of up to 48 of a "
        "folder, and their channels against ImageNet's",
        never="decodes no picture of more than 40 million pixels, turns and writes nothing",
        seconds=30.0,
        informs=("image-not-read",),
        entries=("input-normalization",),
        interpret=interpret_image,
        parameters=(Parameter("image", "an image file, or a folder of them", "path"),),
        quick=False,
    ),
    Probe(
        id="mask",
        title="Predicted and true mask",
        reads="shapes, types and values of two masks, IoU and Dice of each class",
        never="unpickles nothing, writes nothing",
        seconds=60.0,
        informs=("label-out-of-range",),
        entries=("iou-zero",),
        interpret=interpret_mask,
        parameters=(
            Parameter("predicted", "the predicted mask (.png or .npy)", "path"),
            Parameter("target", "the true mask (.png or .npy)", "path"),
        ),
        quick=False,
    ),
    Probe(
        id="labels",
        title="Labels",
        reads="dtype, range and shares of a batch of labels or masks, and the number of outputs of "
        "your model",
        never="changes nothing, prints no label but up to 20 different values",
        seconds=10.0,
        informs=("label-out-of-range",),
        entries=("cnn-stuck-at-random", "iou-zero"),
        interpret=interpret_labels,
        quick=False,
        cell="labels.py",
    ),
    Probe(
        id="normalization",
        title="Scale of the images",
        reads="dtype, range, mean and deviation of a batch of images, and the order of its axes",
        never="changes nothing, prints no pixel",
        seconds=10.0,
        informs=("input_dtype",),
        entries=(
            "cnn-stuck-at-random", "transfer-learning-not-improving", "vit-accuracy-low",
            "input-normalization",
        ),
        interpret=interpret_normalization,
        quick=False,
        cell="normalization.py",
    ),
    Probe(
        id="trainable",
        title="What is trained",
        reads="requires_grad by part of your model, and which of it your optimizer holds at which "
        "rate",
        never="changes nothing, prints no weight",
        seconds=10.0,
        informs=(),
        entries=("cnn-stuck-at-random", "transfer-learning-not-improving", "freeze-layers"),
        interpret=interpret_trainable,
        quick=False,
        cell="trainable.py",
    ),
    Probe(
        id="sizes",
        title="Sizes in a U-Net",
        reads="height and width of a batch of images, and how your model's layers change them",
        never="runs the model not, changes nothing",
        seconds=10.0,
        informs=("skip-size-mismatch",),
        entries=("unet-shape-mismatch",),
        interpret=interpret_sizes,
        quick=False,
        cell="sizes.py",
    ),
    Probe(
        id="predictions",
        title="What the model answers",
        reads="range, sums and classes of your model's answers for 16 images",
        never="trains nothing, and leaves train or eval mode as it was",
        seconds=30.0,
        informs=(),
        entries=("cnn-stuck-at-random", "iou-zero", "softmax-twice", "loss-nan"),
        interpret=interpret_predictions,
        quick=False,
        cell="predictions.py",
    ),
    Probe(
        id="speed",
        title="Speed of training",
        reads="device, number format, size and workers of your model, batch and loader",
        never="changes and measures nothing, takes no batch from the loader",
        seconds=10.0,
        informs=("dtype-mismatch", "device-mismatch"),
        entries=("vit-training-slow", "vit-accuracy-low"),
        interpret=interpret_speed,
        quick=False,
        cell="speed.py",
    ),
    Probe(
        id="boxes",
        title="Boxes of YOLO",
        reads="task, classes and settings of your last prediction, and the form of the picture",
        never="runs the model not again, prints no box",
        seconds=10.0,
        informs=("yolo-no-detections",),
        entries=("yolo-empty-detections",),
        interpret=interpret_boxes,
        quick=False,
        cell="boxes.py",
    ),
    Probe(
        id="prompts",
        title="Prompts of SAM",
        reads="form and range of picture, points, labels and box, and the predictor's picture size",
        never="runs no prediction, prints no pixel",
        seconds=10.0,
        informs=("sam-prompt",),
        entries=("sam-empty-masks",),
        interpret=interpret_prompts,
        quick=False,
        cell="prompts.py",
    ),
)  # fmt: skip
