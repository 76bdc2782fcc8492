"""All providers of machines: one of these is `hardway:machines`, told apart by its key `provider`."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from components.config.aws import AwsMachines
from components.config.existing import ExistingMachines
from components.config.machines import LocalMachines


def _provider_is_local(value: Any) -> Any:
    if isinstance(value, Mapping) and value.get("provider") is None:
        return {**value, "provider": "local"}
    return value


# A further provider is one more class in this union.
AnyMachines = Annotated[
    LocalMachines | ExistingMachines | AwsMachines,
    Field(discriminator="provider"),
    BeforeValidator(_provider_is_local),
]
