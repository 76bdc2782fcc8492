#!/bin/sh
# Runs kube-bench on this machine for `make cis`, and takes measurements. POSIX sh; runs as root.
#
# Standard input: lines `run TARGETS CHECKS` (CHECKS is `all`, or control ids with commas between them), lines
# `measure ID`, the line `archive`, and then a compressed tar archive with the program `kube-bench`, its configuration
# `cfg`, and a POSIX script `measures/ID` for each measurement. Standard output, with tabs between the fields:
#   run       JSON            what kube-bench found
#   measured  ID CODE TEXT    exit code of a measurement, and the last line that it printed
#   end                       the script has done everything
#
# The archive is unpacked into a folder that only root can read, and that is removed at the end. A killed run leaves its
# folder to the next run. /run would lose the folder after a boot, but programs may be forbidden to run there.
set -eu
umask 077
trap '' PIPE # without a connection the folder is still removed
sysroot=${HARDWAY_SYSROOT:-} # before every path of the machine; unit tests set it
root=${HARDWAY_ROOT:-$sysroot/opt/kubernetes}
benchmark=cis-1.12
limit=300 # seconds for one run of kube-bench

fail() { echo "$*" >&2; exit 1; }

[ -x /bin/ps ] || fail 'this machine has no /bin/ps, with which kube-bench reads flags of processes: install procps'
mkdir -p "$sysroot/run/hardway" # remove.sh removes this folder
exec 9>"$sysroot/run/hardway/cis.lock"
flock -n 9 || fail 'another run of make cis is at work on this machine'
rm -rf "$root"/.cis-*
work=$(mktemp -d "$root/.cis-XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# The shell reads such a line byte by byte, so that the archive stays for tar.
while read -r what fields && [ "$what" != archive ]; do
    printf '%s\n' "$fields" >>"$work/$what"
done
tar -xzf - -C "$work" 2>/dev/null || fail 'the archive with kube-bench did not arrive as a whole'

# kube-bench looks for the kubelet's version even if it is told the benchmark; without this it searches the whole disk.
PATH=$root/bin:$PATH
while read -r targets checks; do
    [ "$checks" != all ] || checks=''
    timeout "$limit" "$work/kube-bench" run -D "$work/cfg" --benchmark "$benchmark" --targets "$targets" \
        ${checks:+--check "$checks"} --json --outputfile "$work/found" </dev/null >"$work/said" 2>&1 9>&- ||
        fail "kube-bench fails: $(tail -n 1 "$work/said")"
    # JSON has backslashes, which the `echo` of some shells would replace.
    printf 'run\t'
    cat "$work/found"
done <"$work/run"

[ ! -e "$work/measure" ] || while read -r id; do
    code=0
    timeout 60 sh -eu "$work/measures/$id" </dev/null >"$work/said" 2>&1 9>&- || code=$?
    printf 'measured\t%s\t%s\t%s\n' "$id" "$code" "$(tail -n 1 "$work/said" | tr '\t' ' ')"
done <"$work/measure"
echo end
