# Compares the clock of this machine with the certificates of a release. Functions for stage.sh; apply.sh defines say
# and fail.
# shellcheck shell=sh disable=SC2154

# A certificate begins when it was made, by the clock of whoever made it. Other machines may be that much ahead at most:
# BEHIND in components/machines/clocks.py says why.
clock_limit=5

# The longest time in seconds until a certificate below $1 begins, and its path. Nothing if all certificates have begun.
# A file that openssl or date cannot read has begun.
not_begun() {
    now=$(date +%s)
    find "$1/ssl" -name '*.pem' -type f 2>/dev/null | while read -r path; do
        begins=$(openssl x509 -noout -startdate -in "$path" 2>/dev/null) || continue
        begins=$(date -d "${begins#notBefore=}" +%s 2>/dev/null) || continue
        [ "$begins" -le "$now" ] || echo "$((begins - now)) ${path#"$1/"}"
    done | sort -rn | head -n 1
}

# Waits until the certificates of the release $1 have begun. Fails if that takes longer than clocks may differ.
wait_until_begun() {
    waiting=$(not_begun "$1")
    [ -n "$waiting" ] || return 0
    seconds=${waiting%% *}
    [ "$seconds" -le "$clock_limit" ] ||
        fail "the clock of this machine is at least $seconds s behind: by this clock, ${waiting#* } is not yet valid;" \
            "allowed: $clock_limit s. Set the clock, for example with: timedatectl set-ntp true. Nothing was changed"
    say "the clock of this machine is at least $seconds s behind; waits for the begin of the certificates"
    sleep "$seconds"
}
