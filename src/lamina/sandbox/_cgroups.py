"""Control groups: memory and processes of each sandbox limited, and all of it frozen or killed at once.

Version 1 has a hierarchy for each controller, version 2 one for all. On a hybrid machine the limits are of version 1
and ``cgroup.freeze`` and ``cgroup.kill`` of the version 2 mount, which needs no controller for them. The groups are
made under the launcher's own, so what binds the server binds its sandboxes.
"""

from __future__ import annotations

import os

from lamina.sandbox._cgroup_memory import MemoryV1, MemoryV2

NEEDED = ("memory", "pids")
EBUSY, ENOENT = 16, 2
# MemorySize at which a function has one whole CPU (Lambda guide, "Configuring function memory").
MEGABYTES_PER_CPU = 1769
CPU_PERIOD = 100_000
LEAST_QUOTA = 1_000


class Group:
    """The control groups of one sandbox: a directory in each hierarchy in use."""

    def __init__(self, places: dict[str, str]) -> None:
        """``places`` has a directory for ``memory``, ``pids`` and, where there is one, ``unified`` and ``freezer``."""
        self._places = places
        self._directories = sorted(set(places.values()))
        for directory in self._directories:
            os.mkdir(directory)
        memory = places["memory"]
        version_2 = os.path.exists(f"{memory}/memory.max")
        self.memory: MemoryV1 | MemoryV2 = MemoryV2(memory) if version_2 else MemoryV1(memory)

    def limit(self, *, memory_mb: int, processes: int) -> None:
        """Set the limits; they hold at once. One more process than asked for is the sandbox's own reaper."""
        self.memory.limit(memory_mb * 1024 * 1024)
        _write(f"{self._places['pids']}/pids.max", str(processes + 1))
        if "cpu" in self._places:
            self._limit_cpu(max(LEAST_QUOTA, memory_mb * CPU_PERIOD // MEGABYTES_PER_CPU))

    def attach(self, pid: int) -> None:
        """Move the process ``pid`` in; takes up to 12 ms, as the kernel waits for a quiet moment on all CPUs."""
        for directory in self._directories:
            _write(f"{directory}/cgroup.procs", str(pid))

    def freezer(self) -> tuple[int, str, str] | None:
        """A descriptor to write to, with the words for freeze and thaw; none where nothing can freeze."""
        if "unified" in self._places:
            return os.open(f"{self._places['unified']}/cgroup.freeze", os.O_WRONLY | os.O_CLOEXEC), "1", "0"
        if "freezer" in self._places:
            path = f"{self._places['freezer']}/freezer.state"
            return os.open(path, os.O_WRONLY | os.O_CLOEXEC), "FROZEN", "THAWED"
        return None

    def kill(self) -> None:
        """Kill all processes, frozen or not. Version 1 has no such file: then its frozen ones must thaw to die."""
        if "unified" in self._places:
            _write(f"{self._places['unified']}/cgroup.kill", "1")
        elif "freezer" in self._places:
            _write(f"{self._places['freezer']}/freezer.state", "THAWED")

    def remove(self) -> bool:
        """Remove the directories; false when a dead process still lingers in one: try again."""
        return all(list(map(_remove, self._directories)))

    def _limit_cpu(self, quota: int) -> None:
        directory = self._places["cpu"]
        if os.path.exists(f"{directory}/cpu.max"):
            _write(f"{directory}/cpu.max", f"{quota} {CPU_PERIOD}")
        else:
            _write(f"{directory}/cpu.cfs_period_us", str(CPU_PERIOD))
            _write(f"{directory}/cpu.cfs_quota_us", str(quota))


class Groups:
    """The launcher's place in each hierarchy, and the record of it that the next launcher cleans up by."""

    def __init__(self, name: str, record: str, *, cpu: bool = False) -> None:
        """Make a directory ``name`` in each hierarchy. Raises ``OSError`` where the machine does not let one."""
        parents = find(_read("/proc/self/cgroup"), _read("/proc/self/mountinfo"))
        missing = [kind for kind in NEEDED if kind not in parents]
        if missing:
            raise OSError(ENOENT, f"no usable control group for {' and '.join(missing)}")
        if not cpu:
            parents.pop("cpu", None)
        self.freezable = "unified" in parents or "freezer" in parents
        self._bases = {kind: f"{parent}/{name}" for kind, parent in parents.items()}
        self._record = record
        _write(record, "".join(f"{base}\n" for base in sorted(set(self._bases.values()))), create=True)
        try:
            for base in sorted(set(self._bases.values())):
                _delegate(os.path.dirname(base))
                os.mkdir(base)
                _delegate(base)
        except OSError:
            self.close()
            raise

    def create(self, name: str) -> Group:
        """The groups of a new sandbox."""
        return Group({kind: f"{base}/{name}" for kind, base in self._bases.items()})

    def close(self) -> None:
        """Remove the launcher's directories and the record of them."""
        if remove_recorded(self._record):
            os.unlink(self._record)


def find(own_groups: str, mount_table: str) -> dict[str, str]:
    """The directory under which each kind of group can be made, by ``memory``, ``pids``, ``cpu``, … and ``unified``.

    The arguments are the contents of ``/proc/self/cgroup`` and ``/proc/self/mountinfo``.
    """
    own = [line.split(":", 2) for line in own_groups.splitlines()]
    mounted = _mounted(mount_table)
    paths = {kind: path for _, kinds, path in own for kind in kinds.split(",")}
    found: dict[str, str] = {}
    for root, mount_point, kind, options in mounted:
        if kind == "cgroup":
            for controller in {"memory", "pids", "cpu", "freezer"} & set(options):
                found[controller] = _below(mount_point, root, paths[controller])
    for root, mount_point, kind, _ in mounted:
        if kind == "cgroup2":
            _find_unified(found, mount_point, _below(mount_point, root, paths[""]))
    return found


def _find_unified(found: dict[str, str], mount_point: str, own: str) -> None:
    """Version 2 forbids groups with limits beside processes: take the nearest ancestor that delegates memory."""
    directory = own
    available = _read(f"{mount_point}/cgroup.controllers").split()
    if "memory" in available:
        while directory != mount_point and "memory" not in _read(f"{directory}/cgroup.subtree_control").split():
            directory = os.path.dirname(directory)
        for controller in {"memory", "pids", "cpu"} & set(available):
            found[controller] = directory
    found["unified"] = directory
    found.pop("freezer", None)


def _mounted(mount_table: str) -> list[tuple[str, str, str, list[str]]]:
    """Root, mount point, kind and options of each mounted hierarchy."""
    lines = [line.split() for line in mount_table.splitlines()]
    rows = [(line[3], line[4], line[line.index("-") + 1], line[-1].split(",")) for line in lines]
    return [row for row in rows if row[2] in {"cgroup", "cgroup2"}]


def _below(mount_point: str, root: str, path: str) -> str:
    """Where the group ``path`` is seen when ``root`` of its hierarchy is mounted at ``mount_point``."""
    inner = path[len(root) :] if root != "/" and path.startswith(root) else path
    return f"{mount_point}/{inner.strip('/')}".rstrip("/")


def _delegate(directory: str) -> None:
    """Let the children of a version 2 group have the controllers that it has itself."""
    if os.path.exists(f"{directory}/cgroup.subtree_control"):
        usable = {"memory", "pids", "cpu"} & set(_read(f"{directory}/cgroup.controllers").split())
        lacking = usable - set(_read(f"{directory}/cgroup.subtree_control").split())
        if lacking:
            _write(f"{directory}/cgroup.subtree_control", " ".join(f"+{name}" for name in sorted(lacking)))


def remove_recorded(record: str) -> bool:
    """Kill and remove what is left in the groups that ``record`` names; false when something could not go yet."""
    bases = _read(record).splitlines()
    leaves = [f"{base}/{name}" for base in bases if os.path.isdir(base) for name in os.listdir(base)]
    directories = [leaf for leaf in leaves if os.path.isdir(leaf)]
    for directory in directories:
        if os.path.exists(f"{directory}/cgroup.kill"):
            _write(f"{directory}/cgroup.kill", "1")
    return all(list(map(_remove, (*directories, *bases))))


def _remove(directory: str) -> bool:
    try:
        os.rmdir(directory)
    except OSError as error:
        if error.errno == EBUSY:
            return False
        if error.errno != ENOENT:
            raise
    return True


def _read(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


def _write(path: str, text: str, *, create: bool = False) -> None:
    flags = os.O_CREAT | os.O_TRUNC if create else 0
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | flags, 0o600)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
