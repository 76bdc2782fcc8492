"""The rule about rotations of keys. It compares the plan with the last complete `up`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pulumi_policy import Severity

from policies import before
from policies.item import Item
from policies.rule import About, Rule, Settings, stack_rule
from policies.safety.plan import unreadable

_OUTPUT = "generations"


def order(items: Sequence[Item], _: Settings) -> Iterator[tuple[None, str]]:
    """Finds plans that leave out a step of a rotation. The program refuses such a plan, too."""
    if not before.is_plan():
        return
    planned = _outputs(items).get(_OUTPUT)
    if planned is None:
        return
    try:
        last = _outputs(before.before())
    except before.NoStateError as error:
        yield None, unreadable(error)
        return
    if not last:
        return  # a new cluster may begin with any generation
    if planned == last.get(_OUTPUT):
        return  # no step is taken
    # Imported here: the classes of the page take a third of the time in which the policies start, in each judged run.
    from pydantic import ValidationError

    from components.config.generations import KeyGenerations
    from components.config.rotation import refused_steps, whole_numbers

    try:
        now = KeyGenerations.model_validate(whole_numbers(planned))
    except ValidationError:
        yield None, f"the output `generations` of the plan is {planned!r}; allowed: the form of `pki.generations`"
        return
    # A stack without this output has no generations but the first ones.
    recorded = last.get(_OUTPUT)
    for finding in refused_steps(recorded if isinstance(recorded, Mapping) else {}, now):
        yield None, f"hardway:{finding.path}: {finding.problem}; allowed: {finding.allowed}"


def _outputs(items: Sequence[Item]) -> Mapping[str, object]:
    """The outputs of the stack."""
    return next((item.props for item in items if item.type == "pulumi:pulumi:Stack"), {})


RULES: list[Rule] = [
    stack_rule(
        About(
            "rotation-order", "A rotation takes its steps in order: trust, use, stop trusting.", {}, Severity.CRITICAL
        ),
        order,
    ),
]
