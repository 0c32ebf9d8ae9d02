"""Settings of a diffusion map; importable without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from pate.errors import expected


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Diffusion:
    """A random walk on the graph of the pool's nearest neighbours (Belkin, Niyogi 2003; Coifman, Lafon 2006).

    With the normalised similarity S of the graph and its eigenvectors v_j, S v_j = lambda_j v_j, an input of the
    pool has the coordinates ``((1 - alpha) / (1 - alpha lambda_j))^power v_j``: the walk of Zhou et al. (2004),
    ``(1 - alpha) (I - alpha S)^-1``, taken ``power`` times. Directions that run along a cluster fade, those that tell
    clusters apart stay, so a few labels are enough to assign classes to clusters.

    Attributes:
        neighbours: k of the graph.
        components: principal components of the features on which neighbours are sought.
        width: coordinates kept.
        alpha: probability that the walk continues, in (0, 1).
        power: number of times it is applied.
    """

    neighbours: int = 10
    components: int = 128
    width: int = 150
    alpha: float = 0.98
    power: float = 3.0

    def __post_init__(self) -> None:
        for name in ("neighbours", "components", "width"):
            if getattr(self, name) < 1:
                raise expected(f"{name} >= 1", "10, 128 and 150 are usual", **{name: getattr(self, name)})
        if not 0 < self.alpha < 1:
            raise expected("0 < alpha < 1", "0.98 is usual", alpha=self.alpha)
        if not self.power > 0:
            raise expected("power > 0", "3 is usual", power=self.power)
