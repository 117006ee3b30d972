"""Thunderbird, a window of its own under Xvfb, told what to do through its remote protocol (Marionette): the folder pane, the
message list and the commands are those that a user's mouse reaches."""
import glob
import imaplib
import json
import os
import socket
import subprocess
import sys
import time

HOME = os.environ["HOME"]
PROFILE = os.path.join(HOME, "profile")
PREFS = {
    "mail.accountmanager.accounts": "account1", "mail.accountmanager.defaultaccount": "account1",
    "mail.account.account1.server": "server1", "mail.account.account1.identities": "id1",
    "mail.identity.id1.useremail": "me@example.com", "mail.identity.id1.fullName": "Me", "mail.identity.id1.valid": True,
    "mail.server.server1.type": "imap", "mail.server.server1.hostname": "localhost", "mail.server.server1.name": "home",
    "mail.server.server1.port": int(os.environ["PORT"]), "mail.server.server1.userName": os.environ["MAILUSER"],
    "mail.server.server1.socketType": 0, "mail.server.server1.authMethod": 3, "mail.server.server1.login_at_startup": False,
    "mail.server.server1.use_condstore": True, "mail.server.server1.delete_model": 2, "mail.server.server1.check_new_mail": False,
    "mailnews.start_page.enabled": False, "mail.rights.version": 1, "mail.spotlight.firstRunDone": True,
    "mail.provider.suppress_dialog_on_startup": True, "mail.shell.checkDefaultClient": False, "mailnews.mark_message_read.auto": True,
    "app.update.enabled": False, "datareporting.policy.dataSubmissionEnabled": False, "toolkit.telemetry.enabled": False,
    "app.donation.eoy.version.viewed": 999, "mail.inappnotifications.enabled": False, "mail.biff.show_alert": False,
    "mail.biff.play_sound": False, "network.dns.disabled": False, "extensions.update.enabled": False, "ui.caretBlinkCount": 0,
    "mail.threadpane.listview": 1, "mailnews.default_sort_order": 1, "mailnews.default_view_flags": 0,
}


class Marionette:
    """Messages are JSON lists, each after its length and a colon."""

    def __init__(self, port):
        for _ in range(300):
            try:
                self.socket = socket.create_connection(("127.0.0.1", port), 60)
                break
            except OSError:
                time.sleep(0.1)
        self.file = self.socket.makefile("rb")
        self.read()
        self.number = 0

    def read(self):
        size = b""
        while (byte := self.file.read(1)) != b":":
            assert byte, "Thunderbird hung up"
            size += byte
        return json.loads(self.file.read(int(size)))

    def call(self, name, **parameters):
        self.number += 1
        data = json.dumps([0, self.number, name, parameters]).encode()
        self.socket.sendall(b"%d:%s" % (len(data), data))
        _, _, error, result = self.read()
        assert error is None, f"{name}: {error['message']}\n{error.get('stacktrace', '')}"
        return result


# What every script below begins with: the account, its inbox, the window and its panes.
BEGIN = """
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const server = MailServices.accounts.accounts[0].incomingServer;
const root = server.rootFolder;
const inbox = root.getFolderWithFlags(Ci.nsMsgFolderFlags.Inbox);
const folder = name => (inbox ?? root).getChildNamed(name);
const win = Services.wm.getMostRecentWindow("mail:3pane");
const pane = win.document.getElementById("tabmail").currentAbout3Pane;
const done = arguments[arguments.length - 1];
const until = async (what, test) => {
  for (let n = 0; n < 200; n++) {
    let value; try { value = test(); } catch (e) { value = undefined; }
    if (value) return value;
    await new Promise(r => win.setTimeout(r, 100));
  }
  throw new Error("never: " + what);
};
const headers = of => [...of.messages];
const subject = (of, text) => headers(of).find(h => h.mime2DecodedSubject == text);
const show = async of => {
  if (pane.gFolder?.URI != of.URI || !pane.gDBView) pane.displayFolder(of.URI);
  await until("shown: " + of.URI, () => pane.gFolder?.URI == of.URI && pane.gDBView);
};
const select = async text => {
  await show(inbox);
  const header = await until(text, () => subject(pane.gFolder, text));
  pane.threadTree.selectedIndex = pane.gDBView.findIndexOfMsgHdr(header, true);
  await until("selected: " + text, () => pane.gDBView.getSelectedMsgHdrs()[0]?.mime2DecodedSubject == text);
  return header;
};
const command = (name, ...rest) => pane.commandController.doCommand(name, ...rest);
"""


def script(marionette, text, *arguments):
    answer = marionette.call("WebDriver:ExecuteAsyncScript", script=BEGIN + "(async () => {" + text + "})().then(v => done({value: v ?? null}), e => done({error: String(e) + '\\n' + e.stack}));",
                             args=list(arguments), newSandbox=True, scriptTimeout=60000)["value"]
    assert "error" not in answer, answer["error"]
    return answer["value"]


def held(folder, subject):
    """How many messages of that subject a folder of the Maildir holds."""
    count = 0
    for part in "cur", "new":
        for name in glob.glob(os.path.join(glob.escape(os.environ["BOX"]), folder, part, "*")):
            with open(name, "rb") as file:
                count += b"\nSubject: %s\n" % subject.encode() in b"\n" + file.read()
    return count


def wait_for(what, test):
    for _ in range(300):
        if test():
            return
        time.sleep(0.1)
    raise AssertionError(f"never: {what}")


def idling():
    with open(os.environ["SAID"], "rb") as said:
        return said.read().rstrip().endswith(b" IDLE")


def begin(m):
    m.call("WebDriver:NewSession", strictFileInteractability=False)
    m.call("WebDriver:SetTimeouts", script=60000)
    m.call("Marionette:SetContext", value="chrome")
    for _ in range(300):
        if m.call("WebDriver:ExecuteScript", script="return !!Services.wm.getMostRecentWindow('mail:3pane')?.document.getElementById('tabmail')?.currentAbout3Pane?.displayFolder", args=[])["value"]:
            break
        time.sleep(0.1)


def elsewhere(*commands):
    """What another client does in the inbox, past the recorder."""
    other = imaplib.IMAP4("localhost", int(os.environ["PLAINPORT"]))
    other.login(os.environ["MAILUSER"], os.environ["MAILPASS"])
    other.select("INBOX")
    for command in commands:
        answer = getattr(other, command[0])(*command[1:])
        assert answer[0] == "OK", answer
    other.logout()


def play(m):
    begin(m)
    # Folders; open the inbox.
    script(m, "server.password = arguments[0]; pane.displayFolder(root.URI); server.performExpand(null);"
           "await until('folders', () => folder('Work')); await show(inbox); await until('messages', () => inbox.getTotalMessages(false) == 20);", os.environ["MAILPASS"])
    # Read; an attachment.
    script(m, "const h = await select('message 7'); await until('read', () => h.isRead);")
    saved = os.path.join(HOME, "six.bin")
    script(m, "await select('Gr\u00fc\u00dfe aus M\u00fcnchen'); const message = () => pane.messageBrowser.contentWindow;"
                 "const six = await until('attachment', () => message().currentAttachments?.find(a => a.name == 'six.bin'));"
                 "await six.saveToFile(arguments[0]);", saved)
    with open(saved, "rb") as file:
        assert file.read() == bytes(range(6))
    # Search on the server.
    found = script(m, """
        const session = Cc["@mozilla.org/messenger/searchSession;1"].createInstance(Ci.nsIMsgSearchSession);
        session.addScopeTerm(Ci.nsMsgSearchScope.onlineMail, inbox);
        const term = session.createTerm(), value = term.value;
        term.attrib = value.attrib = Ci.nsMsgSearchAttrib.Subject;
        value.str = "Gr\u00fc\u00dfe"; term.value = value; term.op = Ci.nsMsgSearchOp.Contains;
        session.appendTerm(term);
        const hits = [];
        return new Promise(resolve => {
          session.registerListener({
            QueryInterface: ChromeUtils.generateQI(["nsIMsgSearchNotify"]),
            onSearchHit: header => hits.push(header.messageKey), onSearchDone: () => resolve(hits), onNewSearch() {},
          });
          session.search(null);
        });""")
    assert found == [5], found
    # Another client has made an archive; its name tells nothing.
    special = script(m, "return folder('Cellar').getFlag(Ci.nsMsgFolderFlags.Archive);")
    assert special == (os.environ["EXTENSIONS"] != "0"), special
    # Flag; file; delete.
    script(m, "for (const text of ['message 6', 'message 7']) { const h = await select(text); command('cmd_markAsFlagged'); await until('flagged', () => h.isFlagged); }")
    script(m, "inbox.createSubfolder('Filed', null); await until('Filed', () => folder('Filed'));"
           "await select('message 7'); command('cmd_copyMessage', folder('Filed')); await until('copied', () => folder('Filed').getTotalMessages(false) == 1);")
    wait_for("the copy on the server", lambda: held(".Filed", "message 7") == 1)
    script(m, "await select('message 8'); command('cmd_moveMessage', folder('Work')); await until('moved', () => !subject(inbox, 'message 8'));")
    # It shows moves at once, and tells the server a moment later.
    wait_for("the move on the server", lambda: held(".Work", "message 8") == 1 and held("", "message 8") == 0)
    script(m, "await select('message 9'); command('cmd_delete'); await until('deleted', () => !subject(inbox, 'message 9'));")
    wait_for("the mark on the server", lambda: glob.glob(os.path.join(os.environ["BOX"], "cur", "*M9P1_*:2,*T*")))
    script(m, "inbox.compact(null, null);")
    wait_for("the deletion on the server", lambda: held("", "message 9") == 0)
    # Wait for mail.
    script(m, "await show(inbox);")
    wait_for("IDLE", idling)
    subprocess.run([os.environ["NEWS"]], check=True)
    script(m, "await until('news', () => subject(inbox, 'news'));")
    # Upload, as saving a draft does.
    script(m, """
        const path = await IOUtils.createUniqueFile(PathUtils.tempDir, "up.eml");
        await IOUtils.writeUTF8(path, "Subject: uploaded\\r\\n\\r\\nbody\\r\\n");
        const file = await IOUtils.getFile(path);
        await new Promise((resolve, reject) => MailServices.copy.copyFileMessage(file,
          folder("Work"), null, false, Ci.nsMsgMessageFlags.Read, "", {
            QueryInterface: ChromeUtils.generateQI(["nsIMsgCopyServiceListener"]), onStartCopy() {}, onProgress() {}, setMessageKey() {}, getMessageId() { return null; },
            onStopCopy: status => Components.isSuccessCode(status) ? resolve() : reject(new Error("upload: " + status)) }, null));""")
    wait_for("the upload on the server", lambda: held(".Work", "uploaded") == 1)
    # Another client sets flags: told in IDLE.
    script(m, "await show(inbox);")
    wait_for("IDLE again", idling)
    elsewhere(["uid", "STORE", "10", "+FLAGS", "(\\Flagged)"], ["uid", "STORE", "7", "-FLAGS", "(\\Seen)"])
    script(m, "await until('flagged elsewhere', () => subject(inbox, 'message 10').isFlagged);"
           "await until('unread elsewhere', () => !subject(inbox, 'message 7').isRead);")
    # The password is kept, or the next start would ask for it.
    script(m, "const login = Cc['@mozilla.org/login-manager/loginInfo;1'].createInstance(Ci.nsILoginInfo);"
              "login.init('imap://localhost', null, 'imap://localhost', server.username, arguments[0], '', '');"
              "await Services.logins.addLoginAsync(login);", os.environ["MAILPASS"])
    m.call("Marionette:Quit", flags=["eForceQuit"])


def flags_elsewhere(m):
    """The next day: flags were set and taken away. It asks for what changed, and for no more."""
    begin(m)
    script(m, "server.performExpand(null); await show(inbox);"
           "await until('flagged', () => subject(inbox, 'message 11').isFlagged);"
           "await until('not flagged', () => !subject(inbox, 'message 6').isFlagged);"
           "await until('read', () => subject(inbox, 'message 13').isRead);"
           "await until('tagged', () => subject(inbox, 'message 14').getStringProperty('keywords').includes('$label1'));")
    # What it sets here is seen there.
    script(m, "const h = await select('message 15'); command('cmd_markAsFlagged'); await until('flagged', () => h.isFlagged);")
    wait_for("the flag on the server", lambda: glob.glob(os.path.join(os.environ["BOX"], "cur", "*M15P1_*:2,*F*")))
    m.call("Marionette:Quit", flags=["eForceQuit"])


def mail_elsewhere(m):
    """And the day after: one message was deleted, and one uploaded."""
    begin(m)
    script(m, "server.performExpand(null); await show(inbox);"
           "await until('new', () => subject(inbox, 'late')); await until('deleted', () => !subject(inbox, 'message 12'));"
           "await until('all', () => inbox.getTotalMessages(false) == 19);"
           "if (!subject(inbox, 'message 15').isFlagged) throw new Error('no longer flagged');")
    m.call("Marionette:Quit", flags=["eForceQuit"])


def run(part):
    program = subprocess.Popen(["thunderbird", "--no-remote", "--profile", PROFILE, "--marionette", "--remote-allow-system-access"],
                               stdout=open(os.path.join(HOME, "out"), "wb"), stderr=subprocess.STDOUT)
    try:
        part(Marionette(2828))
        program.wait(30)
    except BaseException:
        with open(os.path.join(HOME, "out"), encoding="utf-8", errors="replace") as out:
            sys.stderr.write(out.read()[-1500:])
        raise
    finally:
        program.kill()


os.makedirs(PROFILE, exist_ok=True)
with open(os.path.join(PROFILE, "user.js"), "w", encoding="utf-8") as prefs:
    for name, value in (PREFS | {"marionette.port": 2828}).items():
        prefs.write(f"user_pref({json.dumps(name)}, {json.dumps(value)});\n")
run(play)
elsewhere(["uid", "STORE", "11", "+FLAGS", "(\\Flagged)"], ["uid", "STORE", "6", "-FLAGS", "(\\Flagged)"],
          ["uid", "STORE", "13", "+FLAGS", "(\\Seen)"], ["uid", "STORE", "14", "+FLAGS", "($label1)"])
run(flags_elsewhere)
elsewhere(["uid", "STORE", "12", "+FLAGS", "(\\Deleted)"], ["expunge"],
          ["append", "INBOX", "", None, b"From: late@example.com\r\nSubject: late\r\n\r\nbody\r\n"])
run(mail_elsewhere)
print("Thunderbird: all is well")
