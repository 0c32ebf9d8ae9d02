"""Scoring of new records by a published student, from raw rows or images.

The preprocessing that was fitted on public data lies beside the student as JSON.
"""
