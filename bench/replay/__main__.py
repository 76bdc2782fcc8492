"""Registers a recorded list of resources, the file BENCH_RESOURCES, and does nothing else.

The requests go to the engine directly, past the resources of Pulumi's SDK: what a run takes with this program is what
the engine and the plugins need. The list has the resources in an order in which each comes after its dependencies.
"""

import json
import os
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from google.protobuf import json_format
from pulumi.runtime import get_root_resource, settings
from pulumi.runtime.proto import resource_pb2
from pulumi.runtime.rpc import UNKNOWN
from pulumi.runtime.sync_await import _sync_await

recorded = json.loads(Path(os.environ["BENCH_RESOURCES"]).read_text())
monitor = settings.get_monitor()
root = _sync_await(get_root_resource().urn.future())
made: dict[str, Future] = {}


def reference(urn: str) -> str:
    """The URN of this run for a recorded URN. Waits until the resource is registered."""
    return made[urn].result().urn if urn in made else root


def register(resource: dict) -> resource_pb2.RegisterResourceResponse:
    """Register one resource after its dependencies, and its outputs if it is a component."""
    provider = ""
    if resource["provider"]:
        answer = made[resource["provider"]].result()
        # A provider that the preview would create has no id yet.
        provider = f"{answer.urn}::{answer.id or UNKNOWN}"
    request = resource_pb2.RegisterResourceRequest(
        type=resource["type"],
        name=resource["name"],
        parent=reference(resource["parent"]),
        custom=resource["custom"],
        object=json_format.ParseDict(resource["inputs"], resource_pb2.RegisterResourceRequest().object),
        protect=resource["protect"],
        provider=provider,
        version=resource.get("version", ""),
        dependencies=[reference(urn) for urn in resource["dependencies"]],
        deletedWith=reference(resource["deletedWith"]) if resource["deletedWith"] else "",
        replace_with=[reference(urn) for urn in resource["replaceWith"]],
        ignoreChanges=resource["ignoreChanges"],
        additionalSecretOutputs=resource["additionalSecretOutputs"],
        replaceOnChanges=resource["replaceOnChanges"],
        acceptSecrets=True,
        acceptResources=True,
        supportsPartialValues=True,
        supportsResultReporting=True,
    )
    answer = monitor.RegisterResource(request)
    if not resource["custom"]:
        outputs = resource_pb2.RegisterResourceOutputsRequest(urn=answer.urn)
        json_format.ParseDict(resource["outputs"], outputs.outputs)
        monitor.RegisterResourceOutputs(outputs)
    return answer


# As many requests at once as the SDK sends, or fewer where the engine allows fewer.
with ThreadPoolExecutor(16) as workers:
    for one in recorded:
        made[one["urn"]] = workers.submit(register, one)
for done in made.values():
    done.result()
