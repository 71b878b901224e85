"""Memory and processors that containers, batch systems and services leave to a process."""

import pytest

from rsd_mri.machine import limits

GIB = 1 << 30
NO_LIMIT = 9223372036854771712
"""What version 1 writes where there is none."""


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine of 64 GiB, 60 of them free, whose control groups are files in a folder."""
    for name in ("MEMINFO", "GROUPS", "MOUNT", "STATM"):
        monkeypatch.setattr(limits, name, tmp_path / name)
    (tmp_path / "MEMINFO").write_text(f"MemTotal: {64 << 20} kB\nMemFree: 7 kB\nMemAvailable: {60 << 20} kB\n")

    def of(groups, **files):
        (tmp_path / "GROUPS").write_text(groups)
        (tmp_path / "MOUNT").mkdir(exist_ok=True)
        for name, text in files.items():
            path = tmp_path / "MOUNT" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n")

    return of


def found():
    return limits.total_memory() / GIB, limits.free_memory() / GIB, limits.processors_allowed()


def test_a_machine_without_groups(machine):
    assert found() == (64, 60, float("inf"))


def test_a_container_of_version_2_sees_its_own_group_at_the_top(machine):
    stat = f"anon 5\nfile 9\ninactive_file {GIB}\nactive_file 3"
    machine(
        "0::/\n",
        **{"memory.max": 8 * GIB, "memory.current": 3 * GIB, "memory.stat": stat, "cpu.max": "150000 100000"},
    )
    assert found() == (8, 6, 1.5)


def test_the_least_of_a_job_and_the_groups_above_it_counts(machine):
    """As Slurm and systemd nest them: the step has no limit of its own, the job has, and what is above it another."""
    job = "system.slice/slurmstepd.scope/job_7"
    machine(
        f"0::/{job}/step_0/user/task_0\n",
        **{
            f"{job}/step_0/memory.max": "max", f"{job}/step_0/memory.current": GIB,
            f"{job}/step_0/cpu.max": "max 100000",
            f"{job}/memory.max": 4 * GIB, f"{job}/memory.current": 3 * GIB,
            "system.slice/memory.max": 32 * GIB, "system.slice/memory.current": 30 * GIB,
            "system.slice/cpu.max": "400000 100000",
        },
    )  # fmt: skip
    total, free, processors = found()
    assert (total, processors) == (4, 4)
    assert free == 1


def test_version_1_with_its_controllers_in_folders(machine):
    machine(
        "9:name=systemd:/\n4:memory:/box/7\n2:cpu,cpuacct:/box/7\n0::/\n",
        **{
            "memory/box/7/memory.limit_in_bytes": 2 * GIB, "memory/box/7/memory.usage_in_bytes": GIB,
            "memory/box/7/memory.stat": f"inactive_file 1\ntotal_inactive_file {GIB // 2}",
            "memory/memory.limit_in_bytes": NO_LIMIT, "memory/memory.usage_in_bytes": 4 * GIB,
            "cpu,cpuacct/box/7/cpu.cfs_quota_us": 200000, "cpu,cpuacct/box/7/cpu.cfs_period_us": 100000,
            "cpu,cpuacct/cpu.cfs_quota_us": -1, "cpu,cpuacct/cpu.cfs_period_us": 100000,
        },
    )  # fmt: skip
    assert found() == (2, 1.5, 2)


def test_a_path_of_the_host_that_a_container_does_not_see(machine):
    machine("4:memory:/docker/abc\n", **{"memory/memory.limit_in_bytes": GIB, "memory/memory.usage_in_bytes": GIB // 4})
    assert found() == (1, 0.75, float("inf"))


@pytest.mark.parametrize("text", ["", "max", "words and words", "-1", "0::"])
def test_what_is_no_limit_is_none(machine, text):
    machine("0::/a\n", **{"a/memory.max": text, "a/memory.current": text, "a/cpu.max": text, "memory.stat": text})
    assert found() == (64, 60, float("inf"))


@pytest.mark.parametrize(
    ("quota", "cpus", "found"), [("max", 8, 8), ("150000", 8, 1), ("180000", 8, 2), ("20000", 8, 1), ("1600000", 4, 4)]
)
def test_processors_are_those_of_the_set_and_the_quota(machine, monkeypatch, quota, cpus, found):
    """`cpu.max` of a container, and the processors that `taskset` or a cpuset leaves; more, as `os.cpu_count` says."""
    machine("0::/\n", **{"cpu.max": f"{quota} 100000"})
    monkeypatch.setattr(limits.os, "sched_getaffinity", lambda process: set(range(cpus)), raising=False)
    monkeypatch.setattr(limits.os, "cpu_count", lambda: 64)
    assert limits.processors() == found


def test_a_group_that_is_over_its_limit_has_nothing_free(machine):
    machine("0::/\n", **{"memory.max": GIB, "memory.current": 2 * GIB})
    assert limits.free_memory() == 0


@pytest.mark.parametrize(("name", "has"), [("RLIMIT_AS", 3), ("RLIMIT_DATA", 2)])
def test_a_limit_of_the_process_itself_counts(machine, tmp_path, monkeypatch, name, has):
    """Addresses, as `ulimit -v` and some batch systems limit, and data; /proc/self/statm counts pages of both."""
    resource = pytest.importorskip("resource")
    limit = {getattr(resource, name): 5 * GIB}
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (limit.get(kind, resource.RLIM_INFINITY),) * 2)
    page = resource.getpagesize()
    (tmp_path / "STATM").write_text(f"{3 * GIB // page} 7 7 7 0 {2 * GIB // page} 0\n")
    assert found() == (5, 5 - has, float("inf"))
    (tmp_path / "STATM").write_text(f"{9 * GIB // page} 7 7 7 0 {9 * GIB // page} 0\n")
    assert found() == (5, 0, float("inf"))
