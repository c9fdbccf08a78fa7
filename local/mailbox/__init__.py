"""A web page with the e-mails that SNS would have sent."""
