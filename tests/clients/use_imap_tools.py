"""imap-tools: folders, queries, messages with attachments, flags, moves."""
import os
from imap_tools import AND, MailBoxUnencrypted, MailMessageFlags

with MailBoxUnencrypted("localhost", port=int(os.environ["PORT"])).login(os.environ["MAILUSER"], os.environ["MAILPASS"]) as box:
    assert "INBOX.Work" in [f.name for f in box.folder.list()]
    messages = list(box.fetch(mark_seen=False))
    assert len(messages) == 20
    five = next(m for m in messages if "Grüße" in m.subject)
    assert [a.payload for a in five.attachments] == [bytes(range(6))]
    assert [m.uid for m in box.fetch(AND(subject="message 7"), mark_seen=False)] == ["7"]
    box.flag(["7"], [MailMessageFlags.FLAGGED], True)
    assert box.uids(AND(flagged=True)) == ["7"]
    box.copy(["7"], "INBOX.Work")
    box.move(["8"], "INBOX.Work")
    box.delete(["9"])
    assert len(box.uids()) == 18
    box.append(b"Subject: appended\r\n\r\nbody\r\n", "INBOX.Work")
    assert box.folder.status("INBOX.Work")["MESSAGES"] == 13
    box.folder.create("INBOX.Made")
    box.folder.rename("INBOX.Made", "INBOX.Renamed")
    box.folder.delete("INBOX.Renamed")
print("imap-tools: all is well")
