"""The policy pack: its configuration files, its documentation, and the choice of rules."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from policies.pack import FAMILIES, chosen
from policies.rule import Rule

ROOT = Path(__file__).resolve().parents[2]
PACK = chosen({})
BY_NAME = {rule.about.name: rule for rule in PACK}


def settings(rule: Rule) -> dict[str, dict]:
    return {name: setting.schema() for name, setting in rule.about.settings.items()}


def test_families() -> None:
    assert len(BY_NAME) == len(PACK)
    assert chosen({"HARDWAY_POLICY_FAMILIES": "certificates, safety"}) == [
        *FAMILIES["certificates"],
        *FAMILIES["safety"],
    ]
    with pytest.raises(ValueError, match=r"HARDWAY_POLICY_FAMILIES: no family 'certs'; allowed: certificates, exp"):
        chosen({"HARDWAY_POLICY_FAMILIES": "certs"})


@pytest.mark.parametrize("path", sorted((ROOT / "policies" / "config").glob("*.json")), ids=lambda path: path.stem)
def test_configurations_name_what_there_is(path: Path) -> None:
    for name, given in json.loads(path.read_text()).items():
        # The engine accepts unknown rules and settings without a message.
        own = {} if isinstance(given, str) else {key: v for key, v in given.items() if key != "enforcementLevel"}
        assert own.keys() <= settings(BY_NAME[name]).keys()


def test_what_is_left_is_more_than_the_smallest_window() -> None:
    """Renewal starts before the rule about remaining time applies. Otherwise every certificate would violate it."""
    for config in (None, *(ROOT / "policies" / "config").glob("*.json")):
        given = json.loads(config.read_text()) if config else {}
        left, window = (
            {k: v["default"] for k, v in settings(BY_NAME[name]).items()} | given.get(name, {})
            for name in ("certificate-remaining-life", "certificate-renewal-window")
        )
        for kind in ("authorityHours", "machineHours"):
            assert left[kind] < window[kind]


def test_every_rule_is_documented() -> None:
    page = (ROOT / "docs" / "policies.md").read_text()
    rows = dict(re.findall(r"^\| `([a-z-]+)` \|(.*)\|$", page, re.MULTILINE))
    assert rows.keys() == BY_NAME.keys()
    for name, rule in BY_NAME.items():
        assert rule.about.level.value in rows[name]
        for setting, schema in settings(rule).items():
            default = schema["default"]
            text = f"`{', '.join(default)}`" if isinstance(default, list) else f"{default:g}"
            assert f"`{setting}` {text if default != [] else 'none'}" in rows[name], (name, setting)


def test_the_start_of_the_policies_leaves_out_the_classes_of_the_page() -> None:
    """Each judged run waits for this start, and pydantic doubles its time."""
    program = "import sys, policies.pack; print('pydantic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
