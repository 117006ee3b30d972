// imapflow: mailbox tree, search, fetch with structures, download of a part, flags, copy, move, append, idle.
const { ImapFlow } = require("imapflow");
const assert = require("assert");
const options = () => ({
  host: "localhost", port: Number(process.env.PORT), secure: false, doSTARTTLS: false, disableAutoIdle: true, logger: false,
  qresync: process.env.EXTENSIONS !== "0",
  auth: { user: process.env.MAILUSER, pass: process.env.MAILPASS }, tls: { rejectUnauthorized: false },
});
// What another session changes is told by CHANGEDSINCE and VANISHED.
async function changes(box) {
  const before = (await box.status("INBOX", { highestModseq: true })).highestModseq;
  const old = await box.fetchOne("10", { uid: true, flags: true }, { uid: true });
  assert(old.modseq > 0n && old.modseq <= before && before <= box.mailbox.highestModseq);
  const vanished = [];
  box.on("expunge", (event) => vanished.push(event));
  const other = new ImapFlow(options());
  await other.connect();
  await other.mailboxOpen("INBOX");
  await other.messageFlagsAdd("10", ["\\Answered", "$Later"], { uid: true });
  await other.messageDelete("11", { uid: true });
  await other.logout();
  await box.noop();
  const changed = [];
  for await (const message of box.fetch("1:*", { uid: true, flags: true }, { uid: true, changedSince: before })) changed.push(message);
  assert.deepStrictEqual(changed.map((m) => m.uid), [10]);
  assert(changed[0].modseq > before && changed[0].flags.has("$Later"));
  assert(vanished.some((event) => event.vanished && event.uid === 11), JSON.stringify(vanished));
  // (It has "unchangedSince" for STORE, but sends it in the wrong place.)
  await box.append("INBOX", "Subject: for the eleventh\r\n\r\nbody\r\n");
}
async function main() {
  const box = new ImapFlow(options());
  await box.connect();
  const tree = await box.list({ statusQuery: { messages: true, unseen: true } });
  assert(tree.some((f) => f.path === "INBOX.Work"), JSON.stringify(tree.map((f) => f.path)));
  const lock = await box.getMailboxLock("INBOX");
  try {
    assert.strictEqual(box.mailbox.exists, 20);
    assert.deepStrictEqual(await box.search({ subject: "message 7" }, { uid: true }), [7]);
    const five = await box.fetchOne("5", { uid: true, flags: true, envelope: true, bodyStructure: true, internalDate: true, size: true }, { uid: true });
    assert.strictEqual(five.envelope.subject, "Grüße aus München");
    assert.strictEqual(five.bodyStructure.childNodes.length, 2);
    const { content } = await box.download("5", "2", { uid: true });
    const chunks = [];
    for await (const chunk of content) chunks.push(chunk);
    assert.deepStrictEqual([...Buffer.concat(chunks)], [0, 1, 2, 3, 4, 5]);
    let seen = 0;
    for await (const message of box.fetch("1:*", { uid: true, source: true })) { assert(message.source.length > 100); seen++; }
    assert.strictEqual(seen, 20);
    assert(await box.messageFlagsAdd("2:3", ["\\Flagged", "$Later"], { uid: true }));
    assert.deepStrictEqual(await box.search({ flagged: true }, { uid: true }), [2, 3]);
    const copied = await box.messageCopy("2", "INBOX.Work", { uid: true });
    assert(copied.uidMap.get(2) > 0);
    const moved = await box.messageMove("3", "INBOX.Work", { uid: true });
    assert(moved);
    assert(await box.messageDelete("4", { uid: true }));
    assert.strictEqual((await box.search({ all: true }, { uid: true })).length, 18);
    const appended = await box.append("INBOX.Work", "Subject: appended\r\n\r\nbody\r\n", ["\\Seen"]);
    assert(appended.uid > 0);
    if (box.capabilities.has("BINARY")) {
      const six = await box.fetchOne("5", { bodyParts: ["2"] }, { uid: true, binary: true });
      assert.deepStrictEqual([...six.bodyParts.get("2")], [0, 1, 2, 3, 4, 5]);
      const zero = Buffer.from("Subject: zero\r\nContent-Transfer-Encoding: binary\r\n\r\na\0b\r\n", "binary");
      const binary = await box.append("INBOX.Work", zero);
      assert(binary.uid > appended.uid);
      await box.search({ since: new Date(2001, 0, 1) }, { uid: true });
    }
    if (process.env.EXTENSIONS !== "0") await changes(box);
    const told = new Promise((resolve, reject) => { box.on("exists", resolve); setTimeout(() => reject(new Error("IDLE told nothing")), 20000); });
    const idling = box.idle();
    await new Promise((r) => setTimeout(r, 500));
    const other = new ImapFlow(options());
    await other.connect();
    await other.append("INBOX", "Subject: news\r\n\r\nbody\r\n");
    await other.logout();
    const news = await told;
    assert(news.count > news.prevCount, JSON.stringify(news));
    await box.noop();
    await idling.catch(() => {});
  } finally { lock.release(); }
  const status = await box.status("INBOX.Work", { messages: true, uidNext: true });
  assert.strictEqual(status.messages, box.capabilities.has("BINARY") ? 14 : 13);
  await box.mailboxCreate("INBOX.Größe");
  await box.mailboxRename("INBOX.Größe", "INBOX.Other");
  await box.mailboxSubscribe("INBOX.Other");
  await box.mailboxDelete("INBOX.Other");
  assert(await box.getQuota("INBOX") !== undefined);
  await box.logout();
  console.log("imapflow: all is well");
}
main().then(() => process.exit(0), (e) => { console.error(e); process.exit(1); });
