"""Who is compared: values alone. Each system's times are its own defaults unless its name says otherwise."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

__all__ = ["KUBERNETES", "NOVA", "OURS", "SYSTEMS", "Kind", "System", "named", "scaled"]


class Kind(StrEnum):
    OURS = "ours"
    NOVA = "nova"
    KUBERNETES = "kubernetes"


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """`interval` and `down_time` in seconds, as each calls them; `driver` is Nova's, `backend` that of its cache;
    `store` is ours.
    """

    name: str
    kind: Kind
    title: str
    interval: int = 10
    down_time: int = 60
    driver: str = ""
    backend: str = ""
    store: str = ""


def _ours(name: str, title: str, *, interval: int = 10, down_time: int = 60) -> System:
    title, store = f"this project, {title}", title.lower()
    return System(name=name, kind=Kind.OURS, title=title, store=store, interval=interval, down_time=down_time)


def _nova(name: str, title: str, backend: str = "", *, interval: int = 10, down_time: int = 60) -> System:
    return System(
        name=name,
        kind=Kind.NOVA,
        title=f"Nova, {title}",
        driver="mc" if backend else "db",
        backend=backend,
        interval=interval,
        down_time=down_time,
    )


def _kubernetes(name: str, title: str) -> System:
    return System(name=name, kind=Kind.KUBERNETES, title=f"Kubernetes, {title}", interval=10, down_time=50)


OURS = (
    _ours("ours-mariadb", "MariaDB"),
    _ours("ours-postgresql", "PostgreSQL"),
    _ours("ours-memcached", "memcached"),
    _ours("ours-fast", "MariaDB", interval=5, down_time=20),
)
NOVA = (
    _nova("nova-db-default", "driver db"),
    _nova("nova-db-fuel", "driver db", interval=60, down_time=180),
    _nova("nova-db-fast", "driver db", interval=5, down_time=20),
    _nova("nova-mc-pool", "driver mc, oslo_cache.memcache_pool", "oslo_cache.memcache_pool"),
    _nova("nova-mc-memcached", "driver mc, dogpile.cache.memcached", "dogpile.cache.memcached"),
    _nova("nova-mc-pymemcache", "driver mc, dogpile.cache.pymemcache", "dogpile.cache.pymemcache"),
)
KUBERNETES = (
    _kubernetes("kubernetes-node", "condition Ready of the node"),
    _kubernetes("kubernetes-phase", "phase of the pod"),
    _kubernetes("kubernetes-pod", "condition Ready of the pod, no probes"),
    _kubernetes("kubernetes-probed", "condition Ready of the pod, with probes"),
)
SYSTEMS = {one.name: one for one in (*OURS, *NOVA, *KUBERNETES)}


def named(names: Iterable[str]) -> list[System]:
    """In the order of the tables. The beginning of names (`ours`, `nova-mc`) is all of theirs. Raises ValueError."""
    found = {name: [one for one in SYSTEMS.values() if f"{one.name}-".startswith(f"{name}-")] for name in names}
    if strangers := [name for name, systems in found.items() if not systems]:
        raise ValueError(f"{', '.join(strangers)}: no such system; there are {', '.join(SYSTEMS)}")
    return [one for one in SYSTEMS.values() if any(one in systems for systems in found.values())]


def scaled(system: System, scale: float) -> System:
    """Whole seconds, as Nova has them, and the ratio of the two kept at the least."""
    interval = max(1, round(system.interval * scale))
    ratio = system.down_time / system.interval
    return replace(system, interval=interval, down_time=max(round(system.down_time * scale), round(ratio * interval)))
