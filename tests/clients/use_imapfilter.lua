-- imapfilter: searches, flags, copies, moves and deletions as a user's configuration does them.
options.timeout = 60
options.certificates = false
options.starttls = false
options.create = true
account = IMAP { server = "localhost", port = tonumber(os.getenv("PORT")), username = os.getenv("MAILUSER"), password = os.getenv("MAILPASS") }
local boxes, folders = account:list_all()
local function check(what, good)
    if not good then io.stderr:write(what .. "\n"); os.exit(1) end
end
local exist, recent, unseen, uidnext = account.INBOX:check_status()
check("status: " .. exist, exist == 20)
local sevens = account.INBOX:contain_subject("message 7")
check("search", #sevens == 1)
sevens:mark_flagged()
check("flagged", #account.INBOX:is_flagged() == 1)
account.INBOX:contain_from("sender8@"):copy_messages(account["Work"])
account.INBOX:contain_from("sender9@"):move_messages(account["Work"])
account.INBOX:contain_from("sender10@"):move_messages(account["Made"])
account.INBOX:contain_from("sender11@"):delete_messages()
check("left: " .. #account.INBOX:select_all(), #account.INBOX:select_all() == 17)
check("Work: " .. #account["Work"]:select_all(), #account["Work"]:select_all() == 12)
check("Made", #account["Made"]:select_all() == 1)
check("match", #account.INBOX:match_body("This is message number 12.") == 1)
check("larger", #account.INBOX:is_larger(10) == 17)
for _, message in ipairs(account.INBOX:contain_subject("message 12")) do
    local mailbox, uid = table.unpack(message)
    check("field", mailbox[uid]:fetch_field("subject"):find("message 12"))
end
print("imapfilter: all is well")
