"""The list of campaigns as a shared view of MLflow's pages: no phases, with cost and accuracy."""

from __future__ import annotations

import json

from pipelines.tracking.delivery import VIEW_KEY, VIEW_PREFIX

VIEW_TAG = f"{VIEW_PREFIX}{VIEW_KEY}"
"""Tag of an experiment; its value is the state of the page, as the page itself stores it."""
_COLUMNS = (
    "metrics.`epsilon_spent`",
    "tags.`delta`",
    "tags.`privacy_unit`",
    "metrics.`student_accuracy`",
    "metrics.`student_worst_class_accuracy`",
)


def view_state() -> str:
    """Value of the tag: campaigns only, the newest first."""
    return json.dumps(
        {
            "searchFilter": "tags.`pate.phase` = 'campaign'",
            "orderByKey": "attributes.start_time",
            "orderByAsc": False,
            "selectedColumns": list(_COLUMNS),
        }
    )
