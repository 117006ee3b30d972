#!/bin/bash
# Evolution, worked by mouse and keys (xdotool) in a display of its own. The Maildir says when each step is done.
# shellcheck disable=SC2153 # BOX, NEWS, PORT and MAILUSER are of lib.sh
set -e
# shellcheck source=tests/clients/window.sh
. tests/clients/window.sh
mkdir -p "$XDG_CONFIG_HOME/evolution/sources" "$XDG_CONFIG_HOME/evolution/mail"
cat >"$XDG_CONFIG_HOME/evolution/sources/home.source" <<SOURCE
[Data Source]
DisplayName=home
Enabled=true
Parent=
[Authentication]
Host=localhost
Port=$PORT
User=$MAILUSER
RememberPassword=true
[Mail Account]
BackendName=imapx
IdentityUid=home-identity
NeedsInitialSetup=false
[Security]
Method=none
[Imapx Backend]
UseIdle=true
UseSubscriptions=false
ConcurrentConnections=1
UseQresync=true
[Refresh]
Enabled=false
SOURCE
cat >"$XDG_CONFIG_HOME/evolution/sources/home-identity.source" <<SOURCE
[Data Source]
DisplayName=home
Enabled=true
Parent=home
[Mail Identity]
Address=me@example.com
Name=Me
[Mail Composition]
[Mail Submission]
SOURCE
printf '[Folder Tree]\nSelected=folder://home/INBOX\n[Store home]\nExpanded=true\n' >"$XDG_CONFIG_HOME/evolution/mail/state.ini"
printf '[org/gnome/evolution]\n%s\n[org/gnome/evolution/shell]\n%s\n[org/gnome/evolution/mail]\n%s\n' \
    'version="3.46.4"' "default-component-id='mail'" \
    $'prompt-on-expunge=false\nprompt-on-empty-trash=false\nprompt-on-folder-drop-copy=\'always\'\nmark-seen-timeout=200\ntrash-empty-on-exit=false\nshow-startup-wizard=false' \
    >"$XDG_CONFIG_HOME/glib-2.0/settings/keyfile"
# Keys for what has none.
printf '(gtk_accel_path "<Actions>/mail/%s" "%s")\n' mail-mark-important '<Primary><Alt>i' \
    mail-folder-new '<Primary><Alt>n' >"$XDG_CONFIG_HOME/evolution/accels"
keyring xdg:schema org.gnome.Evolution.Data.Source e-source-uid home
openbox >/dev/null 2>&1 &
# No network but the loopback address: it would stay offline.
evolution --force-online --component=mail >"$HOME/out" 2>&1 &

# row N: a click on the Nth line of the message list
row() { xdotool mousemove 640 $((197 + 24 * ($1 - 1))) sleep 0.2 click 1; sleep 0.5; }
# dialog NAME: the dialog of that name is there, and is written into
dialog() { eventually "$1" xdotool search --onlyvisible --name "$1"; sleep 0.5; xdotool type "$2"; sleep 0.5; xdotool key Return; }

if [ "${1:-}" = again ]; then
    # What it knows of the inbox is in its database: the UIDs that are answered, those that are not read, all.
    known() { python3 -c 'import sqlite3, sys; print(*(r[0] for r in sqlite3.connect(sys.argv[1]).execute(sys.argv[2])))' "$XDG_CACHE_HOME/evolution/mail/home/folders.db" "$1"; }
    knows() { [ "$(known "SELECT uid FROM INBOX WHERE $1 ORDER BY CAST(uid AS INTEGER)")" = "$2" ]; }
    eventually "a window" xdotool search --onlyvisible --class evolution
    eventually "the inbox" said 'SELECT "?INBOX"? \(QRESYNC|UID FETCH 22'
    sleep 2
    xdotool key ctrl+q
    wait %2
    eventually "answered elsewhere" knows "replied = 1" "10 11"
    eventually "no longer flagged" knows "important = 1" 7
    eventually "deleted and new" knows "CAST(uid AS INTEGER) BETWEEN 11 AND 13 OR CAST(uid AS INTEGER) > 20" "11 13 21 22"
    exit
fi
eventually "a window" xdotool search --onlyvisible --class evolution
eventually "the inbox" said 'UID FETCH 1:20 '
eventually "the newest is shown" said 'UID FETCH 20 '
xdotool windowsize --sync "$(xdotool search --onlyvisible --class evolution | tail -n 1)" 1280 880
sleep 1
row 7
eventually "the seventh is read" with_flag 7 S
row 5
eventually "the attachment is read" said 'UID FETCH 5 \(BODY'
row 6
xdotool keydown ctrl; row 7; xdotool keyup ctrl
xdotool key ctrl+alt+i
eventually "flagged" with_flag 6 F
eventually "flagged" with_flag 7 F
xdotool key ctrl+alt+n
dialog "Create Folder" Filed
eventually "a new folder" [ -d "$BOX/.Filed" ]
row 7
xdotool key ctrl+shift+y
dialog "Copy to Folder" Filed
eventually "the copy" in_folder .Filed "message 7"
row 8
xdotool key ctrl+shift+v
dialog "Move to Folder" Work
eventually "the move" in_folder .Work "message 8"
sleep 1
# The ninth has taken the place of the eighth.
row 8
xdotool key Delete
eventually "the mark" with_flag 9 T
xdotool key ctrl+e
eventually "the deletion" gone "message 9"
"$NEWS"
eventually "the news is told" said 'UID FETCH 21'
xdotool key ctrl+q
wait %2
