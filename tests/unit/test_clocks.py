"""Clocks of hosts: what the preflight refuses, and that a slow answer is no wrong clock."""

import pytest

from components.machines.clocks import AHEAD, BEHIND, BETWEEN_HOSTS, UNKNOWN, Offset, middle_of, wrong_clock
from components.node import scripts

NOW = 1_000_000.25


def findings(*ahead: float) -> list[str]:
    """The findings about hosts whose offsets are known exactly."""
    offsets = [Offset(value, value) for value in ahead]
    return [line for offset in offsets for line in wrong_clock(offset, middle_of(offsets))]


def test_a_host_that_is_behind_would_call_new_certificates_not_yet_valid() -> None:
    assert findings(-5, -5) == []
    assert findings(-6, -6) == 2 * [
        "the clock is 6 s behind the clock of this machine; allowed: 5 s. Reason: certificates begin when they are "
        "made here, and the host would call them not yet valid; run on the host, or on this machine if its clock is "
        "wrong: timedatectl set-ntp true"
    ]


def test_all_hosts_may_be_ahead_by_a_minute() -> None:
    assert findings(60, 60) == []
    (line, _) = findings(61, 61)
    assert line.startswith("the clock is 61 s ahead of the clock of this machine; allowed: 60 s. Reason: ")


def test_hosts_differ_by_seconds_only_also_if_they_are_ahead() -> None:
    assert findings(20, 20, 25) == []
    (line,) = findings(20, 20, 26)
    assert line.startswith("the clock is 6 s ahead of the clocks of the other hosts; allowed: 5 s. Reason: ")
    (line,) = findings(20, 20, 14)
    assert line.startswith("the clock is 6 s behind the clocks of the other hosts; allowed: 5 s. Reason: ")


@pytest.mark.parametrize("ahead", [-30.0, -0.4, 0.0, 0.4, 30.0])
@pytest.mark.parametrize("login", [0.0, 0.7, 20.0])
@pytest.mark.parametrize("script", [0.0, 4.2])
@pytest.mark.parametrize("way_back", [0.0, 0.7, 20.0])
def test_the_interval_contains_the_truth_however_slow_the_answer_is(
    ahead: float, login: float, script: float, way_back: float
) -> None:
    first, last = NOW + login, NOW + login + script
    offset = Offset.between(int(first + ahead), int(last + ahead), NOW, last + way_back)
    assert offset.low <= ahead <= offset.high
    # The time of the script itself makes nothing less certain.
    assert offset.high - offset.low <= login + way_back + 2


def test_a_slow_host_with_the_right_time_is_no_finding() -> None:
    slow = Offset.between(1_000_020, 1_000_024, 1_000_000.5, 1_000_044.5)
    assert slow.low < -AHEAD / 4 and slow.high > BEHIND
    offsets = [slow, Offset(0, 1), Offset(-1, 0)]
    assert [line for offset in offsets for line in wrong_clock(offset, middle_of(offsets))] == []


def test_what_is_unknown_is_no_finding() -> None:
    assert middle_of([]) == UNKNOWN
    assert list(wrong_clock(UNKNOWN, middle_of([Offset(0, 1)]))) == []


def test_a_machine_waits_as_long_as_the_preflight_allows() -> None:
    """The limit in clock.sh and the limit of the preflight are one number."""
    assert f"\nclock_limit={BEHIND}\n" in scripts.text("clock")
    assert BETWEEN_HOSTS <= BEHIND
