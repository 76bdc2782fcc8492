# Downloads a file with curl: follows redirects, goes on after a cut, and says which host answered what. Functions for
# stage.sh; apply.sh defines say and fail.
# shellcheck disable=SC2034,SC2154

proxy_file=/dev/null # lines NAME=VALUE for the environment of what fetches something
authorities_file='' # certificates in PEM, which verify servers besides those that the machine trusts anyway
authorities_folder=/etc/ssl/certs # one file for each authority that the machine trusts, by c_rehash
attempts=8 # of one download, with pauses of 1, 2, 4, 8, 8, ... seconds between them

# Runs a command that fetches something, with the proxy of the page. Without one, the host's environment stays as it is.
fetching() {
    # shellcheck disable=SC2046 # NAME=VALUE, without white space
    env $(cat "$proxy_file") "$@"
}

# Downloads the URL $1 into the file $2. Sets final_url, where redirects led to, and resumed, which is `yes` if the file
# consists of the answers to several requests.
download() {
    first_url=$1 target=$2 attempt=1 pause=1 resumed=''
    # A download that begins with https stays https; a mirror of a closed network may be plain http.
    case $first_url in https://*) protocols='=https' ;; *) protocols='=http,https' ;; esac
    until ask_for_file; do
        may_work_later || fail "cannot fetch $first_url: $reason"
        [ "$attempt" -lt "$attempts" ] || fail "cannot fetch $first_url, tried $attempts times; the last time: $reason"
        say "$first_url: $reason; tries again in $pause s" >&2
        sleep "$pause"
        attempt=$((attempt + 1)) pause=$((pause < 8 ? 2 * pause : 8))
    done
    rm -f "$target.said"
}

# Asks for the part of the file that is not here yet. An attempt ends if less than 1 kB a second arrives for a minute.
ask_for_file() {
    [ ! -s "$target" ] || resumed=yes
    code=0
    # curl goes on to look into the folder: the file takes the place of the one with the authorities of the machine.
    answer=$(fetching curl --silent --show-error --fail --location --max-redirs 10 \
        ${authorities_file:+--cacert "$authorities_file" --capath "$authorities_folder"} \
        --proto "$protocols" --proto-redir "$protocols" \
        --connect-timeout 10 --speed-limit 1000 --speed-time 60 --continue-at - --output "$target" \
        --write-out '%{http_code} %{url_effective}' "$first_url" </dev/null 2>"$target.said") || code=$?
    status=${answer%% *}
    final_url=${answer#* }
    final_url=${final_url%%\?*} # the query of a release page's redirect is a credential
    [ "$code" != 0 ] || return 0
    reason="$final_url: $(sed -n 's/^curl: ([0-9]*) //p' "$target.said" | tail -n 1)"
    case $code in
    1) reason="$reason; a download that begins with https follows no redirect to anything else" ;;
    22) reason="$final_url answered with the HTTP status $status" ;;
    60) reason="$reason; for a mirror, artifacts.certificateAuthority of the page names more authorities" ;;
    esac
    if [ -s "$proxy_file" ]; then
        reason="$reason (the page sets artifacts.proxy)"
    elif [ -n "${http_proxy:-}${https_proxy:-}${HTTPS_PROXY:-}${all_proxy:-}${ALL_PROXY:-}" ]; then
        reason="$reason (the environment of this host sets a proxy)"
    fi
    # 33 and 416: the server cannot send the rest of a file, so the next attempt starts from the beginning.
    case $code:$status in 33:* | 22:416) rm -f "$target" && resumed='' ;; esac
    return 1
}

# Whether the same question may have another answer later.
may_work_later() {
    case $code:$status in
    22:408 | 22:416 | 22:425 | 22:429 | 22:5??) return 0 ;;
    # An HTTP status; a protocol, a URL, too many redirects, a full disk, certificates.
    22:* | 1:* | 3:* | 23:* | 47:* | 51:* | 58:* | 60:* | 77:*) return 1 ;;
    esac
}
