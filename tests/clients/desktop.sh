# shellcheck shell=bash
# Mail programs that want a display, which is Xvfb's: about_NAME and test_NAME. Sourced by scripts/clients.

# with_display COMMAND...: the command, in a display of its own with a session bus
with_display() { timeout "${LIMIT:-180}" xvfb-run -a -s '-screen 0 1280x900x24' dbus-run-session -- "$@"; }

about_thunderbird() {
    command -v thunderbird >/dev/null && command -v xvfb-run >/dev/null &&
        echo "Thunderbird|$(sed -n 's/^Version=//p' /usr/lib/thunderbird/application.ini)|folders, read, an attachment, search on the server, flag, copy to a new folder, move, upload, delete, wait for mail (IDLE)"
}
test_thunderbird() { with_display python3 -B tests/clients/use_thunderbird.py; day_done 2 1; uses COMPRESS ID LIST-EXTENDED SPECIAL-USE MOVE; }

about_evolution() {
    command -v evolution >/dev/null && command -v xvfb-run >/dev/null && command -v xdotool >/dev/null &&
        echo "Evolution|$(evolution --version | sed 's/^evolution //; s/-.*//')|worked by mouse and keys: folders, read, a message with an attachment, flag, copy to a new folder, move, delete, wait for mail (IDLE)"
}
test_evolution() { with_display bash tests/clients/use_evolution.sh; day_done 2 0; uses LIST-EXTENDED LIST-STATUS SPECIAL-USE MOVE; }
