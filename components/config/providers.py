"""All providers of machines: `hardway:machines` is one of them, selected by its key `provider`."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from components.config.aws import AwsSection
from components.config.existing import ExistingSection
from components.config.machines import LocalSection


def _provider_is_local(value: Any) -> Any:
    if isinstance(value, Mapping) and value.get("provider") is None:
        return {**value, "provider": "local"}
    return value


# A further provider is one more class in this union.
AnyMachines = Annotated[
    LocalSection | ExistingSection | AwsSection,
    Field(discriminator="provider"),
    BeforeValidator(_provider_is_local),
]
