"""The footprint of a host: what is on the host before `up` and after `down`."""

from collections.abc import Mapping
from dataclasses import dataclass

from tests.e2e.support.machines import Host

# Left out: files that packages, logins, journals and systemd's services make at run time.
_LOOK = """
find /etc /opt /usr/local /root /home /srv /var/lib /var/log -xdev \\
    -path /var/lib/dpkg -prune -o -path /var/lib/apt -prune -o -path /var/lib/systemd -prune -o \\
    -path /var/lib/ucf -prune -o -path /var/log/journal -prune -o -path /var/log/apt -prune -o \\
    -path /etc/ssl/certs -prune -o \\
    -path '/etc/rc?.d/*' -o -path /etc/ca-certificates.conf -o -path /etc/networks -o \\
    -path /usr/local/share/ca-certificates -o \\
    -path /var/log/dpkg.log -o -path /var/log/alternatives.log -o \\
    -path /etc/alternatives -prune -o -print | sed 's/^/file /'
find /run -maxdepth 1 | grep -Ev '/(motd.dynamic|sudo|user|adduser|haproxy|xtables.lock)$' | sed 's/^/runtime /'
systemctl list-unit-files --no-legend --no-pager | awk '{print "unit " $1}'
systemctl list-units --no-legend --no-pager --plain --type=service | awk '{print "running " $1}'
ls /sys/class/net | sed 's/^/interface /'
ip -4 route show | sed 's/^/route /'
cut -d' ' -f2 /proc/mounts | grep -v '^/run/credentials/' | sed 's/^/mount /'
command -v nft >/dev/null && nft list tables | sed 's/^/firewall /'
command -v iptables-save >/dev/null && iptables-save 2>/dev/null | grep -E 'KUBE|CNI|FLANNEL' | sed 's/^/rule /'
cut -d: -f1 /etc/passwd | grep -v haproxy | sed 's/^/user /'
for exe in /proc/[0-9]*/exe; do readlink $exe; done 2>/dev/null | grep '^/opt/' | sort -u | sed 's/^/program /'
cat /var/lib/dpkg/info/*.list | sort -u | sed 's/^/owned /'
true
"""


@dataclass(frozen=True)
class Footprint:
    """Names of things by kind, such as `unit`, and the files that packages own."""

    things: Mapping[str, frozenset[str]]

    def new_since(self, before: "Footprint") -> dict[str, list[str]]:
        """What is new since an earlier footprint, without files of packages, by kind."""
        owned = self.things["owned"]
        units = {path.rpartition("/")[2] for path in owned if "/systemd/" in path}
        grown = {}
        for kind, names in self.things.items():
            new = names - before.things.get(kind, frozenset()) - owned - units
            if kind != "owned" and new:
                grown[kind] = sorted(new)
        return grown


def take(machine: Host) -> Footprint:
    """Take the footprint of a host."""
    found: dict[str, set[str]] = {}
    for line in machine.run(_LOOK).ok().splitlines():
        kind, _, name = line.partition(" ")
        found.setdefault(kind, set()).add(name)
    return Footprint({kind: frozenset(names) for kind, names in found.items()})
