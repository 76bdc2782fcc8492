"""A fake engine with plugins, in a separate process: runs __main__.py once and records what the program registers.

The program sees the folder of the project as its working directory, and gets the page in PULUMI_CONFIG, as from the
real engine.

The answers are made up, but consistent. A certificate contains the name of its key, its issuer and its names. A
signature fails if its key is not the key of the authority. As in the real engine, an output is secret if its input is
secret or if the resource says so, and in a preview the results of plugins are unknown.
"""

import base64
import gc
import hashlib
import json
import os
import runpy
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pulumi
from google.protobuf import empty_pb2, json_format, struct_pb2
from pulumi.runtime import config, rpc, settings
from pulumi.runtime.mocks import MockMonitor, Mocks
from pulumi.runtime.proto import resource_pb2
from pulumi.runtime.settings import get_root_resource
from pulumi.runtime.stack import Stack
from pulumi.runtime.sync_await import _sync_await

SIGNATURE, SECRET = "4dabf18193072939515e22adb298388d", "1b47061264138c4ac30d75fd1eb44270"
# Not in UTC, because the program has to convert it.
NOW = datetime.fromisoformat("2026-01-01T02:00:00+02:00")

Values = dict[str, Any]


def pem(kind: str, **content: Any) -> str:
    """A text in PEM form with values in the place of a key or certificate."""
    return f"-----BEGIN {kind}-----\n{json.dumps(content, sort_keys=True)}\n-----END {kind}-----\n"


def unpem(text: str) -> Values:
    """The values in a text of `pem`. A real certificate, or the key of one, has the same values."""
    if text.splitlines()[1][:1] != "{":
        return _real(text)
    content: Values = json.loads(text.splitlines()[1])
    return content


def _real(text: str) -> Values:
    # Imported here, because few runs have an authority that is given.
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    def key_of(holder: Any) -> str:
        data: bytes = holder.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return hashlib.sha256(data).hexdigest()

    if "PRIVATE KEY" in text:
        return {"key": key_of(load_pem_private_key(text.encode(), None))}
    (found,) = x509.load_pem_x509_certificates(text.encode())
    name = found.subject.rfc4514_string()
    return {"name": name, "key": key_of(found), "issuer": found.issuer.rfc4514_string(), "authority": True}


def plain(value: Any) -> Any:
    """A value of the protocol without markers of secrets."""
    if isinstance(value, dict):
        if value.get(SIGNATURE) == SECRET:
            return plain(value["value"])
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def public_key(name: str) -> str:
    """A text that looks like the public key `name` in PEM."""
    return f"-----BEGIN PUBLIC KEY-----\n{base64.b64encode(name.encode()).decode()}\n-----END PUBLIC KEY-----\n"


def private_key(name: str, inputs: Values) -> Values:
    """The outputs of a key of the plugin tls."""
    return {
        "privateKeyPem": pem("PRIVATE KEY", key=name),
        "privateKeyOpenssh": pem("OPENSSH PRIVATE KEY", key=name),
        "publicKeyPem": public_key(name),
        "publicKeyOpenssh": f"ssh-ed25519 {name}",
    }


def cert_request(name: str, inputs: Values) -> Values:
    """A certificate request for the given key."""
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
    """A leaf. The key of the authority has to fit the certificate of the authority."""
    request, authority = unpem(inputs["certRequestPem"]), unpem(inputs["caCertPem"])
    if not authority.get("authority") or unpem(inputs["caPrivateKeyPem"])["key"] != authority["key"]:
        raise ValueError(f"{name}: the key is not the one of the authority {authority['name']}")
    return _certificate(name, inputs, **request, issuer=authority["name"])


def aws_load_balancer(name: str, inputs: Values) -> Values:
    """A load balancer with a name that cannot be predicted, as in AWS."""
    return {"arn": f"arn:aws:elasticloadbalancing:{name}", "dnsName": f"{name}-0123.elb.amazonaws.com"}


def stash(name: str, inputs: Values) -> Values:
    """The input, or the output that an earlier `up` recorded: FAKE_STASHES has outputs by name, as JSON."""
    return {"output": recorded_stashes().get(name, inputs["input"])}


def recorded_stashes() -> Values:
    """The outputs that an earlier `up` recorded, by the name of the Stash."""
    stashes: Values = json.loads(os.environ.get("FAKE_STASHES", "{}"))
    return stashes


def local_command(name: str, inputs: Values) -> Values:
    """Nothing, or the certificate of a signing service: the content of the draft, signed by the authority."""
    if not name.endswith("-signed"):
        return {"stdout": "", "stderr": ""}
    request = json.loads(inputs["stdin"])
    draft = unpem(request["draft"])
    end = (NOW + timedelta(hours=draft["hours"])).isoformat()
    # The first certificate of the chain is the authority.
    authority = _real(request["authority"].partition("-----END")[0] + "-----END CERTIFICATE-----\n")
    signed = pem("CERTIFICATE", **{**draft, "issuer": authority["name"]})
    return {"stdout": json.dumps({"certificate": signed, "notAfter": end}), "stderr": ""}


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
    "command:local:Command": local_command,
}
# Answers of the plugin aws to queries of the program.
CALLS: dict[str, Values] = {
    "aws:index/getCallerIdentity:getCallerIdentity": {"accountId": "123456789012"},
    "aws:index/getAvailabilityZones:getAvailabilityZones": {"names": [f"eu-central-1{zone}" for zone in "abc"]},
}
AMIS: Values = {
    "ami-0123456789abcdef0": "x86_64",
    "ami-0123456789abcdefa": "arm64",
}
"""The architectures of AMIs. An SSM parameter that ends in arm64 has the second one."""
TYPES: Values = {"m7g.large": ["arm64"], "t4g.micro": ["arm64"], "x9g.large": ["i386", "x86_64"]}
"""What AWS says about instance types."""
GET_ZONES = "aws:index/getAvailabilityZones:getAvailabilityZones"
"""FAKE_ZONES has the zones of another region, as JSON. FAKE_MACHINES has amd64 machines of the stack that exist:
private addresses by the tag `Name`, as JSON. FAKE_AMI is the AMI in every SSM parameter."""
GET_SUBNET = "aws:ec2/getSubnet:getSubnet"
SUBNETS: Values = {
    "subnet-0123456789abcdef0": {
        "vpcId": "vpc-0123456789abcdef0",
        "availabilityZone": "eu-central-1a",
        "cidrBlock": "10.81.0.0/20",
    },
}
"""The subnets of the account, by id. FAKE_SUBNETS has others, as JSON."""
LAST_OUTPUTS = "pulumi:pulumi:readStackOutputs"
"""The engine's function for the outputs of an earlier `up`: FAKE_OUTPUTS has them, as JSON."""
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
                if args.token == LAST_OUTPUTS:
                    return {"name": args.args["name"], "outputs": json.loads(os.environ.get("FAKE_OUTPUTS", "{}"))}
                if os.environ.get("FAKE_CALLS") == "refused":
                    return {}, [("", "configuring the provider: no valid credential sources\nfound. See https:...")]
                if args.token == GET_ZONES and "FAKE_ZONES" in os.environ:
                    return {"names": json.loads(os.environ["FAKE_ZONES"])}
                if args.token == "aws:ssm/getParameter:getParameter":
                    is_arm64 = args.args["name"].endswith("arm64")
                    return {"insecureValue": os.environ.get("FAKE_AMI", list(AMIS)[is_arm64])}
                if args.token == "aws:ec2/getAmi:getAmi":
                    return {"architecture": AMIS[args.args["filters"][0]["values"][0]]}
                if args.token == "aws:ec2/getInstanceType:getInstanceType":
                    return {"supportedArchitectures": TYPES[args.args["instanceType"]]}
                if args.token == "aws:ec2/getInstances:getInstances":
                    wanted = {entry["name"]: entry["values"] for entry in args.args["filters"]}
                    machines = json.loads(os.environ.get("FAKE_MACHINES", "{}"))
                    names = wanted.get("tag:Name", machines)
                    return {"privateIps": [address for name, address in machines.items() if name in names]}
                if args.token == GET_SUBNET:
                    return json.loads(os.environ.get("FAKE_SUBNETS", json.dumps(SUBNETS)))[args.args["id"]]
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
                "replaceOnChanges": list(request.replaceOnChanges),
                "aliases": [alias.spec.name for alias in request.aliases],
                "protect": request.protect,
                "retained": request.retainOnDelete,
                "deleteBeforeReplace": request.deleteBeforeReplace,
                "provider": request.provider.rpartition("::")[0],
                "beforeUpdate": list(request.hooks.before_update),
                "waits": request.customTimeouts.create,
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
        if type_ == "pulumi:index:Stash" and name in recorded_stashes():
            # A preview knows the values in the state.
            return given | stash(name, given)
        if self.preview:
            return given | dict.fromkeys(UNKNOWN_IN_PREVIEW.get(type_, ()), rpc.UNKNOWN)
        return given | ANSWERS[type_](name, given) if type_ in ANSWERS else given

    @staticmethod
    def _property_dependencies(request: Any) -> set[str]:
        return {urn for dependencies in request.propertyDependencies.values() for urn in dependencies.urns}


class Hooks:
    """Takes the hooks of the program. The SDK's own server of hooks needs the real engine."""

    def register_resource_hook(self, hook: pulumi.ResourceHook) -> None:
        """Do nothing: nothing is ever updated here."""


def main(project: Path, target: Path, preview: bool) -> None:
    """Run the program of a folder and write the recording, which includes an error of the program."""
    before = set(sys.modules)
    sys.path.insert(0, str(project))
    engine = FakeEngine(preview)
    # The SDK takes both from the environment when the real engine starts the program.
    config.set_all_config(config.get_config_env(), config.get_config_secret_keys_env())
    pulumi.runtime.set_mocks(engine.mocks, project="hardway", stack="test", preview=preview, monitor=engine)
    settings.SETTINGS.callbacks = Hooks()

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
    recording = {
        "resources": engine.registered,
        "components": engine.outputs,
        "outputs": outputs,
        "error": error,
        "imported": sorted(set(sys.modules) - before),
        "collects": gc.isenabled(),
    }
    target.write_text(json.dumps(recording))
