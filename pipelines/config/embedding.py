"""Sections of a configuration whose keys are the fields of a library class, declared there once.

``section_of`` makes such a section: every field of the class is a key, with the type and default that it has there,
and its line of the class's docstring as description. Further requirements (bounds, a path relative to the
configuration) are given as annotated types.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, TypeVar, Union, final, get_args, get_type_hints

from pydantic import Field, GetCoreSchemaHandler, create_model
from pydantic_core import CoreSchema

from pipelines.config.fields import Section

S = TypeVar("S", bound="Embedding")


class Embedding(Section):
    """A section with the settings of an object of a library class."""

    embeds: ClassVar[type[Any]] = object

    def made(self, **changed: Any) -> Any:
        """The object; fields in ``changed`` replace the section's."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self.embeds)}
        return self.embeds(**{**fields, **changed})


def section_of(
    library_class: type[Any],
    base: type[S],
    *,
    name: str,
    doc: str,
    tag: tuple[str, str] | None = None,
    later: tuple[str, ...] = (),
    types: Mapping[str, Any] | None = None,
) -> type[S]:
    """A section with the fields of ``library_class`` as keys.

    Args:
        library_class: a dataclass.
        base: further keys and methods.
        name: of the section, and of the module's variable that holds it.
        doc: first line of its documentation.
        tag: key and value that choose this section among others.
        later: keys added after the first release; see ``Section.later``.
        types: narrower types of fields, such as ``Annotated[float, Field(ge=0)]``.
    """
    given, hints, described = types or {}, get_type_hints(library_class), descriptions(library_class)
    keys: dict[str, Any] = {} if tag is None else {tag[0]: (Literal[tag[1]], ...)}
    for field in dataclasses.fields(library_class):
        default = ... if field.default is dataclasses.MISSING else field.default
        kind = given.get(field.name, hints[field.name])
        keys[field.name] = (kind, Field(default, description=_description(kind) or described.get(field.name)))
    made = create_model(name, __base__=base, __module__=sys._getframe(1).f_globals["__name__"], **keys)
    made.__doc__ = doc
    made.embeds = library_class
    made.later = frozenset(later)
    return made


def _description(kind: Any) -> str | None:
    """The description in an annotated type."""
    found = (getattr(own, "description", None) for own in get_args(kind)[1:])
    return next((text for text in found if text), None)


def descriptions(library_class: type[Any]) -> dict[str, str]:
    """Field -> its description: its lines in the section ``Attributes`` of the class's docstring."""
    _, _, block = (inspect.getdoc(library_class) or "").partition("\nAttributes:\n")
    found = re.findall(r"^    (\w+): (.*(?:\n {5,}.*)*)", block, flags=re.MULTILINE)
    return {name: " ".join(text.replace("``", "`").split()).removesuffix(".") for name, text in found}


@final
class OneOf:
    """Annotation of a base class: one of ``sections``, chosen by ``key`` where there are several."""

    def __init__(self, key: str, *sections: type[Section]) -> None:
        self.key = key
        self.sections = sections

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        if len(self.sections) == 1:
            return handler.generate_schema(self.sections[0])
        choice = Union[self.sections]  # type: ignore[name-defined]  # noqa: UP007 - a union of values
        return handler.generate_schema(Annotated[choice, Field(discriminator=self.key)])
