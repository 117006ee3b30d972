#!/bin/bash
# Geary in a display of its own, told what to do by the actions that its window offers on the session bus, and by keys where it wants a
# folder's name. The Maildir says when each step is done.
# shellcheck disable=SC2153 # NEWS, PORT and MAILUSER are of lib.sh
set -e
# shellcheck source=tests/clients/window.sh
. tests/clients/window.sh
# No network but the loopback address: it would take itself for offline.
export GIO_USE_NETWORK_MONITOR=base
mkdir -p "$XDG_CONFIG_HOME/geary/account_01"
cat >"$XDG_CONFIG_HOME/geary/account_01/geary.ini" <<ACCOUNT
[Metadata]
version=1
status=enabled
[Account]
ordinal=0
label=home
prefetch_days=-1
save_drafts=true
save_sent=false
service_provider=other
sender_mailboxes=Me <me@example.com>;
[Folders]
[Incoming]
login=$MAILUSER
remember_password=true
host=localhost
port=$PORT
transport_security=none
credentials=custom
[Outgoing]
remember_password=false
host=localhost
port=25
transport_security=none
credentials=none
ACCOUNT
printf '[org/gnome/Geary]\nautoselect=false\nmigrated-config=true\nwindow-width=1840\nwindow-height=960\n' \
    >"$XDG_CONFIG_HOME/glib-2.0/settings/keyfile"
keyring xdg:schema org.gnome.Geary proto IMAP host localhost login "$MAILUSER"
openbox >/dev/null 2>&1 &
geary >"$HOME/out" 2>&1 &

# act ACTION [OBJECT [PARAMETERS]]: an action of its window, or of the program where OBJECT is empty; row N: a click on the Nth line of
# the message list
act() {
    gdbus call --session --dest org.gnome.Geary --object-path "/org/gnome/Geary${2-/window/1}" --method org.gtk.Actions.Activate "$1" \
        "${3:-[]}" '{}' >/dev/null
    sleep 0.5
}
row() { xdotool mousemove 450 $((71 + 85 * ($1 - 1) + 60)) sleep 0.2 click 1; sleep 1; }
# into FOLDER: the menu of folders is open, and the name is typed into it
into() { sleep 1; xdotool type "$1"; sleep 1; xdotool key Down; sleep 0.3; xdotool key Return; sleep 0.5; }

eventually "the inbox" said 'uid fetch 1:20 body.peek\[text\]'
eventually "IDLE" said ' IDLE'
sleep 1
row 7
eventually "the seventh is read" with_flag 7 S
act mark-conversation-starred
eventually "the seventh is flagged" with_flag 7 F
row 6
act mark-conversation-starred
eventually "the sixth is flagged" with_flag 6 F
row 7
act show-copy-menu
into Filed
eventually "the copy" in_folder .Filed "message 7"
row 8
act show-move-menu
into Work
eventually "the move" in_folder .Work "message 8"
eventually "the move" gone "message 8"
sleep 1
# The ninth has taken the place of the eighth.
row 8
xdotool key shift+Delete sleep 1 key Tab sleep 0.3 key Return
eventually "the deletion" gone "message 9"
row 4
act archive-conversation
eventually "the archive" gone "message 4"
sleep 1
row 3
act trash-conversation
eventually "the trash" gone "message 3"
# A message that is being written is kept as a draft.
act mailto '' "[<'mailto:?subject=uploaded'>]"
sleep 1
xdotool type joe@example.com
eventually "the draft" said 'append INBOX\..* \(.*draft'
"$NEWS"
eventually "the news is told" said 'uid fetch 21'
# With a message being written it would ask before it quits.
kill %2
wait %2 || true
