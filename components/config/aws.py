"""`hardway:machines` with the provider `aws`: EC2 instances over the zones of a region."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from components.architecture import AMD64, ARCHITECTURES, ARM64, Architecture
from components.config.machines import MachinesSection
from components.config.names import ArchitectureKey, Cidr, CidrOrWorld, Domain, Port
from components.config.section import Choice, Rule, Section, listing, whole

DATA_DIRECTORY = "/var/lib/etcd"
"""Where the data volume of an etcd member is mounted."""
DEBIAN = {name: f"/aws/service/debian/release/12/latest/{name}" for name in ARCHITECTURES}
"""The SSM parameters with the AMIs of Debian 12, by architecture (https://wiki.debian.org/Cloud/AmazonEC2Image)."""

_INSTANCE_TYPE = re.compile(r"[a-z][a-z0-9-]*[0-9][a-z0-9-]*\.[a-z0-9-]+")
_ARM = re.compile(r"[a-z]+[0-9]+g[a-z0-9-]*\..*|a1\..*")
_TAG = re.compile(r"[\w .:/=+@-]+")


def _matching(kind: str, allowed: str, pattern: str) -> Rule:
    compiled = re.compile(pattern)
    return Rule(kind, allowed, lambda value: None if compiled.fullmatch(value) else f"is not {allowed.split(',')[0]}")


def _type_problem(value: str) -> str | None:
    return None if _INSTANCE_TYPE.fullmatch(value) else "is not an instance type"


def architecture_of_type(instance_type: str) -> Architecture:
    """The architecture of an instance type by its name: types of Graviton processors have a `g` after the number."""
    return ARM64 if _ARM.fullmatch(instance_type) else AMD64


def _tag_key_problem(value: str) -> str | None:
    if not _TAG.fullmatch(value) or len(value) > 128:
        return "is not the key of a tag"
    own = value == "Name" or value.startswith(("hardway:", "kubernetes.io/"))
    return "belongs to hardway or AWS" if own or value.lower().startswith("aws:") else None


Region = Annotated[str, _matching("region", "an AWS region, such as eu-central-1", r"[a-z]{2}(-[a-z]+)+-[0-9]")]
Zone = Annotated[str, _matching("zone", "the letter of a zone, such as a for eu-central-1a in eu-central-1", r"[a-z]")]
VpcId = Annotated[str, _matching("VPC", "the id of a VPC, such as vpc-0123456789abcdef0", r"vpc-[0-9a-f]{8,17}")]
SubnetId = Annotated[
    str, _matching("subnet", "the id of a subnet, such as subnet-0123456789abcdef0", r"subnet-[0-9a-f]{8,17}")
]
KmsKey = Annotated[
    str, _matching("KMS key", "the ARN of a KMS key, arn:aws:kms:REGION:ACCOUNT:key/ID", r"arn:aws[a-z-]*:kms:\S+")
]
Image = Annotated[
    str,
    _matching(
        "AMI",
        "the id of an AMI, such as ami-0123456789abcdef0, or the path of an SSM parameter that holds one",
        r"ami-[0-9a-f]{8,17}|(/[A-Za-z0-9._-]+)+",
    ),
]
InstanceType = Annotated[
    str, Rule("instance type", "an instance type built on Nitro, such as m6i.large or m7g.large", _type_problem)
]
TagKey = Annotated[
    str,
    Rule(
        "tag key",
        "at most 128 letters, digits, spaces and . : / = + - @ _, not Name, aws:*, hardway:* and kubernetes.io/*",
        _tag_key_problem,
    ),
]
TagValue = Annotated[
    str,
    Rule(
        "tag value",
        "at most 256 characters",
        lambda value: None if len(value) <= 256 else "is too long",
    ),
]
Flag = Annotated[bool, Rule("true or false", "true or false", accepts=(bool,))]
Gibibytes = Annotated[int, whole("size", 8, 16384, "GiB")]
Clients = Annotated[tuple[Cidr, ...], listing("a list of networks such as 203.0.113.0/24")]


class GivenSubnet(Section):
    """A subnet of an existing VPC for machines. The program compares these values with AWS before it makes anything."""

    id: SubnetId
    """The subnet."""
    zone: Zone
    """Its zone."""
    cidr: Cidr
    """Its network. The page needs it because the program chooses addresses of machines before it asks AWS."""


class GivenVpc(Section):
    """An existing VPC. hardway manages neither its routes nor its access to the internet."""

    id: VpcId
    """The VPC."""
    subnets: Annotated[tuple[GivenSubnet, ...], listing("at least one subnet, each of another zone", least=1)]
    """Private subnets for the machines, at most one in each zone."""
    public_subnets: tuple[SubnetId, ...] = ()
    """Public subnets for the bastion and a public load balancer, at most one in each zone."""


class AwsNetworkSection(Section):
    """Where in AWS the machines are."""

    cidr: Cidr = "10.80.0.0/16"
    """Network of the new VPC. Each zone gets one sixteenth of it for machines and one for public resources."""
    zones: Annotated[tuple[Zone, ...], listing("one to six letters", least=1, most=6)] = ("a", "b", "c")
    """Zones of the region, by their letters."""
    nat: Annotated[Literal["none", "one", "perZone"], Choice()] = "one"
    """How machines reach the internet: not at all, through the first zone, or each through its own zone."""
    vpc: GivenVpc | None = None
    """An existing VPC; `cidr`, `zones` and `nat` are then not used. Unset: the program makes a new VPC."""


class AwsEndpoint(Section):
    """The network load balancer in front of the API servers."""

    public: Flag = False
    """Whether it has public addresses. If not, clients reach it from the VPC and from networks connected to the VPC."""
    clients: Annotated[tuple[CidrOrWorld, ...], listing("a list of networks such as 203.0.113.0/24")] = ()
    """Networks that may connect. The machines may also connect to an internal load balancer. 0.0.0.0/0 is everybody."""
    name: Domain | None = None
    """Your DNS name for the load balancer (a CNAME), for people's kubeconfigs. Unset: the load balancer's own name."""


class AwsBastion(Section):
    """A small instance with a public address that SSH connections to the machines go through."""

    type: InstanceType = "t3.micro"
    """Instance type."""
    architecture: ArchitectureKey = AMD64
    """Architecture of the processor of that type, which chooses the AMI. A running bastion keeps its own."""
    clients: Annotated[tuple[Cidr, ...], listing("at least one network such as 203.0.113.0/24", least=1)]
    """Networks that may connect by SSH."""
    port: Port = 22
    """Port of its SSH server, for networks that block other outgoing ports. A running bastion keeps the port
    that it was made with."""


class AwsRole(Section):
    """The instances of a role. A node with several roles counts as control-plane before etcd before worker."""

    type: InstanceType = "m6i.large"
    """Instance type. To change it, the program stops a running instance and starts it again."""
    architecture: ArchitectureKey = AMD64
    """Architecture of the processor of that type, which chooses the AMI and the programs."""
    root_size: Gibibytes = 30
    """Size of the root volume (gp3, encrypted)."""


class AwsData(Section):
    """A separate volume for each etcd member: gp3, encrypted, mounted at /var/lib/etcd."""

    size: Gibibytes = 20
    """Size."""
    iops: Annotated[int, whole("whole number", 3000, 16000, "IOPS")] = 3000
    """Guaranteed operations a second."""
    throughput: Annotated[int, whole("whole number", 125, 1000, "MiB/s")] = 125
    """Guaranteed throughput."""


class AwsSection(MachinesSection):
    """EC2 instances with private addresses only, over the zones of a region."""

    chooses_addresses: ClassVar[bool] = True

    provider: Literal["aws"] = "aws"
    """Who makes the machines."""
    region: Region
    """The region. The program finds credentials as every AWS program does: environment, profile, role."""
    network: AwsNetworkSection = AwsNetworkSection()
    """Where in AWS the machines are."""
    endpoint: AwsEndpoint = AwsEndpoint()
    """The network load balancer in front of the API servers."""
    bastion: AwsBastion | None = None
    """The bastion. Unset: there is none, and SSH connects to the machines at their private addresses."""
    ssh_clients: Clients = ()
    """Networks that may connect to the machines by SSH without a bastion: a VPN, a peered VPC."""
    node_port_clients: Clients = ()
    """Networks that may connect to services of type NodePort."""
    image: Image = DEBIAN[AMD64]
    """AMI of amd64 machines: an id, or an SSM parameter, read when a machine is made. A running machine keeps its
    AMI."""
    image_arm64: Image = DEBIAN[ARM64]
    """The same for arm64 machines."""
    control_plane: AwsRole = AwsRole()
    """Nodes with the role control-plane."""
    etcd: AwsRole = AwsRole()
    """Nodes with the role etcd that are not control-plane."""
    worker: AwsRole = AwsRole()
    """Nodes that are only worker."""
    etcd_data: AwsData = AwsData()
    """The volume of each etcd member."""
    kms_key: KmsKey | None = None
    """Key that encrypts all volumes. Unset: the account's default key for EBS."""
    protected: Flag = True
    """Whether etcd members, control plane, their data and the load balancer can be neither deleted nor replaced."""
    tags: dict[TagKey, TagValue] = Field(default_factory=dict)
    """Further tags of everything that the program makes."""

    @property
    def zones(self) -> tuple[str, ...]:
        """Letters of the zones that have a subnet for machines."""
        vpc = self.network.vpc
        return tuple(subnet.zone for subnet in vpc.subnets) if vpc else self.network.zones

    def group_of(self, roles: Collection[str]) -> tuple[str, AwsRole]:
        """The key and the settings of the instances with these roles."""
        if "control-plane" in roles:
            return "controlPlane", self.control_plane
        return ("etcd", self.etcd) if "etcd" in roles else ("worker", self.worker)

    def kinds(self) -> Iterator[tuple[str, AwsRole | AwsBastion]]:
        """Everything that has an instance type, with its path on the page."""
        yield "machines.controlPlane", self.control_plane
        yield "machines.etcd", self.etcd
        yield "machines.worker", self.worker
        if self.bastion:
            yield "machines.bastion", self.bastion

    @property
    def images(self) -> Mapping[str, tuple[str, str]]:
        """By architecture: the key of the AMI, and its value."""
        return {AMD64: ("image", self.image), ARM64: ("imageArm64", self.image_arm64)}

    def architecture_of(self, roles: Collection[str]) -> str | None:
        """The architecture of the group."""
        return self.group_of(roles)[1].architecture

    def architecture_key(self, roles: Collection[str]) -> str:
        """The key of the group."""
        return f"machines.{self.group_of(roles)[0]}.architecture"
