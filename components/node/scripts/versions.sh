# Decides which steps from one release to the next are refused. Functions for apply.sh, which defines say and fail.
#
#   tables/versions   NAME VERSION    of each program in a release
#
# Rules: https://kubernetes.io/releases/version-skew-policy/ and https://etcd.io/docs/latest/upgrades/. Within a minor
# version both directions are fine: a patch of either project changes neither stored data nor protocols.

version_of() { sed -n "s/^$2 //p" "$1/tables/versions" 2>/dev/null || true; }
minor_of() { echo "$1" | cut -d. -f1-2; }

# Fails unless programs of the release $2 may follow those of the release $1.
refuse_steps() {
    refuse_step kube-apiserver Kubernetes one "$1" "$2"
    refuse_step etcd etcd one "$1" "$2"
    # An API server supports kubelets that are up to three minor versions older, so a kubelet may skip versions.
    refuse_step kubelet kubelet several "$1" "$2"
}

refuse_step() { # PROGRAM TITLE one|several OLD NEW
    before=$(version_of "$4" "$1") after=$(version_of "$5" "$1")
    { [ -n "$before" ] && [ -n "$after" ]; } || return 0
    was=$(minor_of "$before") is=$(minor_of "$after")
    [ "$was" != "$is" ] || return 0
    next=${was%.*}.$((${was#*.} + 1)) problem='' allowed="$was.x or newer"
    [ "$3" = several ] || allowed="$was.x and $next.x"
    if [ "${is%.*}" -lt "${was%.*}" ] || { [ "${is%.*}" = "${was%.*}" ] && [ "${is#*.}" -lt "${was#*.}" ]; }; then
        problem='is a downgrade'
    elif [ "$3" = one ] && [ "$is" != "$next" ]; then
        problem='skips a minor version'
    fi
    [ -z "$problem" ] || fail "$2 $before -> $after $problem; allowed from $before: $allowed. Nothing was changed"
}

# Whether the step from the release $1 to the release $2 needs a drain. Only a kubelet of another minor version must not
# take over running pods; new versions of containerd and runc do not touch running pods.
# https://kubernetes.io/docs/tasks/administer-cluster/cluster-upgrade/
needs_drain() {
    before=$(version_of "$1" kubelet) after=$(version_of "$2" kubelet)
    [ -n "$before" ] && [ -n "$after" ] && [ "$(minor_of "$before")" != "$(minor_of "$after")" ]
}
