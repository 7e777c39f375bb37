"""supervisord: its configuration, how it is started and spoken to, and how its processes are found again."""

from __future__ import annotations

import hashlib
import http.client
import os
import shlex
import subprocess
import sys
import tempfile
import xmlrpc.client
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from supervisor.xmlrpc import SupervisorTransport

from deploy.ports import HOST
from deploy.programs import Program
from lambda_arch.config import FILE_VARIABLE, PREFIX

# In the environment of supervisord and so of all that it starts: by it they are known, also after a kill -9.
MARK = "LAMBDA_ARCH_RUN"
STORES = ("redis-server", "valkey-server")
STOP_SECONDS = 30
POLL_SECONDS = 0.1
# States of a process that runs or would; one that is stopping is left to it.
ACTIVE = ("RUNNING", "STARTING", "BACKOFF")
UNREACHABLE = (OSError, http.client.HTTPException, xmlrpc.client.Fault)

_HEAD = """[supervisord]
logfile={log}/supervisord.log
logfile_maxbytes=10MB
logfile_backups=2
pidfile={run}/supervisord.pid
childlogdir={log}
directory={directory}

[unix_http_server]
file={socket}
chmod=0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""
_PROGRAM = """
[program:{name}]
command={command}
process_name={process}
numprocs={processes}
priority={priority}
environment=SETTINGS="{digest}"
autostart=false
autorestart=true
startsecs={start_seconds}
startretries=3
stopwaitsecs={stop_seconds}
stopasgroup={as_group}
killasgroup=true
redirect_stderr=true
stdout_logfile={log}/{process}.log
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=3
"""


class Supervisor:
    """The supervisord of one `var` folder."""

    def __init__(self, var: Path) -> None:
        self.var = var.resolve()
        self.run, self.log = self.var / "run", self.var / "log"
        self.conf, self.settings = self.run / "supervisord.conf", self.run / "settings.yaml"
        self.socket = _short(self.run / "supervisor.sock")

    def write(self, programs: Sequence[Program], settings: str) -> None:
        """Write its configuration, and the settings file that the jobs read."""
        self.run.mkdir(parents=True, exist_ok=True)
        self.log.mkdir(parents=True, exist_ok=True)
        self.settings.write_text(settings, encoding="utf-8")
        self.conf.write_text(self.rendered(programs), encoding="utf-8")

    def rendered(self, programs: Sequence[Program]) -> str:
        """Its configuration; nothing starts by itself, everything is kept up once started."""
        places = {"run": self.run, "log": self.log, "socket": self.socket, "directory": Path.cwd()}
        escaped = {key: str(path).replace("%", "%%") for key, path in places.items()}
        return _HEAD.format(**escaped) + "".join(_section(program, escaped["log"]) for program in programs)

    def spawn(self) -> None:
        """Start it as a daemon; it and all that it starts carry the mark and the settings in their environment."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(PREFIX)}
        root = str(Path(__file__).resolve().parent.parent)
        path = os.pathsep.join(filter(None, (root, kept.get("PYTHONPATH"))))
        added = {MARK: str(self.run), FILE_VARIABLE: str(self.settings), "PYTHONPATH": path}
        fixed = {"OPENBLAS_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", "SPARK_LOCAL_IP": HOST}
        command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(self.conf)]
        subprocess.run(command, env={**kept, **fixed, **added}, check=True, stdin=subprocess.DEVNULL, timeout=60)

    def is_alive(self) -> bool:
        """Whether it answers."""
        try:
            with self.rpc() as rpc:
                return bool(rpc.getState()["statename"] == "RUNNING")
        except UNREACHABLE:
            return False

    @contextmanager
    def rpc(self) -> Iterator[Any]:
        """Its `supervisor` namespace; raises one of UNREACHABLE where it is not there."""
        transport = SupervisorTransport(None, None, f"unix://{self.socket}")
        try:
            # The address is not used: the transport has the socket.
            yield xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport).supervisor
        finally:
            transport.close()

    def reload(self) -> None:
        """Take over a changed configuration; a program whose settings changed is stopped for it."""
        with self.rpc() as rpc:
            added, changed, removed = rpc.reloadConfig()[0]
            for name in (*changed, *removed):
                rpc.stopProcessGroup(name)
                rpc.removeProcessGroup(name)
            for name in (*added, *changed):
                rpc.addProcessGroup(name)

    def processes(self) -> list[psutil.Process]:
        """Everything alive that was started here, supervisord included."""
        return [process for process in psutil.process_iter() if process.pid != os.getpid() and self._is_ours(process)]

    def tail(self, name: str, lines: int = 5) -> str:
        """The last lines of a program's log."""
        path = self.log / f"{name}.log"
        written = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
        return "\n".join(written[-lines:])

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            return process.environ().get(MARK) == str(self.run) or self._is_store(process)
        except (psutil.Error, OSError):
            return False

    def _is_store(self, process: psutil.Process) -> bool:
        # It writes its title over its environment, but it works in its own folder.
        return process.name() in STORES and process.cwd() == str(self.var / "store")


def _section(program: Program, log: str) -> str:
    several = program.processes > 1
    return _PROGRAM.format(
        name=program.name,
        command=shlex.join(program.command).replace("%", "%%"),
        process=f"{program.name}-%(process_num)d" if several else program.name,
        processes=program.processes,
        priority=program.priority,
        digest=hashlib.sha256(program.settings.encode()).hexdigest()[:16],
        start_seconds=program.start_seconds,
        stop_seconds=STOP_SECONDS,
        as_group=str(program.stops_as_group).lower(),
        log=log,
    )


def _short(path: Path) -> Path:
    """A socket's path; the system takes no more than 107 bytes, and supervisord appends its pid for a moment."""
    if len(os.fsencode(path)) <= 90:
        return path
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"lambda-arch-{digest}.sock"
