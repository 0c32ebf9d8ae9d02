"""Ray's environment, set before Ray is imported: it reads these variables once, when it loads.

Token authentication is on unless ``RAY_AUTH_MODE`` turns it off. A local Ray gets a token of its own, in memory;
nothing is written to the home folder.
"""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

TOO_LATE = "ray" in sys.modules and "RAY_AUTH_MODE" not in os.environ
"""``True`` if Ray was loaded before, without authentication: it can no longer start a Ray with it."""

os.environ.setdefault("RAY_AUTH_MODE", "token")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")

_KNOWN = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
if (
    os.environ["RAY_AUTH_MODE"] == "token"
    and not any(name in os.environ for name in _KNOWN)
    and not (Path.home() / ".ray" / "auth_token").exists()
):
    os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
