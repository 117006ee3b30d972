"""imapclient: folders, search with character sets, envelopes, structures, flags, copy and move, idle."""
import os
import threading
import time
from imapclient import IMAPClient

box = IMAPClient("localhost", port=int(os.environ["PORT"]), ssl=False, timeout=30)
box.login(os.environ["MAILUSER"], os.environ["MAILPASS"])
if box.has_capability("ID"):
    box.id_({"name": "imapclient"})
assert box.namespace().personal
folders = [name for _, _, name in box.list_folders()]
assert "INBOX.Work" in folders, folders
info = box.select_folder("INBOX")
assert info[b"EXISTS"] == 20 and info[b"UIDVALIDITY"] > 0
uids = box.search(["SUBJECT", "message 1"])
assert len(uids) == 11, uids
assert box.search(["SUBJECT", "grüße"], "UTF-8") == [5], box.search(["SUBJECT", "grüße"], "UTF-8")
data = box.fetch(uids, ["ENVELOPE", "BODYSTRUCTURE", "RFC822.SIZE", "INTERNALDATE", "FLAGS", "BODY.PEEK[HEADER.FIELDS (SUBJECT)]"])
assert data[uids[0]][b"ENVELOPE"].subject.startswith(b"message 1")
structure = box.fetch([5], ["BODYSTRUCTURE"])[5][b"BODYSTRUCTURE"]
assert structure.is_multipart and len(structure[0]) == 2
assert box.fetch([5], ["BODY.PEEK[2]"])[5][b"BODY[2]"] == b"AAECAwQF\r\n"
assert box.add_flags([2, 3], [b"\\Flagged", b"$Label1"])[2]
assert set(box.get_flags([2])[2]) >= {b"\\Flagged", b"$Label1"}
box.remove_flags([2], [b"$Label1"])
box.copy([2, 3], "INBOX.Work")
assert box.folder_status("INBOX.Work", ["MESSAGES"])[b"MESSAGES"] == 12
if box.has_capability("MOVE"):
    box.move([3], "INBOX.Work")
    assert box.folder_status("INBOX.Work", ["MESSAGES"])[b"MESSAGES"] == 13
else:
    box.delete_messages([3])
    box.uid_expunge([3])
assert len(box.search()) == 19
box.create_folder("INBOX.Grüße & Küsse")
assert "INBOX.Grüße & Küsse" in [name for _, _, name in box.list_folders()]
box.append("INBOX.Grüße & Küsse", b"Subject: here\r\n\r\nbody\r\n", [b"\\Seen"])
assert box.folder_status("INBOX.Grüße & Küsse", ["MESSAGES", "UIDNEXT", "UNSEEN"])[b"MESSAGES"] == 1
box.delete_folder("INBOX.Grüße & Küsse")
if box.has_capability("MULTIAPPEND"):
    two = [{"msg": b"Subject: first\r\n\r\nbody\r\n", "flags": ["\\Seen"]}, b"Subject: second\r\n\r\nbody\r\n"]
    assert b"APPENDUID" in box.multiappend("INBOX.Work", two)[1][0]
    assert box.folder_status("INBOX.Work", ["MESSAGES", "UNSEEN"])[b"MESSAGES"] == 15
if box.has_capability("CONDSTORE"):
    box.unselect_folder()
    box.enable("CONDSTORE")
    highest = box.select_folder("INBOX")[b"HIGHESTMODSEQ"]
    assert box.folder_status("INBOX", ["HIGHESTMODSEQ"])[b"HIGHESTMODSEQ"] == highest
    box.add_flags([10], [b"\\Answered", b"$Label2"])
    changed = box.fetch(box.search(), ["FLAGS"], [f"CHANGEDSINCE {highest}"])
    assert list(changed) == [10] and b"$Label2" in changed[10][b"FLAGS"], changed
    assert changed[10][b"MODSEQ"][0] > highest
    found = box.search(["MODSEQ", str(highest + 1)])
    assert found == [10] and found.modseq == changed[10][b"MODSEQ"][0], found
assert len(box.sort(["REVERSE DATE"])) == 19
assert box.thread("REFERENCES")
assert box.get_quota_root("INBOX")


def later():
    time.sleep(1)
    other = IMAPClient("localhost", port=int(os.environ["PORT"]), ssl=False, timeout=30)
    other.login(os.environ["MAILUSER"], os.environ["MAILPASS"])
    other.append("INBOX", b"Subject: news\r\n\r\nbody\r\n")
    other.logout()


thread = threading.Thread(target=later)
box.idle()
thread.start()
seen = []
end = time.time() + 20
while time.time() < end and (20, b"EXISTS") not in seen:
    seen += box.idle_check(timeout=1)
assert (20, b"EXISTS") in seen, seen
box.idle_done()
thread.join()
box.logout()
print("imapclient: all is well")
