# shellcheck shell=bash
# Mail programs that want a display, which is Xvfb's: about_NAME and test_NAME. Sourced by scripts/clients.

# with_display COMMAND...: the command, in a display of its own with a session bus
with_display() { timeout "${LIMIT:-180}" xvfb-run -a -s "-screen 0 ${SCREEN:-1280x900}x24" dbus-run-session -- "$@"; }
# folders NAME-AND-USE...: another client has made these, and subscribed to them
folders() {
    local folder c
    dial plain; c=$C; hear "$c" '^\* OK'; ask "$c" '^a OK' "a LOGIN $MAILUSER secret"
    for folder; do ask "$c" '^b OK' "b CREATE $folder"; ask "$c" '^c OK' "c SUBSCRIBE ${folder%% *}"; done
    hang "$c"
}

about_thunderbird() {
    command -v thunderbird >/dev/null && command -v xvfb-run >/dev/null &&
        echo "Thunderbird|$(sed -n 's/^Version=//p' /usr/lib/thunderbird/application.ini)|folders, read, an attachment, search on the server, flag, copy to a new folder, move, upload, delete, wait for mail (IDLE); another client's flags told at once, and started again"
}
test_thunderbird() {
    if [ "$EXTENSIONS" = 0 ]; then folders INBOX.Cellar; else folders 'INBOX.Cellar (USE (\Archive))'; fi
    with_display python3 -B tests/clients/use_thunderbird.py
    # Flags were set and taken away by others meanwhile; a message went and one came.
    day_done 4 1
    # Its first SELECT never asks for CONDSTORE; that HIGHESTMODSEQ is told makes it ask for what changed.
    uses COMPRESS ID LIST-EXTENDED SPECIAL-USE MOVE CONDSTORE
    [ "$EXTENSIONS" = 0 ] || is "asked for changes" yes "$(said 'UID fetch 1:\* \(FLAGS\) \(CHANGEDSINCE [0-9]+\)')"
}

about_evolution() {
    command -v evolution >/dev/null && command -v xvfb-run >/dev/null && command -v xdotool >/dev/null &&
        echo "Evolution|$(evolution --version | sed 's/^evolution //; s/-.*//')|worked by mouse and keys: folders, read, a message with an attachment, flag, copy to a new folder, move, delete, wait for mail (IDLE); started again after another client"
}
test_evolution() {
    with_display bash tests/clients/use_evolution.sh
    day_done 2 0
    meanwhile 'UID STORE 10,11 +FLAGS (\Answered)' 'UID STORE 6 -FLAGS (\Flagged)' 'UID STORE 12 +FLAGS (\Deleted)' EXPUNGE
    deliver "$MAILUSER" . 22
    with_display bash tests/clients/use_evolution.sh again
    uses LIST-EXTENDED LIST-STATUS SPECIAL-USE MOVE QRESYNC
}

about_geary() {
    command -v geary >/dev/null && command -v xvfb-run >/dev/null && command -v xdotool >/dev/null &&
        echo "Geary|$(geary --version | sed 's/^geary: //')|worked by its window's actions and keys: folders, read, flag, copy, move, archive, put in the trash, delete, keep a draft, wait for mail (IDLE); its special folders are made, or known whatever their names (no MOVE and no COMPRESS in it)"
}
test_geary() {
    # Its list is by INTERNALDATE: the first message on top. It makes no folders but special ones; two are there whose names tell nothing.
    local n trash=Trash drafts=Drafts
    for n in $(seq 20); do touch -d @$((1700000000 - n)) "$MAIL/new/"*M"$n"P1_0*; done
    folders INBOX.Filed
    if [ "$EXTENSIONS" != 0 ]; then
        trash=Bin drafts=Desk
        folders 'INBOX.Bin (USE (\Trash))' 'INBOX.Desk (USE (\Drafts))'
    fi
    SCREEN=1900x1000 with_display bash tests/clients/use_geary.sh
    day_done 2 0 17
    is "where the third is" ".$trash/" "$(where 'message 3')"
    is "where the fourth is" ".Archive/" "$(where 'message 4')"
    is "where the draft is" ".$drafts/" "$(where uploaded)"
    uses LIST-EXTENDED SPECIAL-USE CREATE-SPECIAL-USE
}
