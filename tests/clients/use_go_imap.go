// go-imap, which aerc and many Go programs are built on: folders, search, fetch, an attachment, flags, copy, move, append, expunge, quota,
// and a delivery told in IDLE.
package main

import (
	"bytes"
	"encoding/base64"
	"io"
	"log"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/emersion/go-imap"
	"github.com/emersion/go-imap/client"
)

func ok(what string, err error) {
	if err != nil {
		log.Fatalf("%s: %v", what, err)
	}
}

func check(what string, good bool) {
	if !good {
		log.Fatal(what)
	}
}

func open() *client.Client {
	box, err := client.Dial("localhost:" + os.Getenv("PORT"))
	ok("connect", err)
	ok("login", box.Login(os.Getenv("MAILUSER"), os.Getenv("MAILPASS")))
	return box
}

func uids(list ...uint32) *imap.SeqSet {
	set := new(imap.SeqSet)
	set.AddNum(list...)
	return set
}

func names(list func(string, string, chan *imap.MailboxInfo) error) map[string]bool {
	found, boxes := map[string]bool{}, make(chan *imap.MailboxInfo, 50)
	ok("list", list("", "*", boxes))
	for box := range boxes {
		found[box.Name] = true
	}
	return found
}

func search(box *client.Client, criteria *imap.SearchCriteria) []uint32 {
	found, err := box.UidSearch(criteria)
	ok("search", err)
	return found
}

func append_(box *client.Client, folder, subject string, flags ...string) {
	ok("append", box.Append(folder, flags, time.Unix(1700000000, 0), bytes.NewBufferString("Subject: "+subject+"\r\n\r\nbody\r\n")))
}

func read(box *client.Client) {
	section := &imap.BodySectionName{Peek: true}
	attachment := &imap.BodySectionName{BodyPartName: imap.BodyPartName{Path: []int{2}}, Peek: true}
	messages := make(chan *imap.Message, 1)
	items := []imap.FetchItem{imap.FetchEnvelope, imap.FetchBodyStructure, imap.FetchFlags, imap.FetchInternalDate, imap.FetchRFC822Size,
		imap.FetchUid, section.FetchItem(), attachment.FetchItem()}
	ok("fetch", box.UidFetch(uids(5), items, messages))
	five := <-messages
	check("envelope: "+five.Envelope.Subject, five.Envelope.Subject == "Grüße aus München")
	check("structure", len(five.BodyStructure.Parts) == 2)
	name, err := five.BodyStructure.Parts[1].Filename()
	check("file name", err == nil && name == "six.bin")
	whole, err := io.ReadAll(five.GetBody(section))
	check("size", err == nil && uint32(len(whole)) == five.Size)
	six, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, five.GetBody(attachment)))
	check("attachment", err == nil && bytes.Equal(six, []byte{0, 1, 2, 3, 4, 5}))
}

func find(box *client.Client) {
	criteria := imap.NewSearchCriteria()
	criteria.Header.Add("Subject", "message 7")
	check("search", reflect.DeepEqual(search(box, criteria), []uint32{7}))
	criteria = imap.NewSearchCriteria()
	criteria.Body = []string{"Schöne"}
	check("search UTF-8", reflect.DeepEqual(search(box, criteria), []uint32{5}))
	ok("flag", box.UidStore(uids(6, 7), imap.FormatFlagsOp(imap.AddFlags, true), []interface{}{imap.FlaggedFlag}, nil))
	criteria = imap.NewSearchCriteria()
	criteria.WithFlags = []string{imap.FlaggedFlag}
	check("flagged", reflect.DeepEqual(search(box, criteria), []uint32{6, 7}))
}

func file(box *client.Client) {
	ok("create", box.Create("INBOX.Größe"))
	ok("rename", box.Rename("INBOX.Größe", "INBOX.Filed"))
	ok("subscribe", box.Subscribe("INBOX.Filed"))
	check("subscribed", names(box.Lsub)["INBOX.Filed"])
	ok("copy", box.UidCopy(uids(7), "INBOX.Filed"))
	// MOVE where there is one; copy, mark and expunge where there is none.
	ok("move", box.UidMove(uids(8), "INBOX.Work"))
	ok("mark", box.UidStore(uids(9), imap.FormatFlagsOp(imap.AddFlags, true), []interface{}{imap.DeletedFlag}, nil))
	ok("expunge", box.Expunge(nil))
	append_(box, "INBOX.Work", "appended", imap.SeenFlag)
	status, err := box.Status("INBOX.Work", []imap.StatusItem{imap.StatusMessages, imap.StatusUidNext})
	check("status", err == nil && status.Messages == 12)
}

// Waits until a message that another session brings is told.
func wait(box *client.Client) {
	updates := make(chan client.Update, 100)
	box.Updates = updates
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- box.Idle(stop, &client.IdleOptions{}) }()
	other := open()
	append_(other, "INBOX", "news")
	ok("logout", other.Logout())
	limit := time.After(20 * time.Second)
	for told := false; !told; {
		select {
		case update := <-updates:
			mailbox, is := update.(*client.MailboxUpdate)
			told = is && mailbox.Mailbox.Messages == 19
		case err := <-done:
			log.Fatalf("idle: %v", err)
		case <-limit:
			log.Fatal("IDLE told nothing")
		}
	}
	close(stop)
	ok("idle", <-done)
}

func main() {
	box := open()
	has, err := box.Support("UIDPLUS")
	check("capability", err == nil && has)
	check("list", names(box.List)["INBOX.Work"])
	inbox, err := box.Select("INBOX", false)
	check("count", err == nil && inbox.Messages == 20 && strings.Contains(strings.Join(inbox.PermanentFlags, " "), `\*`))
	read(box)
	find(box)
	file(box)
	wait(box)
	ok("create", box.Create("INBOX.Gone"))
	ok("delete", box.Delete("INBOX.Gone"))
	ok("close", box.Close())
	ok("logout", box.Logout())
	log.Print("go-imap: all is well")
}
