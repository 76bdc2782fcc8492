# shellcheck shell=sh disable=SC2034,SC2154
# One run at a time, with a private folder for secrets. Functions for settle.sh and grant.sh, which set:
#   sysroot   before every path of the machine; unit tests set it

say() { echo "$(hostname): $*" || true; }
fail() { say "$*" >&2; exit 1; }

# Fails because a time was over. The limit of both scripts is that of the page.
fail_late() { fail "$*. If the machines are slow and not broken: hardway:rollout.healthTimeout gives them more time"; }

# Waits for other runs of the script NAME.sh. Then $work is an empty folder that only root can read, in memory; it is
# removed at the end. A killed run leaves its folder to the next run.
alone() { # NAME SECONDS
    umask 077
    trap '' PIPE # without a connection the script still finishes
    mkdir -p "$sysroot/run/hardway"
    exec 9>"$sysroot/run/hardway/$1.lock"
    flock -w "$2" 9 || { echo "another run of $1.sh holds $sysroot/run/hardway/$1.lock" >&2; exit 1; }
    rm -rf "$sysroot/run/hardway/$1"-*
    work=$(mktemp -d "$sysroot/run/hardway/$1-XXXXXX")
    trap 'rm -rf "$work"' EXIT
}
