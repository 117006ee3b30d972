;;; Gnus, in batch: the functions behind its keys.  -*- lexical-binding: t -*-
(gnus)
(check "groups" (gnus-active "INBOX.Work"))
(check "count" (= 20 (- (cdr (gnus-active "INBOX")) (car (gnus-active "INBOX")) -1)))
(gnus-group-read-group t t "INBOX")
(check "summary" (eq major-mode 'gnus-summary-mode))
(check "headers" (string-match "Grüße aus München" (mail-header-subject (gnus-summary-article-header 5))))
;; Read; save an attachment.
(gnus-summary-goto-article 7)
(with-current-buffer gnus-article-buffer
  (check "text" (save-excursion (goto-char (point-min)) (search-forward "This is message number 7." nil t))))
(gnus-summary-goto-article 5)
(with-current-buffer gnus-article-buffer
  (let ((handle (cdr (assq 2 gnus-article-mime-handle-alist))))
    (check "attachment" (equal (mm-get-part handle) "\0\1\2\3\4\5"))))
;; Search, as "G G" in the group buffer does. (A phrase in quotes it sends with the quotes, as a
;; literal, to every server with LITERAL+, and finds nothing.)
(require 'gnus-search)
(setq gnus-search-use-parsed-queries t)
(let ((found (gnus-search-run-query
              '((search-query-spec (query . "subject:Grüße"))
                (search-group-spec ("nnimap:home" "INBOX"))))))
  (check "search" (and (= 1 (length found)) (= 5 (aref (aref found 0) 1)))))
;; Flag, file, upload, delete.
(gnus-summary-goto-subject 6)
(gnus-summary-tick-article-forward 2)
(gnus-request-create-group "INBOX.Filed" gnus-select-method)
(gnus-summary-goto-subject 7)
(gnus-summary-copy-article 1 "INBOX.Filed" gnus-select-method)
(gnus-summary-goto-subject 8)
(gnus-summary-move-article 1 "INBOX.Work" gnus-select-method)
(with-temp-buffer
  (insert "Subject: uploaded\n\nbody\n")
  (check "upload" (gnus-request-accept-article "INBOX.Work" gnus-select-method t t)))
(gnus-summary-goto-subject 9)
(gnus-summary-delete-article 1)
(gnus-summary-exit)
;; New mail.
(call-process (getenv "NEWS"))
(with-current-buffer gnus-group-buffer
  (gnus-group-get-new-news))
(check "news" (= 21 (cdr (gnus-active "INBOX"))))
(gnus-group-exit)
