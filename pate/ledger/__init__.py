"""Accounts, write-ahead charges and the hash chain. Imports neither torch, Ray nor MLflow."""

from pate.ledger.ledger import Account, Intent, PrivacyLedger

__all__ = ["Account", "Intent", "PrivacyLedger"]
