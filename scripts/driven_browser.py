"""Headless Chromium, driven over a pipe by the DevTools protocol (https://chromedevtools.github.io/devtools-protocol/)."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
from itertools import count
from pathlib import Path
from typing import Any

CHROMIUM = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)
OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
    "--disable-component-update", "--no-first-run", "--remote-debugging-pipe", "about:blank",
)  # fmt: skip
CODES = {"Enter": 13, "Tab": 9, "ArrowLeft": 37, "ArrowRight": 39}


class Browser:
    """One window of Chromium with its own profile in `folder`; a context manager. Works in one thread and starts none."""

    def __init__(self, folder: Path) -> None:
        if CHROMIUM is None:
            raise SystemExit("needs Chromium (apt-get install chromium)")
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for pair in (os.pipe(), os.pipe()) for end in pair]
        commands, self._writing, reading, answers = ends
        self._reading = os.fdopen(reading, "rb")
        files = [(os.POSIX_SPAWN_DUP2, commands, 3), (os.POSIX_SPAWN_DUP2, answers, 4)]
        files += [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]
        command = [CHROMIUM, *OPTIONS, f"--user-data-dir={folder}"]
        self._process = os.posix_spawn(CHROMIUM, command, os.environ, file_actions=files, setpgroup=0)
        os.close(commands)
        os.close(answers)
        self._numbers = count(1)
        self._session: str | None = None
        targets = self._call("Target.getTargets")["targetInfos"]
        page = next(target["targetId"] for target in targets if target["type"] == "page")
        self._session = self._call("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        os.killpg(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)

    def navigate(self, address: str) -> bool:
        """Open an address; whether something answered."""
        return not self._call("Page.navigate", url=address).get("errorText")

    def evaluate(self, script: str) -> Any:
        """The value of an expression, as JSON has it. Raises RuntimeError with what it raised."""
        answer = self._call("Runtime.evaluate", expression=script, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"].get("description", script))
        return answer["result"].get("value")

    def insert(self, text: str) -> None:
        """Write a text where the focus is, as an input method does."""
        self._call("Input.insertText", text=text)

    def press(self, key: str, modifiers: int = 0) -> None:
        """Press a key and let it go. Modifiers: 1 Alt, 2 Ctrl, 8 Shift; their sum for several."""
        code = CODES.get(key) or ord(key.upper())
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        about = {"key": key, "modifiers": modifiers, "windowsVirtualKeyCode": code}
        self._call("Input.dispatchKeyEvent", type="keyDown", text=text, **about)
        self._call("Input.dispatchKeyEvent", type="keyUp", **about)

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._writing, data) :]
        while True:
            answer = self._message()
            if answer.get("id") == number:
                break
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        result: dict[str, Any] = answer["result"]
        return result

    def _message(self) -> dict[str, Any]:
        """The next message, which ends with a NUL."""
        piece = bytearray()
        while (letter := self._reading.read(1)) != b"\0":
            if not letter:
                raise RuntimeError("Chromium has ended")
            piece += letter
        message: dict[str, Any] = json.loads(piece)
        return message
