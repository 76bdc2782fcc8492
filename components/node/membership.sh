#!/bin/sh
# Takes nodes that the page does not have any more out of the cluster, before their machines go. POSIX sh, idempotent;
# lies in every release of a control-plane node and is run on one of them, as root.
#
#   membership.sh all|etcd
#
#   all       pods leave the nodes; then members of etcd go one by one; then what stays is Ready
#   etcd      members only
#
# In its environment:
#   MEMBERS         NAME=ADDRESS ... of the members of etcd that stay
#   NODES           NAME ... of the nodes that stay
#   DRAIN_SECONDS   within which pods have to leave a node
# shellcheck disable=SC1091,SC2034,SC2153,SC2154 # what it shares with others, and its environment
set -eu
root=${HARDWAY_ROOT:-/opt/kubernetes}
mode=$1 drain_seconds=$DRAIN_SECONDS wanted_members=$MEMBERS wanted_nodes=$NODES
member_limit=60   # seconds in which a member has to be gone, and the others healthy
ready_limit=120   # seconds for nodes whose kubelet says that it is not ready
unknown_limit=15  # seconds for nodes whose kubelet says nothing: it may have been started only now
managed=app.kubernetes.io/managed-by=hardway
digest=$(basename "$(readlink "$root/current")")

say() { echo "$*"; }
fail() { echo "$*" >&2; exit 1; }
before() { [ "$(date +%s)" -lt "$1" ]; }
within() { echo $(($(date +%s) + $1)); }

# ---- etcd ------------------------------------------------------------------------------------------------

at=$root/ssl/kube-apiserver
tls="--cacert=$at/etcd-ca.pem --cert=$at/etcd-client.pem --key=$at/etcd-client.key"
clients=''
for member in $wanted_members; do clients="$clients https://${member#*=}:2379"; done
. "$root/cfg/etcd-functions"

is_healthy() { ctl --endpoints="https://$1:2379" endpoint health >/dev/null 2>&1; }
address_of() { echo "$1" | sed 's|^https://||; s|:[0-9]*$||'; }

# "ID NAME ADDRESS" of the members in $list that are not to stay; dead ones first, since they take no part in a majority.
leaving_members() {
    alive=''
    while read -r id _ name peer _; do
        address=$(address_of "$peer")
        case " $wanted_members " in
        *" $name=$address "*) continue ;;
        *"=$address "*) [ "$name" != - ] || continue ;; # has not started yet
        esac
        if is_healthy "$address"; then alive="$alive$id $name $address
"; else echo "$id $name $address"; fi
    done <<-END
	$list
	END
    printf '%s' "$alive"
}

# Fails unless every member that stays votes and is healthy.
check_members() {
    for member in $wanted_members; do
        votes="^[^ ]* started ${member%%=*} https://${member#*=}:[0-9]* false$"
        if ! echo "$list" | grep -q "$votes" || ! is_healthy "${member#*=}"; then
            fail "member ${member%%=*} of etcd is not healthy, so no other one may leave: $1. Replace or repair" \
                "${member%%=*} and run \`up\` again. No member was removed"
        fi
    done
}

remove_members() {
    members || fail "no member of etcd answers: $problem"
    leaving=$(leaving_members)
    [ -n "$leaving" ] || return 0
    check_members "$(echo "$leaving" | awk '{ print $2 }' | paste -sd' ' -) shall leave"
    successor=$(echo "$list" | awk -v first="${wanted_members%%=*}" '$3 == first { print $1 }')
    while read -r id name address; do
        # If it leads, another one does before it goes; if not, it says so.
        ctl --endpoints="https://$address:2379" move-leader "$successor" >/dev/null 2>&1 </dev/null || true
        limit=$(within "$member_limit")
        until ask member remove "$id"; do
            before "$limit" || fail "member $name of etcd cannot leave: $problem"
            sleep 1
        done
        say "member $name has left etcd"
        until all_healthy; do
            before "$limit" || fail "etcd is not healthy after $name has left it"
            sleep 0.5
        done
    done <<-END
	$leaving
	END
}

all_healthy() { for member in $wanted_members; do is_healthy "${member#*=}" || return 1; done; }

# ---- nodes -----------------------------------------------------------------------------------------------

# "NAME STATUS" of our nodes, STATUS being that of the condition Ready: True, False, or Unknown when no kubelet answers.
nodes() {
    # shellcheck disable=SC2016 # the dollar signs are the template's
    kube get nodes --selector="$managed" --output 'go-template={{range .items -}}
{{$status := "Unknown"}}{{range .status.conditions}}{{if eq .type "Ready"}}{{$status = .status}}{{end}}{{end -}}
{{.metadata.name}} {{$status}}
{{end}}'
}

leaving_nodes() {
    nodes >"$work/nodes" || fail 'the API does not show its nodes'
    while read -r name status; do
        case " $wanted_nodes " in *" $name "*) ;; *) echo "$name $status" ;; esac
    done <"$work/nodes"
}

drain_nodes() {
    leaving=$(leaving_nodes)
    [ -n "$leaving" ] || return 0
    # All of them before any is emptied: pods of one must not move to another.
    for leaving_node in $(echo "$leaving" | cut -d' ' -f1); do
        cordon true || fail "node $leaving_node cannot be cordoned"
    done
    while read -r leaving_node status; do
        if [ "$status" = Unknown ]; then
            say "node $leaving_node: no kubelet answers, so nobody waits for its pods"
        else
            drain_node || fail "node $leaving_node cannot leave yet. Nothing was removed; it takes pods again with:" \
                "kubectl uncordon $leaving_node"
        fi
    done <<-END
	$leaving
	END
}

# Its kubelet may die while its pods are on their way.
drain_node() {
    (drain "$drain_seconds") </dev/null &
    until ! kill -0 "$!" 2>/dev/null; do
        if nodes | grep -qx "$leaving_node Unknown"; then
            kill "$!" 2>/dev/null || true
            say "node $leaving_node: no kubelet answers any more, so nobody waits for its pods"
            return 0
        fi
        sleep 1
    done
    wait "$!"
}

# Nodes that stay, and of which a kubelet has something to say.
await_ready() {
    limit=$(within "$ready_limit") unknown_until=$(within "$unknown_limit")
    while :; do
        waiting=''
        nodes >"$work/nodes" || waiting=' (the API does not answer)'
        while read -r name status; do
            case " $wanted_nodes " in *" $name "*) ;; *) continue ;; esac
            case $status in
            True) ;;
            Unknown) ! before "$unknown_until" || waiting="$waiting $name" ;;
            *) waiting="$waiting $name" ;;
            esac
        done <"$work/nodes"
        [ -n "$waiting" ] || break
        before "$limit" || fail "not Ready after $ready_limit s:$waiting"
        sleep 1
    done
    say "every node is Ready$(awk '$2 == "Unknown" { printf " but %s, whose kubelet does not answer", $1 }' "$work/nodes")"
}

case $mode in
etcd) remove_members ;;
all)
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    . "$root/current/drain.sh"
    kubeconfig=$root/cfg/maintenance.kubeconfig
    credential=$root/ssl/maintenance/client.pem credential_key=$root/ssl/maintenance/client.key
    # What drain.sh does to its own node, with a kubelet's rights, it does to others here.
    refusals=$work/drain cordoned=$work/cordoned
    node_name() { echo "$leaving_node"; }
    drain_nodes
    remove_members
    await_ready
    ;;
*) fail 'usage: membership.sh all|etcd' ;;
esac
