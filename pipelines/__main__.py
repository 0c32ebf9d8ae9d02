"""``python -m pipelines`` is ``pate``."""

from pate_labelling import main

main()
