# Perl's Mail::IMAPClient, which imapsync is built on.
use strict;
use warnings;
use Mail::IMAPClient;
my $box = Mail::IMAPClient->new(Server => "localhost", Port => $ENV{PORT}, User => $ENV{MAILUSER}, Password => $ENV{MAILPASS}, Uid => 1, Peek => 1, Timeout => 30)
    or die "login: $@";
sub check { my ($what, $good) = @_; die "$what: " . ($box->LastError // "") . "\n" unless $good }
check("capability", $box->has_capability("IMAP4rev1"));
if (grep { $_ eq "COMPRESS=DEFLATE" } $box->capability) { check("compress", $box->compress) }
check("folders", grep { $_ eq "INBOX.Work" } $box->folders);
check("separator", $box->separator eq ".");
check("select", $box->select("INBOX"));
check("count", $box->message_count("INBOX") == 20);
check("search", join(",", $box->search("SUBJECT", \'"message 7"')) eq "7");
check("body", $box->message_string(7) =~ /This is message number 7\./);
check("size", $box->size(7) == length $box->message_string(7));
check("headers", $box->parse_headers(7, "Subject", "Date")->{Subject}[0] eq "message 7");
check("flags", $box->set_flag("Flagged", 7) && grep { $_ eq '\\Flagged' } $box->flags(7));
check("hash", $box->fetch_hash("RFC822.SIZE", "INTERNALDATE", "FLAGS")->{7}{"RFC822.SIZE"} > 0);
check("envelope", $box->get_envelope(7)->subject eq '"message 7"' || $box->get_envelope(7)->subject eq "message 7");
check("structure", $box->get_bodystructure(5)->bodytype =~ /MULTIPART/i);
check("copy", $box->copy("INBOX.Work", 7, 8));
check("move", $box->move("INBOX.Work", 9));
check("expunge", $box->uidexpunge(9));
check("append", my $uid = $box->append_string("INBOX.Work", "Subject: appended\r\n\r\nbody\r\n", '\\Seen', '14-Nov-2023 22:13:20 +0000'));
check("status", $box->message_count("INBOX.Work") == 14);
check("create", $box->create("INBOX.Made") && $box->rename("INBOX.Made", "INBOX.Renamed") && $box->subscribe("INBOX.Renamed"));
check("delete", $box->delete("INBOX.Renamed"));
check("sort", 19 == (my @sorted = $box->sort("SUBJECT", "UTF-8", "ALL")));
check("thread", scalar(@{ $box->thread("REFERENCES", "UTF-8") }));
check("quota", defined $box->getquotaroot("INBOX"));
check("acl", defined $box->getacl("INBOX"));
check("logout", $box->logout);
print "Mail::IMAPClient: all is well\n";
