"""What is remembered when the service ends, and how Describe shows it."""
