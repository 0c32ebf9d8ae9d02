"""pate: private aggregation of teacher ensembles (Papernot et al. 2017, 2018)."""

__version__ = "0.1.0"
