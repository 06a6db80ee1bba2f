"""The gateways of one installation: one of them is asked as long as it serves. Where it has not answered in its share
of the call's time the next is asked as well, and whoever answers first is heard.

A gateway that says when to come again is left alone until then.
"""

import random
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import NoReturn

from servicegroup.store.base import StoreUnavailable
from servicegroup.store.mc_address import Address
from servicegroup.store.remote_address import Gateways
from servicegroup.store.remote_call import Call, Outcome
from servicegroup.store.remote_connection import Answer
from servicegroup.store.remote_pool import Pool

LONGEST_REST = 5.0
"""Seconds for which a gateway is left alone, whatever it says: the interval ends the patience of the operator."""

BUSY = (429, 500, 502, 503, 504)
"""What another gateway may answer better."""

NOT_FOUND, REFUSED = 404, 400


class Ring:
    def __init__(self, gateways: Gateways, *, ca_pem: str | None = None) -> None:
        """`ca_pem` is the authority of their certificate as text, in place of a file. Raises InvalidStore."""
        self._gateways = gateways
        self._pool = Pool(gateways, ca_pem=ca_pem)
        # Ten thousand agents with one list would all ask its first.
        self._order = random.sample(gateways.hosts, len(gateways.hosts))
        self._rests_until = dict.fromkeys(self._order, 0.0)
        self._lock = threading.Lock()

    def ask(self, method: str, path: str, *, body: bytes | None, timeout: float, at_once: bool = False) -> Answer:
        """The first that serves, or a refusal where nobody does who was asked; `at_once` leaves nobody alone.

        Raises StoreUnavailable.
        """
        turn = time.monotonic()
        deadline = turn + timeout
        headers = self._headers(body)
        call = Call(lambda one: self._pool.ask(one, method, path, body=body, headers=headers, until=deadline))
        failed: dict[Address, str] = {}
        refusal: Answer | None = None
        rests = dict.fromkeys(self._rests_until, 0.0) if at_once else self._rests_until
        to_ask, asked = self._ordered(), None
        while True:
            now = time.monotonic()
            # Who rests comes last, and of those who rests shortest comes first.
            to_ask.sort(key=lambda one: max(now, rests[one]))
            begins = max(turn, rests[to_ask[0]]) if to_ask else deadline
            if begins <= now < deadline:
                # Nothing is lost of what they may answer; only the next call begins elsewhere.
                for slow in call.awaited:
                    self._move(slow, first=False)
                turn = now + (deadline - now) / len(to_ask)
                asked = to_ask.pop(0)
                call.ask(asked, last=not to_ask)
                continue
            if begins >= deadline and not call.awaited:
                break
            heard = call.next(until=min(begins, deadline))
            if heard is not None:
                one, outcome = heard
                if isinstance(outcome, Answer) and outcome.status not in BUSY:
                    serves = outcome.status < REFUSED or (method == "GET" and outcome.status == NOT_FOUND)
                    self._move(one, first=serves)
                    if serves or not call.awaited:
                        return outcome if serves or refusal is None else refusal
                    refusal = outcome  # another that was asked before may take what this one does not
                else:
                    failed[one] = self._failure(one, outcome)
                if one == asked:  # the next need not wait for the rest of its share
                    turn = now
            elif time.monotonic() >= deadline:
                break
        return refusal or self._nobody(failed, late=call.awaited, left=to_ask)

    def _nobody(self, failed: Mapping[Address, str], *, late: Sequence[Address], left: Sequence[Address]) -> NoReturn:
        why = {**failed, **dict.fromkeys(late, "no answer in time"), **{one: self._not_asked(one) for one in left}}
        told = "; ".join(f"{one}: {cause}" for one, cause in why.items())
        raise StoreUnavailable(f"gateway {self._gateways.shown}: {told}")

    def _failure(self, one: Address, outcome: Outcome) -> str:
        """Why it is no answer. Raises what is no trouble of a gateway's."""
        self._move(one, first=False)
        if isinstance(outcome, (OSError, HTTPException, ValueError)):  # ValueError: a header that is none
            return _cause(outcome)
        if isinstance(outcome, Exception):
            raise outcome
        if outcome.retry_after is not None:
            self._rests_until[one] = time.monotonic() + min(outcome.retry_after, LONGEST_REST)
        return f"it answered {outcome.status}"

    def close(self) -> None:
        self._pool.close()

    def _ordered(self) -> list[Address]:
        with self._lock:
            return list(self._order)

    def _move(self, one: Address, *, first: bool) -> None:
        """It serves, or it refused, failed or is slow: it is asked before or after the others from now on."""
        with self._lock:
            self._order.remove(one)
            self._order.insert(0 if first else len(self._order), one)

    def _not_asked(self, one: Address) -> str:
        rest = self._rests_until[one] - time.monotonic()
        return f"it asked to be left alone for {rest:.1f} s more" if rest > 0 else "no time is left"

    def _headers(self, body: bytes | None) -> Mapping[str, str]:
        path = self._gateways.token_file
        try:
            token = Path(path).read_text(encoding="ascii").strip()
        except (OSError, ValueError) as error:
            cause = error.strerror if isinstance(error, OSError) else "it is no token"
            raise StoreUnavailable(
                f"gateway {self._gateways.shown}: the token in {path} cannot be read: {cause}; mount one there"
            ) from None
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        return headers if body is None else {**headers, "Content-Type": "application/json"}


def _cause(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    text = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
    return " ".join(text.split())[:200]
