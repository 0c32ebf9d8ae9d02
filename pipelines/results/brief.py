"""The short table of results in the README, one line for each configuration that was swept.

``python -m pipelines.results.brief README.md`` writes it from ``docs/reference/results.json``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pate.accounting.rounding import up
from pipelines.results.table import write

START, END = "<!-- brief: written by `python -m pipelines.results.brief` -->", "<!-- end of brief -->"
ROWS = Path(__file__).parents[2] / "docs" / "reference" / "results.json"


def brief(rows: list[dict[str, Any]]) -> str:
    """Return the rows in Markdown: guarantee, student and the model without privacy.

    Args:
        rows: of ``docs/reference/results.json``.
    """
    head = ("data set", "epsilon (`worst_case`)", "delta", "student accuracy", "without privacy")
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        cells = (
            row["dataset"],
            f"**{up(row['epsilon_data_independent'], 2)}**",
            f"{row['delta']:g}",
            f"**{row['accuracy_mean']:.1%}**",
            f"{row['pooled_accuracy']:.1%}",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    write(Path(sys.argv[1]), brief(json.loads(ROWS.read_text(encoding="utf-8"))), START, END)
