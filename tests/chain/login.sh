# shellcheck shell=bash
# The chain itself: couriertcpd, imaplogin, authdaemond, couriertls. Sourced by scripts/chain.

# login C USER PASSWORD: the answer in HEARD
login() { ask "$1" '^a (OK|NO|BAD)' "a LOGIN $2 \"$3\""; }
# serves NAME PROGRAM: a login through couriertcpd and imaplogin comes to that very program, and the session works.
serves() {
    local c pid
    dial plain || { fail "$1: login" "no connection"; return; }
    c=$C
    hear "$c" '^\* OK'; login "$c" alice secret; like "$1: LOGIN" $'a OK (\\[CAPABILITY [^]]*\\] )?LOGIN Ok\\.\n$' "$HEARD"
    [[ $HEARD == *"LOGIN Ok."* ]] || { hang "$c"; return; }
    pid=$(pgrep -n -u 5001 -x imapd)
    ok "$1: the program that answers" cmp "$2" "/proc/${pid:-none}/exe"
    ask "$c" '^b ' 'b SELECT INBOX'; like "$1: SELECT" '\* [0-9]+ EXISTS.*b OK' "$HEARD"
    ask "$c" '^c ' 'c LOGOUT'; like "$1: LOGOUT" '\* BYE.*c OK' "$HEARD"
    hang "$c"
}
plain_token() { printf '\0%s\0%s' "$1" "$2" | base64 -w 0; }

part_login() {
    echo "== login: couriertcpd, imaplogin, authdaemond, couriertls"
    serve_ours
    ok "the packaged start scripts start everything" service start
    local n
    for n in 1 2 3; do deliver alice . $n; done
    deliver bob . 1
    deliver eve ../elsewhere 7

    dial plain; local c=$C
    hear "$c" '^\* OK'; like "imaplogin greets, with STARTTLS" 'CAPABILITY .*STARTTLS' "$HEARD"
    SENT[$c]=0 RECEIVED[$c]=0
    login "$c" alice secret; like "LOGIN" $'a OK (\\[CAPABILITY [^]]*\\] )?LOGIN Ok\\.\n$' "$HEARD"
    SENT[$c]=0
    ask "$c" '^b ' 'b SELECT INBOX'; like "SELECT: three messages" '\* 3 EXISTS' "$HEARD"
    ask "$c" '^c ' 'c CAPABILITY'; like "the configured capabilities" 'CAPABILITY IMAP4rev1 UIDPLUS CHILDREN NAMESPACE THREAD=ORDEREDSUBJECT THREAD=REFERENCES SORT QUOTA IDLE.* ACL' "$HEARD"
    local pid uid
    pid=$(pgrep -u 5001 -x imapd)
    uid=$(awk '/^[UG]id:|^Groups:/ { $1 = ""; printf "%s;", $0 }' "/proc/$pid/status" 2>/dev/null)
    same "the session runs as the account, and nobody else" " 5001 5001 5001 5001; 5001 5001 5001 5001; 5001;" "$uid"
    same "with the address space that the start script gives" "134217728" "$(awk '/Max address space/ { print $4 }' "/proc/$pid/limits" 2>/dev/null)"
    same "the program is the one under test" "$(stat -Lc %s "$IMAPD")" "$(stat -Lc %s "/proc/$pid/exe" 2>/dev/null)"
    # (Courier 5.0.13 leaves the line ends of chosen header fields out: six of them.)
    # In the log, headers and body are counted as they lie on disk, rcvd and sent as they went over the wire.
    local h b; h=$(sed -n '1,/^$/p' "$W"/home/alice/Maildir/cur/*M1P1* | wc -c); b=$(sed '1,/^$/d' "$W"/home/alice/Maildir/cur/*M1P1* | wc -c)
    ask "$c" '^d ' 'd FETCH 1 BODY.PEEK[HEADER]'
    ask "$c" '^e ' 'e FETCH 1 BODY.PEEK[TEXT]'; like "a text is served" 'This is message number 1' "$HEARD"
    ask "$c" '^f ' 'f FETCH 1:2 BODY.PEEK[]'
    ask "$c" '^i ' 'i FETCH 1:2 BODY.PEEK[HEADER.FIELDS (SUBJECT TO)]'
    local fields; fields=$(grep -hE '^(Subject|To):|^$' "$W"/home/alice/Maildir/cur/*M[12]P1* | wc -c)
    ask "$c" '^g ' 'g STORE 3 +FLAGS (\Deleted)'
    ask "$c" '^h ' 'h EXPUNGE'; like "EXPUNGE" '\* 3 EXPUNGE' "$HEARD"
    ask "$c" '^z ' 'z LOGOUT'; like "LOGOUT" 'BYE.*shutting down' "$HEARD"
    logged 'imapd: LOGIN, user=alice'; like "the log: LOGIN" '22>.* imapd: LOGIN, user=alice, ip=\[::ffff:127\.0\.0\.1\], port=\[[0-9]+\], protocol=IMAP$' "$LINE"
    logged 'imapd: EXPUNGED, user=alice'; like "the log: EXPUNGED" '22>.* imapd: EXPUNGED, user=alice, ip=\[::ffff:127\.0\.0\.1\], port=\[[0-9]+\], old_name=\./cur/1700000003\.M3P1_0\.chain:2,T$' "$LINE"
    logged 'imapd: LOGOUT, user=alice'
    like "the log: LOGOUT with the right counts" "22>.* imapd: LOGOUT, user=alice, ip=\[::ffff:127\.0\.0\.1\], port=\[[0-9]+\], headers=$((fields - 6)), body=$((h + b + 2 * (h + b))), rcvd=${SENT[$c]}, sent=${RECEIVED[$c]}, time=[0-9]+$" "$LINE"
    hang "$c"

    dial plain; c=$C; hear "$c" '^\* OK'
    local began=$SECONDS
    login "$c" bob wrong; like "a wrong password is refused" '^a NO' "$HEARD"
    like "after five seconds" '^[5-9]$' "$((SECONDS - began))"
    login "$c" bob 'pass word'; like "and the right one taken, on the same connection" 'a OK .*LOGIN Ok' "$HEARD"
    ask "$c" '^b ' 'b SELECT INBOX'; like "bob has his own mail" '\* 1 EXISTS' "$HEARD"
    ask "$c" '^c ' 'c LIST "" *'; same "and no folder of alice" 2 "$(wc -l <<<"${HEARD%$'\n'}")"
    logged 'LOGIN FAILED, user=bob'; like "the log: LOGIN FAILED" 'LOGIN FAILED, user=bob, ip=' "$LINE"
    hang "$c"
    logged 'imapd: DISCONNECTED, user=bob'; like "the log: DISCONNECTED" '22>.* imapd: DISCONNECTED, user=bob, ip=.*, headers=0, body=0, rcvd=[0-9]+, sent=[0-9]+, time=' "$LINE"

    dial plain; c=$C; hear "$c" '^\* OK'
    login "$c" carol off; hear "$c" 'BYE'; like "a disabled account" 'BYE IMAP access disabled for this account\.' "$HEARD"
    hang "$c"
    dial plain; c=$C; hear "$c" '^\* OK'
    login "$c" dave tlsonly; hear "$c" 'BYE'; like "an account that is disabled without TLS" 'BYE IMAP access disabled via insecure connection\.' "$HEARD"
    hang "$c"
    dial tls; c=$C; hear "$c" '^\* OK'; like "the TLS listener greets, with AUTH=PLAIN" 'AUTH=PLAIN' "$HEARD"
    login "$c" dave tlsonly; like "with TLS that account may enter" 'a OK .*LOGIN Ok' "$HEARD"
    ask "$c" '^b ' 'b CAPABILITY'; like "the capabilities under TLS" 'AUTH=PLAIN' "$HEARD"
    like "and no STARTTLS there" '^no$' "$([[ $HEARD == *STARTTLS* ]] && echo yes || echo no)"
    ask "$c" '^c ' 'c LOGOUT'
    hang "$c"

    dial starttls; c=$C
    ask "$c" '^\+' 'a AUTHENTICATE PLAIN'; ask "$c" '^a ' "$(plain_token alice secret)"
    like "STARTTLS, then AUTHENTICATE PLAIN" 'a OK .*LOGIN Ok' "$HEARD"
    ask "$c" '^b ' 'b SELECT INBOX'; like "a session behind couriertls" '\* 2 EXISTS' "$HEARD"
    # A long answer through the socket that couriertls holds: nothing lost, nothing doubled.
    deliver alice . 50 20000000
    ask "$c" '^c ' 'c NOOP'; like "new mail is told" '\* 3 EXISTS' "$HEARD"
    say "$c" 'd UID FETCH 4 (RFC822.SIZE BODY.PEEK[])'; say "$c" 'z LOGOUT'
    timeout 60 cat <&"${READ[$c]}" >"$W/big"
    sed 's/$/\r/' "$W"/home/alice/Maildir/cur/*M50P1* >"$W/wanted"
    n=$(stat -c %s "$W/wanted")
    like "twenty megabytes through TLS: the size" "RFC822.SIZE $n .*\{$n\}|\{$n\}" "$(head -n 1 "$W/big")"
    same "twenty megabytes through TLS: every octet" "$(md5sum <"$W/wanted")" "$(sed 1d "$W/big" | head -c "$n" | md5sum)"
    like "and what comes behind" 'z OK' "$(tail -n 1 "$W/big")"
    rm -f "$W"/home/alice/Maildir/cur/*M50P1* "$W/big" "$W/wanted"
    hang "$c"
    dial tls; c=$C; hear "$c" '^\* OK'
    ask "$c" '^\+' 'a AUTHENTICATE PLAIN'; ask "$c" '^a ' "$(plain_token bob 'pass word')"
    like "AUTHENTICATE PLAIN on the TLS listener" 'a OK .*LOGIN Ok' "$HEARD"
    ask "$c" '^z ' 'z LOGOUT'; hang "$c"

    dial plain; c=$C; hear "$c" '^\* OK'
    login "$c" eve else; ask "$c" '^b ' 'b SELECT INBOX'; like "an account whose Maildir is elsewhere" '\* 1 EXISTS' "$HEARD"
    # A second session of the same user, told of the first one's mail.
    dial plain; local d=$C; hear "$d" '^\* OK'; login "$d" eve else
    ask "$d" '^b ' 'b SELECT INBOX'
    ask "$c" '^\+' 'c APPEND INBOX {26}'; ask "$c" '^c ' $'Subject: appended\r\n\r\nhello'
    like "APPEND" '^c OK|'$'\n''c OK' "$HEARD"
    ask "$d" '^c ' 'c NOOP'; like "another session is told" '\* 2 EXISTS' "$HEARD"
    hang "$d"
    pid=$(pgrep -u 5005 -x imapd | head -n 1)
    kill -TERM "$pid"; hear "$c" 'BYE'; like "SIGTERM: BYE" 'BYE Courier-IMAP server shut down by signal\.' "$HEARD"
    logged 'Disconnected during shutdown by signal, user=eve'; like "the log: by signal" 'imapd: NOTICE: Disconnected during shutdown by signal, user=eve, ip=' "$LINE"
    hang "$c"

    sleep 1
    local open=() refused=
    for n in 1 2 3 4 5 6 7 8; do
        if dial plain && hear "$C" '^\* OK' 3; then open+=("$C"); else refused="$refused $n"; hang "$C"; fi
    done
    same "MAXPERIP=6: six connections, no more" "6; 7 8" "${#open[@]};$refused"
    for n in "${open[@]}"; do hang "$n"; done
    sleep 1
    dial plain; c=$C; hear "$c" '^\* OK'; login "$c" alice secret; like "and again when they have gone" 'a OK .*LOGIN Ok' "$HEARD"
    hang "$c"
    sleep 0.5
    same "no session is left" 0 "$(pgrep -c -x imapd)"
    by_hand
    service stop
    serve_courier
}

# The README's command for a port of its own, as it stands there.
by_hand() {
    [ -n "$SWAPS" ] || { skip "couriertcpd by hand" "the imapd under test is not ours"; return; }
    local command c
    command=$(sed -n "/^sudo sh -c 'set -a/,/'\$/p" README.md | sed 's/^sudo //')
    install_ours >/dev/null
    sh -c "$command" 2>"$W/by-hand.log" &
    local server=$! _
    for _ in $(seq 50); do (exec 3<>/dev/tcp/127.0.0.1/1143) 2>/dev/null && break; sleep 0.1; done
    dial plain 1143 || { fail "couriertcpd by hand, as in the README" "$command"$'\n'"$(cat "$W/by-hand.log")"; return; }
    c=$C
    hear "$c" '^\* OK'; login "$c" alice secret; like "couriertcpd by hand, as in the README: LOGIN" 'a OK .*LOGIN Ok' "$HEARD"
    ok "the program that answers" cmp /usr/local/lib/postrider/imapd "/proc/$(pgrep -n -u 5001 -x imapd)/exe"
    ask "$c" '^b ' 'b CAPABILITY'; like "with the settings of /etc/courier/imapd" 'THREAD=REFERENCES .* ACL' "$HEARD"
    ask "$c" '^z ' 'z LOGOUT'; hang "$c"
    kill $server; wait $server 2>/dev/null
    scripts/install --uninstall >/dev/null
}
