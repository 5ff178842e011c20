"""A headless Chromium, driven over its pipe of the DevTools protocol: no library, no port, no network."""

import base64
import fcntl
import itertools
import json
import os
import select
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
MISSING = "needs a Chromium on the search path (Debian: apt install chromium)"
PATIENCE_S = 30.0
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--remote-debugging-pipe",
)


class Browser:
    """One tab. `requests` and `complaints` hold what it asked for and what it said since it was opened."""

    def __init__(self, write: int, read: int, downloads: Path):
        self._write, self._read, self._rest = write, read, b""
        self._numbers = itertools.count(1)
        self._session: str | None = None
        self.downloads = downloads
        self.requests: list[str] = []
        self.complaints: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(downloads))

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The answer to one command."""
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self._session and not method.startswith("Browser."):
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while (found := self._next()).get("id") != number:
            self._note(found)
        assert "error" not in found, found
        return found["result"]

    def open(self, page: Path, dark: bool = False, width: int = 1150) -> None:
        """Load a page and wait for it."""
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=scheme)
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        self.call("Page.navigate", url=page.as_uri())
        while self.run("document.readyState") != "complete":
            time.sleep(0.02)

    def run(self, expression: str) -> Any:
        """The value of a JavaScript expression, which must be plain data; promises are awaited."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def press(self, key: str) -> None:
        """A key, down and up again, where the focus is."""
        text = {"Enter": "\r", " ": " "}.get(key, "")
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, text=text if kind == "keyDown" else "")

    def move(self, x: float, y: float) -> None:
        """Move the mouse."""
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def pdf(self) -> bytes:
        """The page as it is printed."""
        return base64.b64decode(self.call("Page.printToPDF", printBackground=True)["data"])

    def downloaded(self, name: str) -> str:
        """Text of a downloaded file, once it is there."""
        deadline = time.monotonic() + PATIENCE_S
        while not (self.downloads / name).is_file():
            assert time.monotonic() < deadline, sorted(path.name for path in self.downloads.iterdir())
            time.sleep(0.02)
        return (self.downloads / name).read_bytes().decode()

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._read], [], [], PATIENCE_S)
            assert ready, "the browser does not answer"
            part = os.read(self._read, 1 << 20)
            assert part, "the browser has ended"
            self._rest += part
        message, self._rest = self._rest.split(b"\0", 1)
        return json.loads(message)

    def _note(self, event: dict[str, Any]) -> None:
        method, given = event.get("method"), event.get("params", {})
        if method == "Network.requestWillBeSent":
            self.requests.append(given["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(given["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" or (
            method == "Log.entryAdded" and given["entry"]["level"] == "error"
        ):
            self.complaints.append(json.dumps(given))


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """A browser with a profile and a folder of downloads of its own below `folder`."""
    assert CHROMIUM
    downloads = folder / "downloads"
    downloads.mkdir()
    # The browser reads commands from descriptor 3 and answers on 4: the others are moved out of their way first.
    command_out, command_in = _pipe()
    answer_out, answer_in = _pipe()
    process = os.posix_spawn(
        CHROMIUM,
        [CHROMIUM, *FLAGS, f"--user-data-dir={folder / 'profile'}", "about:blank"],
        {**os.environ, "HOME": str(folder)},
        file_actions=[
            (os.POSIX_SPAWN_DUP2, command_out, 3),
            (os.POSIX_SPAWN_DUP2, answer_in, 4),
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
        ],
    )
    os.close(command_out)
    os.close(answer_in)
    try:
        found = Browser(command_in, answer_out, downloads)
        yield found
        found.call("Browser.close")
    finally:
        os.close(command_in)
        os.close(answer_out)
        os.waitpid(process, 0)


def _pipe() -> tuple[int, int]:
    """A pipe whose descriptors are none of the low ones."""
    low = os.pipe()
    read, write = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in low)
    for end in low:
        os.close(end)
    return read, write
