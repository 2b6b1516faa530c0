"""Which variables of a notebook's environment are looked at: a list; of secrets only "set".

It refuses to know where the variables were read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_LISTED = re.compile(
    r"PATH|HOME|LANG|LANGUAGE|LC_\w+|TZ|LD_LIBRARY_PATH|PYTHONPATH|PYTHONUSERBASE|PYTHONNOUSERSITE"
    r"|VIRTUAL_ENV|CONDA_PREFIX|JPY_SESSION_NAME|XDG_CACHE_HOME|TORCH_HOME|YOLO_CONFIG_DIR"
    r"|HF_(?:HOME|HUB_CACHE|HUB_OFFLINE|ENDPOINT)|HUGGINGFACE_HUB_CACHE|TRANSFORMERS_OFFLINE"
    r"|HF_DATASETS_OFFLINE|YOLO_OFFLINE|OMP_NUM_THREADS"
    r"|JUPYTER_(?:PATH|RUNTIME_DIR|DATA_DIR)|XDG_RUNTIME_DIR"
    r"|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|SSL_CERT_(?:FILE|DIR)|HF_TOKEN_PATH"
    r"|(?:CUDA|NVIDIA|PYTORCH)_\w+|TRITON_PTXAS_PATH"
    r"|(?:https?|all|no)_proxy|(?:HTTPS?|ALL|NO)_PROXY"
)
_SECRETS = frozenset(
    ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACE_TOKEN", "WANDB_API_KEY", "KAGGLE_KEY")
)
_SECRET_NAME = re.compile(r"TOKEN|KEY|SECRET|PASS|CREDENTIAL|AUTH|COOKIE", re.IGNORECASE)
_LONGEST = 8192


def listed_variables(environment: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the listed variables in order of their names, secrets as "set"."""
    found: list[tuple[str, str]] = []
    for name, value in sorted(environment.items()):
        if name in _SECRETS:
            found.append((name, "set" if value else ""))
        elif _is_listed(name) and "\0" not in value:
            found.append((name, value[:_LONGEST]))
    return tuple(found)


def _is_listed(name: str) -> bool:
    """CUDA_API_KEY is no variable of CUDA; a name that ends in _PATH holds a path."""
    if _LISTED.fullmatch(name) is None:
        return False
    return name.endswith("_PATH") or _SECRET_NAME.search(name) is None
