;;; Gnus on the next day.  -*- lexical-binding: t -*-
;; Since use_gnus.el another client has flagged the tenth message, answered the eleventh, and deleted
;; the twelfth; and mail came. Gnus asks for what changed, by QRESYNC.
(defun marked (mark article)
  (gnus-member-of-range article (cdr (assq mark (gnus-info-marks (gnus-get-info "INBOX"))))))
(gnus)
(check "active" (= 22 (cdr (gnus-active "INBOX"))))
(check "flagged before" (marked 'tick 6))
(check "flagged meanwhile" (marked 'tick 10))
(check "answered meanwhile" (marked 'reply 11))
(check "deleted meanwhile" (marked 'unexist 12))
(check "not deleted" (not (marked 'unexist 13)))
(gnus-group-read-group t t "INBOX")
(check "not in the summary" (not (gnus-summary-article-header 12)))
(check "in the summary" (gnus-summary-article-header 22))
(gnus-summary-exit)
(gnus-group-exit)
