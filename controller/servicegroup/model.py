"""The values that every layer shares: names, policy, what an agent writes, what a store holds.

Nothing here does I/O or reads a clock. Seconds are floats, wall-clock times are seconds since 1970 in UTC.
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Self

SIGHT_INTERVALS = 2.5
"""C = 2.5 x I: two beats of any agent fall into it, with half an interval for the way (design, section 2)."""

LONGEST_PASS = 1.0
"""Seconds between two looks at a store; a tenth of the interval where that is shorter (design, rule 3)."""

JITTER = 0.1
"""The part of an interval by which an agent's wait may be shortened, at random."""

LONGEST_NAME = 253
"""Characters of a member's name, as of a Kubernetes object's."""

SHORTEST_INTERVAL = 0.1
LONGEST_INTERVAL = 3600.0
"""Seconds between two beats; as in the resource's schema."""


DAY = 86400.0
"""Seconds."""

LONGEST_PROMISE = 8 * DAY
"""Seconds: a row of who promises more would be swept from its store before its next beat."""

LONGEST_SHOWN = 60
"""Characters of a refused name in an error's message."""


class InvalidName(ValueError):
    """A name of a member or group that is refused; the message names it, says what is allowed and what to do."""


class Verdict(StrEnum):
    UP = "Up"
    DOWN = "Down"
    UNKNOWN = "Unknown"


class Reason(StrEnum):
    """Why a verdict is what it is; the words stand in the resource's status."""

    BEATING = "Beating"
    SILENT = "Silent"
    FORCED_DOWN = "ForcedDown"
    SERVICE_NOT_RUNNING = "ServiceNotRunning"
    SERVICE_UNHEALTHY = "ServiceUnhealthy"
    MASS_FAILURE = "MassFailure"
    HOLD_ANNOUNCED = "HoldAnnounced"
    MISSING = "Missing"
    NOT_WATCHING = "NotWatching"
    STORE_UNREACHABLE = "StoreUnreachable"
    NO_OPERATOR = "NoOperator"

    @classmethod
    def _missing_(cls, _value: object) -> "Reason":
        return cls.NOT_WATCHING  # another version's word: the verdict counts, the reason comes anew


class State(StrEnum):
    """What an agent says of itself and of its service with each beat; a word of a newer agent's is a beat all the same.

    One that checks its main container says `healthy` or `unhealthy`, and `checking` until it knows; `beating` is the
    word of one that has nothing to check. While it drains nothing else counts.
    """

    BEATING = "beating"
    CHECKING = "checking"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    DRAINING = "draining"
    LEFT = "left"

    @classmethod
    def _missing_(cls, _value: object) -> "State":
        return cls.BEATING


@dataclass(frozen=True, slots=True, order=True)
class GroupKey:
    namespace: str
    name: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """`name` or `namespace/name`. Raises InvalidName."""
        namespace, slash, name = text.rpartition("/")
        key = cls(namespace if slash else "default", name)
        if (
            not (key.namespace and key.name)
            or "/" in key.namespace
            or not text.isprintable()
            or len(text) > 2 * LONGEST_NAME
        ):
            raise InvalidName(f"group {_shown(text)}: not the name of a group; write it as name or namespace/name")
        return key

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def check_member(name: str) -> str:
    """The name itself, when it may name a member. Raises InvalidName."""
    if not 1 <= len(name) <= LONGEST_NAME:
        raise InvalidName(f"member {_shown(name)}: {len(name)} characters; a name has 1 to {LONGEST_NAME}, shorten it")
    if name.isprintable():  # as almost all are; a reader of ten thousand would wait for the loop
        return name
    for place, character in enumerate(name):
        if unicodedata.category(character) in ("Cc", "Cs"):
            raise InvalidName(
                f"member {_shown(name)}: character {place + 1} (U+{ord(character):04X}) is a control character or half "
                "a character; a name may hold any other, colons, spaces and all scripts among them: take it out"
            )
    return name


def _shown(name: str) -> str:
    return ascii(name if len(name) <= LONGEST_SHOWN else name[:LONGEST_SHOWN] + "...")


@dataclass(frozen=True, slots=True)
class Policy:
    """The interval I and the time T after which silence is death, in seconds, as in force for a group."""

    interval: float
    down_time: float

    @property
    def sight(self) -> float:
        return SIGHT_INTERVALS * self.interval

    @property
    def pass_seconds(self) -> float:
        return min(LONGEST_PASS, self.interval / 10)

    @property
    def longest_gap(self) -> float:
        """More than this without a healthy pass is an interruption (rule 3)."""
        return self.interval / 2

    @property
    def longest_lateness(self) -> float:
        """Silence is death after half as long again as T at the latest, however slow the store or the observer was."""
        return self.down_time / 2

    @property
    def stale(self) -> float:
        """An answer older than this is no answer: 3 passes + I (design, section 3)."""
        return 3 * self.pass_seconds + self.interval

    def stretched(self, interval: float) -> "Policy":
        """This policy where beats come every `interval` at best, as an agent promised (rule 5) or a store bears: T and
        C scale with the larger of the two.
        """
        interval = min(interval, LONGEST_PROMISE)
        if interval <= self.interval:
            return self
        return Policy(interval, self.down_time * interval / self.interval)


@dataclass(frozen=True, slots=True)
class Beat:
    """What an agent writes: which start of it (incarnation), its how-manieth beat, and when it will beat next."""

    member: str
    incarnation: str
    sequence: int
    interval: float
    state: State = State.BEATING


class Fact(NamedTuple):
    """What a store holds of a member; `age` is seconds since its stamp, by the store's own clock.

    A tuple, since one is made for each member in each pass: a frozen dataclass takes four times as long to make.
    """

    member: str
    incarnation: str
    sequence: int
    interval: float
    state: State
    age: float


@dataclass(frozen=True, slots=True)
class Holder:
    """An agent's start that owns, or owned, a member's row."""

    incarnation: str
    sequence: int
    state: State

    def is_past(self, beat: Beat) -> bool:
        """The same start wrote as much or more, or has left: that beat or join was long on its way."""
        return self.incarnation == beat.incarnation and (self.sequence >= beat.sequence or self.state is State.LEFT)


@dataclass(frozen=True, slots=True)
class Old:
    """A member to forget, and its row as it was read; without an incarnation there is none."""

    member: str
    incarnation: str
    sequence: int


class Receipt(NamedTuple):
    """A store's answer to a join or a beat.

    `interval` is the group's, in seconds, None until an operator published it. `other` is who owns the row instead when
    it is not `owned` (None: the row is gone); after a join, who was displaced, or the joiner itself if it has left.
    """

    owned: bool
    interval: float | None
    other: Holder | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """All facts of some groups, and the epoch of the store on the very connection that read them.

    `published` is whose record the store holds of a group, and its publication; a group without one is not in it.
    """

    epoch: str
    facts: Mapping[GroupKey, tuple[Fact, ...]]
    published: Mapping[GroupKey, tuple[str, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Health:
    """The store took a canary from an agent's role on a new connection and gave it back; latency in seconds.

    `evictions` counts what memcached threw out for want of room, over the servers that answered; more of them than
    before may be rows that were lost. A database has none.
    """

    epoch: str
    latency: float
    evictions: int = 0


@dataclass(frozen=True, slots=True)
class Override:
    """An administrator's word on one member. Forced down wins over every beat; disabled says nothing of liveness."""

    forced_down: bool = False
    disabled: bool = False
    reason: str = ""


NO_OVERRIDE = Override()


@dataclass(frozen=True, slots=True)
class MinAvailable:
    amount: int
    percent: bool

    def of(self, total: int) -> int:
        """How many of `total` members must be up, rounded up."""
        return -(-total * self.amount // 100) if self.percent else self.amount


@dataclass(frozen=True, slots=True)
class MassFailure:
    """When too many are silent at once for it to be each one's own silence (rule 6): more than `percent` of those whose
    last definite verdict is Up, and at least `members`; they are held for `longest_hold` seconds.
    """

    percent: int = 50
    members: int = 3
    longest_hold: float = 600.0


@dataclass(frozen=True, slots=True)
class Announced:
    """A hold that a person announced, in seconds since 1970, and why."""

    since: float
    until: float
    why: str = ""


@dataclass(frozen=True, slots=True)
class GroupSpec:
    """What the owner of a group asked for; `forget` are members, each with the begin of the silence for which it is to
    go now, and `unheard` is what is wrong with an announcement that is none.
    """

    key: GroupKey
    policy: Policy
    store: str = "default"
    generation: int = 0
    expected: frozenset[str] = frozenset()
    overrides: Mapping[str, Override] = field(default_factory=dict)
    min_available: MinAvailable = MinAvailable(51, True)
    forget_after: float = DAY
    mass_failure: MassFailure = field(default_factory=MassFailure)
    released: float | None = None
    forget: Mapping[str, float] = field(default_factory=dict)
    announced: Announced | None = None
    unheard: str | None = None
