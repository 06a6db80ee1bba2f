"""The whole page of a run: how it was done, the tables, and what speaks for the others; figures in, text out."""

from collections.abc import Sequence
from textwrap import fill

from tests.compare.faults import bystanders, nodes
from tests.compare.glance import glance
from tests.compare.kept import Found
from tests.compare.losses import losses
from tests.compare.plan import MEMBERS, Plan
from tests.compare.table import WIDTH, render

__all__ = ["report"]

HEAD = """\
# Beside the others

The same faults in one run: on Nova's own service groups, on what a Kubernetes user has without us, and on ours. Two
things are measured: how long after a death it is published, and who is published dead and lives.

`make compare` repeats all of it and prints this page, `make compare ARGS=--write` writes it. It takes about 20 minutes,
root for the lines of the kubelet, and Debian's `mariadb-server`, `postgresql` and `memcached`."""

GLANCE = """\
The median until a death is published, in seconds, and how many of the living were published dead: in the two last
columns nothing else matters, since nobody died. Of `agent-killed` and `partition` the service lives on."""

FIGURES = """\
Times are in seconds, I/T is interval and down time. "False deaths" are of nodes that no fault struck. Several systems
in one command (`--systems ours,nova-mc`) run at once, as here."""

FUEL = "https://github.com/openstack-archive/fuel-library"
"""At commit e9b88ad, deployment/puppet/osnailyfacter/modular/globals/globals.pp."""

HOW = f"""\
## How it is done, and what is not in it

- **A node** is a set of processes: a service that answers by HTTP, our agent for each of our systems, and Nova's
  service for each of Nova's. What befalls a node befalls all of these in the same moment. Processes are forked from one
  that has loaded the program, theirs and ours alike.
- **I/T** is the interval and the down time (`report_interval`/`service_down_time`; of Kubernetes how often a lease is
  renewed, and `--node-monitor-grace-period`). 10/60 are the defaults of Nova and ours; 60/180 is what
  [Fuel] deployed Nova with (`osnailyfacter/modular/globals/globals.pp`); 5/20 is a setting for the impatient, for both.
- **Deaths published** are those of nodes that were up when the fault struck. "Before it died" is who was published dead
  and lived, so that nothing is known of its death.
- **Published** is the first answer that says so: Nova's `servicegroup.API.service_is_up`, asked each second for the
  services as the scheduler lists them; the status of our resource, read from the API server each second; node and
  pods read each quarter of a second, since a container that ends is back before a second is over.
- **Of Nova runs**: `nova.service.Service.start` in native threads, as `nova-compute` does, its timer, its drivers and
  oslo.cache, on tables that its own migrations made. **Left out**: RabbitMQ and `nova-conductor`. Services write to the
  database themselves, as the conductor does for them, so what a queue and its timeouts (60 s) add is not in Nova's
  figures. The manager of hypervisors is an empty one. Each system has a database of its own in the one MariaDB; the
  memcached is shared. `nova-api` would cut short a database that hangs and answer `UNKNOWN`; here the database is
  asked directly, by the driver mc's reader too, which lists its services there.
- **Nova's backends** are those that oslo.cache documents for memcached, with their defaults. Redis and etcd, which it
  offers as well, are not run.
- **A hang** is SIGSTOP, which is kind to Nova: a `nova-compute` whose hypervisor hangs while its timer runs goes on
  beating.
- **Of Kubernetes runs** a real API server, controller manager, scheduler, kubelet and containerd, one node, so that its
  figures are of one try. Probes have their defaults (every 10 s, three failures). The kubelet starts again what ended,
  which nobody else here does; a container that was back between two looks was never seen to be dead.
- **A restart of memcached**: a client of python-memcached that meets the server in the second that it is away counts it
  as dead for `memcache_dead_retry`, 300 s by default, and answers nothing meanwhile. Whoever asks each second meets it
  surely; a service that beats every ten seconds does so one time in ten.
- **The partition** is a proxy that passes nothing on and refuses nothing; a new connection is taken, and not answered.
- **The machine** has two cores, which other work shared: figures of the same line differ by some seconds from
  run to run, for all systems alike.

[Fuel]: {FUEL}"""

LOST = """\
## What we lose

By intent:

- Of a node whose agent alone is dead we say Down, reason `Silent`, as if it were dead. Nova has no agent that could
  die. In a pod the kubelet starts it again at once; here nobody does.
- When more than half of a group fall silent at once they are held as Unknown for ten minutes at most. No fault here
  strikes so many; Nova would publish them after T, right or wrong.
- Nova needs no operator and no second process on a node, and its reader asks the store itself.
- Our agents give a call to the store at most an interval, Nova's services wait for as long as it takes. In a run
  with an interval of two seconds, on a machine that was far too busy, Nova's were up within seconds and ours after
  three minutes.
- A service that ends or hangs is found by a check that fails three times. A kubelet sees its container end at once."""


def report(found: Found) -> str:
    plan, results = found.plan, found.results
    tables = render(results, systems=plan.systems, faults=plan.faults, absent=found.absent, options=_options(plan))
    lost = losses(results, systems=plan.systems, faults=plan.faults) or ["Nothing."]
    parts = [
        HEAD,
        *_trial(plan),
        f"## At a glance\n\n{glance(results, systems=plan.systems, faults=plan.faults)}\n\n{GLANCE}",
        f"## What ran\n\n{_list([*found.versions, _size(plan)])}",
        f"## Figures\n\n{FIGURES}\n\n{tables.strip()}",
        f"{LOST}\n\nIn the figures above:\n\n{_list(lost)}",
        HOW,
    ]
    return "\n\n".join(parts) + "\n"


def _options(plan: Plan) -> str:
    members = "" if plan.members == MEMBERS else f" --members {plan.members}"
    return members + ("" if plan.scale == 1 else f" --scale {plan.scale:g}")


def _trial(plan: Plan) -> list[str]:
    """Nobody shall take a trial for the comparison."""
    if plan.scale == 1:
        return []
    return [f"**A trial: all times of all systems were multiplied by {plan.scale:g}. These are nobody's defaults.**"]


def _size(plan: Plan) -> str:
    names = nodes(plan.faults, members=plan.members)
    living = len(bystanders(names))
    return f"{len(names)} nodes, of which {living} live throughout; each fault of nodes strikes {plan.members}."


def _list(sentences: Sequence[str]) -> str:
    lines = (fill(f"- {one}", WIDTH, subsequent_indent="  ", break_on_hyphens=False) for one in sentences)
    return "\n".join(lines)
