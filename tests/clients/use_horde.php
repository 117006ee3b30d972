<?php
// Horde_Imap_Client, which Horde, Nextcloud Mail and SnappyMail's kin are built on.
error_reporting(E_ERROR);
spl_autoload_register(fn($class) => @include_once str_replace(['_', '\\'], '/', $class) . '.php');
function check($what, $good) { if (!$good) { fwrite(STDERR, "$what\n"); exit(1); } }
// What it keeps of messages, for one process: {mailbox: {uid: fields}}, and what it keeps of mailboxes.
class Kept extends Horde_Imap_Client_Cache_Backend {
    public static $messages = [], $mailboxes = [];
    public function get($mailbox, $uids, $fields, $uidvalid) {
        $found = array_intersect_key(self::$messages[$mailbox] ?? [], array_flip($uids));
        return array_map(fn($kept) => empty($fields) ? $kept : array_intersect_key($kept, array_flip($fields)), $found);
    }
    public function getCachedUids($mailbox, $uidvalid) { return array_keys(self::$messages[$mailbox] ?? []); }
    public function set($mailbox, $data, $uidvalid) {
        foreach ($data as $uid => $fields) self::$messages[$mailbox][$uid] = $fields + (self::$messages[$mailbox][$uid] ?? []);
    }
    public function getMetaData($mailbox, $uidvalid, $entries) {
        $kept = self::$mailboxes[$mailbox] ?? ['uidvalid' => $uidvalid];
        return empty($entries) ? $kept : array_intersect_key($kept, array_flip($entries) + ['uidvalid' => 1]);
    }
    public function setMetaData($mailbox, $data) { self::$mailboxes[$mailbox] = $data + (self::$mailboxes[$mailbox] ?? []); }
    public function deleteMsgs($mailbox, $uids) { foreach ($uids as $uid) unset(self::$messages[$mailbox][$uid]); }
    public function deleteMailbox($mailbox) { unset(self::$messages[$mailbox], self::$mailboxes[$mailbox]); }
    public function clear($lifetime) { self::$messages = self::$mailboxes = []; }
}
$open = fn($more = []) => new Horde_Imap_Client_Socket($more + ['username' => getenv('MAILUSER'), 'password' => getenv('MAILPASS'), 'hostspec' => 'localhost', 'port' => (int) getenv('PORT'), 'secure' => false, 'timeout' => 30]);
$uids = fn(...$uid) => new Horde_Imap_Client_Ids($uid);
try {
    $box = $open();
    $box->login();
    check('namespaces', count($box->getNamespaces()) > 0);
    check('list', in_array('INBOX.Work', array_map('strval', $box->listMailboxes('*', Horde_Imap_Client::MBOX_ALL, ['flat' => true]))));
    $status = $box->status('INBOX', Horde_Imap_Client::STATUS_ALL);
    check('status', $status['messages'] == 20 && $status['uidnext'] == 21);
    $query = new Horde_Imap_Client_Search_Query();
    $query->headerText('subject', 'message 7');
    check('search', $box->search('INBOX', $query)['match']->ids === [7]);
    $query = new Horde_Imap_Client_Search_Query();
    $query->charset('UTF-8', false);
    $query->text('Schöne', true);
    check('search UTF-8', $box->search('INBOX', $query)['match']->ids === [5]);
    check('sort', count($box->search('INBOX', null, ['sort' => [Horde_Imap_Client::SORT_REVERSE, Horde_Imap_Client::SORT_DATE]])['match']) == 20);
    check('thread', count($box->thread('INBOX', ['criteria' => Horde_Imap_Client::THREAD_REFERENCES])->messageList()) == 20);
    $query = new Horde_Imap_Client_Fetch_Query();
    $query->envelope(); $query->flags(); $query->size(); $query->imapDate(); $query->structure();
    $query->headers('list', ['subject', 'message-id'], ['peek' => true]);
    $query->bodyPart('2', ['peek' => true, 'decode' => true]);
    $query->fullText(['peek' => true]);
    $five = $box->fetch('INBOX', $query, ['ids' => $uids(5)])[5];
    check('envelope', $five->getEnvelope()->subject === 'Grüße aus München');
    check('structure', $five->getStructure()->getPart('2')->getName() === 'six.bin');
    $part = $five->getBodyPart('2');
    check('attachment', ($five->getBodyPartDecode('2') ? $part : base64_decode($part)) === "\0\1\2\3\4\5");
    check('whole', strlen($five->getFullMsg()) === $five->getSize());
    check('header', strpos($five->getHeaders('list'), '<5@chain.example>') !== false);
    $box->store('INBOX', ['add' => ['\\Flagged', '$Later'], 'ids' => $uids(6, 7)]);
    $query = new Horde_Imap_Client_Search_Query();
    $query->flag('\\Flagged');
    check('flagged', $box->search('INBOX', $query)['match']->ids === [6, 7]);
    $box->createMailbox('INBOX.Größe');
    $box->renameMailbox('INBOX.Größe', 'INBOX.Filed');
    $box->subscribeMailbox('INBOX.Filed');
    $map = $box->copy('INBOX', 'INBOX.Filed', ['ids' => $uids(7)]);
    check('copy', is_array($map) ? $map[7] == 1 : $map);
    check('move', $box->copy('INBOX', 'INBOX.Work', ['ids' => $uids(8), 'move' => true]));
    $box->store('INBOX', ['add' => ['\\Deleted'], 'ids' => $uids(9)]);
    $box->expunge('INBOX', ['ids' => $uids(9)]);
    // Shorter ones it sends as a quoted string with line ends in it, where UTF8=ACCEPT is on.
    $long = "Subject: appended\r\n\r\n" . str_repeat("A line of the body.\r\n", 10);
    check('append', count($box->append('INBOX.Work', [['data' => $long, 'flags' => ['\\Seen']]])) == 1);
    $other = $open();
    $other->append('INBOX', [['data' => str_replace('appended', 'news', $long)]]);
    $other->logout();
    $box->noop();
    check('new mail', $box->status('INBOX', Horde_Imap_Client::STATUS_MESSAGES)['messages'] == 19);
    if ($box->capability->query('METADATA')) {
        check('ID', $box->getID() !== []);
        $box->createMailbox('INBOX.Mine', ['special_use' => [Horde_Imap_Client::SPECIALUSE_DRAFTS]]);
        $all = $box->listMailboxes('*', Horde_Imap_Client::MBOX_ALL_SUBSCRIBED, ['attributes' => true, 'children' => true, 'special_use' => true,
            'status' => Horde_Imap_Client::STATUS_MESSAGES]);
        check('special use', in_array('\\drafts', array_map('strtolower', $all['INBOX.Mine']['attributes'])));
        check('status in LIST', $all['INBOX.Work']['status']['messages'] == 12);
        $box->setMetadata('INBOX.Mine', ['/private/comment' => 'Grüße']);
        check('metadata', $box->getMetadata('INBOX.Mine', '/private/comment')['INBOX.Mine']['/private/comment'] === 'Grüße');
        $two = [['data' => $long, 'flags' => ['\\Seen']], ['data' => str_replace('appended', 'second', $long)]];
        check('two at once', count($box->append('INBOX.Mine', $two)) == 2);
        $validity = $box->status('INBOX', Horde_Imap_Client::STATUS_UIDVALIDITY)['uidvalidity'];
        $parts = [['t' => 'text', 'v' => $long], ['t' => 'url', 'v' => "/INBOX;UIDVALIDITY=$validity/;UID=5/;SECTION=2"]];
        check('catenate', count($box->append('INBOX.Mine', [['data' => $parts]])) == 1);
        $sorted = $box->search('INBOX', null, ['sort' => [Horde_Imap_Client::SORT_DISPLAYFROM], 'results' => [Horde_Imap_Client::SEARCH_RESULTS_MIN,
            Horde_Imap_Client::SEARCH_RESULTS_COUNT]]);
        check('sort by name', $sorted['count'] == 19);
        $box->deleteMailbox('INBOX.Mine');
    }
    if ($box->capability->query('QRESYNC')) {
        // With a cache, as its webmail has: what another session did comes by QRESYNC, and what is known is not asked for.
        $flags = new Horde_Imap_Client_Fetch_Query();
        $flags->flags();
        $subjects = new Horde_Imap_Client_Fetch_Query();
        $subjects->envelope(); $subjects->flags();
        $cached = fn() => $open(['cache' => ['backend' => new Kept(), 'fetchignore' => []]]);
        $first = $cached();
        check('filled', count($first->fetch('INBOX', $subjects)) == 19);
        $token = $first->getSyncToken('INBOX');
        $first->logout();
        $other = $open();
        $other->store('INBOX', ['add' => ['\\Answered', '$Label1'], 'ids' => $uids(10)]);
        $other->store('INBOX', ['remove' => ['\\Flagged'], 'ids' => $uids(6)]);
        $other->store('INBOX', ['add' => ['\\Deleted'], 'ids' => $uids(11)]);
        $other->expunge('INBOX', ['ids' => $uids(11)]);
        $other->logout();
        $second = $cached();
        $found = $second->fetch('INBOX', $subjects);
        check('vanished', count($found) == 18 && !isset($found[11]));
        check('flags', array_diff(['\\answered', '$label1'], $found[10]->getFlags()) === [] && !in_array('\\flagged', $found[6]->getFlags()));
        $changes = $second->sync('INBOX', $token);
        check('changes', $changes->flagsuids->ids === [6, 10] && $changes->vanisheduids->ids === [11]);
        $before = $second->status('INBOX', Horde_Imap_Client::STATUS_HIGHESTMODSEQ)['highestmodseq'];
        $other = $open();
        $other->store('INBOX', ['add' => ['\\Flagged'], 'ids' => $uids(6)]);
        $other->logout();
        $refused = $second->store('INBOX', ['remove' => ['\\Flagged'], 'ids' => $uids(6, 7), 'unchangedsince' => $before]);
        check('unchanged since', $refused->ids === [6]);
        $second->store('INBOX', ['add' => ['\\Flagged'], 'ids' => $uids(7)]);
        $second->append('INBOX', [['data' => str_replace('appended', 'for the eleventh', $long)]]);
        $second->logout();
    }
    check('quota', is_array($box->getQuotaRoot('INBOX')));
    check('rights', (string) $box->getMyACLRights('INBOX') !== '');
    $box->createMailbox('INBOX.Gone');
    $box->deleteMailbox('INBOX.Gone');
    $box->close(['expunge' => true]);
    $box->logout();
} catch (Throwable $e) {
    fwrite(STDERR, get_class($e) . ': ' . $e->getMessage() . ' ' . ($e->details ?? '') . "\n" . $e->getTraceAsString() . "\n");
    exit(1);
}
echo "Horde_Imap_Client: all is well\n";
