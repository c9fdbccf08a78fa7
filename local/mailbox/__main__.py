"""`python -m local.mailbox --outbox FOLDER [--port 0]` serves the mailbox on the loopback interface."""

import argparse
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from local.cloud.mail import read_mails
from local.mailbox.page import render_list, render_mail, render_missing

HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_MAIL = "/mails/"


class MailboxHandler(BaseHTTPRequestHandler):
    """Answers GET / with the list of the outbox, and GET /mails/KEY with one mail."""

    def __init__(self, *connection: Any, outbox: Path) -> None:
        self._outbox = outbox
        super().__init__(*connection)

    def do_GET(self) -> None:
        page = self._page()
        body = (page or render_missing()).encode()
        self.send_response(200 if page else 404)
        for name, value in {**HEADERS, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _page(self) -> str | None:
        """The page at the address that was asked for, if there is one."""
        mails = read_mails(self._outbox)
        if self.path == "/":
            return render_list(mails)
        return render_mail(mails, self.path.removeprefix(_MAIL)) if self.path.startswith(_MAIL) else None


def mailbox(outbox: Path, port: int = 0) -> ThreadingHTTPServer:
    """A server of the pages, which begins to listen here."""
    return ThreadingHTTPServer(("127.0.0.1", port), partial(MailboxHandler, outbox=outbox))


def main() -> None:
    parser = argparse.ArgumentParser(description="Show the e-mails of the local cloud")
    parser.add_argument("--outbox", type=Path, required=True, help="folder with one JSON file per e-mail")
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    options = parser.parse_args()
    with mailbox(options.outbox, options.port) as server:
        print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
