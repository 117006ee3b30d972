<?php
// PHP's imap extension, which is the c-client library of Pine and the University of Washington: folders, overview, search, structure,
// an attachment, flags, copy, move, append, expunge, quota, rights, and new mail told by a check.
error_reporting(E_ALL & ~E_DEPRECATED);
$server = '{localhost:' . getenv('PORT') . '/imap/notls/user=' . getenv('MAILUSER') . '}';
function check($what, $good) { if (!$good) { fwrite(STDERR, "$what: " . json_encode(imap_errors()) . ' ' . json_encode(imap_alerts()) . "\n"); exit(1); } }
$open = fn($folder) => imap_open("$server$folder", getenv('MAILUSER'), getenv('MAILPASS'), 0, 1);
$box = $open('INBOX');
check('open', $box);
check('list', in_array("{$server}INBOX.Work", imap_list($box, $server, '*')));
check('delimiter', imap_getmailboxes($box, $server, 'INBOX')[0]->delimiter === '.');
check('subscribed', in_array("{$server}INBOX.Work", imap_lsub($box, $server, '*')));
check('status', imap_status($box, "{$server}INBOX", SA_ALL)->messages == 20);
check('count', imap_num_msg($box) == 20);
check('search', imap_search($box, 'SUBJECT "message 7"', SE_UID) === [7]);
check('search UTF-8', imap_search($box, 'SUBJECT "Grüße"', SE_UID, 'UTF-8') === [5]);
check('overview', iconv_mime_decode(imap_fetch_overview($box, '5', FT_UID)[0]->subject, 0, 'UTF-8') === 'Grüße aus München');
check('header', imap_headerinfo($box, 7)->subject === 'message 7' && imap_headerinfo($box, 7)->from[0]->mailbox === 'sender7');
check('sort', count(imap_sort($box, SORTSUBJECT, 1, SE_UID)) == 20);
check('thread', count(imap_thread($box, SE_UID)) == 60);
$structure = imap_fetchstructure($box, 5, FT_UID);
check('structure', $structure->subtype === 'MIXED' && $structure->parts[1]->dparameters[0]->value === 'six.bin');
check('attachment', imap_base64(imap_fetchbody($box, 5, '2', FT_UID | FT_PEEK)) === "\0\1\2\3\4\5");
check('text', strpos(imap_qprint(imap_fetchbody($box, 5, '1', FT_UID | FT_PEEK)), 'Schöne Grüße.') !== false);
check('whole', strpos(imap_fetchheader($box, 7, FT_UID | FT_PREFETCHTEXT) . imap_body($box, 7, FT_UID), 'This is message number 7.') !== false);
check('flag', imap_setflag_full($box, '7', '\\Flagged', ST_UID) && imap_search($box, 'FLAGGED', SE_UID) === [7]);
check('unflag', imap_clearflag_full($box, '7', '\\Seen', ST_UID));
check('create', imap_createmailbox($box, $server . imap_utf7_encode('INBOX.Made')));
check('rename', imap_renamemailbox($box, "{$server}INBOX.Made", "{$server}INBOX.Filed") && imap_subscribe($box, "{$server}INBOX.Filed"));
check('copy', imap_mail_copy($box, '7', 'INBOX.Filed', CP_UID));
check('move', imap_mail_move($box, '8', 'INBOX.Work', CP_UID));
check('delete', imap_delete($box, '9', FT_UID));
check('expunge', imap_expunge($box) && imap_num_msg($box) == 18);
check('append', imap_append($box, "{$server}INBOX.Work", "Subject: appended\r\n\r\nbody\r\n", '\\Seen', '14-Nov-2023 22:13:20 +0000'));
check('quota', is_array(imap_get_quotaroot($box, 'INBOX')));
check('rights', is_array(imap_getacl($box, 'INBOX')));
// Mail that another session brings.
$other = $open('INBOX.Work');
check('other', $other && imap_append($other, "{$server}INBOX", "Subject: news\r\n\r\nbody\r\n"));
imap_close($other);
check('new mail', imap_ping($box) && imap_num_msg($box) == 19 && imap_check($box)->Nmsgs == 19);
check('reopen', imap_reopen($box, "{$server}INBOX.Work") && imap_num_msg($box) == 12);
check('delete folder', imap_createmailbox($box, "{$server}INBOX.Gone") && imap_deletemailbox($box, "{$server}INBOX.Gone"));
check('close', imap_close($box, CL_EXPUNGE));
check('no errors', imap_errors() === false);
echo "PHP's imap: all is well\n";
