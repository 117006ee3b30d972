<?php
// Roundcube's IMAP library (rcube_imap_generic), called as its webmail calls it. ROUNDCUBE: the directory of its classes.
error_reporting(E_ALL & ~E_DEPRECATED & ~E_WARNING & ~E_NOTICE);
$lib = getenv('ROUNDCUBE');
require_once "$lib/bootstrap.php";
function check($what, $good) { global $box; if (!$good) { fwrite(STDERR, "$what: " . var_export($good, true) . ' ' . $box->error . "\n"); exit(1); } }
$box = new rcube_imap_generic();
check('connect', $box->connect('localhost', getenv('MAILUSER'), getenv('MAILPASS'), ['port' => (int) getenv('PORT'), 'ssl_mode' => null, 'auth_type' => 'CHECK', 'timeout' => 30, 'ident' => ['name' => 'Roundcube']]));
check('namespace', is_array($box->getNamespace()));
check('list', in_array('INBOX.Work', $box->listMailboxes('', '*')));
check('subscribed', is_array($box->listSubscribed('', '*')));
check('status', $box->status('INBOX', ['UNSEEN'])['MESSAGES'] == 20);
check('select', $box->select('INBOX'));
check('count', $box->data['EXISTS'] == 20);
check('search', $box->search('INBOX', 'ALL SUBJECT "message 7"', true)->get() == [7]);
check('sort', $box->sort('INBOX', 'date', 'ALL UNDELETED', true)->count() == 20);
check('thread', $box->thread('INBOX', 'REFERENCES', 'UNDELETED', true)->count_messages() == 20);
$headers = $box->fetchHeaders('INBOX', '1:20', true, true, ['list-id', 'x-priority']);
check('headers', count($headers) == 20 && strpos($headers[7]->subject, 'message 7') !== false);
check('structure', is_array($headers[5]->bodystructure) && is_array($headers[5]->bodystructure[0]));
check('part', $box->handlePartBody('INBOX', 7, true, '1') !== false);
check('part text', strpos($box->handlePartBody('INBOX', 7, true, '1'), 'This is message number 7.') !== false);
check('attachment', $box->handlePartBody('INBOX', 5, true, '2', 'base64') === "\0\1\2\3\4\5");
check('flag', $box->flag('INBOX', '7', 'FLAGGED'));
check('unflag', $box->unflag('INBOX', '7', 'SEEN'));
check('copy', $box->copy('7', 'INBOX', 'INBOX.Work'));
check('move', $box->move('8', 'INBOX', 'INBOX.Work'));
check('expunge', $box->expunge('INBOX', '8'));
$message = "Subject: appended\r\n\r\nbody\r\n";
check('append', $box->append('INBOX.Work', $message, ['SEEN']) !== false);
check('counted', $box->countMessages('INBOX.Work') == 13);
check('sort by name', $box->sort('INBOX', 'FROM', 'ALL', true)->count() == 19);
if ($box->getCapability('QRESYNC')) {
    check('enable', in_array('QRESYNC', $box->enable('QRESYNC')));
    $box->close();
    check('highest', $box->select('INBOX') && $box->data['HIGHESTMODSEQ'] > 0);
    [$validity, $highest] = [$box->data['UIDVALIDITY'], $box->data['HIGHESTMODSEQ']];
    check('status', $box->status('INBOX', ['HIGHESTMODSEQ'])['HIGHESTMODSEQ'] == $highest);
    $other = new rcube_imap_generic();
    $other->connect('localhost', getenv('MAILUSER'), getenv('MAILPASS'), ['port' => (int) getenv('PORT'), 'ssl_mode' => null, 'auth_type' => 'CHECK', 'timeout' => 30]);
    check('elsewhere', $other->flag('INBOX', '10', 'ANSWERED') && $other->flag('INBOX', '11', 'DELETED') && $other->expunge('INBOX', '11'));
    $other->closeConnection();
    // What its cache of messages does.
    $box->close();
    check('changed', $box->select('INBOX') && $box->data['HIGHESTMODSEQ'] > $highest);
    $changed = array_values($box->fetch('INBOX', [9, 10, 11, 12], true, ['FLAGS'], $highest, true));
    check('changed since', array_column($changed, 'uid') == [10] && $changed[0]->flags['ANSWERED']);
    check('vanished', $box->data['VANISHED'] == '11');
    $box->close();
    check('resync', $box->select('INBOX', [$validity, $highest, [9, 10, 11, 12]]) && $box->data['VANISHED'] == '11');
    check('for the eleventh', $box->append('INBOX', $message) !== false);
}
if ($box->getCapability('LIST-EXTENDED')) {
    check('subscribed by LIST', in_array('INBOX.Work', $box->listMailboxes('', '*', ['SUBSCRIBED'], ['SUBSCRIBED'])));
    // LIST-STATUS it would send too, but stumbles over every answer (a TypeError of PHP 8).
    check('create for drafts', $box->createFolder('INBOX.Mine', ['\\Drafts']));
    check('special uses', in_array('INBOX.Mine', $box->listMailboxes('', '*', ['SUBSCRIBED'], ['SPECIAL-USE'])));
    check('drafts', in_array('\\Drafts', $box->data['LIST']['INBOX.Mine']));
    check('note', $box->setMetadata('INBOX', ['/private/comment' => "Grüße aus \"München\""]));
    check('noted', $box->getMetadata('INBOX', '/private/comment')['INBOX']['/private/comment'] === "Grüße aus \"München\"");
    check('no note', $box->deleteMetadata('INBOX', ['/private/comment']) && $box->deleteFolder('INBOX.Mine'));
    // The folders' colours and types of Kolab's plugins; "*" for all folders is Cyrus's own.
    $colours = ['/private/vendor/kolab/color' => '3366cc', '/shared/vendor/kolab/folder-type' => 'mail'];
    check('colour', $box->setMetadata('INBOX.Work', $colours));
    check('coloured', $box->getMetadata('INBOX.Work', array_keys($colours))['INBOX.Work'] == $colours);
    check('below an entry', $box->getMetadata('INBOX.Work', ['/private/vendor/kolab'], ['DEPTH' => 1, 'MAXSIZE' => 100])['INBOX.Work'] ==
        ['/private/vendor/kolab/color' => '3366cc']);
    check('all folders', !$box->getMetadata('*', array_keys($colours)));
    $zero = "Subject: zero\r\nContent-Transfer-Encoding: binary\r\n\r\na\0b\r\n";
    check('append as binary', $box->append('INBOX.Filed', $zero, [], null, true) === false);
    check('append as binary', $box->createFolder('INBOX.Filed') && $box->append('INBOX.Filed', $zero, [], null, true) !== false);
}
check('create', $box->createFolder('INBOX.Made') && $box->renameFolder('INBOX.Made', 'INBOX.Renamed') && $box->subscribe('INBOX.Renamed'));
check('delete', $box->deleteFolder('INBOX.Renamed'));
check('quota', $box->getQuota('INBOX') !== null);
check('rights', is_array($box->myRights('INBOX')));
$box->closeConnection();
echo "Roundcube: all is well\n";
