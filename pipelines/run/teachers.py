"""Stage ``teachers``: each teacher is trained on its own records, and the roster is frozen."""

from __future__ import annotations

from dataclasses import replace

from pate.values import Released
from pipelines.cluster.session import OnDemand
from pipelines.run.context import Run
from pipelines.run.stages import Done
from pipelines.teachers import training
from pipelines.teachers.ensemble import ROSTER, Ensemble, teachers_per_site
from pipelines.teachers.holders import Holder
from pipelines.teachers.roster import Roster


def teachers(run: Run, holder: Holder, ray: OnDemand) -> None:
    """Train the teachers and freeze the roster of those that will vote; there are none where votes were given."""
    if run.config.votes_are_given:
        return
    team = ensemble_of(run, holder)

    def work() -> Done:
        totals = teachers_per_site(team)
        with run.tracker.phase("teachers") as tracker, run.progress.bars("teachers", totals) as on_done:
            roster = training.train_teachers(
                replace(team, on_done=on_done), ray.session(), encoder=run.teachers_encoder
            )
            counts = Released.public({"teachers_enrolled": roster.enrolled, "teachers_lost": len(roster.lost)})
            tracker.metrics(counts)
            run.tracker.metrics(counts)
        line = f"{roster.enrolled - len(roster.lost)} teachers trained"
        if roster.lost:
            line += f", {len(roster.lost)} lost to infrastructure: they abstain"
        return Done(outputs=training.training_files(team, roster), note={}, line=line)

    run.stage("teachers", work)


def ensemble_of(run: Run, holder: Holder) -> Ensemble:
    """The run's ensemble."""
    folder = run.folder.made(run.folder.teachers / ROSTER).parent
    return Ensemble(folder=folder, config=run.config, study=run.study, holder=holder)


def teachers_lost(run: Run) -> int:
    """Number of teachers that the infrastructure lost before the roster was frozen."""
    if run.config.votes_are_given:
        return 0
    return len(Roster.load(run.folder.teachers / ROSTER).lost)
