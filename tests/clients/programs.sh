# shellcheck shell=bash
# Mail programs: for each, about_NAME (title|version|what it does; nothing where it is not installed) and test_NAME. Sourced by
# scripts/clients.

# --- mbsync ---------------------------------------------------------------------------------------------------------------------------
mbsync_rc() { # mbsync_rc LINES-OF-THE-ACCOUNT
    mkdir -p "$HOME/mail"
    printf 'IMAPAccount a\n%s\n\nIMAPStore far\nAccount a\n\nMaildirStore near\nPath %s/mail/\nInbox %s/mail/INBOX\nSubFolders Verbatim\n\n' "$1" "$HOME" "$HOME"
    printf 'Channel c\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nRemove Both\nExpunge Both\nSyncState *\n'
}
held_by() { find "$HOME/mail" -type f \( -path '*/cur/*' -o -path '*/new/*' \) | wc -l; }
both_ways() { # both_ways COUNT SYNC-COMMAND...: flags, new messages and deletions, from either side, and nothing twice
    local count=$1 file; shift
    "$@"; is "first sync: local messages" $((count + 10)) "$(held_by)"
    find "$HOME/mail" -type f -path '*cur*' -printf '%i\n' -o -type f -path '*new*' -printf '%i\n' | sort >"$W/inodes.before"
    "$@"
    find "$HOME/mail" -type f -path '*cur*' -printf '%i\n' -o -type f -path '*new*' -printf '%i\n' | sort >"$W/inodes.after"
    cmp "$W/inodes.before" "$W/inodes.after"
    # On the server: five flagged, five deleted, three new.
    local c
    dial plain; c=$C; hear "$c" '^\* OK'; ask "$c" '^a OK' "a LOGIN $MAILUSER secret"; ask "$c" '^b OK' 'b SELECT INBOX'
    ask "$c" '^c OK' 'c STORE 1:5 +FLAGS (\Flagged)'; ask "$c" '^d OK' 'd STORE 6:10 +FLAGS (\Deleted)'; ask "$c" '^e OK' 'e EXPUNGE'; hang "$c"
    for n in 5001 5002 5003; do deliver "$MAILUSER" . $n; done
    # On this side: four flagged as answered, four deleted, two new.
    for n in 11 12 13 14; do
        file=$(grep -rl "^Subject: message $n\$" "$HOME/mail" | head -n 1)
        mkdir -p "$(dirname "$(dirname "$file")")/cur"
        mv "$file" "$(dirname "$(dirname "$file")")/cur/$(basename "${file%%:2,*}"):2,R$(case $file in *:2,*) tr -d R <<<"${file##*:2,}" ;; esac)"
    done
    for n in 15 16 17 18; do file=$(grep -rl "^Subject: message $n\$" "$HOME/mail" | head -n 1); rm "$file"; done
    local inbox; inbox=$(dirname "$(dirname "$(grep -rl "^Subject: message 1\$" "$HOME/mail" | head -n 1)")")
    for n in 1 2; do printf 'Subject: local %s\nMessage-ID: <local%s@x>\n\nwritten here\n' $n $n >"$inbox/new/170000900$n.M${n}_1.here"; done
    "$@"
    is "messages on the server" $((count - 5 - 4 + 3 + 2)) "$(disk .)"
    is "messages here" $((count - 5 - 4 + 3 + 2 + 10)) "$(held_by)"
    is "answered on the server" 4 "$(flags . R)"
    is "flagged here" 5 "$(find "$HOME/mail" -type f -name '*:2,*F*' | wc -l)"
    "$@"
    is "messages on the server, once more" $((count - 5 - 4 + 3 + 2)) "$(disk .)"
}
about_mbsync() { command -v mbsync >/dev/null && echo "mbsync (isync)|$(mbsync --version | sed 's/^isync //')|two-way sync of 1,000 messages: flags, new messages and deletions both ways, over TLS too"; }
test_mbsync() {
    mbsync_rc "Host localhost
Port 1430
User mbsync
Pass secret
AuthMechs LOGIN
SSLType None" >"$HOME/rc"
    both_ways 1000 timeout 300 mbsync -c "$HOME/rc" -a
    sed "s/^Port .*/Port 993/; s|^SSLType.*|SSLType IMAPS\nCertificateFile $CERT|" "$HOME/rc" >"$HOME/rc.tls"
    timeout 180 mbsync -c "$HOME/rc.tls" -a
    sed "s/^Port .*/Port 143/; s|^SSLType.*|SSLType STARTTLS\nCertificateFile $CERT|" "$HOME/rc" >"$HOME/rc.tls"
    timeout 180 mbsync -c "$HOME/rc.tls" -a
    is "messages on the server after TLS" 996 "$(disk .)"
    # With a trash, what was deleted here is moved there: MOVE, or COPY without it.
    sed 's/^Account a$/&\nTrash Trash/; s/^Patterns .*/Patterns * !Trash !INBOX.Trash/' "$HOME/rc" >"$HOME/rc.trash"
    rm "$(grep -rl '^Subject: message 19$' "$HOME/mail" | head -n 1)"
    timeout 180 mbsync -c "$HOME/rc.trash" -a
    is "where the nineteenth is" ".Trash/" "$(where 'message 19')"
    uses COMPRESS MOVE
}
about_mbsync_tunnel() { command -v mbsync >/dev/null && echo "mbsync, tunnel|$(mbsync --version | sed 's/^isync //')|the same with 200 messages through a tunnel (PREAUTH on pipes)"; }
test_mbsync_tunnel() {
    mbsync_rc "Tunnel $(tunnel)" >"$HOME/rc"
    both_ways 200 timeout 300 mbsync -c "$HOME/rc" -a
    uses COMPRESS
}

# --- interimap -------------------------------------------------------------------------------------------------------------------------
about_interimap() { command -v interimap >/dev/null && echo "interimap|$(interimap --version | sed -n '1s/.*version //p')|keeps two accounts alike by QRESYNC, one behind the login chain and one through a tunnel: new mail, flags, keywords, copies, deletions and folders on both sides, changed by ours, by Courier's imapd, by deliveries and by hand, between runs and while one watches"; }
test_interimap() {
    local near=$W/home/interimapnear/Maildir
    account interimapnear $((NEXT + 500)) secret
    mkdir -p "$HOME/interimap"
    cat >"$HOME/interimap.conf" <<RC
database = $HOME/interimap.db
logfile = $HOME/interimap.log
[local]
type = tunnel
command = $(MAIL=$near MAILUSER=interimapnear tunnel)
null-stderr = YES
[remote]
type = imap
host = localhost
port = 1430
STARTTLS = NO
username = interimap
password = secret
RC
    chmod 700 "$HOME"
    if [ "$EXTENSIONS" = 0 ]; then
        # It asks for more than Courier has, and says so.
        is "its refusal" yes "$(timeout 60 interimap --config "$HOME/interimap.conf" 2>&1 | grep -q 'did not advertise' && echo yes)"
        return
    fi
    COURIER=${COURIER:-/usr/bin/imapd.courier} NEAR=$near NEARUSER=interimapnear timeout 400 python3 -B tests/clients/use_interimap.py
    uses LIST-STATUS UIDPLUS CONDSTORE QRESYNC
}

# --- offlineimap ---------------------------------------------------------------------------------------------------------------------
about_offlineimap() { command -v offlineimap >/dev/null && echo "offlineimap3|$(offlineimap --version 2>&1 | head -n 1 | sed 's/^offlineimap v//; s/,.*//')|two-way sync of 200 messages: flags, new messages and deletions both ways"; }
test_offlineimap() {
    mkdir -p "$HOME/mail"
    cat >"$HOME/rc" <<RC
[general]
accounts = a
metadata = $HOME/meta
socktimeout = 60
[Account a]
localrepository = l
remoterepository = r
[Repository l]
type = Maildir
localfolders = $HOME/mail
[Repository r]
type = IMAP
remotehost = localhost
remoteport = 1430
remoteuser = offlineimap
remotepass = secret
ssl = no
starttls = no
auth_mechanisms = LOGIN
usecompression = $([ "$EXTENSIONS" = 0 ] && echo no || echo yes)
RC
    both_ways 200 timeout 300 offlineimap -c "$HOME/rc" -o -u basic
    uses COMPRESS
}

# --- mutt, neomutt ----------------------------------------------------------------------------------------------------------------------
mutt_rc() {
    cat <<RC
set imap_user=$MAILUSER imap_pass=secret ssl_force_tls=no ssl_starttls=no
set folder="$1" spoolfile="$1INBOX" record="" postponed=""
set quit=yes delete=yes move=no confirmappend=no confirmcreate=no mark_old=no wait_key=no imap_check_subscribed=no imap_passive=no
set header_cache="$HOME/cache" sleep_time=0 pager_stop=yes sort=mailbox-order
RC
}
# Read the seventh and look at its raw header; flag the second; save (copy and delete) the third to Work; delete the fourth; search; a new
# folder; flags told; the mailbox synced; then Work opened, and the end.
MUTT_KEYS='push "<jump>7<enter><display-message><display-toggle-weed><exit><jump>2<enter><flag-message><jump>3<enter><save-message>=INBOX.Work<enter><jump>4<enter><delete-message><limit>~s \"message 12\"<enter><limit>all<enter><jump>6<enter><copy-message>=INBOX.Made<enter><sync-mailbox><change-folder>=INBOX.Work<enter><jump>1<enter><display-message><exit><quit>"'
# Opened again: what it takes for flagged is copied to Flagged, and two messages, if they are there, to There.
MUTT_AGAIN='push "<limit>~F<enter><tag-pattern>~A<enter><tag-prefix><copy-message>=INBOX.Flagged<enter><limit>all<enter><untag-pattern>~A<enter><limit>~s \"message (12|22)$\"<enter><untag-pattern>~A<enter><tag-pattern>~A<enter><tag-prefix><copy-message>=INBOX.There<enter><quit>"'
mutt_work() { # mutt_work PROGRAM RC
    if [ "$EXTENSIONS" != 0 ]; then echo 'set imap_condstore=yes imap_qresync=yes' >>"$2"; fi
    cp "$2" "$2.again"
    printf '%s\n' "$MUTT_KEYS" >>"$2"
    LIMIT=90 terminal "$1 -F $2" >"$W/screen"
    sleep 0.5
    is "messages in the inbox" 18 "$(disk .)"
    is "messages in Work" 11 "$(disk .Work)"
    is "messages in Made" 1 "$(disk .Made)"
    is "flagged" 1 "$(flags . F)"
    is "the seventh is read" 1 "$(find "$MAIL/cur" -name '*M7P*:2,*S*' | wc -l)"
    meanwhile 'UID STORE 2 -FLAGS (\Flagged)' 'UID STORE 10,11 +FLAGS (\Flagged)' 'UID STORE 12 +FLAGS (\Deleted)' EXPUNGE
    deliver "$MAILUSER" . 22
    printf '%s\n' "$MUTT_AGAIN" >>"$2.again"
    LIMIT=90 terminal "$1 -F $2.again" >"$W/screen"
    is "what it took for flagged" "message 10 message 11" "$(subjects .Flagged)"
    is "what it had" "message 22" "$(subjects .There)"
    uses QRESYNC
}
# subjects FOLDER: of all its messages
subjects() { cat "$MAIL/$1"/[cn][ue][rw]/* | sed -n 's/^Subject: //p' | sort | paste -sd' '; }
mutt_version() { command -v "$1" >/dev/null && echo "$2|$("$1" -v | head -n 1 | sed 's/^[A-Za-z]* //; s/ (.*//')|$3"; }
about_mutt() { mutt_version mutt mutt "scripted: open, read, flag, save, delete, search, copy to a new folder, sync; opened again after another client"; }
test_mutt() { mutt_rc imap://localhost:1430/ >"$HOME/rc"; echo 'set imap_deflate=yes' >>"$HOME/rc"; mutt_work mutt "$HOME/rc"; uses COMPRESS; }
about_neomutt() { mutt_version neomutt neomutt "the same as mutt"; }
test_neomutt() { mutt_rc imap://localhost:1430/ >"$HOME/rc"; mutt_work neomutt "$HOME/rc"; }
about_mutt_tunnel() { mutt_version mutt "mutt, tunnel" "the same through a tunnel (PREAUTH on a socket pair)"; }
test_mutt_tunnel() {
    mutt_rc imap://localhost/ >"$HOME/rc"
    echo 'set imap_deflate=yes' >>"$HOME/rc"
    echo "set tunnel=\"$(tunnel)\"" >>"$HOME/rc"
    mutt_work mutt "$HOME/rc"
    uses COMPRESS
}

# --- alpine ----------------------------------------------------------------------------------------------------------------------------
about_alpine() { command -v alpine >/dev/null && echo "alpine|$(alpine -v 2>&1 | sed -n 's/^Alpine \([0-9.]*\).*/\1/p' | head -n 1)|scripted: open, read, flag, save to a folder, delete, expunge"; }
test_alpine() {
    cat >"$HOME/.pinerc" <<RC
personal-name=Alpine
inbox-path={localhost:1430/user=alpine/notls/novalidate-cert}INBOX
folder-collections=Mail {localhost:1430/user=alpine/notls/novalidate-cert}INBOX.[]
feature-list=enable-flag-cmd,expunge-without-confirm-everywhere,save-will-not-delete,quit-without-confirm,no-enable-mouse-in-xterm,enable-jump-shortcut
last-version-used=9.99
RC
    # Keys with pauses, as fingers give them: the password, the index; flag, save, delete, expunge, read the first, quit.
    { sleep 3; printf 'secret\r'; sleep 3; printf 'i'; sleep 1
      printf '2\r'; sleep 1; printf '*'; sleep 1; printf 'i\r'; sleep 1
      printf '3\r'; sleep 1; printf 's'; sleep 1; printf 'Work\r'; sleep 2; printf 'd'; sleep 1; printf 'x'; sleep 2; printf '1\r'; sleep 1; printf '>'; sleep 2; printf 'qy'; sleep 2; } |
        LIMIT=60 terminal "alpine -nowrite_password_cache -p $HOME/.pinerc" >"$W/screen" || true
    sleep 0.5
    is "messages in the inbox" 19 "$(disk .)"
    is "messages in Work" 11 "$(disk .Work)"
    is "the first is read" 1 "$(find "$MAIL/cur" -name '*M1P*:2,*S*' | wc -l)"
}

# --- fetchmail, getmail ------------------------------------------------------------------------------------------------------------------
about_fetchmail() { command -v fetchmail >/dev/null && echo "fetchmail|$(fetchmail --version 2>/dev/null | sed -n 's/.*release \([0-9.]*\).*/\1/p' | head -n 1)|fetches unread mail and keeps it; fetches everything and deletes it; over TLS; from a folder"; }
test_fetchmail() {
    printf 'poll localhost service 1430 protocol imap user fetchmail password secret sslproto "" keep mda "cat >>%s/got"\n' "$HOME" >"$HOME/rc"
    chmod 700 "$HOME/rc"
    timeout 180 fetchmail --nosyslog -f "$HOME/rc"
    is "messages fetched" 20 "$(grep -c '^Message-ID: <[0-9]*@chain' "$HOME/got")"
    is "messages kept" 20 "$(disk .)"
    is "messages read" 20 "$(flags . S)"
    # Nothing unread: exit status 1.
    timeout 180 fetchmail --nosyslog -f "$HOME/rc" || is "status without new mail" 1 $?
    printf 'poll localhost service 993 protocol imap user fetchmail password secret ssl sslcertfile %s fetchall nokeep folder INBOX,INBOX.Work mda "cat >>%s/got2"\n' "$CERT" "$HOME" >"$HOME/rc"
    timeout 180 fetchmail --nosyslog -f "$HOME/rc"
    is "messages fetched over TLS" 30 "$(grep -c '^Message-ID: <[0-9]*@chain' "$HOME/got2")"
    is "messages left" 0 "$(($(disk .) + $(disk .Work)))"
}
# getmail delivers for nobody but an ordinary user. For each message it starts a child, and only then asks to be told of its end; a
# child that ends before is waited for in vain. On one CPU, and before others, the parent is in time.
as_user() {
    local cpu; cpu=$(taskset -cp $$ | sed 's/.*: //; s/[-,].*//')
    chown -R "$NEXT":"$NEXT" "$HOME"
    chmod 711 "$W/user"
    (cd "$HOME" && exec timeout 180 nice -n -10 taskset -c "$cpu" setpriv --reuid "$NEXT" --regid "$NEXT" --clear-groups "$@")
}
about_getmail() { command -v getmail >/dev/null && echo "getmail6|$(getmail --version 2>&1 | sed -n 's/.*getmail[^0-9]*\([0-9.]*\).*/\1/p' | head -n 1)|fetches from two folders into a Maildir, remembers what it has, then deletes"; }
test_getmail() {
    mkdir -p "$HOME/.getmail"
    maildirmake.courier "$HOME/got"
    printf '[retriever]\ntype = SimpleIMAPRetriever\nserver = localhost\nport = 1430\nusername = getmail\npassword = secret\nmailboxes = ("INBOX",)\n[destination]\ntype = Maildir\npath = %s/got/\n[options]\nread_all = false\ndelete = false\n' "$HOME" >"$HOME/.getmail/getmailrc"
    as_user getmail --getmaildir "$HOME/.getmail"
    is "messages fetched" 20 "$(find "$HOME/got/new" -type f | wc -l)"
    as_user getmail --getmaildir "$HOME/.getmail"
    # It only EXAMINEs, and goes by the UIDs that it was told (under Courier's imapd they change until somebody SELECTs).
    is "messages fetched again" 20 "$(find "$HOME/got/new" -type f | wc -l)"
    sed -i 's/^delete = .*/delete = true/; s/^mailboxes = .*/mailboxes = ("INBOX", "INBOX.Work")/' "$HOME/.getmail/getmailrc"
    as_user getmail --getmaildir "$HOME/.getmail"
    is "messages left" 0 "$(($(disk .) + $(disk .Work)))"
}

# --- curl ------------------------------------------------------------------------------------------------------------------------------
about_curl() { curl --version 2>/dev/null | grep -q imap && echo "curl|$(curl --version | sed -n '1s/^curl \([^ ]*\).*/\1/p')|lists, fetches messages, sections and fields, searches, uploads, sets flags, expunges; STARTTLS and TLS"; }
test_curl() {
    get() { curl -sS --max-time 30 --user curl:secret "$@"; }
    local U=imap://localhost:1430
    get "$U/" | grep -q 'INBOX.Work'
    get "$U/INBOX;UID=7" | grep -q 'This is message number 7.'
    is "octets" "$(sed 's/$/\r/' "$MAIL"/*/*M7P1* | wc -c)" "$(get "$U/INBOX;UID=7" | wc -c)"
    get "$U/INBOX;MAILINDEX=5;SECTION=2" | grep -q AAECAwQF
    get "$U/INBOX;UID=7;SECTION=HEADER.FIELDS%20(SUBJECT)" | grep -q 'Subject: message 7'
    get "$U/INBOX?SUBJECT%20%22message%207%22" | grep -q 'SEARCH 7'
    get "$U/INBOX?NEW" | grep -q 'SEARCH'
    printf 'Subject: uploaded\r\n\r\nbody\r\n' >"$HOME/up"
    get -T "$HOME/up" "$U/INBOX.Work"
    is "messages in Work" 11 "$(disk .Work)"
    get "$U/INBOX" -X 'STORE 3 +FLAGS (\Deleted)' >/dev/null
    get "$U/INBOX" -X EXPUNGE | grep -q 'EXPUNGE'
    get "$U/INBOX" -X 'EXAMINE INBOX' | grep -q EXISTS
    is "messages in the inbox" 19 "$(disk .)"
    get --ssl-reqd --cacert "$CERT" "imap://localhost:143/INBOX;UID=7" | grep -q 'This is message number 7.'
    get --cacert "$CERT" "imaps://localhost:993/INBOX;UID=7" | grep -q 'This is message number 7.'
    get --cacert "$CERT" --login-options AUTH=PLAIN "imaps://localhost:993/INBOX;UID=7" | grep -q 'This is message number 7.'
}
