// node-imap, which many other packages wrap: open, search, fetch as streams, flags, copy, append, expunge, a delivery told in IDLE.
const Imap = require("imap");
const assert = require("assert");
const open = () => new Imap({ user: process.env.MAILUSER, password: process.env.MAILPASS, host: "localhost", port: Number(process.env.PORT), tls: false, keepalive: { idleInterval: 60000, forceNoop: false } });
const call = (object, name, ...args) => new Promise((resolve, reject) => object[name](...args, (error, value) => (error ? reject(error) : resolve(value))));
const connect = (box) => new Promise((resolve, reject) => { box.once("ready", resolve); box.once("error", reject); box.connect(); });
async function main() {
  const box = open();
  await connect(box);
  const tree = await call(box, "getBoxes");
  assert(tree.INBOX.children.Work, JSON.stringify(Object.keys(tree)));
  const inbox = await call(box, "openBox", "INBOX", false);
  assert.strictEqual(inbox.messages.total, 20);
  assert.deepStrictEqual(await call(box, "search", [["SUBJECT", "message 7"]]), [7]);
  const bodies = await new Promise((resolve, reject) => {
    const found = [];
    const fetch = box.seq.fetch("1:20", { bodies: ["HEADER.FIELDS (SUBJECT)", "TEXT"], struct: true });
    fetch.on("message", (message) => {
      message.on("body", (stream) => { let text = ""; stream.on("data", (c) => (text += c)); stream.once("end", () => found.push(text)); });
      message.once("attributes", (attributes) => assert(attributes.struct.length > 0));
    });
    fetch.once("error", reject);
    fetch.once("end", () => resolve(found));
  });
  assert.strictEqual(bodies.length, 40);
  await call(box, "addFlags", [2, 3], ["\\Flagged"]);
  await call(box, "copy", [2], "INBOX.Work");
  await call(box, "move", [3], "INBOX.Work");
  await call(box, "append", "Subject: appended\r\n\r\nbody\r\n", { mailbox: "INBOX.Work", flags: ["\\Seen"] });
  if (box.serverSupports("ESEARCH")) {
    await call(box, "id", { name: "node-imap" });
    const found = await call(box, "esearch", [["SUBJECT", "message 1"]], ["MIN", "MAX", "COUNT"]);
    assert(JSON.stringify(found).includes("11"), JSON.stringify(found));
  }
  if (box.serverSupports("CONDSTORE")) {
    const list = (options) => new Promise((resolve, reject) => {
      const found = [];
      const fetch = box.fetch("1:*", options);
      fetch.on("message", (message) => message.once("attributes", (attributes) => found.push(attributes)));
      fetch.once("error", reject);
      fetch.once("end", () => resolve(found));
    });
    const highest = (await list({})).map((m) => BigInt(m.modseq)).reduce((a, b) => (a > b ? a : b));
    await call(box, "addFlags", [10], ["\\Answered"]);
    const changed = await list({ modifiers: { changedsince: String(highest) } });
    assert.deepStrictEqual(changed.map((m) => m.uid), [10]);
    assert(changed[0].flags.includes("\\Answered") && BigInt(changed[0].modseq) > highest);
    assert.deepStrictEqual((await call(box, "search", [["MODSEQ", changed[0].modseq]])).map(Number), [10]);
  }
  const told = new Promise((resolve, reject) => { box.on("mail", resolve); setTimeout(() => reject(new Error("IDLE told nothing")), 20000); });
  const other = open();
  await connect(other);
  await call(other, "append", "Subject: news\r\n\r\nbody\r\n", { mailbox: "INBOX" });
  other.end();
  assert.strictEqual(await told, 1);
  await call(box, "addFlags", [4], ["\\Deleted"]);
  await call(box, "expunge", [4]);
  assert.strictEqual((await call(box, "search", ["ALL"])).length, 19);
  assert.strictEqual((await call(box, "status", "INBOX.Work")).messages.total, 13);
  box.end();
  console.log("node-imap: all is well");
}
main().then(() => process.exit(0), (e) => { console.error(e); process.exit(1); });
