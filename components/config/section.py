"""The building blocks of the page: `Section` for mappings, `Rule` for the values in them.

A `Rule` is part of the annotation of a field. The rule checks the value and says what is allowed; `reference.py` prints
the same text. So a rule, its message and its documentation cannot disagree.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, get_args

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

RULE_ERROR = "hardway_rule"
_TYPE_NAMES = {str: "a string", int: "a whole number", bool: "true or false", list: "a list", dict: "a mapping"}


class Section(BaseModel):
    """A mapping on the page. Frozen; keys are camelCase; unknown keys are refused; a null key is an unset key."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, use_attribute_docstrings=True, hide_input_in_errors=True
    )

    is_public: ClassVar[bool] = False
    """Whether all values with a rule, but those of private rules, are no secrets, also below."""

    @model_validator(mode="before")
    @classmethod
    def _null_is_unset(cls, value: Any) -> Any:
        # A key without a value, such as `labels:`, is null in YAML and means "the default".
        if isinstance(value, Mapping):
            return {key: item for key, item in value.items() if item is not None}
        return value


def refused(problem: str, allowed: str, private: bool = False) -> PydanticCustomError:
    """The error to raise from a validator; the message is the value, not shown if `private`, and `problem`."""
    return PydanticCustomError(RULE_ERROR, "{problem}", {"problem": problem, "allowed": allowed, "private": private})


@dataclass(frozen=True)
class Rule:
    """Accepts a value if it has one of the types `accepts` and `check` returns None.

    `check` gets the value and returns what is wrong with it ("is not a port"), or None.
    `convert` turns the accepted value into what the model holds. `kind`, `unit` and `allowed` are also documentation.
    `quote` is the advice for a number where a string belongs. A `private` value may be a secret and is not shown. A
    `public` value is shown even if its top-level key has secrets.
    """

    kind: str
    allowed: str
    check: Callable[[Any], str | None] = lambda value: None
    accepts: tuple[type, ...] = (str,)
    convert: Callable[[Any], Any] = lambda value: value
    unit: str = ""
    quote: str = "quote it"
    private: bool = False
    public: bool = False

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(self._validate, handler(source))

    def allowed_for(self, source: Any) -> str:
        """What is allowed, for messages and documentation."""
        return self.allowed

    def _validate(self, value: Any, handler: core_schema.ValidatorFunctionWrapHandler) -> Any:
        # bool is an int for Python, but `port: yes` is a mistake.
        if not isinstance(value, self.accepts) or (isinstance(value, bool) and bool not in self.accepts):
            raise refused(self._wrong_type(value), self.allowed, self.private)
        problem = self.check(value)
        if problem is not None:
            raise refused(problem, self.allowed, self.private)
        return handler(self.convert(value))

    def _wrong_type(self, value: Any) -> str:
        wanted = _TYPE_NAMES[self.accepts[0]]
        if self.accepts[0] is str and isinstance(value, int | float):
            return f"is not a string ({self.quote})"
        return f"is not {wanted}"


@dataclass(frozen=True)
class Choice:
    """One of the strings of a `Literal`: `Annotated[Literal["a", "b"], Choice()]`."""

    unit: str = ""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def validate(value: Any) -> Any:
            if not isinstance(value, str) or value not in get_args(source):
                raise refused("is not allowed", self.allowed_for(source))
            return value

        return core_schema.no_info_plain_validator_function(validate)

    def allowed_for(self, source: Any) -> str:
        """What is allowed, for messages and documentation."""
        return ", ".join(get_args(source))


def whole(kind: str, least: int, most: int, unit: str = "", note: str = "", public: bool = False) -> Rule:
    """A whole number from `least` to `most`, both included. `note` gives the limits in another unit."""
    return Rule(
        kind,
        f"{least} to {most}" + (f" {unit}" if unit else "") + (f" ({note})" if note else ""),
        lambda value: None if least <= value <= most else f"is not between {least} and {most}",
        accepts=(int,),
        unit=unit,
        public=public,
    )


def listing(allowed: str, least: int = 0, most: int | None = None) -> Rule:
    """A list with at least `least` and at most `most` items."""

    def check(value: list[Any]) -> str | None:
        if len(value) < least:
            return "is empty" if not value else f"has {len(value)} items"
        return f"has {len(value)} items" if most is not None and len(value) > most else None

    return Rule("list", allowed, check, accepts=(list, tuple))
