# The assistant in one image. On a DGX Spark:
#   docker build -t cv-troubleshooter .
#   docker run --rm --gpus all --ipc=host --network host -v cv-troubleshooter:/cache cv-troubleshooter
# On a machine without NVIDIA's registry: --build-arg BASE=python:3.12-slim
ARG BASE=nvcr.io/nvidia/pytorch:25.11-py3
FROM ${BASE}

SHELL ["/bin/bash", "-o", "pipefail", "-c"]
ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PYTHONUNBUFFERED=1 \
    ASSISTANT_CACHE_DIR=/cache \
    HF_HOME=/cache/huggingface

WORKDIR /app
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY assistant assistant
COPY knowledge knowledge

# A torch that the base image brings is kept: pip gets its exact version as a constraint.
# Without one (a plain Python image) torch 2.11 or newer is taken, which carries CUDA on Arm64 too.
RUN touch /tmp/constraint.txt \
    && { python -c 'import torch; print("torch==" + torch.__version__)' > /tmp/constraint.txt \
         2>/dev/null || echo "torch>=2.11" > /tmp/constraint.txt; } \
    && python -m pip install --constraint /tmp/constraint.txt ".[lab,ocr]" \
    && rm /tmp/constraint.txt

RUN useradd --create-home --uid 10001 assistant \
    && mkdir -p /cache \
    && chown assistant:assistant /cache
USER 10001

# The default language model and the search index are made at build time, so that a first start
# needs no network. What is in the volume /cache later wins.
RUN assistant setup

VOLUME ["/cache"]
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:7860/healthz', timeout=4)"]

# With --network host the loopback address is the host's own; any other bind demands a token.
CMD ["assistant", "serve"]
