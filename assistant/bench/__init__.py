"""Measurements on this machine; nothing else imports them but the command line."""
