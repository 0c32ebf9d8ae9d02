"""The privacy report of a campaign for analysts and data-protection officers, in JSON and HTML.

It is made from released values and public configuration alone.
"""

from pate.report.facts import PrivacyReport
from pate.report.render import json_schema, to_html, to_json, with_audit

__all__ = ["PrivacyReport", "json_schema", "to_html", "to_json", "with_audit"]
