"""A stand-in for the engine and its plugins, in a process of its own: runs __main__.py once and records it.

The working directory is the project's folder as far as the program can see; the page comes in PULUMI_CONFIG, as from
the engine.

What it answers is made up, but consistent: a certificate says whose key is in it, who signed it and for which names,
and a signature with another key than the authority's fails as it would for real. Like the engine it makes an output
secret whose input is secret, or which the resource says is secret; in a preview it knows no result of a plugin.
"""

import json
import os
import runpy
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pulumi
from google.protobuf import empty_pb2, json_format, struct_pb2
from pulumi.runtime import rpc
from pulumi.runtime.mocks import MockMonitor, Mocks
from pulumi.runtime.proto import resource_pb2
from pulumi.runtime.settings import get_root_resource
from pulumi.runtime.stack import Stack
from pulumi.runtime.sync_await import _sync_await

SIGNATURE, SECRET = "4dabf18193072939515e22adb298388d", "1b47061264138c4ac30d75fd1eb44270"
# Not in UTC: what the program makes of it has to be.
NOW = datetime.fromisoformat("2026-01-01T02:00:00+02:00")

Values = dict[str, Any]


def pem(kind: str, **content: Any) -> str:
    """A text that looks like PEM and says what it is."""
    return f"-----BEGIN {kind}-----\n{json.dumps(content, sort_keys=True)}\n-----END {kind}-----\n"


def unpem(text: str) -> Values:
    """What a text of `pem` says."""
    content: Values = json.loads(text.splitlines()[1])
    return content


def plain(value: Any) -> Any:
    """A value of the wire without marks of secrets."""
    if isinstance(value, dict):
        if value.get(SIGNATURE) == SECRET:
            return plain(value["value"])
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def private_key(name: str, inputs: Values) -> Values:
    """What the plugin tls says of a key."""
    return {
        "privateKeyPem": pem("PRIVATE KEY", key=name),
        "privateKeyOpenssh": pem("OPENSSH PRIVATE KEY", key=name),
        "publicKeyPem": pem("PUBLIC KEY", key=name),
        "publicKeyOpenssh": f"ssh-ed25519 {name}",
    }


def cert_request(name: str, inputs: Values) -> Values:
    """A request for the key that is given."""
    key = unpem(inputs["privateKeyPem"])["key"]
    names = [*inputs.get("dnsNames", []), *inputs.get("ipAddresses", [])]
    return {"certRequestPem": pem("CERTIFICATE REQUEST", key=key, subject=inputs["subject"], names=names)}


def _certificate(name: str, inputs: Values, **content: Any) -> Values:
    end = NOW + timedelta(hours=inputs["validityPeriodHours"])
    lasting = {"uses": inputs["allowedUses"], "hours": inputs["validityPeriodHours"]}
    return {"certPem": pem("CERTIFICATE", name=name, **content, **lasting), "validityEndTime": end.isoformat()}


def self_signed_cert(name: str, inputs: Values) -> Values:
    """The certificate of an authority."""
    key = unpem(inputs["privateKeyPem"])["key"]
    return _certificate(name, inputs, key=key, subject=inputs["subject"], issuer=name, authority=True)


def locally_signed_cert(name: str, inputs: Values) -> Values:
    """A leaf; the authority's key has to be the one in its certificate."""
    request, authority = unpem(inputs["certRequestPem"]), unpem(inputs["caCertPem"])
    if not authority.get("authority") or unpem(inputs["caPrivateKeyPem"])["key"] != authority["key"]:
        raise ValueError(f"{name}: the key is not the one of the authority {authority['name']}")
    return _certificate(name, inputs, **request, issuer=authority["name"])


def aws_load_balancer(name: str, inputs: Values) -> Values:
    """A load balancer whose name says nothing about it, as those of AWS."""
    return {"arn": f"arn:aws:elasticloadbalancing:{name}", "dnsName": f"{name}-0123.elb.amazonaws.com"}


def stash(name: str, inputs: Values) -> Values:
    """What is given, or what an earlier `up` is said to have written down."""
    noted = os.environ.get("FAKE_FOUNDERS") if name == "etcd-founders" else None
    return {"output": json.loads(noted) if noted else inputs["input"]}


ANSWERS = {
    "aws:lb/loadBalancer:LoadBalancer": aws_load_balancer,
    "aws:lb/targetGroup:TargetGroup": lambda name, inputs: {"arn": f"arn:aws:elasticloadbalancing:targets:{name}"},
    "aws:ec2/eip:Eip": lambda name, inputs: {"allocationId": f"eipalloc-{name}", "publicIp": "192.0.2.9"},
    "aws:ec2/eipAssociation:EipAssociation": lambda name, inputs: {"publicIp": "192.0.2.9"},
    "aws:iam/role:Role": lambda name, inputs: {"name": f"{name}-1a2b3c4"},
    "aws:iam/instanceProfile:InstanceProfile": lambda name, inputs: {"name": f"{name}-1a2b3c4"},
    "tls:index/privateKey:PrivateKey": private_key,
    "tls:index/certRequest:CertRequest": cert_request,
    "tls:index/selfSignedCert:SelfSignedCert": self_signed_cert,
    "tls:index/locallySignedCert:LocallySignedCert": locally_signed_cert,
    "pulumi:index:Stash": stash,
    "command:remote:Command": lambda name, inputs: {"stdout": "", "stderr": ""},
    "command:local:Command": lambda name, inputs: {"stdout": "", "stderr": ""},
}
# What the plugin aws answers when the program asks it; of the subnets it has only this one.
CALLS: dict[str, Values] = {
    "aws:index/getCallerIdentity:getCallerIdentity": {"accountId": "123456789012"},
    "aws:index/getAvailabilityZones:getAvailabilityZones": {"names": [f"eu-central-1{zone}" for zone in "abc"]},
    "aws:ssm/getParameter:getParameter": {"insecureValue": "ami-0123456789abcdef0"},
    "aws:ec2/getSubnet:getSubnet": {
        "vpcId": "vpc-0123456789abcdef0",
        "availabilityZone": "eu-central-1a",
        "cidrBlock": "10.81.0.0/20",
    },
}
UNKNOWN_IN_PREVIEW = {
    "aws:lb/loadBalancer:LoadBalancer": ("arn", "dnsName"),
    "aws:lb/targetGroup:TargetGroup": ("arn",),
    "aws:ec2/eip:Eip": ("allocationId", "publicIp"),
    "aws:ec2/eipAssociation:EipAssociation": ("publicIp",),
    "aws:iam/role:Role": ("name",),
    "aws:iam/instanceProfile:InstanceProfile": ("name",),
    "tls:index/privateKey:PrivateKey": ("privateKeyPem", "privateKeyOpenssh", "publicKeyPem", "publicKeyOpenssh"),
    "tls:index/certRequest:CertRequest": ("certRequestPem",),
    "tls:index/selfSignedCert:SelfSignedCert": ("certPem", "validityEndTime"),
    "tls:index/locallySignedCert:LocallySignedCert": ("certPem", "validityEndTime"),
    "pulumi:index:Stash": ("output",),
    "command:remote:Command": ("stdout", "stderr"),
    "command:local:Command": ("stdout", "stderr"),
}


class FakeEngine(MockMonitor):
    """Records every registration with its options, and the outputs of components."""

    def __init__(self, preview: bool) -> None:
        class Nothing(Mocks):
            def call(self, args: Any) -> Any:
                if os.environ.get("FAKE_CALLS") == "refused":
                    return {}, [("", "configuring the provider: no valid credential sources\nfound. See https:...")]
                return CALLS[args.token]

            def new_resource(self, args: Any) -> Any:
                raise NotImplementedError(args.typ)

        super().__init__(Nothing())
        self.preview = preview
        self.registered: list[Values] = []
        self.outputs: dict[str, Values] = {}

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802
        urn = self.make_urn(request.parent, request.type, request.name)
        if request.type == "pulumi:pulumi:Stack":
            return resource_pb2.RegisterResourceResponse(urn=urn)
        inputs = json_format.MessageToDict(request.object)
        self.registered.append(
            {
                "urn": urn,
                "type": request.type,
                "name": request.name,
                "parent": request.parent,
                "custom": request.custom,
                "inputs": inputs,
                "dependencies": sorted({*request.dependencies, *self._property_dependencies(request)}),
                "deletedWith": request.deletedWith,
                "replaceWith": list(request.replace_with),
                "additionalSecretOutputs": list(request.additionalSecretOutputs),
                "ignoreChanges": list(request.ignoreChanges),
                "protect": request.protect,
                "deleteBeforeReplace": request.deleteBeforeReplace,
                "provider": request.provider.rpartition("::")[0],
            }
        )
        state = self._state(request.type, request.name, inputs)
        secret = {*request.additionalSecretOutputs, *(key for key, value in inputs.items() if value != plain(value))}
        answer = struct_pb2.Struct()
        json_format.ParseDict(
            {key: {SIGNATURE: SECRET, "value": value} if key in secret else value for key, value in state.items()},
            answer,
        )
        known = not (self.preview and request.custom)
        return resource_pb2.RegisterResourceResponse(urn=urn, id=f"{request.name}-id" if known else "", object=answer)

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802
        self.outputs[request.urn] = json_format.MessageToDict(request.outputs)
        return empty_pb2.Empty()

    def _state(self, type_: str, name: str, inputs: Values) -> Values:
        given: Values = plain(inputs)
        if self.preview:
            return given | dict.fromkeys(UNKNOWN_IN_PREVIEW.get(type_, ()), rpc.UNKNOWN)
        return given | ANSWERS[type_](name, given) if type_ in ANSWERS else given

    @staticmethod
    def _property_dependencies(request: Any) -> set[str]:
        return {urn for dependencies in request.propertyDependencies.values() for urn in dependencies.urns}


def main(project: Path, target: Path, preview: bool) -> None:
    """Run the program of a folder and write the recording; an error of the program is part of it."""
    sys.path.insert(0, str(project))
    engine = FakeEngine(preview)
    pulumi.runtime.set_mocks(engine.mocks, project="hardway", stack="test", preview=preview, monitor=engine)

    @pulumi.runtime.test
    def program() -> None:
        runpy.run_path(str(project / "__main__.py"), run_name="__main__")

    error, outputs = None, {}
    try:
        program()
        stack = get_root_resource()
        assert isinstance(stack, Stack)
        outputs = json_format.MessageToDict(_sync_await(rpc.serialize_properties(stack.outputs, {})))
    except Exception as raised:
        error = {"type": type(raised).__name__, "text": str(raised)}
    recording = {"resources": engine.registered, "components": engine.outputs, "outputs": outputs, "error": error}
    target.write_text(json.dumps(recording))
