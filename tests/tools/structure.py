#!/usr/bin/env python3
"""Prints the structure of messages as Python's email package finds it, one line for each file named on standard input:
the tree, a tab, and the names of the defects. An oracle for scripts/compare-mail that shares no code with us.

The tree: `type/subtype:SIZE` for a part, SIZE being its length in bytes with CRLF line ends; `(PART PART)subtype` for a
multipart; `<PART>` for a message/rfc822. `?` stands for the size of what Python takes apart in a way of its own: other
kinds of message/*, and a multipart in which it finds no part."""
import email
import re
import sys


def wire_size(payload):
    data = payload.encode("ascii", "surrogateescape")
    return len(data) + len(re.findall(rb"(?<!\r)\n", data))


def tree(part):
    kind = part.get_content_type().split()[0]
    payload = part._payload  # get_payload() decodes 8-bit text
    if part.get_content_maintype() == "multipart":
        if isinstance(payload, list) and payload:
            return "(%s)%s" % (" ".join(map(tree, payload)), part.get_content_subtype())
        return kind + ":?"
    if kind == "message/rfc822" and isinstance(payload, list):
        return "<%s>" % tree(payload[0])
    if part.get_content_maintype() == "message":
        return kind + ":?"
    return "%s:%d" % (kind, wire_size(payload))


for name in sys.stdin:
    with open(name.rstrip("\n"), "rb") as file:
        message = email.message_from_bytes(file.read())
    defects = sorted({type(d).__name__ for part in message.walk() for d in part.defects})
    print("%s\t%s" % (tree(message), ",".join(defects)))
