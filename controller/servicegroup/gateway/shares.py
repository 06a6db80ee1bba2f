"""What one subject may take of the gateway's memory and, in the long run, of the API server's time. No I/O.

Whoever has a token can ask about names that there are not, each of them another question. Whether there is such a group
plays no part in what a question costs, or a stranger would learn that.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Generic, TypeVar

REMEMBERED, REMEMBERED_OF_ONE = 50_000, 2_000
BURST, PER_SECOND = 1_000, 50
"""Questions of one subject, at once and for ever. Answers serve for a minute: a reader of 1,000 namespaces begins with
so many, and an agent for 3,000 groups has that rate.
"""

Q = TypeVar("Q")
A = TypeVar("A")


@dataclass(slots=True)
class Share(Generic[Q, A]):
    said: OrderedDict[Q, A] = field(default_factory=OrderedDict)
    _left: float = BURST
    _counted: float = float("-inf")

    def take(self, *, now: float) -> bool:
        """Whether one more question may be asked; then it is counted."""
        self._left = min(BURST, self._left + (now - self._counted) * PER_SECOND)
        self._counted = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


@dataclass(slots=True)
class Shares(Generic[Q, A]):
    """By subject. Where too much is remembered in all, those who asked nothing for longest are forgotten."""

    _of: OrderedDict[str, Share[Q, A]] = field(default_factory=OrderedDict)
    _remembered: int = 0

    def of(self, subject: str) -> Share[Q, A]:
        share = self._of.setdefault(subject, Share())
        self._of.move_to_end(subject)
        return share

    def remember(self, subject: str, question: Q, answer: A) -> None:
        share = self.of(subject)
        before = len(share.said)
        share.said[question] = answer
        share.said.move_to_end(question)
        while len(share.said) > REMEMBERED_OF_ONE:
            share.said.popitem(last=False)
        self._remembered += len(share.said) - before
        while self._remembered > REMEMBERED:
            _, gone = self._of.popitem(last=False)
            self._remembered -= len(gone.said)
