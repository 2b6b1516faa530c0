"""Row `dataloader`, inside a target: does a DataLoader with two workers deliver?

Batches as large as a usual one of photos are held until the last has come, so that shared memory is
needed as in training: 74 MiB, more than a container has by default. Shared memory that other
programs use is not filled up. Refuses to run anything of the learner's.
"""

import importlib
import multiprocessing
import os
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from assistant.probes.inside.device import describe_failure, import_torch
    from assistant.probes.inside.environment import read_limits
    from assistant.probes.inside.shared import Document, guarded, read_disk

LOADER_RUNS = ((0, 2), (2, 2), (2, 32))  # workers, images of a batch
LOADER_BATCHES = 4  # two workers prepare two each
LOADER_SECONDS = 10  # without a batch for so long, it hangs
IMAGE_BYTES = 3 * 224 * 224 * 4


def collect_dataloader(order: "Mapping[str, Any]") -> "Document":
    """Load batches without workers, with workers, and with workers as large as in training."""
    torch = import_torch()
    if torch is None:
        return {"executable": sys.executable, "found": False}
    document = {
        "executable": sys.executable,
        "found": True,
        "torch": str(torch.__version__),
        "start_method": multiprocessing.get_start_method(),
        "sharing": guarded(torch.multiprocessing.get_sharing_strategy),
        "processors": os.cpu_count(),
        "limits": guarded(read_limits),
        "shm": guarded(lambda: read_disk("/dev/shm")),
        "runs": [],
    }
    for workers, images in LOADER_RUNS:
        run = try_loader(torch, workers, images)
        document["runs"].append(run)
        if not run["ok"]:
            break
    return document


def try_loader(torch: "Any", workers: int, images: int, samples: "Any" = None) -> "Document":
    """One pass over `samples` (None: zeros of that size); says how it ended."""
    needed = LOADER_BATCHES * images * IMAGE_BYTES
    run: Document = {"workers": workers, "bytes": needed, "ok": True, "seconds": 0.0}
    if workers and is_shared_memory_taken(needed):
        return dict(run, skipped="other programs use the shared memory that is left")
    data = importlib.import_module("torch.utils.data")
    if samples is None:
        zeros = torch.zeros(1, 1, 1, 1).expand(LOADER_BATCHES * images, 3, 224, 224)
        samples = data.TensorDataset(zeros)
    start = time.perf_counter()
    try:
        seconds = LOADER_SECONDS if workers else 0
        loader = data.DataLoader(samples, batch_size=images, num_workers=workers, timeout=seconds)
        held = list(loader)  # held together: shared memory is given back only with the batches
        run["batches"] = len(held)
    except Exception as error:
        run.update(ok=False, error_text=describe_failure(error))
    run["seconds"] = round(time.perf_counter() - start, 3)
    return run


def is_shared_memory_taken(needed: int) -> bool:
    """Whether filling what is left could hit a program that uses it already."""
    disk = guarded(lambda: read_disk("/dev/shm"))
    if "error" in disk:
        return False
    used = disk["total"] - disk["free"]
    return bool(used > 1 << 20 and disk["free"] < 3 * needed)
