from __future__ import annotations

import json
import socket
import time
from pathlib import Path

from pipelines.tracking.process_metrics import ProcessMetrics
from pipelines.tracking.tracker import Tracker


def test_samples_come_with_rising_steps_and_at_least_once(tmp_path: Path) -> None:
    with Tracker.open(tmp_path, run_id="run-1", insecure=False) as tracker:
        with ProcessMetrics(tracker, interval_s=0.05):
            kept = bytearray(b"x" * 60_000_000)
            end = time.monotonic() + 0.3
            while time.monotonic() < end:
                sum(range(1000))
        with tracker.phase("short") as short, ProcessMetrics(short):
            pass
    events = [json.loads(line) for line in (tmp_path / "tracking" / "outbox.jsonl").read_text().splitlines()]
    points = [(e["phase"], *point) for e in events if e["kind"] == "metrics" for point in e["body"]["points"]]
    busy = [(step, value) for phase, key, step, value in points if phase == "campaign" and "cpu" in key]
    assert [step for step, _ in busy] == list(range(len(busy)))
    assert len(busy) >= 3
    assert max(value for _, value in busy) > 20
    assert len(kept) / 2**20 - 5 < max(v for p, k, _, v in points if p == "campaign" and "memory" in k) < 120
    assert {key for _, key, _, _ in points} == {
        "system/process_cpu_utilization_percentage",
        "system/process_memory_growth_megabytes",
    }
    assert [point[1] for point in points if point[0] == "short"] == sorted({point[1] for point in points})
    assert socket.gethostname() not in (tmp_path / "tracking" / "outbox.jsonl").read_text()
