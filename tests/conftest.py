"""What all tests share."""

from __future__ import annotations

import os

from assistant.build import prepare_environment

prepare_environment(os.environ)
