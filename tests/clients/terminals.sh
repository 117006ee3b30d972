# shellcheck shell=bash
# More mail programs, each of which plays a user's day (day_done in lib.sh): about_NAME and test_NAME. Sourced by scripts/clients.

# --- aerc ------------------------------------------------------------------------------------------------------------------------------
about_aerc() { command -v aerc >/dev/null && echo "aerc|$(aerc -v | sed -n 's/^aerc \([0-9.]*\).*/\1/p')|scripted: folders, read, search, save an attachment, flag, copy to a new folder, move, delete, wait for mail (IDLE)"; }
test_aerc() {
    mkdir -p "$HOME/.config/aerc"
    printf '[home]\nsource = imap+insecure://aerc:secret@localhost:1430\nfrom = <aerc@example.com>\ndefault = INBOX\n' >"$HOME/.config/aerc/accounts.conf"
    chmod 600 "$HOME/.config/aerc/accounts.conf"
    XDG_CONFIG_HOME=$HOME/.config at_terminal aerc
    eventually "the inbox is listed" yes said 'UID FETCH'
    sleep 1
    keys ':search "message 7"\r'
    eventually "searched" yes said 'SEARCH .*message'
    keys ':view\r'
    eventually "the seventh is read" 1 with_flag 7 S
    keys 'q' ':flag\r'
    eventually "the seventh is flagged" 1 with_flag 7 F
    keys ':mkdir INBOX.Filed\r' ':cf INBOX\r' ':search "message 7"\r' ':cp INBOX.Filed\r'
    eventually "the seventh is copied" 1 disk .Filed
    keys ':search "message 6"\r' ':flag\r'
    eventually "the sixth is flagged" 2 flags . F
    keys ':search Grüße\r' ':view\r' ':next-part\r' ":save -f $HOME/six.bin\\r"
    eventually "the attachment is saved" 000102030405 hex "$HOME/six.bin"
    keys 'q' ':search "message 8"\r' ':mv INBOX.Work\r'
    eventually "the eighth is moved" ".Work/" where 'message 8'
    keys ':search "message 9"\r' ':delete\r'
    eventually "the ninth is deleted" "" where 'message 9'
    news
    eventually "the news is told" yes said 'UID FETCH 21 '
    keys ':quit\r'
    left
    day_done 2 0
    uses LIST-STATUS MOVE
}

# --- s-nail ----------------------------------------------------------------------------------------------------------------------------
about_s_nail() { command -v s-nail >/dev/null && echo "s-nail|$(s-nail -V | sed -n '1s/^s-nail v\([0-9.]*\).*/\1/p')|scripted: folders, read, search, save an attachment, flag, copy to a new folder, move, delete, new mail by NOOP"; }
test_s_nail() {
    cd "$HOME"
    at_terminal "s-nail -:/ -S v15-compat -S imap-auth=login -S 'folder=imap://snail:secret@localhost:1430/INBOX' -f imap://snail:secret@localhost:1430/INBOX"
    eventually "the inbox is listed" yes said 'FETCH 1:20 '
    keys 'folders\n' 'search (subject "message 7")\n' 'type 7\n'
    keys "write 5 $HOME/text\\n" '\n' '\n'
    eventually "the attachment is saved" 000102030405 hex "$HOME/six.bin"
    keys 'flag 6 7\n' 'copy 7 imap://snail:secret@localhost:1430/INBOX.Filed\n'
    eventually "the seventh is copied" 1 disk .Filed
    keys 'move 8 imap://snail:secret@localhost:1430/INBOX.Work\n'
    keys 'delete 9\n' 'newmail\n'
    news
    keys 'newmail\n' 'quit\n'
    left
    day_done 2 0
}

# --- Gnus ------------------------------------------------------------------------------------------------------------------------------
about_gnus() { command -v emacs >/dev/null && echo "Gnus (Emacs)|$(emacs --version | sed -n '1s/^GNU Emacs //p')|in batch: folders, read, search, save an attachment, flag, copy to a new folder, move, upload, delete, new mail by a check; started again, what another client did meanwhile"; }
test_gnus() {
    printf 'machine localhost port imap login gnus password secret\n' >"$HOME/.authinfo"
    timeout 90 emacs -Q --batch -l tests/clients/gnus.el -l tests/clients/use_gnus.el
    day_done 2 1
    meanwhile 'UID STORE 10 +FLAGS (\Flagged)' 'UID STORE 11 +FLAGS (\Answered)' 'UID STORE 12 +FLAGS (\Deleted)' EXPUNGE
    deliver "$MAILUSER" . 22
    timeout 90 emacs -Q --batch -l tests/clients/gnus.el -l tests/clients/use_gnus_again.el
    uses MOVE QRESYNC
}

# --- himalaya --------------------------------------------------------------------------------------------------------------------------
about_himalaya() { [ -x "$DO/himalaya/bin/himalaya" ] && echo "himalaya|$("$DO/himalaya/bin/himalaya" --version | sed -n '1s/^himalaya v\([0-9.]*\).*/\1/p')|folders, read, search, save an attachment, flag, copy to a new folder, upload, delete, move, new mail by a new session (without MOVE: copy)"; }
test_himalaya() {
    printf '%s\n' '[accounts.home]' 'default = true' 'mailbox.alias.inbox = "INBOX"' 'imap.server = "imap://localhost:1430"' \
        'imap.sasl.plain.username = "himalaya"' 'imap.sasl.plain.password.raw = "secret"' >"$HOME/config.toml"
    h() { timeout 60 "$DO/himalaya/bin/himalaya" -c "$HOME/config.toml" "$@"; }
    h mailbox list | grep -q 'INBOX.Work'
    h envelope list | grep -q 'Grüße aus München'
    h envelope search subject Grüße | grep -q 'Grüße aus München'
    h message read 7 | grep -q 'This is message number 7.'
    h attachment download 5 -d "$HOME"
    is "the attachment" 000102030405 "$(hex "$HOME/six.bin")"
    h flag add -f flagged 6 7
    h imap create INBOX.Filed
    h message copy -t INBOX.Filed 7
    # "message move" sends MOVE, whatever the server has.
    local expunged=9
    if [ "$EXTENSIONS" != 0 ]; then
        h message move -t INBOX.Work 8
    else
        h message copy -t INBOX.Work 8
        expunged=8:9
    fi
    printf 'Subject: uploaded\r\n\r\nbody\r\n' | h message add -m INBOX.Work -f seen
    h imap store $expunged -f '\Deleted'
    h imap expunge INBOX
    news
    h envelope list | grep -q news
    day_done 2 1
    uses MOVE
}

# --- meli ------------------------------------------------------------------------------------------------------------------------------
about_meli() { [ -x "$DO/meli/bin/meli" ] && echo "meli|$("$DO/meli/bin/meli" --version | sed -n '1s/^meli \([0-9.]*\).*/\1/p')|scripted: folders, read, search, save an attachment, flag, copy to a new folder, move, upload, delete, wait for mail (IDLE); it wants UIDNEXT from SELECT, and lists one message where that is missing, as with Courier"; }
test_meli() {
    printf '%s\n' '[accounts.home]' 'root_mailbox = "INBOX"' 'subscribed_mailboxes = ["INBOX", "INBOX/*"]' 'identity = "me@example.com"' \
        'format = "imap"' 'server_hostname = "localhost"' 'server_port = "1430"' 'server_username = "meli"' 'server_password = "secret"' \
        'use_tls = false' 'use_starttls = false' 'offline_cache = false' 'send_mail = "false"' '[accounts.home.listing]' \
        'index_style = "plain"' >"$HOME/config.toml"
    printf 'Subject: uploaded\r\n\r\nbody\r\n' >"$HOME/up"
    # Keys that come before it has changed its mode are lost: a command goes in three parts, with pauses.
    # shellcheck disable=SC2034 # for keys
    local PAUSE=0.5
    enter() { keys : "$1" '\r'; }
    find_it() { keys '\e'; enter "search subject:\"$1\""; sleep 1; }
    # In a box that asks, nothing is chosen until j chooses "yes".
    sure() { keys j '\r'; }
    MELI_CONFIG=$HOME/config.toml XDG_CACHE_HOME=$HOME/cache XDG_DATA_HOME=$HOME/data at_terminal "$DO/meli/bin/meli"
    eventually "the inbox is listed" yes said 'UID FETCH'
    sleep 1
    if [ "$EXTENSIONS" = 0 ]; then
        # Without UIDNEXT from SELECT it knows of one message.
        keys '\r' '\r'
        eventually "the first is read" 1 with_flag 1 S
        enter quit
        sure
        left
        uses MOVE UNSELECT
        return
    fi
    find_it 'message 7'
    keys '\r' '\r'
    eventually "the seventh is read" 1 with_flag 7 S
    keys i
    enter 'flag set flagged'
    eventually "the seventh is flagged" 1 with_flag 7 F
    enter 'create-mailbox home INBOX.Filed'
    sure
    eventually "the new folder is listed" 2 grep -ac LSUB "$SAID"
    sleep 1
    enter 'copyto INBOX/Filed'
    eventually "the seventh is copied" 1 disk .Filed
    find_it 'message 6'
    enter 'flag set flagged'
    eventually "the sixth is flagged" 2 flags . F
    find_it Grüße
    keys '\r' '\r'
    eventually "the fifth is read" 1 with_flag 5 S
    enter "save-attachment 2 $HOME/six.bin"
    eventually "the attachment is saved" 000102030405 hex "$HOME/six.bin"
    keys i
    find_it 'message 8'
    enter 'moveto INBOX/Work'
    eventually "the eighth is moved" ".Work/" where 'message 8'
    find_it 'message 9'
    enter delete
    sure
    eventually "the ninth is deleted" "" where 'message 9'
    enter "import $HOME/up INBOX/Work"
    eventually "uploaded" ".Work/" where uploaded
    news
    eventually "the news is told" yes said 'UID FETCH 21'
    enter quit
    sure
    left
    day_done 2 1
    uses MOVE
}
