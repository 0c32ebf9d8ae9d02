"""Accounts, write-ahead charges and the hash chain. Imports neither torch, Ray nor MLflow."""

from pate.ledger.accounts import Account
from pate.ledger.anchor import Anchor
from pate.ledger.campaigns import Intent
from pate.ledger.export import verify_lines
from pate.ledger.ledger import PrivacyLedger

__all__ = ["Account", "Anchor", "Intent", "PrivacyLedger", "verify_lines"]
