# shellcheck shell=bash
# The parts of scripts/cluster. Sourced by it; what they play and measure is in README.md.
# shellcheck disable=SC2154 # set there: courier, seconds, rounds

# What the closing line says.
FIGURES=()

# play PART OPTION...: a part of the player (tests/cluster/main.rs); its lines are counted.
play() {
    local line
    while IFS= read -r line; do
        case $line in
        'pass  '*) pass "${line#pass  }" ;;
        'FAIL  '*) failed=$((failed + 1)); printf '%s\n' "$line" ;;
        'skip  '*) skipped=$((skipped + 1)); printf '%s\n' "$line" ;;
        'figure '*) FIGURES+=("${line#figure }") ;;
        *) printf '%s\n' "$line" ;;
        esac
    done < <(RUST_BACKTRACE=0 IMAPD_UNDER_TEST=$IMAPD "$PLAYER" "$@" --mail "$W/mail" --host "${HOST[1]}" --host "${HOST[2]}" --courier "$courier" 2>&1)
}
# stress OPTION...: scripts/stress with its sessions on both hosts in turn. Its closing line is in SAID.
stress() {
    local options=() n
    for n in 1 2; do options+=(--ours "$W/hosts/$n/imapd" --courier-program "$W/hosts/$n/courier"); done
    SAID=$(on 1 timeout $((seconds * 3 + 60)) "$STRESS" --seconds "$seconds" --sessions 6 --home "$W/mail" "${options[@]}" "$@" 2>&1)
}
# of WORD: a figure of the stress: the number before a word
of() { grep -oE "[0-9]+ $1" <<<"${SAID##*$'\n'stress:}" | tail -n 1 | cut -d ' ' -f 1; }

part_steps() {
    echo "== steps: what one host does is seen on the other"
    play steps
}
part_rounds() {
    echo "== rounds: $rounds changes, each in the other host's next NOOP"
    play rounds --rounds "$rounds"
}
part_stress() {
    echo "== stress: $seconds s with sessions on both hosts, then as long with kills"
    local how
    for how in "" --kills; do
        if stress $how; then
            pass "stress across hosts${how:+, with kills}"
        else
            printf '%s\n' "$SAID" >"$TARGET/cluster-stress.log"
            fail "stress across hosts${how:+, with kills}: all of it is in $TARGET/cluster-stress.log" "$SAID"
        fi
        FIGURES+=("stress${how:+ with kills}: $(of commands) commands, $(of UIDs) UIDs, $(of lost) lost, $(of doubled) doubled, $(of 'false pictures') false pictures")
        [ -z "$QUICK" ] || break
    done
}
# Clients that synchronise by modification sequences alone, on both hosts, whose clocks are five seconds apart.
part_qresync() {
    echo "== qresync: $seconds s of synchronising clients, clocks five seconds apart"
    command -v faketime >/dev/null || { skip "two hosts five seconds apart" "faketime is not installed"; return; }
    if SAID=$(on 1 timeout $((seconds * 3 + 120)) "$STRESS" --qresync --seconds "$seconds" --home "$W/mail" --ours "$W/hosts/1/apart" --ours "$W/hosts/2/apart" \
        --courier-program "$W/hosts/1/courier" 2>&1); then
        pass "synchronising across hosts whose clocks are five seconds apart"
    else
        printf '%s\n' "$SAID" >"$TARGET/cluster-qresync.log"
        fail "synchronising across hosts whose clocks are five seconds apart: all of it is in $TARGET/cluster-qresync.log" "$(tail -n 1 <<<"$SAID")"
    fi
    FIGURES+=("synchronised: $(grep -oE '[0-9]+ compared with a full reading' <<<"$SAID"), $(grep -oE '[0-9]+ failures' <<<"$SAID" | tail -n 1)")
}
# Courier's own server under the same stress. What it does wrong is counted, not held against us.
part_courier() {
    echo "== courier: the same stress with Courier's imapd alone"
    [ -x "$courier" ] || { skip "Courier's imapd under the same stress" "it is not installed"; return; }
    [ -z "$QUICK" ] || return 0
    stress --courier
    FIGURES+=("Courier: $(of commands) commands, one UID for two messages $(grep -c 'names message' <<<"$SAID") times, $(of lost) lost, $(of 'false pictures') false pictures")
}
part_death() {
    echo "== death: one host is killed with the lock in its hands"
    if [ -n "$QUICK" ]; then play death; return; fi
    play death --wait
    # Not in a subshell: it learns the processes of the new host, and these keep what is open.
    if host_back >"$W/back" 2>&1; then pass "the host comes back and has what it missed"; else fail "the host comes back and has what it missed" "$(cat "$W/back")"; fi
    same "both hosts have the same files" "$(on 2 sh -c "cd $W/mail && find . -type f | sort")" "$(on 1 sh -c "cd $W/mail && find . -type f | sort")"
}
figures() {
    local all
    all=$(printf '%s; ' "${FIGURES[@]}")
    printf 'cluster: %s\n' "${all%; }"
}
