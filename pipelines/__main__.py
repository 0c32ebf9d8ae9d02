"""``python -m pipelines`` is ``pate``."""

from pipelines.cli import main

main()
