"""A simulated etcd cluster that consists of a few files, with a simulated etcdctl, for scripts that change the members.

`members` has the lines of `etcdctl member list`. `dead` has client and peer URLs that do not answer.
"""

from collections.abc import Iterable
from pathlib import Path

from scratch_machine import ScratchMachine

# Refuses a verb with the lines of `refuse-VERB`, one after the other.
ETCDCTL = """\
endpoint='' words=''
for word in "$@"; do
    case $word in
    --endpoints=*) endpoint=${word#--endpoints=} ;;
    --cacert=* | --cert=* | --key=* | --dial-timeout=* | --command-timeout=* | --learner) ;;
    *) words="$words $word" ;;
    esac
done
cd ETCD
if grep -qxF "$endpoint" dead; then echo 'Error: context deadline exceeded' >&2; exit 1; fi
set -- $words
verb=$1-$2
if [ -s "refuse-$verb" ]; then
    echo "Error: $(head -n 1 "refuse-$verb")" >&2
    sed -i 1d "refuse-$verb"
    exit 1
fi
case $verb in
member-list) cat members ;;
member-add) echo "aa, unstarted, , ${4#--peer-urls=}, , true" >>members ;;
member-remove)
    grep -q "^$3, " members || { echo 'Error: etcdserver: member not found' >&2; exit 1; }
    sed -i "/^$3, /d" members
    ;;
member-promote) sed -i "s/^\\\\($3, .*\\\\) true$/\\\\1 false/" members ;;
endpoint-health) ;;
endpoint-status) grep -F " $endpoint, " members | sed "s|^\\\\([^,]*\\\\),.*|$endpoint, \\\\1, 3.7.3|" ;;
move-leader-*) ;;
*) echo "unknown: $*" >&2; exit 64 ;;
esac
"""
# The plain HTTP port of members: the members that a member knows, and whether the local member is a learner.
CURL = """\
for url; do :; done
case " $* " in *' --output /dev/null http'*) output=/dev/null ;; *) output=/dev/stdout ;; esac
for word; do case $word in http*) url=$word ;; esac; done
cd ETCD
! grep -qxF "${url%/*}" dead || exit 7
case $url in
*/readyz/non_learner) [ ! -e learner ] || exit 22 ;;
*/members) cat known 2>/dev/null ;;
*/version) ;;
*) exit 64 ;;
esac
"""


class Etcd:
    """The simulated cluster, and the machine that runs the scripts."""

    def __init__(self, machine: ScratchMachine) -> None:
        self.folder = machine.folder / "etcd"
        self.folder.mkdir()
        self.dead(())
        machine.program("etcdctl", ETCDCTL.replace("ETCD", str(self.folder)), machine.root / "bin")
        machine.program("curl", CURL.replace("ETCD", str(self.folder)))
        self._machine = machine

    def members(self, *members: str) -> None:
        """Set members `NAME=ADDRESS` with the ids 1, 2, ... A member without a name has not started yet."""
        lines = []
        for number, member in enumerate(members, 1):
            name, _, address = member.partition("=")
            state, client = "started", f"https://{address}:2379"
            if not name:
                state, client = "unstarted", ""
            lines.append(f"{number}, {state}, {name}, https://{address}:2380, {client}, {str(not name).lower()}\n")
        (self.folder / "members").write_text("".join(lines))

    def dead(self, addresses: Iterable[str]) -> None:
        """Let members at these addresses stop answering."""
        urls = [f"https://{address}:{port}\n" for address in addresses for port in (2379, 2380)]
        (self.folder / "dead").write_text("".join(urls))

    def refuse(self, verb: str, *reasons: str) -> None:
        """Let a verb such as `member-add` fail once for each reason."""
        (self.folder / f"refuse-{verb}").write_text("".join(f"{reason}\n" for reason in reasons))

    @property
    def names(self) -> list[str]:
        """Names of the members, `-` for a member that has not started."""
        return [line.split(", ")[2] or "-" for line in self.lines]

    @property
    def lines(self) -> list[str]:
        """The lines of `etcdctl member list`."""
        return (self.folder / "members").read_text().splitlines()

    def told(self, words: str) -> list[str]:
        """The calls of etcdctl with `words`, in order."""
        calls = [line.partition(words) for line in self._machine.calls if line.startswith("etcdctl ")]
        return [found + rest for _, found, rest in calls if found]


def path_of(folder: Path, text: str) -> str:
    """A text in which the data directory of etcd is in a folder of the test."""
    return text.replace("/var/lib/etcd", str(folder / "var/lib/etcd"))
