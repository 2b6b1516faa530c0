"""From an error on the screen to a fix that works: a local, grounded troubleshooting assistant."""

from __future__ import annotations

__version__ = "0.1.0"
