;;; What Gnus is told of its account, in batch.  -*- lexical-binding: t -*-
(require 'gnus)
(require 'gnus-sum)
(require 'nnimap)
(defun check (what good) (unless good (error "%s" what)))
(setq gnus-select-method
      `(nnimap "home" (nnimap-address "localhost") (nnimap-server-port ,(string-to-number (getenv "PORT")))
               (nnimap-stream plain) (nnimap-user ,(getenv "MAILUSER")))
      nsm-trust-local-network t        ; nobody is there to answer for a connection without TLS
      gnus-startup-file (expand-file-name "newsrc" (getenv "HOME"))
      gnus-home-directory (getenv "HOME") gnus-directory (expand-file-name "News" (getenv "HOME"))
      gnus-verbose 1 gnus-interactive-exit nil gnus-expert-user t gnus-novice-user nil
      gnus-fetch-old-headers nil gnus-large-newsgroup nil gnus-read-active-file t)
