# Ruby's net/imap, as it comes with Ruby: folders, search, fetch, an attachment, flags, copy, move, append, expunge, sort, thread, quota,
# rights, and a delivery told in IDLE.
require "net/imap"

def check(what, good)
  abort "#{what}: #{good.inspect}" unless good
end

def open_box
  box = Net::IMAP.new("localhost", port: ENV.fetch("PORT").to_i)
  box.login(ENV.fetch("MAILUSER"), ENV.fetch("MAILPASS"))
  box
end

box = open_box
check "capability", box.capability.include?("IMAP4REV1")
check "list", box.list("", "*").map(&:name).include?("INBOX.Work")
check "subscribed", box.lsub("", "*").map(&:name).include?("INBOX.Work")
check "status", box.status("INBOX", %w[MESSAGES UIDNEXT UNSEEN])["MESSAGES"] == 20
box.select("INBOX")
check "count", box.responses["EXISTS"][-1] == 20
check "search", box.uid_search(["SUBJECT", "message 7"]) == [7]
check "search UTF-8", box.uid_search(["SUBJECT", "Grüße".b], "UTF-8") == [5]
five = box.uid_fetch(5, %w[ENVELOPE BODYSTRUCTURE FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[] BODY.PEEK[2]])[0].attr
check "envelope", five["ENVELOPE"].from[0].mailbox == "joerg"
check "structure", five["BODYSTRUCTURE"].multipart? && five["BODYSTRUCTURE"].parts[1].disposition.param["FILENAME"] == "six.bin"
check "size", five["BODY[]"].bytesize == five["RFC822.SIZE"]
check "attachment", five["BODY[2]"].unpack1("m").bytes == [0, 1, 2, 3, 4, 5]
box.uid_store(6..7, "+FLAGS", [:Flagged])
check "flagged", box.uid_search(["FLAGGED"]) == [6, 7]
box.create("INBOX.Made")
box.rename("INBOX.Made", "INBOX.Filed")
box.subscribe("INBOX.Filed")
box.uid_copy(7, "INBOX.Filed")
if box.capability.include?("MOVE")
  check "ID", box.id(name: "net-imap")["name"]
  box.uid_move(8, "INBOX.Work")
  check "moved", box.responses.delete("EXPUNGE") == [8]
else
  box.uid_copy(8, "INBOX.Work")
  box.uid_store(8, "+FLAGS", [:Deleted])
  check "expunge", box.expunge == [8]
end
box.uid_store(9, "+FLAGS", [:Deleted])
check "expunge again", box.expunge.length == 1
box.append("INBOX.Work", "Subject: appended\r\n\r\nbody\r\n", [:Seen], Time.at(1_700_000_000))
check "sort", box.uid_sort(["SUBJECT"], ["ALL"], "UTF-8").length == 18
check "thread", box.uid_thread("REFERENCES", ["ALL"], "UTF-8").length == 18
check "quota", box.getquotaroot("INBOX").length.positive?
check "rights", box.getacl("INBOX").length.positive?
told = nil
box.idle(20) do |response|
  if response.is_a?(Net::IMAP::ContinuationRequest)
    Thread.new do
      other = open_box
      other.append("INBOX", "Subject: news\r\n\r\nbody\r\n")
      other.logout
      other.disconnect
    end
  elsif response.respond_to?(:name) && response.name == "EXISTS"
    told = response.data
    box.idle_done
  end
end
check "idle", told == 19
box.create("INBOX.Gone")
box.delete("INBOX.Gone")
box.close
box.logout
box.disconnect
puts "net/imap: all is well"
