"""serve: the browser demo with a folder of artefacts, on this machine and for nobody else."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from typing import Any

from converters.errors import ToolchainError
from evit_mobile.errors import UsageError
from evit_mobile.record.files import read_manifest

ADDRESS = "127.0.0.1"
PAGE = "web_demo"
NODE_MODULES = "node_modules"
RUNTIME = ("@litertjs/core", "@litertjs/wasm-utils")
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".wasm": "application/wasm",
}


class Handler(SimpleHTTPRequestHandler):
    """Serves `directory`, and for a URL that begins with one of `mounts` the folder it stands for."""

    protocol_version = "HTTP/1.1"

    def __init__(self, *arguments: Any, mounts: Mapping[str, Path], directory: str) -> None:
        self.mounts = mounts
        super().__init__(*arguments, directory=directory)

    def translate_path(self, path: str) -> str:
        """The file that a URL names; the base class takes care of `..`."""
        inside = super().translate_path(path)
        first, *rest = Path(inside).relative_to(self.directory).parts or ("",)
        return str(self.mounts[first].joinpath(*rest)) if first in self.mounts else inside

    def guess_type(self, path: Any) -> str:
        """Our own table: what the system's says of .js and .wasm differs from machine to machine."""
        return TYPES.get(Path(path).suffix, "application/octet-stream")

    def end_headers(self) -> None:
        """Isolation gives WebAssembly its threads; without caching a new model is seen."""
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def list_directory(self, _path: Any) -> None:
        """No listings."""
        self.send_error(HTTPStatus.NOT_FOUND, "no such file")

    def log_message(self, *_arguments: object) -> None:
        """No line per file in the terminal."""


def serve(folder: Path, *, port: int, node_modules: Path | None, ready: Callable[[str], None]) -> None:
    """Serves the page and `folder` until Ctrl-C; `ready` is given the address. `node_modules` is where npm put LiteRT.js.

    Raises ArtefactError for a folder that is not as `convert` wrote it, ToolchainError without LiteRT.js, UsageError for a port
    that cannot be had.
    """
    read_manifest(folder)
    with open_server(folder, port=port, node_modules=node_modules) as server:
        try:
            ready(address(server))  # from here on Ctrl-C is the way to end it
            server.serve_forever()
        except KeyboardInterrupt:
            return


def open_server(folder: Path, *, port: int = 0, node_modules: Path | None = None) -> ThreadingHTTPServer:
    """A server that listens already; port 0 takes any free one. Raises ToolchainError, UsageError."""
    page = find_page()
    mounts = {"model": folder.resolve(), NODE_MODULES: find_runtime(page, node_modules).resolve()}
    try:
        return ThreadingHTTPServer((ADDRESS, port), partial(Handler, mounts=mounts, directory=str(page)))
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        raise UsageError(
            got=f"port {port} ({error.strerror})", allowed="a free port", do="pass another --port, or --port 0 for any"
        ) from None


def find_page() -> Path:
    """The folder of the page: in an installed package its own, in a checkout the one beside it."""
    package = Path(str(files("evit_mobile"))).resolve()
    places = (package / PAGE, package.parent / PAGE)
    return next(place for place in places if (place / "index.html").exists())


def address(server: ThreadingHTTPServer) -> str:
    """Where the page is."""
    return f"http://{ADDRESS}:{server.server_port}/"


def find_runtime(page: Path, node_modules: Path | None) -> Path:
    """The npm folder with LiteRT.js: `node_modules`, or the page's own, or the current folder's. Raises ToolchainError."""
    places = [page / NODE_MODULES, Path.cwd() / NODE_MODULES] if node_modules is None else [node_modules]
    for place in places:
        if all((place / package).is_dir() for package in RUNTIME):
            return place
    raise ToolchainError(
        got=f"no LiteRT.js in {' or '.join(map(str, places))}",
        allowed="the npm package @litertjs/core 2.5.3, installed",
        do="run `npm ci` in web_demo, or `npm install @litertjs/core@2.5.3` here, or pass --node-modules DIR",
    )
