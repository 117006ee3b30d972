# shellcheck shell=bash
# Courier serves, ours serves, Courier serves again, under clients that cache by UID. Sourced by scripts/chain.

# What alice's server holds: folder, UIDVALIDITY, UID, flags and Message-ID of each message, seen through an IMAP session.
truth() {
    local c f
    dial plain || return 1
    c=$C
    hear "$c" '^\* OK'; login "$c" alice secret
    for f in INBOX INBOX.Work INBOX.Work.Old; do
        ask "$c" '^b ' "b EXAMINE $f"
        sed -n "s/^.*UIDVALIDITY \([0-9]*\).*/$f uidvalidity \1/p" <<<"$HEARD"
        ask "$c" '^c ' 'c UID FETCH 1:* (UID FLAGS BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])'
        awk -v f="$f" '/FETCH/ { uid = $0; sub(/.*UID /, "", uid); sub(/[ )].*/, "", uid); flags = $0; sub(/.*FLAGS \(/, "", flags); sub(/\).*/, "", flags)
                gsub(/\\Recent ?/, "", flags) } /^Message-I[dD]:/ { sub(/\r/, ""); print f, uid, $2, flags }' <<<"$HEARD"
    done
    ask "$c" '^z ' 'z LOGOUT'
    hang "$c"
}

# What a client holds: for every message file its inode and Message-ID. A message that was downloaded again has another inode.
held() {
    local inode path line
    find "$1" -type f \( -path '*/cur/*' -o -path '*/new/*' \) -printf '%i %p\n' | while read -r inode path; do
        while IFS= read -r line; do
            case $line in Message-I[dD]:*) line=${line%$'\r'} path=${path%/*/*}; echo "${path##*/}/${line#*: } $inode"; break ;; esac
        done <"$path"
    done | sort
}

sync_mbsync() { HOME=$W/mbsync timeout 120 mbsync -q -c "$W/mbsync/rc" -a; }
sync_offlineimap() { HOME=$W/offlineimap timeout 180 offlineimap -c "$W/offlineimap/rc" -o -u quiet; }

# synced WHO WANTED: both clients sync; each holds WANTED messages; none that stayed was downloaded again
synced() {
    local client
    for client in mbsync offlineimap; do
        command -v $client >/dev/null || continue
        ok "$1: $client syncs" sync_$client
        held "$W/$client/mail" >"$W/$client.now"
        same "$1: $client holds $2 messages" "$2" "$(wc -l <"$W/$client.now")"
        if [ -f "$W/$client.before" ]; then
            # The same Message-ID under another inode is a second download.
            same "$1: $client downloaded nothing twice" "" \
                "$(join "$W/$client.before" "$W/$client.now" | awk '$2 != $3 { print $1 }' | head -n 5)"
        fi
        same "$1: $client has no message twice" "" "$(cut -d ' ' -f 1 "$W/$client.now" | uniq -d | head -n 5)"
        mv "$W/$client.now" "$W/$client.before"
    done
}

# Logs in again and again until $W/hammer.stop; each line of $W/hammer is one connection that found no server.
hammer() {
    local count=0
    while [ ! -e "$W/hammer.stop" ]; do
        count=$((count + 1))
        { dial plain && hear "$C" '^\* OK' 5 && login "$C" bob 'pass word' && [[ $HEARD == *"a OK "*"LOGIN Ok."* ]] && ask "$C" '^z ' 'z LOGOUT'; } ||
            printf 'connection %s: %s\n' "$count" "$HEARD" >>"$W/hammer"
        hang "$C"
    done
    echo "$count" >"$W/hammer.count"
}

# changes N: what happens between two syncs: ten new messages, one deleted and two flagged on the server by another client, ...
changes() {
    local c n
    for n in $(seq $((1000 * $1)) $((1000 * $1 + 9))); do deliver alice . "$n"; done
    dial plain; c=$C; hear "$c" '^\* OK'; login "$c" alice secret
    ask "$c" '^b ' 'b SELECT INBOX.Work'
    ask "$c" '^c ' 'c STORE 1 +FLAGS (\Flagged)'
    ask "$c" '^d ' 'd STORE 2 +FLAGS (\Deleted)'
    ask "$c" '^e ' 'e EXPUNGE'
    ask "$c" '^f ' 'f COPY 3 INBOX.Work.Old'
    ask "$c" '^z ' 'z LOGOUT'; hang "$c"
    # ... and one in each client: flagged, as its user would.
    for n in mbsync offlineimap; do
        [ -d "$W/$n/mail" ] || continue
        local file
        file=$(grep -rl "^Subject: message 10$1\$" "$W/$n/mail" | head -n 1)
        case $file in
        *:2,*F*) ;;
        *:2,*) mv "$file" "$(dirname "$(dirname "$file")")/cur/$(basename "${file%:2,*}"):2,F$(tr -d F <<<"${file##*:2,}")" ;;
        esac
    done
}

part_swap() {
    echo "== swap: Courier serves, ours serves, Courier serves again"
    [ -n "$SWAPS" ] || { skip "swap" "the imapd under test is not ours"; return; }
    local n
    rm -rf "$W/home/alice/Maildir"
    maildirmake.courier "$W/home/alice/Maildir"; chown -R 5001:5001 "$W/home/alice/Maildir"
    fill alice . 1 200
    fill alice .Work 201 260
    fill alice .Work.Old 261 280
    setting MAXPERIP 20
    mkdir -p "$W/mbsync/mail" "$W/offlineimap/mail"
    cat >"$W/mbsync/rc" <<RC
IMAPAccount a
Host localhost
User alice
Pass secret
SSLType IMAPS
CertificateFile $W/cert.pem

IMAPStore far
Account a

MaildirStore near
Path $W/mbsync/mail/
Inbox $W/mbsync/mail/INBOX
SubFolders Verbatim

Channel c
Far :far:
Near :near:
Patterns *
Create Both
Remove None
Expunge Both
SyncState *
RC
    cat >"$W/offlineimap/rc" <<RC
[general]
accounts = a
metadata = $W/offlineimap/meta
socktimeout = 60
[Account a]
localrepository = l
remoterepository = r
[Repository l]
type = Maildir
localfolders = $W/offlineimap/mail
[Repository r]
type = IMAP
remotehost = 127.0.0.1
remoteport = 143
remoteuser = alice
remotepass = secret
ssl = no
starttls = no
auth_mechanisms = LOGIN
RC
    for n in mbsync offlineimap; do command -v $n >/dev/null || skip "$n" "it is not installed"; done
    ok "Courier's scripts start Courier's imapd" service start
    synced "Courier serves" 280
    truth >"$W/truth.0"
    same "the truth has every message" 280 "$(grep -vc uidvalidity "$W/truth.0")"

    # Sessions that stay open through both swaps.
    dial plain; local before=$C; hear "$before" '^\* OK'; login "$before" alice secret; ask "$before" '^b ' 'b SELECT INBOX'
    rm -f "$W"/hammer*
    hammer & local hammering=$!
    sleep 1
    ok "swap in" install_ours --swap-in
    ok "swap in, again" install_ours --swap-in
    sleep 1
    ok "ours is in place" cmp "$IMAPD" /usr/bin/imapd
    ok "Courier's is kept" cmp "$COURIER" /usr/bin/imapd.courier
    same "scripts/install --status" 0 "$(install_ours --status >/dev/null; echo $?)"
    ask "$before" '^c ' 'c FETCH 1 FLAGS'; like "Courier's open session goes on" 'c OK' "$HEARD"
    dial plain; local during=$C; hear "$during" '^\* OK'; login "$during" alice secret
    ask "$during" '^b ' 'b SELECT INBOX'; like "new sessions are ours" '\* 200 EXISTS' "$HEARD"
    ask "$before" '^d ' 'd STORE 1 +FLAGS (\Answered)'
    ask "$during" '^c ' 'c NOOP'; like "and hear what Courier's session does" 'FETCH \(.*\\Answered' "$HEARD"
    ask "$during" '^d ' 'd STORE 2 +FLAGS (\Answered)'
    ask "$before" '^e ' 'e NOOP'; like "and the other way round" 'FETCH \(.*\\Answered' "$HEARD"
    touch "$W/hammer.stop"; wait $hammering
    truth >"$W/truth.1"
    same "ours shows the same UIDs, flags and UIDVALIDITYs" "$(sed 's/\\Answered//' "$W/truth.0" | tr -d ' ')" "$(sed 's/\\Answered//' "$W/truth.1" | tr -d ' ')"
    synced "ours serves, nothing changed" 280
    changes 2
    synced "ours serves, with changes" 290
    truth >"$W/truth.2"
    same "the flag that both clients set arrived" 1 "$(grep -c '<102@.*Flagged' "$W/truth.2")"

    rm -f "$W/hammer.stop"
    hammer & hammering=$!
    sleep 1
    ok "swap out" install_ours --swap-out
    ok "swap out, again" install_ours --swap-out
    sleep 1
    touch "$W/hammer.stop"; wait $hammering
    like "connections during the swaps" '^[0-9]+$' "$(cat "$W/hammer.count")"
    same "none of them found no server" "" "$(cat "$W/hammer" 2>/dev/null)"
    ok "Courier's is in place, the very same file" cmp "$COURIER" /usr/bin/imapd
    same "no diversion, no other file is left" "" "$(dpkg-divert --list '*imapd*'; ls -A /usr/bin /usr/share/man/man8 | grep -E '^\..*imapd|imapd.*courier$|postrider')"
    ok "dpkg finds its files as it laid them" dpkg --verify courier-imap
    ask "$during" '^e ' 'e FETCH 1 FLAGS'; like "our open session goes on" 'e OK' "$HEARD"
    ask "$before" '^f ' 'f FETCH 1 FLAGS'; like "so does Courier's" 'f OK' "$HEARD"
    hang "$before"; hang "$during"
    truth >"$W/truth.3"
    same "Courier shows what ours showed" "$(cat "$W/truth.2")" "$(cat "$W/truth.3")"
    synced "Courier serves again, nothing changed" 290
    changes 3
    synced "Courier serves again, with changes" 300
    truth >"$W/truth.4"
    # Nothing lost: every message of the first hour is there under its UID, but for the two that were deleted.
    same "every message kept its UID through all three" "2" \
        "$(comm -23 <(cut -d ' ' -f 1-3 "$W/truth.0" | sort) <(cut -d ' ' -f 1-3 "$W/truth.4" | sort) | wc -l)"
    same "no UID names two messages" "" "$(cut -d ' ' -f 1-2 "$W/truth.4" | grep -v uidvalidity | sort | uniq -d)"
    swap_refused
    swap_killed
    swap_man_page
    serves "after all that" "$COURIER"
    service stop
}
