"""AWS JSON over HTTP, and a page for people."""
