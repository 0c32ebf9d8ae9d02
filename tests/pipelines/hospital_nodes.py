"""A Ray cluster with a node for each hospital named on the command line; prints its address and ends with its input."""

from __future__ import annotations

import sys
import tempfile

import pipelines.cluster.environment  # noqa: F401 - before Ray, which reads the environment when it is imported

# isort: split
from ray.cluster_utils import Cluster


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="pate-hospitals-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": 10**8, "temp_dir": folder}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        try:
            for name in sys.argv[1:]:
                cluster.add_node(num_cpus=1, object_store_memory=10**8, labels={"site": name}, include_dashboard=False)
            print(cluster.address, flush=True)
            sys.stdin.read()
        finally:
            cluster.shutdown()


if __name__ == "__main__":
    main()
