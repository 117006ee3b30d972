// JavaMail (Jakarta Mail), which most mail software in Java is built on: folders, search, structures, an attachment, flags, copy, move,
// append, expunge, quota, rights, and a delivery told in IDLE.
import jakarta.mail.*;
import jakarta.mail.internet.*;
import jakarta.mail.search.*;
import jakarta.mail.event.*;
import com.sun.mail.imap.*;
import java.util.*;
import java.util.concurrent.*;

public class UseJavaMail {
    static void check(String what, boolean good) {
        if (!good) throw new AssertionError(what);
    }

    static IMAPStore open(Session session) throws MessagingException {
        IMAPStore store = (IMAPStore) session.getStore("imap");
        store.connect("localhost", Integer.parseInt(System.getenv("PORT")), System.getenv("MAILUSER"), System.getenv("MAILPASS"));
        return store;
    }

    static Message news(Session session, String subject) throws MessagingException {
        MimeMessage message = new MimeMessage(session);
        message.setSubject(subject);
        message.setText("body");
        return message;
    }

    static Message[] just(Message message) {
        return new Message[] {message};
    }

    /** Work, left and opened again (QRESYNC): what another session did there comes as events. */
    static void resync(IMAPStore store, Session session) throws Exception {
        IMAPFolder work = (IMAPFolder) store.getFolder("INBOX.Work");
        work.open(Folder.READ_WRITE, ResyncData.CONDSTORE);
        long validity = work.getUIDValidity(), known = work.getHighestModSeq();
        check("highest", known > 0);
        work.close(false);
        IMAPStore other = open(session);
        IMAPFolder there = (IMAPFolder) other.getFolder("INBOX.Work");
        there.open(Folder.READ_WRITE);
        there.getMessageByUID(2).setFlag(Flags.Flag.ANSWERED, true);
        there.getMessageByUID(3).setFlag(Flags.Flag.DELETED, true);
        there.close(true);
        other.close();
        List<String> events = new ArrayList<>();
        for (MailEvent event : work.open(Folder.READ_WRITE, new ResyncData(validity, known))) {
            if (event instanceof MessageVanishedEvent vanished) events.add("vanished " + Arrays.toString(vanished.getUIDs()));
            else if (event instanceof MessageChangedEvent changed) events.add("changed " + work.getUID(changed.getMessage()) + " " + changed.getMessage().isSet(Flags.Flag.ANSWERED));
        }
        check("resync " + events, events.equals(List.of("vanished [3]", "changed 2 true")));
        check("changed since", work.search(new ModifiedSinceTerm(known + 1)).length == 1);
        work.appendMessages(just(news(session, "for the third")));
        work.close(false);
    }

    public static void main(String[] args) throws Exception {
        Properties properties = new Properties();
        properties.setProperty("mail.imap.compress.enable", "true");
        Session session = Session.getInstance(properties);
        IMAPStore store = open(session);
        List<String> names = new ArrayList<>();
        for (Folder folder : store.getDefaultFolder().list("*")) names.add(folder.getFullName());
        check("list " + names, names.contains("INBOX.Work"));
        check("subscribed", store.getDefaultFolder().listSubscribed("*").length >= 2);
        check("namespace", store.getPersonalNamespaces().length > 0);
        IMAPFolder inbox = (IMAPFolder) store.getFolder("INBOX");
        inbox.open(Folder.READ_WRITE);
        check("count", inbox.getMessageCount() == 20);
        Message[] all = inbox.getMessages();
        FetchProfile profile = new FetchProfile();
        profile.add(FetchProfile.Item.ENVELOPE);
        profile.add(FetchProfile.Item.FLAGS);
        profile.add(FetchProfile.Item.CONTENT_INFO);
        profile.add(UIDFolder.FetchProfileItem.UID);
        inbox.fetch(all, profile);
        check("uid", inbox.getUID(all[6]) == 7);
        check("envelope", all[4].getSubject().equals("Gr\u00fc\u00dfe aus M\u00fcnchen"));
        Multipart parts = (Multipart) all[4].getContent();
        check("structure", parts.getCount() == 2 && parts.getBodyPart(1).getFileName().equals("six.bin"));
        check("attachment", Arrays.equals(parts.getBodyPart(1).getInputStream().readAllBytes(), new byte[] {0, 1, 2, 3, 4, 5}));
        check("text", ((String) parts.getBodyPart(0).getContent()).contains("Sch\u00f6ne Gr\u00fc\u00dfe."));
        check("read", ((String) all[6].getContent()).contains("This is message number 7.") && all[6].isSet(Flags.Flag.SEEN));
        Message[] found = inbox.search(new SubjectTerm("message 7"));
        check("search", found.length == 1 && found[0].getMessageNumber() == 7);
        // It sends this in Latin-1 where UTF8=ACCEPT is on, and searches by itself when the answer is NO.
        found = inbox.search(new AndTerm(new SubjectTerm("Gr\u00fc\u00dfe"), new BodyTerm("Sch\u00f6ne")));
        check("search UTF-8", found.length == 1 && found[0].getMessageNumber() == 5);
        inbox.setFlags(new Message[] {all[5], all[6]}, new Flags(Flags.Flag.FLAGGED), true);
        check("flagged", inbox.search(new FlagTerm(new Flags(Flags.Flag.FLAGGED), true)).length == 2);
        IMAPFolder made = (IMAPFolder) store.getFolder("INBOX.Gr\u00f6\u00dfe");
        check("create", made.create(Folder.HOLDS_MESSAGES));
        Folder filed = store.getFolder("INBOX.Filed");
        check("rename", made.renameTo(filed) && filed.exists());
        filed.setSubscribed(true);
        Folder work = store.getFolder("INBOX.Work");
        AppendUID[] copied = inbox.copyUIDMessages(just(all[6]), filed);
        check("copy", copied != null && copied[0].uid == 1);
        // What MOVE has taken away is still in its list, for the next expunge() to return.
        int gone = 1;
        if (store.hasCapability("MOVE")) {
            check("ID", store.id(Map.of("name", "JavaMail")).get("name") != null);
            inbox.moveMessages(just(all[7]), work);
            gone = 2;
        } else {
            inbox.copyMessages(just(all[7]), work);
            all[7].setFlag(Flags.Flag.DELETED, true);
            check("expunge", inbox.expunge(just(all[7])).length == 1);
        }
        all[8].setFlag(Flags.Flag.DELETED, true);
        check("expunge again", inbox.expunge().length == gone);
        work.appendMessages(just(news(session, "appended")));
        check("appended", work.getMessageCount() == 12);
        if (store.hasCapability("QRESYNC")) resync(store, session);
        check("quota", inbox.getQuota().length > 0);
        check("rights", inbox.myRights().toString().contains("r") && inbox.getACL().length > 0);
        BlockingQueue<String> told = new LinkedBlockingQueue<>();
        inbox.addMessageCountListener(new MessageCountAdapter() {
            @Override
            public void messagesAdded(MessageCountEvent event) {
                try {
                    told.add(event.getMessages()[0].getSubject());
                } catch (MessagingException e) {
                    told.add(e.toString());
                }
            }
        });
        Thread sender = new Thread(() -> {
            try {
                Thread.sleep(500);
                IMAPStore other = open(session);
                other.getFolder("INBOX").appendMessages(just(news(session, "news")));
                other.close();
            } catch (Exception e) {
                told.add(e.toString());
            }
        });
        sender.start();
        inbox.idle(true);
        check("idle", "news".equals(told.poll(20, TimeUnit.SECONDS)));
        sender.join();
        Folder last = store.getFolder("INBOX.Gone");
        check("delete", last.create(Folder.HOLDS_MESSAGES) && last.delete(false));
        inbox.close(true);
        store.close();
        System.out.println("JavaMail: all is well");
    }
}
