"""Version and default values."""

from __future__ import annotations

VERSION = "0.1.0"

DEFAULT_ACCOUNTANT = "worst_case"
"""Data-independent accountant of functions, commands and configurations."""
