"""A real Chromium without a screen, for tests of pages. It is asked over pipes, so no port is open."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
)

_HIGH = 64


class Browser:
    """One page of a Chromium.

    `requests` has the URLs that the page loaded, by the number of the request. `refused` has the URLs that its security
    policy refused.
    """

    def __init__(self, to: int, answers: int) -> None:
        self._to, self._answers = to, answers
        self._rest, self._number, self._session = b"", 0, ""
        self.requests: dict[str, str] = {}
        self.refused: list[str] = []
        self._loaded = 0
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network"):
            self._call(f"{domain}.enable")

    def _call(self, method: str, **parameters: object) -> Any:  # noqa: ANN401 - JSON
        """Send a command of the DevTools protocol, and wait for its answer."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "result" in answer, answer
                return answer["result"]

    def _next(self) -> Any:  # noqa: ANN401 - JSON
        while b"\0" not in self._rest:
            data = os.read(self._answers, 1 << 16)
            assert data, "Chromium ended"
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\0")
        message = json.loads(line)
        parameters = message.get("params", {})
        if message.get("method") == "Network.requestWillBeSent":
            self.requests[parameters["requestId"]] = parameters["request"]["url"]
        elif message.get("method") == "Network.loadingFailed" and parameters.get("blockedReason") == "csp":
            self.refused.append(self.requests.pop(parameters["requestId"]))
        self._loaded += message.get("method") == "Page.loadEventFired"
        return message

    def open(self, path: Path) -> None:
        """Open a file, and wait until it is loaded."""
        before = self._loaded
        self._call("Page.navigate", url=path.resolve().as_uri())
        while self._loaded == before:
            self._next()

    def run(self, script: str) -> Any:  # noqa: ANN401 - JSON
        """Return the value of an expression in the page."""
        answer = self._call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def press(self, key: str, code: int, text: str = "") -> None:
        """Press and release a key."""
        for kind in ("keyDown", "keyUp"):
            self._call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, text=text)

    def show(self, width: int, height: int, scheme: str = "light", media: str = "") -> None:
        """Set the size of the window, the color scheme and the medium."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._call("Emulation.setEmulatedMedia", media=media, features=features)
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._call("Emulation.setDeviceMetricsOverride", **size)

    def run_scripts(self, *, on: bool) -> None:
        """Let pages run their scripts, or not. `run` works in both cases."""
        self._call("Emulation.setScriptExecutionDisabled", value=not on)


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """Start Chromium with a new profile in `folder`. The test is skipped if there is no Chromium."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed: `make dev` installs it")
    from_us, to = _pipe()
    answers, from_it = _pipe()
    # The browser expects its pipes as descriptors 3 and 4.
    call = f'exec "$@" 3<&{from_us} 4>&{from_it} {from_us}<&- {from_it}>&-'
    process = subprocess.Popen(
        ["bash", "-c", call, "bash", program, *FLAGS, f"--user-data-dir={folder}"],
        pass_fds=(from_us, from_it),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(from_us)
    os.close(from_it)
    try:
        yield Browser(to, answers)
    finally:
        os.close(to)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(answers)


def _pipe() -> tuple[int, int]:
    """Return the two ends of a pipe, with numbers that a shell's redirection to 3 and 4 does not overwrite."""
    low = os.pipe()
    high = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, _HIGH) for end in low)
    for end in low:
        os.close(end)
    return high[0], high[1]
