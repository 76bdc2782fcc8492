"""moto's server with corrections where it differs from AWS, as a program: `python -m tests.e2e.aws.simulator`.

- A terminated instance releases its primary network interface, and with it the address.
- An instance reports its security groups, also if they were given with its network interface.
- A terminated instance releases volumes that are not deleted with it. It is not terminated again, and does not stop.
- The network interface of a deleted NAT gateway is deleted.
- Deregistration of a target that is not registered succeeds.
- The rule of a security group about another group has a description.
- An account has a quota of instances if the parameter QUOTA is set.
- Requests run one after the other. moto iterates over dictionaries that other requests change. Some requests failed
  after moto had made the change, and the second attempt of the SDK found a duplicate.
- A second attempt of the SDK whose first attempt succeeded gets the first answer, and the log says so. All attempts
  have one `amz-sdk-invocation-id`. If an answer does not arrive, then the second attempt would find a duplicate.

Public names and addresses are names and addresses of this host, where ports of simulated machines are published.
"""

import copy
import sys
import threading
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import elastic_ip_addresses
from moto.ec2.models.instances import Instance, InstanceBackend
from moto.ec2.models.nat_gateways import NatGatewayBackend
from moto.ec2.models.security_groups import SecurityGroupRule
from moto.elbv2.models import FakeLoadBalancer, FakeTargetGroup
from moto.moto_server.werkzeug_app import DomainDispatcherApplication
from moto.server import main
from moto.ssm.models import ssm_backends

QUOTA = "/hardway-test/quota"
ADDRESS, NAME = "127.0.0.1", "localhost"
RUNNING, TERMINATED = 16, 48
_terminate = Instance.terminate
_stop = Instance.stop
_dispatch = DomainDispatcherApplication.__call__
_one_request = threading.Lock()
_REMEMBERED = 2000
"""Answers that a second attempt may still ask for. The SDKs repeat a request within seconds."""
_answers: OrderedDict[str, tuple[tuple[Any, ...], list[bytes]]] = OrderedDict()
"""Status line and headers, and the body, of the answers below 500, by invocation id, the oldest first."""


def terminate(self: Any, *arguments: Any, **options: Any) -> Any:
    """End an instance. Each further call succeeds and does nothing."""
    if self.state_code == TERMINATED:
        return copy.copy(self._state)
    for interface in self.nics.values():
        if interface.description == "Primary network interface":
            interface.delete_on_termination = True
    for device, mapping in list(self.block_device_mapping.items()):
        if not mapping.delete_on_termination and mapping.volume_id in self.ec2_backend.volumes:
            self.ec2_backend.detach_volume(mapping.volume_id, self.id, device)
    return _terminate(self, *arguments, **options)


def _stop_instance(self: Any, *arguments: Any, **options: Any) -> Any:
    if self.state_code == TERMINATED:
        text = f"This instance '{self.id}' is not in a state from which it can be stopped."
        raise EC2ClientError("IncorrectInstanceState", text)
    return _stop(self, *arguments, **options)


def _run_instances(self: Any, *arguments: Any, **options: Any) -> Any:
    quota = ssm_backends[self.account_id][self.region_name].get_parameter(QUOTA)
    running = [instance for instance in self.all_instances() if instance.state_code == RUNNING]
    if quota and len(running) >= int(quota.value):
        text = "You have requested more vCPU capacity than your current vCPU limit allows for the instance bucket."
        raise EC2ClientError("VcpuLimitExceeded", text)
    return _run(self, *arguments, **options)


def _groups(self: Any) -> list[Any]:
    primary = self.__dict__.get("nics", {}).get(0)
    return self.__dict__.get("_groups") or (list(primary._group_set) if primary else [])


def _set_groups(self: Any, groups: list[Any]) -> None:
    self.__dict__["_groups"] = groups


def _description(self: Any) -> str | None:
    return self.ip_range.get("Description") or (self.source_group or {}).get("Description")


def _delete_nat_gateway(self: Any, nat_gateway_id: str) -> Any:
    gateway = _delete(self, nat_gateway_id)
    self.enis.pop(gateway._eni.id, None)
    return gateway


def _deregister(self: Any, targets: list[Any]) -> None:
    there = [target for target in targets if target["Id"] in self.targets]
    _deregister_registered(self, there)


def _in_turn(self: Any, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    invocation = environ.get("HTTP_AMZ_SDK_INVOCATION_ID", "")
    with _one_request:
        if invocation not in _answers:
            head, body = _answer(self, environ)
            if not invocation or head[0].startswith("5"):
                start_response(*head)
                return body
            _answers[invocation] = head, body
            if len(_answers) > _REMEMBERED:
                _answers.popitem(last=False)
        else:
            print(f"repeated: {environ.get('HTTP_AMZ_SDK_REQUEST')} of {invocation}", file=sys.stderr, flush=True)
        head, body = _answers[invocation]
        start_response(*head)
        return body


def _answer(self: Any, environ: dict[str, Any]) -> tuple[tuple[Any, ...], list[bytes]]:
    heads: list[tuple[Any, ...]] = []

    def start_response(*head: Any) -> Any:
        heads.append(head[:2])

    found = _dispatch(self, environ, start_response)
    try:
        body = list(found)
    finally:
        if hasattr(found, "close"):
            found.close()
    return heads[-1], body


_deregister_registered = FakeTargetGroup.deregister
FakeTargetGroup.deregister = _deregister  # type: ignore[method-assign]
_run = InstanceBackend.run_instances
InstanceBackend.run_instances = _run_instances  # type: ignore[method-assign]
_delete = NatGatewayBackend.delete_nat_gateway
NatGatewayBackend.delete_nat_gateway = _delete_nat_gateway  # type: ignore[method-assign]
SecurityGroupRule.description = property(_description)  # type: ignore[assignment]
DomainDispatcherApplication.__call__ = _in_turn  # type: ignore[method-assign]
Instance.stop = _stop_instance  # type: ignore[method-assign]
Instance.terminate = terminate  # type: ignore[method-assign]
Instance.security_groups = property(_groups, _set_groups)  # type: ignore[assignment]
elastic_ip_addresses.random_ip = lambda: ADDRESS
FakeLoadBalancer.dns_name = property(lambda self: NAME, lambda self, name: None)  # type: ignore[assignment]

if __name__ == "__main__":
    main(sys.argv[1:])
