"""Plain Python values from the values of a request of the engine.

The signatures are those of pulumi/sdk/go/common/resource/sig, the unknown values those of
pulumi/sdk/go/common/resource/plugin/rpc.go.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.struct_pb2 import Struct, Value
from pulumi_policy import proxy

from policies.item import SIGNATURE, UNKNOWN

_SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105
_UNKNOWN = frozenset(
    (
        proxy.UNKNOWN_BOOLEAN_VALUE,
        proxy.UNKNOWN_NUMBER_VALUE,
        proxy.UNKNOWN_STRING_VALUE,
        proxy.UNKNOWN_ARRAY_VALUE,
        proxy.UNKNOWN_ASSET_VALUE,
        proxy.UNKNOWN_ARCHIVE_VALUE,
        proxy.UNKNOWN_OBJECT_VALUE,
    )
)


def plain_properties(properties: Struct) -> dict[str, Any]:
    """The properties, with UNKNOWN in the place of values that are known only during `up`, and secrets in plain text.

    An asset stays a mapping with its signature: no resource of the program has one.
    """
    return {name: _plain(value) for name, value in properties.fields.items()}


def _plain(value: Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        text = value.string_value
        return UNKNOWN if text in _UNKNOWN else text
    if kind == "struct_value":
        fields = value.struct_value.fields
        # A lookup of a field that is missing would add the field.
        if SIGNATURE in fields and fields[SIGNATURE].string_value == _SECRET:
            return _plain(fields["value"])
        return plain_properties(value.struct_value)
    if kind == "list_value":
        return [_plain(entry) for entry in value.list_value.values]
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    return value.bool_value if kind == "bool_value" else None
