"""How an etcd member joins, votes and is removed: the script of releases, with a simulated etcd."""

import signal
import subprocess
from pathlib import Path

import pytest
from clusters import cluster
from etcd_stand_in import Etcd, path_of
from scratch_machine import ScratchMachine

from components.node.model import NodeFile

NODE = "cp-2"
ADDRESSES = {"cp-1": "10.89.3.11", "cp-2": "10.89.3.12", "cp-3": "10.89.3.13"}
ALL = [f"{name}={address}" for name, address in ADDRESSES.items()]
OTHERS = [member for member in ALL if not member.startswith(NODE)]
ME = f"https://{ADDRESSES[NODE]}:2380"
# A clock that advances by a minute each time it is read.
FAST_CLOCK = 'minutes=$(grep -c "^date" "$CALLS"); echo $((minutes * 60))\n'


class Member(ScratchMachine):
    """The machine of cp-2 with the files of its release that the script reads."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.etcd = Etcd(self)
        self.etcd.members(*ALL)
        self.program("systemctl")
        self.data, self.run_folder = self.sysroot / "var/lib/etcd", self.sysroot / "run/etcd"
        self.run_folder.mkdir()
        self.founder("no")
        for file in cluster("stacked").part(NODE).files:
            if file.path in ("cfg/etcd-initial.env", "cfg/etcd-functions", "cfg/etcd-member.sh"):
                self.put(file)

    def put(self, file: NodeFile) -> None:
        """Write a file of the release."""
        assert isinstance(file.content, str)
        (self.root / file.path).write_text(path_of(self.sysroot, file.content))

    def founder(self, answer: str) -> None:
        """Set whether this machine is an initial member in Pulumi's state."""
        (self.root / "cfg").mkdir(exist_ok=True)
        (self.root / "cfg/etcd-founder").write_text(f"{answer}\n")

    def with_data(self) -> None:
        """Give the member the data directory of a member that has run."""
        for path in ("member/wal/0-0.wal", "member/snap/db"):
            (self.data / path).parent.mkdir(parents=True, exist_ok=True)
            (self.data / path).write_text("data")

    def member(self, verb: str) -> subprocess.CompletedProcess[str]:
        """Run the script of the release."""
        return self.run(self.root / "cfg/etcd-member.sh", verb, **self.own)

    @property
    def own(self) -> dict[str, str]:
        """Variables of the script's own."""
        return {"HARDWAY_RUN": str(self.run_folder), "HARDWAY_PAUSE": "0.1"}

    @property
    def starts_as(self) -> dict[str, str]:
        """The environment of etcd for its first start."""
        path = self.run_folder / "cluster.env"
        return dict(line.split("=", 1) for line in path.read_text().splitlines()) if path.exists() else {}

    @property
    def voted(self) -> bool:
        """Whether the marker file outside of the data directory exists."""
        return (self.root / "etcd-voted").exists()


@pytest.fixture
def member(tmp_path: Path) -> Member:
    """A machine without data, which is a member of a cluster of three."""
    return Member(tmp_path)


def initial(members: list[str]) -> str:
    """The members in the form of `--initial-cluster`."""
    return ",".join(f"{name}=https://{address}:2380" for name, address in (m.split("=") for m in members))


# --- start -------------------------------------------------------------------------------------------------------


def test_a_founder_without_data_starts_a_new_cluster_and_asks_nobody_to_let_it_in(member: Member) -> None:
    member.founder("yes")
    assert member.member("start").returncode == 0
    assert member.starts_as == {"ETCD_INITIAL_CLUSTER_STATE": "new", "ETCD_INITIAL_CLUSTER": initial(ALL)}
    assert member.etcd.told("member") == []


def test_a_member_with_data_starts_as_it_is(member: Member) -> None:
    member.with_data()
    (member.run_folder / "cluster.env").write_text("ETCD_INITIAL_CLUSTER_STATE=new\n")
    assert member.member("start").returncode == 0
    assert (member.starts_as, member.etcd.told("member")) == ({}, [])


@pytest.mark.parametrize("sign", ["it has voted", "another member knows it", "it is no founder"])
def test_a_member_that_may_have_had_data_joins_and_never_founds(member: Member, sign: str) -> None:
    member.founder("no" if sign == "it is no founder" else "yes")
    if sign == "it has voted":
        (member.root / "etcd-voted").touch()
    if sign == "another member knows it":
        known = f'[{{"id":1,"peerURLs":["{ME}"],"clientURLs":["https://x"]}},{{"id":2}}]'
        (member.etcd.folder / "known").write_text(known)
    member.etcd.members(*OTHERS)
    done = member.member("start")
    assert (done.returncode, "joins etcd as a learner" in done.stderr) == (0, True)
    assert member.etcd.told("member add") == [f"member add {NODE} --learner --peer-urls={ME}"]
    assert member.starts_as == {
        "ETCD_INITIAL_CLUSTER_STATE": "existing",
        "ETCD_INITIAL_CLUSTER": initial([*OTHERS, f"{NODE}={ADDRESSES[NODE]}"]),
    }


def test_a_member_that_others_know_without_clients_has_not_run(member: Member) -> None:
    """As at the first start of the cluster: the other members have no data either."""
    member.founder("yes")
    (member.etcd.folder / "known").write_text(f'[{{"id":1,"peerURLs":["{ME}"],"clientURLs":[]}}]')
    assert member.member("start").returncode == 0
    assert member.starts_as["ETCD_INITIAL_CLUSTER_STATE"] == "new"


def test_a_join_that_was_killed_is_not_asked_for_twice(member: Member) -> None:
    member.etcd.members(*OTHERS, f"={ADDRESSES[NODE]}")
    assert member.member("start").returncode == 0
    assert member.etcd.told("member add") == member.etcd.told("member remove") == []
    assert member.starts_as["ETCD_INITIAL_CLUSTER"].endswith(f"{NODE}={ME}")


@pytest.mark.parametrize("old", [f"{NODE}=10.89.3.99", f"other-name={ADDRESSES[NODE]}", f"{NODE}={ADDRESSES[NODE]}"])
def test_an_old_identity_goes_before_the_new_one_comes(member: Member, old: str) -> None:
    member.etcd.members(*OTHERS, old)
    assert member.member("start").returncode == 0
    assert member.etcd.told("member remove") == ["member remove 3"]
    assert member.etcd.names == ["cp-1", "cp-3", "-"]


def test_a_dead_member_that_nobody_wants_makes_room_and_one_that_is_wanted_stays(member: Member) -> None:
    member.etcd.members(*OTHERS, "left=10.89.3.77")
    member.etcd.dead(["10.89.3.77", ADDRESSES["cp-3"]])
    member.etcd.refuse("member-add", "etcdserver: unhealthy cluster", "etcdserver: unhealthy cluster")
    done = member.member("start")
    assert done.returncode == 0
    assert "removes member 3 (left, https://10.89.3.77:2380): it is dead, and nobody wants it" in done.stderr
    assert member.etcd.told("member remove") == ["member remove 3"]
    assert member.etcd.names == ["cp-1", "cp-3", "-"]


def test_a_member_that_is_wanted_no_more_but_lives_is_not_removed_by_a_joining_one(member: Member) -> None:
    member.etcd.members(*OTHERS, "left=10.89.3.77")
    member.etcd.refuse("member-add", "etcdserver: unhealthy cluster")
    done = member.member("start")
    assert (done.returncode, "a member is not healthy: https://10.89.3.11:2379" in done.stderr) == (0, True)
    assert member.etcd.told("member remove") == []


def test_one_learner_at_a_time(member: Member) -> None:
    member.etcd.members(*OTHERS)
    member.etcd.refuse("member-add", "etcdserver: too many learner members in cluster")
    done = member.member("start")
    assert (done.returncode, "waits: another member is joining etcd" in done.stderr) == (0, True)
    assert len(member.etcd.told("member add")) == 2


def test_a_member_waits_while_nobody_answers(member: Member) -> None:
    member.etcd.members(*OTHERS)
    member.etcd.dead(ADDRESSES.values())
    member.program("sleep", f'[ "$(grep -c ^sleep "$CALLS")" -lt 3 ] || : >{member.etcd.folder}/dead\n')
    done = member.member("start")
    said = [line for line in done.stderr.splitlines() if line.startswith("cannot join etcd yet")]
    assert said == ["cannot join etcd yet: https://10.89.3.11:2379: context deadline exceeded"]  # once in 15 s
    assert (done.returncode, member.starts_as["ETCD_INITIAL_CLUSTER_STATE"]) == (0, "existing")


def test_the_only_member_without_its_data_says_what_helps(member: Member) -> None:
    path = member.root / "cfg/etcd-initial.env"
    path.write_text(path.read_text().replace("MEMBER_CLIENTS=", "MEMBER_CLIENTS='' _="))
    member.program("sleep", 'kill "$PPID"\n')
    done = member.member("start")
    assert f"nobody else has it: restore a snapshot into {member.data}" in done.stderr
    assert member.starts_as == {}


# --- vote --------------------------------------------------------------------------------------------------------


def test_a_member_that_votes_is_marked(member: Member) -> None:
    assert member.member("vote").returncode == 0
    assert (member.voted, member.etcd.told("member")) == (True, [])


def test_a_learner_is_promoted_once_the_others_let_it(member: Member) -> None:
    (member.etcd.folder / "learner").touch()
    member.etcd.members(*OTHERS)
    lines = [*member.etcd.lines, f"aa, started, {NODE}, {ME}, https://{ADDRESSES[NODE]}:2379, true"]
    (member.etcd.folder / "members").write_text("\n".join(lines) + "\n")
    member.etcd.refuse("member-promote", "etcdserver: can only promote a learner member which is in sync with leader")
    done = member.member("vote")
    assert (done.returncode, member.voted) == (0, True)
    assert "does not vote yet: https://10.89.3.11:2379: etcdserver: can only promote" in done.stderr
    assert member.etcd.lines[-1].endswith(" false")


# --- leave -------------------------------------------------------------------------------------------------------


def test_a_member_leaves_and_takes_its_data_with_it(member: Member) -> None:
    member.with_data()
    (member.data / "lost+found").mkdir()
    assert member.member("leave").returncode == 0
    assert member.etcd.names == ["cp-1", "cp-3"]
    # The leadership goes first.
    calls = [call for call in member.calls if "move-leader" in call or "member remove" in call]
    assert ["move-leader 1" in calls[0], "member remove 2" in calls[1]] == [True, True]
    assert "systemctl stop etcd.service" in member.calls
    assert [*(member.data / "member").iterdir()] == []
    assert (member.data / "lost+found").exists()


def test_leaving_that_was_killed_is_taken_up_again(member: Member) -> None:
    member.with_data()
    member.killing("systemctl")
    assert member.member("leave").returncode == -signal.SIGKILL
    assert (member.etcd.names, (member.data / "member/snap/db").exists()) == (["cp-1", "cp-3"], True)
    member.program("systemctl")
    assert member.member("leave").returncode == 0
    assert member.etcd.told("member remove") == []
    assert [*(member.data / "member").iterdir()] == []


@pytest.mark.parametrize("silent", [True, False])
def test_a_member_that_may_not_leave_keeps_its_data(member: Member, silent: bool) -> None:
    member.with_data()
    if silent:
        member.etcd.dead(ADDRESSES.values())
    else:
        member.etcd.refuse("member-remove", *["etcdserver: unhealthy cluster"] * 9)
    member.program("date", FAST_CLOCK)
    done = member.member("leave")
    why = "context deadline exceeded" if silent else "etcdserver: unhealthy cluster"
    assert (done.returncode, done.stderr) == (
        1,
        f"the member of etcd cannot leave: https://10.89.3.11:2379: {why}\n",
    )
    assert (member.data / "member/snap/db").exists()
    assert not [call for call in member.calls if call.startswith("systemctl")]


def test_an_unknown_verb_is_refused(member: Member) -> None:
    done = member.member("stop")
    assert (done.returncode, "usage: etcd-member.sh start | vote | leave" in done.stderr) == (2, True)


# --- asking ------------------------------------------------------------------------------------------------------

CLIENTS = " ".join(f"https://{address}:2379" for address in ADDRESSES.values())


def ask(member: Member, words: str) -> subprocess.CompletedProcess[str]:
    """Send requests to members with the functions of the release."""
    settings = f"set -eu; root={member.root} tls='--cacert=x' clients='{CLIENTS}'; . {member.root}/cfg/etcd-functions"
    return member.execute(["sh", "-c", f'{settings}; ask {words} && echo "did: $answer" || echo "problem: $problem"'])


def test_a_dead_member_or_a_learner_is_no_answer(member: Member) -> None:
    member.etcd.dead([ADDRESSES["cp-1"]])
    member.etcd.refuse("member-list", "etcdserver: rpc not supported for learner")
    said = ask(member, "member list").stdout
    assert said.startswith("did: 1, started, cp-1")
    assert len(member.etcd.told("member list")) == 3


def test_what_a_member_refuses_is_an_answer(member: Member) -> None:
    member.etcd.refuse("member-remove", "etcdserver: unhealthy cluster")
    assert ask(member, "member remove 1").stdout == "problem: https://10.89.3.11:2379: etcdserver: unhealthy cluster\n"
    assert len(member.etcd.told("member remove")) == 1


def test_when_nobody_answers_the_first_silence_is_told(member: Member) -> None:
    member.etcd.dead(ADDRESSES.values())
    assert ask(member, "member list").stdout == "problem: https://10.89.3.11:2379: context deadline exceeded\n"
