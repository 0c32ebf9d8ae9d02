"""Stage ``votes``: one vote per teacher and query. Private."""

from __future__ import annotations

from dataclasses import replace

from pate.values import Released
from pate.votes import VoteMatrix
from pipelines.cluster.session import OnDemand
from pipelines.run.context import Run
from pipelines.run.features import encoded
from pipelines.run.stages import Done
from pipelines.run.teachers import ensemble_of
from pipelines.teachers import voting
from pipelines.teachers.ensemble import teachers_per_site
from pipelines.teachers.given_votes import GivenVotes
from pipelines.teachers.holders import Holder


def votes(run: Run, holder: Holder, asked: Released[list[int]], ray: OnDemand) -> VoteMatrix:
    """Collect the votes; they are persisted before the first answer and never recomputed."""
    if isinstance(holder, GivenVotes):
        return _given(run, holder, asked)
    path = run.folder.made(run.folder.votes_file)
    team = ensemble_of(run, holder)

    def work() -> Done:
        inputs = encoded(run.study.pool.inputs[asked.value], run.teachers_encoder)
        with run.progress.bars("votes", teachers_per_site(team)) as on_done:
            voted = voting.collect_votes(path, replace(team, on_done=on_done), inputs, ray.session())
        line = f"{run.config.partition.teachers} teachers asked about {len(inputs)} inputs"
        if voted.unreachable:
            line += f", {voted.unreachable} could no longer be reached: they abstain"
        return Done(outputs=[path], note={"sha256": voted.sha256}, line=line)

    note = run.stage("votes", work)
    voting.forget_parts(path)
    return VoteMatrix.load(path, len(run.study.classes), note["sha256"])


def _given(run: Run, holder: GivenVotes, asked: Released[list[int]]) -> VoteMatrix:
    """Keep the given votes on the queries; those of a resumed run must be the same."""
    path, classes = run.folder.made(run.folder.votes_file), len(run.study.classes)

    def work() -> Done:
        sha256 = holder.on(asked.value, classes).save(path)
        line = f"{holder.teachers} teachers' votes on {len(asked.value)} inputs were given"
        return Done(outputs=[path], note={"sha256": sha256}, line=line)

    note = run.stage("votes", work)
    kept = VoteMatrix.load(path, classes, note["sha256"])
    holder.require_same(kept, asked.value)
    return kept
