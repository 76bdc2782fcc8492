"""The sentence about a machine that does not answer, from events of Pulumi."""

import json

from tools.operate import unreachable

REFUSED = "dial 127.0.0.1:20012: after 21 failed attempts: dial tcp 127.0.0.1:20012: connect: connection refused"


def event(name: str, message: str, severity: str = "error") -> str:
    urn = f"urn:pulumi:dev::hardway::hardway:etcd:EtcdCluster$command:remote:Command::{name}" if name else ""
    return json.dumps({"diagnosticEvent": {"urn": urn, "message": f"<{{%fg 1%}}>{message}", "severity": severity}})


def test_the_sentence_names_machine_address_and_cause() -> None:
    (sentence,) = unreachable.sentences(event("cp-2-activate", f"{REFUSED}\n"), "dev")
    assert sentence == (
        "cp-2 did not answer by SSH at 127.0.0.1:20012 (21 attempts; connection refused): this run's activate changed "
        "nothing on it, and finished steps on other machines are recorded; when it answers again, "
        "`make up STACK=dev` continues"
    )


def test_one_sentence_for_each_machine() -> None:
    steps = ("cp-2-stage", "worker-1-stage", "cp-2-activate")
    events = "\n".join(event(name, REFUSED) for name in steps)
    found = unreachable.sentences(events, "dev")
    assert [sentence.split()[0] for sentence in found] == ["cp-2", "worker-1"]


def test_a_bastion_and_the_official_plugin_are_understood() -> None:
    via = "dial through proxy 10.0.0.9:22: after 11 failed attempts: ssh: rejected: connect failed (No route to host)"
    (sentence,) = unreachable.sentences(event("n-1-stage", via), "dev")
    assert "n-1 did not answer by SSH at 10.0.0.9:22 (11 attempts; connect failed (No route to host))" in sentence
    official = "after 60 failed attempts: dial tcp 10.0.0.9:22: i/o timeout"
    (sentence,) = unreachable.sentences(event("n-1-stage", official), "dev")
    assert sentence.startswith("n-1 did not answer by SSH (60 attempts; i/o timeout): ")


def test_a_machine_that_goes_away_in_the_middle_is_named() -> None:
    broken = 'wait: remote command exited without exit status or exit signal: running "sh -euc ...":'
    (sentence,) = unreachable.sentences(event("worker-1-stage", broken), "dev")
    assert sentence == (
        "worker-1 went away during this run's stage, which may be half done; when it answers again, "
        "`make up STACK=dev` continues"
    )


def test_other_failures_say_nothing() -> None:
    events = [
        event("cp-1-activate", "Process exited with status 1: running ..."),
        event("cp-1-activate", REFUSED, "info"),
        event("", REFUSED),
        event("cp-1-machine", REFUSED),
        '{"diagnosticEvent": {"ur',
    ]
    assert unreachable.sentences("\n".join(events), "dev") == []
