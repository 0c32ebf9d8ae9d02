"""Blocks that every first configuration shares are the same text in each, and mean what they say."""

from __future__ import annotations

import yaml

from pipelines.authoring import yaml_text

TEXT = """\
teachers:
  model: {kind: logistic}
  training: {steps: 100, learning_rate: 0.05, weight_decay: 0.1}
labelling:
  max_asked: 40
  mechanism: {kind: gnmax, sigma: 6}
student:
  learner: pseudo-label
  spec:
    model: {kind: logistic}
    train: {steps: 300, learning_rate: 0.02, weight_decay: 0.1}"""


def test_the_blocks_are_these_lines_to_the_byte() -> None:
    lines = [*yaml_text.teachers(), *yaml_text.labelling(asked=40, sigma=6), *yaml_text.student()]
    assert "\n".join(lines) == TEXT


def test_comments_change_nothing_that_is_read() -> None:
    lines = yaml_text.labelling(asked=40, sigma=6, about_asked="each answer costs", about_sigma="votes")
    lines = [*yaml_text.teachers(), *lines, *yaml_text.student("learns from labels")]
    assert lines[4] == "  max_asked: 40  # each answer costs"
    assert yaml.safe_load("\n".join(lines)) == yaml.safe_load(TEXT)


def test_quoted_texts_are_read_as_themselves() -> None:
    for text in ("plain", 'a "b": [c]', "yes", "ü # no comment", "- 1"):
        assert yaml.safe_load(yaml_text.quoted(text)) == text
    assert yaml.safe_load(yaml_text.listed(["no", "1", "a, b"])) == ["no", "1", "a, b"]
