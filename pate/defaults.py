"""Default values."""

from __future__ import annotations

DEFAULT_ACCOUNTANT = "worst_case"
"""Data-independent accountant of functions, commands and configurations."""
