"""What all tests share."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

from assistant.build import prepare_environment

prepare_environment(os.environ)

# A reranker that this user has fetched answers otherwise than a newcomer's assistant, and slowly.
os.environ["ASSISTANT_RERANKER"] = "false"

# What tests ask is not kept in this user's own history.
os.environ["XDG_DATA_HOME"] = tempfile.mkdtemp(prefix="assistant-tests-")
atexit.register(shutil.rmtree, os.environ["XDG_DATA_HOME"], ignore_errors=True)
