"""Hosts of their own on this machine: each has processes, an address, a disk and sshd that are no other's.

A host is a set of Linux namespaces over a copy-on-write view of this machine's root folder, so it has the
same programs and the same .venv, and what it writes it alone sees. One folder can be mounted on all of them.
They reach each other and nothing else: their bridge lies in a network namespace of its own, and this process,
outside of it, acts on them by `Host.run`. All of it ends with `hosts(...)`, and with this process.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import psutil
import pytest

T = TypeVar("T")

NEEDED = ("unshare", "nsenter", "setpriv", "ip", "mount", "sshd", "ssh", "ssh-keygen", "rsync")
NETWORK = "10.77.0"
HOME = "/home/operator"  # of root, on every host
KEY = f"{HOME}/.ssh/id_ed25519"
REPOSITORY = Path(__file__).parents[1]
BOOT = Path(__file__).with_name("host_boot.sh")
FAKETIME = "/usr/$LIB/faketime/libfaketime.so.1"  # $LIB is the dynamic linker's word for the folder

SSHD = f"""\
HostKey {KEY}
AuthorizedKeysFile {HOME}/.ssh/authorized_keys
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
UsePAM no
StrictModes no
MaxStartups 100
PidFile none
Subsystem sftp internal-sftp
"""


class Host:
    """One of the hosts; `path` is where this process sees the host's files while it runs."""

    def __init__(self, name: str, address: str, keeper: int, disk: Path, shared: Sequence[str]) -> None:
        self.name, self.address = name, address
        self.clock = 0.0
        self._keeper, self._disk, self._shared = keeper, disk, shared
        self._process: subprocess.Popen | None = None
        self._init = 0
        self._slowed: threading.Event | None = None

    def boot(self) -> None:
        """Switch it on, with the disk as it was; sshd answers when this returns. Nothing where it is on."""
        if self._process:
            return
        others = [str(path) for path in _elsewhere()]
        self._process = subprocess.Popen(
            [
                *("nsenter", f"--target={self._keeper}", "--mount", "--pid", "--net"),
                *("unshare", "--mount", "--uts", "--ipc", "--pid", "--net", "--fork", "--kill-child"),
                *("env", f"HOME={HOME}"),
                *("bash", str(BOOT), str(self._disk), self.name, HOME, *self._shared, *others),
            ],
            stderr=(self._disk.parent / f"{self.name}.log").open("ab"),
            stdout=subprocess.DEVNULL,
        )
        self._init = _until(lambda: _first_process(self._process.pid))
        _until(lambda: self.path("/run/booted").exists() or self._process.poll() is not None)
        assert self._process.poll() is None, f"{self.name} did not boot: {self._disk.parent}/{self.name}.log"
        self._plug_in()
        self._furnish()
        self.run(f"{shutil.which('sshd')} -f /run/sshd_config", LD_PRELOAD="")  # its sandbox is strict

    def kill(self) -> None:
        """A power cut: the cable goes dead first, so no other host hears a good-bye; then every process.

        The disk stays for `boot`; /run and /dev/shm are empty then. Nothing where it is off.
        """
        if not self._process:
            return
        self.fast()
        self.unplug()
        os.kill(self._init, signal.SIGKILL)
        self._process.wait()
        self._process = None
        _outside(self._keeper, "ip", "link", "delete", f"to-{self.name}", check=False)

    def unplug(self) -> None:
        """The network cable out: processes go on, no packet comes or goes, nothing is refused."""
        _outside(self._keeper, "ip", "link", "set", f"to-{self.name}", "down")

    def plug(self) -> None:
        _outside(self._keeper, "ip", "link", "set", f"to-{self.name}", "up")

    def slow(self, share: float, period: float = 0.2) -> None:
        """From now on all its processes run this share of the time (0 to 1) and stand still for the rest.

        By SIGSTOP and SIGCONT from outside, so it needs no cgroup; only the first process (init) is spared.
        """
        self.fast()
        self._slowed = threading.Event()
        threading.Thread(target=self._stutter, args=(self._slowed, share, period), daemon=True).start()

    def fast(self) -> None:
        """No longer slow."""
        if self._slowed:
            self._slowed.set()
            self._slowed = None
            time.sleep(0.3)
            self._signal(signal.SIGCONT)

    def run(self, command: str, check: bool = True, timeout: float = 120, **environment: str) -> str:
        """What a command in bash there says on stdout and stderr together, once it ended.

        It sees this Python's programs on its PATH and none of this process's environment. Raises
        AssertionError with what it said where it fails and `check`; after `timeout` seconds it is killed.
        """
        bounded = f"timeout --kill-after=5 {timeout} bash -c"
        done = subprocess.run(
            self._enter(environment, *bounded.split(), command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        assert not check or done.returncode == 0, (
            f"{self.name}: {command!r} ended with {done.returncode}:\n{done.stdout}"
        )
        return done.stdout

    def start(self, command: str, log: Path, **environment: str) -> subprocess.Popen:
        """A command in the background; it ends with the host, or by `run("kill ...")`, not by this handle."""
        with log.open("ab") as output:
            return subprocess.Popen(
                self._enter(environment, "bash", "-c", command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def processes(self, word: str = "") -> list[str]:
        """The command lines there that hold this word, but for the one that asks."""
        lines = self.run("ps -eo pid=,stat=,args= --width 500").splitlines()
        return [line.strip() for line in lines if word in line and "ps -eo" not in line]

    def path(self, path: str) -> Path:
        """Where this process finds a file of the host, while that is on."""
        return Path(f"/proc/{self._init}/root{path}")

    def _furnish(self) -> None:
        """The hosts' names, and the key that opens all of them: made for this test, never a password."""
        ssh, folder = self.path(f"{HOME}/.ssh"), self._disk.parent
        ssh.mkdir(mode=0o700, exist_ok=True)
        shutil.copy(folder / "key", ssh / "id_ed25519")
        shutil.copy(folder / "key.pub", ssh / "authorized_keys")
        shutil.copy(folder / "hosts", self.path("/etc/hosts"))
        (ssh / "config").write_text("StrictHostKeyChecking accept-new\nLogLevel ERROR\n")
        wrong = " ".join(f"{name}={value}" for name, value in self._clock().items())
        self.path("/run/sshd_config").write_text(SSHD + (f"SetEnv {wrong}\n" if wrong else ""))

    def _plug_in(self) -> None:
        here, there = f"to-{self.name}", ["nsenter", f"--target={self._init}", "--net", "ip"]
        wire = f"ip link add {here} type veth peer name eth0 netns {self._init}"
        _outside(self._keeper, *wire.split())
        _outside(self._keeper, *f"ip link set {here} master lan up".split())
        for command in ("link set lo up", f"address add {self.address}/24 dev eth0", "link set eth0 up"):
            _check(*there, *command.split())
        _check(*there, *f"route add default via {NETWORK}.1".split())

    def _enter(self, environment: Mapping[str, str], *command: str) -> list[str]:
        assert self._process, f"{self.name} is off"
        path = f"{Path(sys.executable).parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        settings = {"HOME": HOME, "PATH": path, "LANG": "C.UTF-8", "OMP_NUM_THREADS": "1"}
        settings |= self._clock() | dict(environment)
        spaces = ("--mount", "--uts", "--ipc", "--pid", "--net", "--root", "--wd")
        pairs = [f"{name}={value}" for name, value in settings.items()]
        return ["nsenter", f"--target={self._init}", *spaces, "env", "-i", *pairs, *command]

    def _clock(self) -> dict[str, str]:
        """libfaketime, which shifts the clocks that count from the boot too: seconds take as long as ever.

        Tried with Ray two hours ahead: it starts, joins and works. Behind is only possible by less than this
        machine's uptime; leaving the other clocks true breaks `time.sleep` (EINVAL).
        """
        if not self.clock:
            return {}
        return {
            "LD_PRELOAD": FAKETIME,
            "FAKETIME": f"{self.clock:+g}s",
        }

    def _stutter(self, over: threading.Event, share: float, period: float) -> None:
        while not over.wait(period * share):
            self._signal(signal.SIGSTOP)
            over.wait(period * (1 - share))
            self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        """To every process of the host but its first; and to `nsenter`, which stops with its own child."""
        space = _space(self._init)
        for process in psutil.process_iter():
            if process.pid == self._init or not space or _space(process.pid) != space:
                continue
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
                parent = process.parent()
                if number == signal.SIGCONT and parent and _space(parent.pid) != space:
                    parent.send_signal(number)


@contextmanager
def hosts(
    folder: Path,
    names: Sequence[str],
    shared: Path | None = None,
    at: str | None = None,
    disk: str = "8g",
    clocks: Mapping[str, float] | None = None,
) -> Iterator[dict[str, Host]]:
    """Hosts by name, switched on, reaching each other by name and by `ssh` as root with the key at KEY.

    shared: a folder of this machine that all of them mount, at the same path or `at` another.
    disk: the most that each can write to its own disk, which is in memory.
    clocks: seconds by which the clocks of some are wrong, for whatever `run`, `start` and ssh start there.
    A laptop to submit from is one more name. Skips the test where this machine cannot do it.
    """
    _skip_unless_possible()
    folder.mkdir(parents=True, exist_ok=True)
    keeper = _keeper(folder, disk, names)
    there = str(shared or "")
    addresses = {name: f"{NETWORK}.{number}" for number, name in enumerate(names, start=11)}
    everyone: dict[str, Host] = {}
    try:
        if not (folder / "key").exists():
            _check("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(folder / "key"))
        lines = ["127.0.0.1 localhost", *(f"{address} {name}" for name, address in addresses.items())]
        (folder / "hosts").write_text("\n".join(lines) + "\n")
        for name, address in addresses.items():
            init = _first_process(keeper.pid)
            everyone[name] = Host(name, address, init, folder / name, (there, at or there))
            everyone[name].clock = (clocks or {}).get(name, 0.0)
            everyone[name].boot()
        yield everyone
    finally:
        for host in everyone.values():
            host.fast()
        keeper.kill()  # takes its namespaces along, and with them every host
        keeper.wait()


def _keeper(folder: Path, disk: str, names: Sequence[str]) -> subprocess.Popen:
    """A process whose namespaces hold the disks, the bridge and all hosts; it dies with this process."""
    ready = folder / "ready"
    steps = [
        *(f"mkdir -p {folder}/{each}; mount -t tmpfs -o size={disk} tmpfs {folder}/{each}" for each in names),
        "ip link set lo up; ip link add lan type bridge; ip link set lan up",
        f"ip address add {NETWORK}.1/24 dev lan; touch {ready}",
        "while :; do sleep infinity & wait $!; done",
    ]
    process = subprocess.Popen(
        [
            *("setpriv", "--pdeathsig", "KILL"),
            *("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"),
            *("bash", "-ec", "\n".join(steps)),
        ]
    )
    _until(lambda: ready.exists() or process.poll() is not None)
    ready.unlink()
    return process


def _elsewhere() -> list[Path]:
    """What a test needs that a host does not see by itself: it has a view of the root's file system alone,
    and folders of its own over some of that."""
    paths = {REPOSITORY, Path(sys.prefix), Path(sys.base_prefix)}
    root, own = Path("/").stat().st_dev, ("/tmp", "/run", "/dev", HOME)
    return sorted(path for path in paths if path.stat().st_dev != root or any(map(path.is_relative_to, own)))


def _skip_unless_possible() -> None:
    if os.geteuid() != 0:
        pytest.skip("hosts in namespaces need root")
    missing = [name for name in NEEDED if not shutil.which(name)]
    if missing:
        pytest.skip(f"hosts in namespaces need {', '.join(missing)} (Debian: openssh-server rsync iproute2)")
    layers = "lowerdir=/,upperdir=/mnt/u,workdir=/mnt/w"
    overlay = f"set -e; mount -t tmpfs t /mnt; cd /mnt; mkdir u w r; mount -t overlay o -o {layers} r"
    tried = subprocess.run(
        ["unshare", "--mount", "--net", "--pid", "--fork", "bash", "-c", overlay], capture_output=True
    )
    if tried.returncode:
        pytest.skip(f"this machine makes no namespaces or overlays: {tried.stderr.decode().strip()}")


def _outside(keeper: int, *command: str, check: bool = True) -> None:
    """On the bridge's side. By processes of this machine, so that their ids mean what they mean here."""
    _check("nsenter", f"--target={keeper}", "--net", *command, check=check)


def _check(*command: str, check: bool = True) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    assert not check or done.returncode == 0, f"{' '.join(command)}: {done.stderr}"


def _first_process(starter: int) -> int:
    """The first process of the process namespace that another process made; 0 where it is not there yet."""
    with suppress(psutil.NoSuchProcess, FileNotFoundError):
        for child in psutil.Process(starter).children(recursive=True):
            status = Path(f"/proc/{child.pid}/status").read_text()
            if status.split("NSpid:")[1].split("\n")[0].split()[-1] == "1":
                return child.pid
    return 0


def _space(pid: int) -> str:
    """The process namespace of a process; nothing where it is gone."""
    with suppress(OSError):
        return os.readlink(f"/proc/{pid}/ns/pid")
    return ""


def _until(condition: Callable[[], T], seconds: float = 30) -> T:
    end = time.monotonic() + seconds
    while not (met := condition()):
        assert time.monotonic() < end, "a host did not come up"
        time.sleep(0.02)
    return met
