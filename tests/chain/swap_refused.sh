# shellcheck shell=bash
# Swaps that must not be done, odd things at the target, and swaps that are killed at each of their steps. Sourced by scripts/chain.

# traces: what keeps the machine from being as if there had never been a swap; nothing if it is
traces() {
    cmp "$COURIER" /usr/bin/imapd 2>&1
    dpkg-divert --list '*imapd*'
    ls -A /usr/bin /usr/share/man/man8 | grep -E '^\..*imapd|imapd.*courier$'
    ls -d /var/lib/postrider-swap /var/lib/postrider 2>/dev/null
}
# refused NAME REGEX COMMAND...: it fails, says why, and changes nothing
refused() {
    local name=$1 regex=$2 said status
    shift 2
    said=$("$@" 2>&1)
    status=$?
    same "$name: refused" 1 $status
    like "$name: the reason" "$regex" "$said"
    same "$name: nothing is changed" "" "$(traces)"
}

# Programs that must not come into Courier's place, or not stay there.
swap_refused() {
    local out
    refused "a script" 'not ours but a script' env IMAPD=/usr/sbin/imapd scripts/install --swap-in
    refused "Courier's own" 'our name is not in it' env "IMAPD=$COURIER" scripts/install --swap-in
    refused "a program that is not there" 'is not a program' env "IMAPD=$W/none" scripts/install --swap-in
    refused "a script, to be installed" 'not ours but a script' env IMAPD=/usr/sbin/imapd "DESTDIR=$W/dest" scripts/install
    same "a script, to be installed: is not" "" "$(ls -A "$W/dest" 2>/dev/null)"

    # What lies beside postrider-swap by chance is passed over, and not run.
    mkdir -p "$W/sbin"
    cp scripts/install "$W/sbin/postrider-swap"
    printf '#!/bin/sh\n# Postrider\ntouch %s\necho Postrider\n' "$W/ran" >"$W/sbin/imapd"
    chmod 755 "$W/sbin/imapd"
    refused "a script with our name in it, beside postrider-swap" 'no imapd of ours' env -i "PREFIX=$W/none" "$W/sbin/postrider-swap" --swap-in
    same "a script with our name in it: not run" "" "$(ls "$W/ran" 2>/dev/null)"

    # One that greets with another word.
    sed 's/PREAUTH/PREBUTH/g' "$IMAPD" >"$W/deaf"
    chmod 755 "$W/deaf"
    refused "ours, with a broken greeting" 'a session with it failed: its answers have no line that begins with \* PREAUTH' \
        env "IMAPD=$W/deaf" scripts/install --swap-in
    if want cc gcc; then
        printf '%s\n' '#include <stdio.h>' '#include <unistd.h>' 'int main(int c, char **v) { if (c > 1 && v[1][0] == 45) puts("Postrider 9 (imapd)"); else pause(); }' >"$W/mute.c"
        cc -o "$W/mute" "$W/mute.c"
        refused "one with our name that hangs" 'it did not end within' env "IMAPD=$W/mute" scripts/install --swap-in
    else
        skip "one with our name that hangs" "there is no C compiler"
    fi
    setting IMAP_ULIMITD 1000
    refused "too little memory in Courier's settings" 'a session with it failed' install_ours --swap-in
    setting IMAP_ULIMITD 131072
    dpkg-divert --quiet --local --no-rename --divert /usr/bin/imapd.other --add /usr/bin/imapd
    out=$(install_ours --swap-in 2>&1)
    like "someone else's diversion: refused" '^1;.*by someone else' "$?;$out"
    dpkg-divert --quiet --local --no-rename --remove /usr/bin/imapd
    same "someone else's diversion: nothing is changed" "" "$(traces)"

    # Good beside its place, and bad in it: nobody but root may run it.
    mkdir -p "$W/bad"
    printf '#!/bin/sh\n/usr/bin/mv "$@"\ncase "$*" in *" /usr/bin/imapd") [ -e %s/once ] || chmod 700 /usr/bin/imapd; touch %s/once ;; esac\n' "$W" "$W" >"$W/bad/mv"
    chmod 755 "$W/bad/mv"
    refused "one that fails in its place" "taken back, /usr/bin/imapd is Courier's: a session with ours in its place failed: its exit status is 12[67]" \
        env "PATH=$W/bad:$PATH" "IMAPD=$IMAPD" scripts/install --swap-in
    serves "after a swap that was taken back" "$COURIER"

    # Odd things at the target are seen, and mended.
    install_ours --swap-in >/dev/null
    cp /usr/sbin/imapd /usr/bin/imapd
    out=$(install_ours --status)
    like "a start script in its place: the status" "^4;.*neither ours nor Courier's; Courier's is /usr/bin/imapd.courier" "$?;$out"
    ok "a start script in its place: swap in" install_ours --swap-in
    ok "a start script in its place: ours then" cmp "$IMAPD" /usr/bin/imapd
    mv /usr/bin/imapd.courier "$W/kept"
    out=$(install_ours --swap-out 2>&1)
    like "Courier's is gone: no swap out" '^1;.*nothing changed: courier-imap is installed, but' "$?;$out"
    ok "Courier's is gone: ours stays" cmp "$IMAPD" /usr/bin/imapd
    cp "$COURIER" /usr/bin/imapd
    ok "Courier's, diverted without a second name: swap in" install_ours --swap-in
    ok "Courier's, diverted without a second name: is not lost" cmp "$COURIER" /usr/bin/imapd.courier
    rm /usr/bin/imapd.courier
    cp "$COURIER" /usr/bin/imapd
    ok "Courier's, diverted without a second name: swap out" install_ours --swap-out
    same "Courier's, diverted without a second name: is complete" "" "$(traces)"
    rm "$W/kept"
    # Another build of Courier, put there by hand while Courier's is diverted: none of the two is lost.
    install_ours --swap-in >/dev/null
    cp "$COURIER" "$W/another"
    echo >>"$W/another"
    lay "$W/another"
    out=$(install_ours --status)
    like "another Courier's in its place: the status" "^1;.*differs from Courier's /usr/bin/imapd.courier" "$?;$out"
    for n in in out; do
        out=$(install_ours --swap-$n 2>&1)
        like "another Courier's in its place: no swap $n" "^1;.*nothing changed: .* are both Courier's, and differ" "$?;$out"
    done
    ok "another Courier's in its place: it stays" cmp "$W/another" /usr/bin/imapd
    ok "and so does the first" cmp "$COURIER" /usr/bin/imapd.courier
    rm /usr/bin/imapd
    install_ours --swap-out >/dev/null
    same "and one of them moved away, all is Courier's" "" "$(traces)"
    install_ours --swap-in >/dev/null
    rm /usr/bin/imapd
    out=$(install_ours --status)
    like "nothing in its place: the status" '^3;.*is not there; Courier.s is /usr/bin/imapd.courier' "$?;$out"
    ok "swap out from there" install_ours --swap-out
    same "and all is Courier's" "" "$(traces)"
    lay "$IMAPD"
    out=$(install_ours --status)
    like "ours, laid there by hand: the status" '^4;.*is ours, but not diverted' "$?;$out"
    ok "ours, laid there by hand: swap in" install_ours --swap-in
    same "ours, laid there by hand: it is not taken for Courier's" "" "$(ls /usr/bin/imapd.courier 2>/dev/null)"
    cp "$COURIER" /usr/bin/imapd.courier
    ok "and swap out, once dpkg has brought Courier's" install_ours --swap-out
    same "is complete" "" "$(traces)"
}

# Killed before each of its steps in turn, a swap leaves one of the two programs in place; the same again ends well, so does the other way.
swap_killed() {
    local name way other at wrong steps=0
    mkdir -p "$W/steps"
    for name in mkdir rmdir cp chmod mv ln rm dpkg-divert; do
        printf '%s\n' '#!/bin/sh' "n=\$((\$(cat $W/step) + 1))" "echo \$n >$W/step" \
            "[ \$n != \$(cat $W/step.kill) ] || { kill -9 -\$(cat $W/step.pid); sleep 10; }" "exec /usr/bin/$name \"\$@\"" >"$W/steps/$name"
        chmod 755 "$W/steps/$name"
    done
    for way in in out; do
        wrong=
        if [ $way = in ]; then other=out; else other=in; fi
        for ((at = 1; ; at++)); do
            install_ours --swap-$other >/dev/null || { wrong="$wrong $at: no way to the beginning;"; break; }
            echo 0 >"$W/step"; echo $at >"$W/step.kill"
            IMAPD=$IMAPD PATH=$W/steps:$PATH setsid --fork --wait sh -c "echo \$\$ >$W/step.pid; exec scripts/install --swap-$way" >/dev/null 2>&1
            [ "$(cat "$W/step")" -ge $at ] || break
            steps=$((steps + 1))
            if cmp -s /usr/bin/imapd "$IMAPD"; then name=0; elif cmp -s /usr/bin/imapd "$COURIER"; then name=1; else name=none; fi
            install_ours --status >/dev/null
            [ $? = "$name" ] || wrong="$wrong $at: $(install_ours --status), but it is $name;"
            cmp -s /usr/bin/imapd "$COURIER" || cmp -s /usr/bin/imapd.courier "$COURIER" || wrong="$wrong $at: Courier's is lost;"
            install_ours --swap-$way >/dev/null || wrong="$wrong $at: $way, again: refused;"
            [ $way = out ] || { cmp -s /usr/bin/imapd "$IMAPD" && cmp -s /usr/bin/imapd.courier "$COURIER" && install_ours --status >/dev/null; } ||
                wrong="$wrong $at: $way, again: $(install_ours --status);"
            [ $way = in ] || [ -z "$(traces)" ] || wrong="$wrong $at: out, again: $(traces);"
        done
        same "swap $way, killed at every step" "" "$wrong"
    done
    like "the steps of both: $steps" '^[2-9][0-9]$' "$steps"
    install_ours --swap-out >/dev/null
    same "nothing is left of them" "" "$(traces)"

    # Two at once.
    (for at in 1 2 3 4 5 6; do install_ours --swap-in; install_ours --swap-out; done) >"$W/two.1" 2>&1 &
    (for at in 1 2 3 4 5 6; do install_ours --swap-out; install_ours --swap-in; done) >"$W/two.2" 2>&1
    wait $!
    ok "swaps in and out at the same time, then out" install_ours --swap-out
    same "leave all as it was" "" "$(traces; cat "$W"/two.? | grep -vE ': (/usr/bin/imapd is|nothing to do)')"
}

# Courier's manual page is kept out of man's sight; where an earlier version kept it beside ours, the next swap moves it.
swap_man_page() {
    local page=/usr/share/man/man8/imapd.8.gz way
    [ -f $page ] || { skip "Courier's manual page" "it is not installed here"; return; }
    cp -p $page "$W/courier-page"
    for way in in out; do
        cp -p $page $page.courier
        dpkg-divert --quiet --local --no-rename --divert $page.courier --add $page
        gzip -9nc man/imapd.8 >$page
        if [ $way = in ]; then
            ok "Courier's page from its old place: swap in" install_ours --swap-in
            ok "Courier's page from its old place: is kept" cmp "$W/courier-page" /var/lib/postrider/imapd.8.gz
            same "Courier's page from its old place: man finds one page" "imapd.8.gz" "$(ls /usr/share/man/man8 | grep '^imapd\.')"
            same "Courier's page from its old place: dpkg knows where" /var/lib/postrider/imapd.8.gz "$(dpkg-divert --truename $page)"
        fi
        ok "Courier's page, swap $way: swap out" install_ours --swap-out
        ok "Courier's page, swap $way: is back" cmp "$W/courier-page" $page
        same "Courier's page, swap $way: nothing is left" "" "$(traces)"
    done
}
