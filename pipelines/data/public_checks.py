"""Requirements of a run that public data and the configuration alone decide, checked before any record is read.

``pate validate`` and ``pate run`` call the same functions, so that they refuse in the same words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pate.data import Study
from pate.errors import expected
from pate.features import Backbone, Scattering, SimCLR
from pate.features.requirements import (
    read_weights,
    require_body,
    require_channels,
    require_components,
    require_images,
    require_neighbours,
    require_window,
    scattering_width,
)
from pate.models import ModelSpec
from pate.models.input_shapes import require_input_shape, require_scaling
from pate.models.specs import Shape
from pipelines.config.data import NpzData, TableData, VisionData
from pipelines.config.experiment import Config
from pipelines.config.relation import carries_ids
from pipelines.config.student import FixMatchConfig, NetworkConfig
from pipelines.data.site_shares import shares

if TYPE_CHECKING:
    from pate.features import Representation


def require_declared(config: Config) -> None:
    """Refuse an assignment of records for which the configuration names no ids or sites.

    Raises:
        InputError: it names none.
    """
    if config.votes_are_given:
        return
    if config.partition.by == "unit" and carries_ids(config) is False:
        raise expected("unit ids for partition.by='unit'", "declare the unit column or use by='random'")
    if config.partition.by == "site" and _carries_sites(config) is False:
        raise expected("sites for partition.by='site'", "declare the site column or use by='random'")


def require_benchmark(config: Config, *, benchmark: bool) -> None:
    """Refuse settings that are for public benchmarks only.

    Raises:
        InputError: the data are none.
    """
    if benchmark:
        return
    seed, skew = config.labelling.insecure_seeded_noise, config.partition.label_skew
    if skew is not None:
        raise expected(
            "no partition.label_skew on data that are not a public benchmark",
            "remove the key: it assigns by label, so one record changes all assignments",
            label_skew=skew,
        )
    if seed is not None:
        raise expected(
            "no labelling.insecure_seeded_noise on data that are not a public benchmark",
            "remove the key: predictable noise gives no protection",
            insecure_seeded_noise=seed,
        )


def require_public(config: Config, study: Study) -> None:
    """Refuse a run that this public side rules out: sites, queries, or models that cannot take its inputs.

    Args:
        config: the experiment.
        study: its private records may be left out.

    Raises:
        InputError: with the key and the remedy.
    """
    if not config.votes_are_given and not _sites_in_records(config, study):
        shares(config, study)
    if config.labelling.max_asked > len(study.pool):
        raise expected(
            f"labelling.max_asked <= {len(study.pool)}, the size of the public pool",
            "lower labelling.max_asked or use a larger pool",
            max_asked=config.labelling.max_asked,
        )
    require_models(config, study.input_shape, classes=len(study.classes), pool=len(study.pool))


def require_models(config: Config, input_shape: Shape, *, classes: int, pool: int) -> None:
    """Refuse teachers, a student or a representation that cannot take these inputs.

    Args:
        config: the experiment.
        input_shape: of one input.
        classes: C.
        pool: number of public inputs.
    """
    if config.features is not None:
        _require_pool(config.features.build(), input_shape, pool)
    teacher, student = config.teachers.model, config.student
    if isinstance(teacher, ModelSpec):
        _require_network(teacher, input_shape, classes, encoded=config.features and config.teachers.see == "features")
    if not isinstance(student, NetworkConfig):
        return
    _require_network(student.spec.model, input_shape, classes, encoded=student.see == "features")
    if isinstance(student, FixMatchConfig) and (student.see == "features" or len(input_shape) != 3):
        raise expected(
            "images for student.learner=fixmatch",
            "it augments them; choose pseudo-label or supervised",
            input_shape=input_shape,
            see=student.see,
        )
    if student.start == "features":
        _require_same_body(config, student.spec.model)


def _require_network(model: ModelSpec, input_shape: Shape, classes: int, *, encoded: object) -> None:
    if encoded:  # a vector, whose length follows from the encoder
        require_input_shape(model, (2,), classes)
        return
    require_input_shape(model, input_shape, classes)
    require_scaling(model, input_shape)


def _require_same_body(config: Config, model: ModelSpec) -> None:
    representation = None if config.features is None else config.features.build()
    own = representation.model if isinstance(representation, SimCLR) else None
    if own is None or (own.kind, own.widths) != (model.kind, model.widths):
        raise expected("the student's network equal to the encoder's", "give student.spec.model as features.model")


def _require_pool(representation: Representation, input_shape: Shape, pool: int) -> None:
    diffusion = getattr(representation, "diffusion", None)
    if isinstance(representation, SimCLR):
        require_images(input_shape)
        require_input_shape(representation.model, input_shape, 2)
        require_body(representation.model.kind, representation.model.widths)
    elif isinstance(representation, Scattering):
        require_window(input_shape, representation.scales)
        width = scattering_width(input_shape, representation.scales, representation.angles)
        require_components(representation.components, width, pool)
    elif isinstance(representation, Backbone):
        require_channels(input_shape)
        read_weights(representation.weights, representation.sha256)
    if diffusion is not None:
        require_neighbours(diffusion, pool)


def _carries_sites(config: Config) -> bool | None:
    """Return ``True`` if private records carry their site; ``None`` if they may, as in manifests of images."""
    data = config.data
    if isinstance(data, VisionData):
        return False
    named = [file.site is not None for file in getattr(data, "private_files", ())]
    if isinstance(data, TableData):
        return data.site is not None or all(named)
    if isinstance(data, NpzData):
        return data.site_array is not None or all(named)
    return None


def _sites_in_records(config: Config, study: Study) -> bool:
    """Return ``True`` if only the records of a shipped public set, which are not there, name the sites."""
    return study.private is None and getattr(config.data, "set", None) is not None and not config.partition.sites
