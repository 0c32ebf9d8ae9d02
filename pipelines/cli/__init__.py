"""The command line: ``pate COMMAND``, a file per group of commands."""

from pipelines.cli.app import main

__all__ = ["main"]
