"""Which of the ledger's accounts a run is charged to, from what the run left on disk."""

from __future__ import annotations

import json

from pate.ledger import PrivacyLedger
from pipelines.storage.run_folder import RunStore


def account_name(store: RunStore, ledger: PrivacyLedger) -> str:
    """The data's account, or on a public benchmark the run's own simulated one (``campaign.account_of``)."""
    data_id = str(json.loads((store.public / "config.json").read_text())["data"]["data_id"])
    simulated = f"{data_id}@{store.run_id}"
    return simulated if any(account.name == simulated for account in ledger.accounts()) else data_id
