"""A small server that speaks what huggingface_hub asks of the hub: make a repository, upload by LFS, commit, download."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(ThreadingHTTPServer):
    """What it was given: `repositories` by name their files, `stored` by SHA-256, the `messages` of commits."""

    def __init__(self, *, token: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.token = token
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.stored: dict[str, bytes] = {}
        self.messages: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.partition("?")[0]
        if self.headers["Authorization"] != f"Bearer {self.server.token}":
            return self.answer({"error": "who are you?"}, 401)
        if path == "/api/validate-yaml":
            return self.answer({"warnings": [], "errors": []})
        if path == "/api/repos/create":
            asked = json.loads(body)
            name = "/".join(filter(None, (asked.get("organization") or "me", asked["name"])))
            self.server.repositories.setdefault(name, {})
            return self.answer({"url": f"{self.server.url}/{name}", "name": name})
        if path.endswith("/info/lfs/objects/batch"):
            return self.answer(
                {"transfer": "basic", "objects": [self.upload(one) for one in json.loads(body)["objects"]]}
            )
        _, _, _, owner, name, verb, _ = path.split("/")
        if verb == "preupload":
            return self.answer({"files": [self.mode(one) for one in json.loads(body)["files"]]})
        return self.commit(f"{owner}/{name}", [json.loads(line) for line in body.splitlines()])

    def upload(self, wanted: dict[str, Any]) -> dict[str, Any]:
        return {**wanted, "actions": {"upload": {"href": f"{self.server.url}/lfs/{wanted['oid']}", "header": {}}}}

    def mode(self, file: dict[str, Any]) -> dict[str, Any]:
        large = not file["path"].endswith((".json", ".md", ".html"))
        return {"path": file["path"], "uploadMode": "lfs" if large else "regular", "shouldIgnore": False, "oid": None}

    def commit(self, repository: str, lines: list[dict[str, Any]]) -> None:
        files = self.server.repositories[repository]
        for line in lines:
            value = line["value"]
            match line["key"]:
                case "header":
                    self.server.messages.append(value["summary"])
                case "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                case "lfsFile":
                    files[value["path"]] = self.server.stored[value["oid"]]
        self.answer(
            {"success": True, "commitOid": COMMIT, "commitUrl": f"{self.server.url}/{repository}/commit/{COMMIT}"}
        )

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        assert hashlib.sha256(content).hexdigest() == self.path.rpartition("/")[2]
        self.server.stored[self.path.rpartition("/")[2]] = content
        self.answer({})

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        owner, name, _, _, file = self.path.lstrip("/").split("/", 4)
        content = self.server.repositories.get(f"{owner}/{name}", {}).get(file)
        if content is None:
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def answer(self, document: dict[str, Any], status: int = 200) -> None:
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_arguments: object) -> None:
        """No line per request."""


@contextmanager
def running(token: str = "hf_secret") -> Iterator[Hub]:
    with Hub(token=token) as hub:
        thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield hub
        finally:
            hub.shutdown()
            thread.join()
