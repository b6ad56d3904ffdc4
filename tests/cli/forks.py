"""Run pvhdbg in a fork of a process that has imported it already: importing takes most of the time of a short command.

Only the imports are shared. Each run has a process of its own, with its own arguments, environment, folder, files,
signals and exit status, and ends as `python -m pvhdbg` does.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from typing import NamedTuple

import pvhdbg
from tests.paths import ROOT

NOT_IMPORTED = (
    *("pvhdbg.__main__", "pvhdbg.in_gdb", "pvhdbg.target.gdb_native", "pvhdbg.target.native_runner"),
    "pvhdbg.tui",
)
"""What runs as a program, inside gdb, or on a terminal."""
AT_THE_START = ("LANG", "LC_", "LD_", "PYTHON")
"""Python reads variables that begin with these only when it starts."""
_LENGTH = 8


class Server(NamedTuple):
    """The process that forks, and the connection to it. It ends when the connection is closed."""

    process: subprocess.Popen[bytes]
    connection: socket.socket


@cache
def server(_at_the_start: frozenset[tuple[str, str]]) -> Server:
    """Return the server that was started with these variables."""
    ours, its = socket.socketpair()
    with its:
        call = [sys.executable, "-m", __spec__.name, str(its.fileno())]
        process = subprocess.Popen(call, cwd=ROOT, pass_fds=[its.fileno()], stdin=subprocess.DEVNULL)
    atexit.register(_end, process, ours)
    return Server(process, ours)


def _end(process: subprocess.Popen[bytes], connection: socket.socket) -> None:
    connection.close()
    process.wait()


def can_run(env: Mapping[str, str] | None) -> bool:
    """Return whether a fork of the server can have this environment."""
    return env is None or at_the_start(env) == at_the_start(os.environ)


def at_the_start(env: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    return frozenset((name, value) for name, value in env.items() if name.startswith(AT_THE_START))


def run(words: Sequence[str], env: Mapping[str, str], cwd: str, files: Sequence[int], timeout: float) -> int:
    """Run pvhdbg with these arguments and standard files. Return its exit status, negative after a signal.

    :raise TimeoutError: after `timeout` seconds. pvhdbg was killed, and its watcher ends what it had started.
    """
    request = json.dumps([words, dict(env), cwd]).encode()
    process, connection = server(at_the_start(os.environ))
    connection.settimeout(timeout)
    socket.send_fds(connection, [len(request).to_bytes(_LENGTH)], files)
    connection.sendall(request)
    pid = 0
    try:
        pid = _receive(connection)
        return _receive(connection)
    except (TimeoutError, AssertionError):
        if pid:
            with suppress(ProcessLookupError):  # it has just ended
                os.kill(pid, signal.SIGKILL)
        process.kill()
        server.cache_clear()
        raise


def _receive(connection: socket.socket) -> int:
    answer = connection.recv(_LENGTH)
    assert answer, "the server has ended"
    return int.from_bytes(answer, signed=True)


def _serve(connection: socket.socket) -> None:
    for module in pkgutil.walk_packages(pvhdbg.__path__, "pvhdbg.", onerror=print):
        if not module.name.startswith(NOT_IMPORTED):
            import_module(module.name)
    gc.collect()
    gc.freeze()
    while True:
        length, files, _, _ = socket.recv_fds(connection, _LENGTH, 3)
        if not length:
            return
        request = b""
        while len(request) < int.from_bytes(length):
            request += connection.recv(1 << 20)
        if not (pid := os.fork()):
            words, env, cwd = json.loads(request)
            _run(words, env, cwd, files)
        connection.sendall(pid.to_bytes(_LENGTH))
        for file in files:
            os.close(file)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        connection.sendall(status.to_bytes(_LENGTH, signed=True))


def _run(words: list[str], env: dict[str, str], cwd: str, files: list[int]) -> None:
    from pvhdbg.__main__ import main

    try:
        for standard, file in enumerate(files):
            os.dup2(file, standard)
        os.closerange(3, 1024)
        os.chdir(cwd)
        os.environ.clear()
        os.environ.update(env)
        sys.argv[1:] = words
        main()
    except SystemExit as ended:
        os._exit(ended.code if isinstance(ended.code, int) else 1)
    except BaseException:  # noqa: BLE001  Python would print it, too
        traceback.print_exc()
    finally:
        os._exit(1)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
