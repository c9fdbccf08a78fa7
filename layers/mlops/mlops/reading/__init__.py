"""What people read: evidence, mails, pages, pictures."""
