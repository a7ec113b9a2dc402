"""Sandboxes forked from a prepared process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from lamina.sandbox import Bind, Exit, SandboxSpec
from lamina.sandbox._world import NESTED_USER

OVERFLOW = 65_534  # the kernel's name for a group without one

BOOTSTRAP = """
import json, os, random, ssl, sys

IMPORTED_BY = os.getpid()

def main():
    exec(open(3).read(), {"forked": IMPORTED_BY != os.getpid(), "json": json, "os": os, "sys": sys,
                          "random": random, "ssl": ssl})

if __name__ == "__main__":
    main()
"""


class Runtime:
    """A runtime with the bootstrap above, which runs what it is sent."""

    def __init__(self, inside: Any, directory: Path, python: str, *binds: Bind) -> None:
        self._inside = inside
        self._environment = {"LD_LIBRARY_PATH": "/var/lang/lib", "LAMINA_GENERIC": "1", "ONE": "1"}
        (directory / "bootstrap.py").write_text(BOOTSTRAP)
        directory.chmod(0o755)
        self.spec = SandboxSpec(
            argv=(python, "-S", "/var/runtime/bootstrap.py"),
            environment=self._environment,
            binds=(*binds, Bind(source=directory, target="/var/runtime")),
            forkable="test",
        )

    async def run(self, code: str) -> Any:
        sandbox = await self._inside.launcher.start(self.spec, fork=True)
        sandbox.send_control(code.encode())
        return await self._inside.end(sandbox)

    async def ready(self) -> None:
        """Start until one was forked."""
        async with asyncio.timeout(20):
            while (await self.run("print(forked)")).output != "True\n":  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.02)


@pytest.fixture
async def runtime(isolated: Any, tmp_path: Path) -> Runtime:
    directory = tmp_path / "runtime"
    directory.mkdir()
    made = Runtime(isolated, directory, isolated.python, isolated.language)
    await made.ready()
    return made


async def test_a_fork_has_its_own_environment_and_control_message(runtime: Any) -> None:
    ended = await runtime.run("print(forked, os.environ['ONE'], sorted(os.environ) == ['LAMINA_GENERIC', "
                              "'LD_LIBRARY_PATH', 'ONE'])")  # fmt: skip
    assert ended.output == "True 1 True\n"
    assert ended.exit == Exit(status=0)


async def test_a_fork_has_as_few_rights_as_any_other(runtime: Any) -> None:
    ended = await runtime.run("""
status = dict(line.strip().partition(":\\t")[::2] for line in open("/proc/self/status"))
print({status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")})
print(status["NoNewPrivs"], status["Seccomp"], os.getuid() != 0, os.getgroups(), os.getpid())
print(sorted(os.listdir("/proc/self/fd"))[:4], open("/dev/stdout", "w") is not None)
""")
    lines = ended.output.splitlines()
    assert lines[0] == "{'0000000000000000'}"
    # Without root nobody can give up groups: those of the user stay, by their names in the nested namespace.
    groups = [NESTED_USER if group == os.getgid() else OVERFLOW for group in os.getgroups()]
    assert lines[1] in {"1 2 True [] 2", f"1 2 True {groups} 2"}
    assert lines[2].startswith("['0', '1', '2', '3']")


async def test_nothing_of_the_launcher_is_left_in_a_fork(runtime: Any) -> None:
    ended = await runtime.run("print([name for name in sys.modules if name.startswith('lamina')], "
                              "sorted(os.listdir('/run')), os.listdir('/run/lamina'))")  # fmt: skip
    assert ended.output == "[] ['identity', 'lamina'] []\n"


async def test_no_two_forks_draw_the_same_random_numbers(runtime: Any) -> None:
    code = "print(json.dumps([random.random(), ssl.RAND_bytes(8).hex(), os.urandom(8).hex()]))"
    drawn = [json.loads((await runtime.run(code)).output) for _ in range(4)]
    for numbers in zip(*drawn, strict=True):
        assert len(set(numbers)) == 4


@pytest.mark.parametrize(
    ("code", "status"), [("sys.exit(3)", 3), ("sys.exit()", 0), ("sys.exit('why')", 1), ("raise KeyError", 1)]
)
async def test_it_ends_as_a_script_does(runtime: Any, code: str, status: int) -> None:
    ended = await runtime.run(code)
    assert ended.exit == Exit(status=status)


async def test_a_fork_has_a_tmp_of_its_own(runtime: Any) -> None:
    for _ in range(4):
        ended = await runtime.run("print(os.listdir('/tmp')); open('/tmp/left', 'w')")
        assert ended.output == "[]\n"


async def test_without_its_template_it_starts_afresh(runtime: Any, isolated: Any) -> None:
    os.kill(template_of(isolated.launcher._connection._process.pid), signal.SIGKILL)
    for _ in range(5):
        ended = await runtime.run("print('runs')")
        assert ended.output == "runs\n"


def template_of(launcher: int) -> int:
    """The child of the launcher that is a template and, unlike its forks, in no process namespace of its own."""
    children = Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()
    templates = [c for c in children if Path(f"/proc/{c}/cmdline").read_bytes().endswith(b"_launch.py\0template\0")]
    lines = {child: Path(f"/proc/{child}/status").read_text().splitlines() for child in templates}
    return next(int(child) for child in templates if f"NSpid:\t{child}" in lines[child])


async def test_what_is_not_our_bootstrap_is_executed(isolated: Any) -> None:
    spec = SandboxSpec(argv=("/bin/echo", "executed"), environment={"LAMINA_GENERIC": "1"}, forkable="echo",
                       working_directory="/")  # fmt: skip
    for _ in range(2):
        sandbox = await isolated.launcher.start(spec, fork=True)
        assert (await isolated.end(sandbox)).output == "executed\n"
