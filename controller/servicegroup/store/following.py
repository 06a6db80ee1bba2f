"""A store whose URL stands in a file, which may change while the store is open: a Secret that is mounted.

The file is looked at before a call, at most once a second; `handover` brings the calls to the store of a new URL. A
file that is missing, empty or bad meanwhile changes nothing, is told once and read again.
"""

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from servicegroup.liveness import Published
from servicegroup.model import Beat, GroupKey, Health, Old, Reading, Receipt
from servicegroup.record import Header, Record
from servicegroup.store.base import Store, StoreUnavailable
from servicegroup.store.batch import Asked
from servicegroup.store.handover import Call, Handover

T = TypeVar("T")

LOGGER = logging.getLogger("servicegroup.store")
LOOK_SECONDS = 1.0


class FollowingStore:
    """The store that the file names; any thread may call. `read` gives the file's URL, `connect` opens one; their
    ValueError and StoreUnavailable say what is wrong, and hold no secret. The constructor raises both.
    """

    def __init__(
        self,
        path: Path,
        *,
        read: Callable[[], str],
        connect: Callable[[str], Store],
        look_every: float = LOOK_SECONDS,
    ) -> None:
        self._path = path
        self._read = read
        self._connect = connect
        self._look_every = look_every
        self._looking = threading.Lock()
        self._seen = _mark(path)  # before it is read: what changes in between is seen by the next look
        url = read()
        self._stores = Handover(url, connect(url), origin=str(path))
        self._look_again = time.monotonic() + look_every
        self._told: str | None = None

    @property
    def driver(self) -> str:
        return self._stores.driver

    def join(self, key: GroupKey, beat: Beat, *, timeout: float) -> Receipt:
        return self._call(lambda store, left: store.join(key, beat, timeout=left), timeout=timeout)

    def beat(self, key: GroupKey, beat: Beat, *, timeout: float) -> Receipt:
        return self._call(lambda store, left: store.beat(key, beat, timeout=left), timeout=timeout)

    def beat_many(self, beats: Sequence[Asked], *, timeout: float) -> list[Receipt | None]:
        return self._call(lambda store, left: store.beat_many(beats, timeout=left), timeout=timeout)

    def leave(self, key: GroupKey, beat: Beat, *, timeout: float) -> bool:
        return self._call(lambda store, left: store.leave(key, beat, timeout=left), timeout=timeout)

    def read(self, keys: Collection[GroupKey], *, timeout: float) -> Reading:
        return self._call(lambda store, left: store.read(keys, timeout=left), timeout=timeout)

    def health(self, *, timeout: float) -> Health:
        return self._call(lambda store, left: store.health(timeout=left), timeout=timeout)

    def publish(
        self,
        key: GroupKey,
        header: Header,
        *,
        changes: Mapping[str, Published | None],
        whole: bool,
        timeout: float,
    ) -> None:
        def call(store: Store, left: float) -> None:
            store.publish(key, header, changes=changes, whole=whole, timeout=left)

        self._call(call, timeout=timeout)

    def forget(self, key: GroupKey, rows: Collection[Old], *, timeout: float) -> None:
        self._call(lambda store, left: store.forget(key, rows, timeout=left), timeout=timeout)

    def sweep(self, *, timeout: float) -> None:
        self._call(lambda store, left: store.sweep(timeout=left), timeout=timeout)

    def record(self, key: GroupKey, *, timeout: float, only: Collection[str] | None = None) -> Record | None:
        return self._call(lambda store, left: store.record(key, timeout=left, only=only), timeout=timeout)

    def close(self) -> None:
        self._stores.close()

    def _call(self, call: Call[T], *, timeout: float) -> T:
        self._look()
        return self._stores.call(call, timeout=timeout)

    def _look(self) -> None:
        """One thread looks; the others go on with what is open."""
        if time.monotonic() < self._look_again or not self._looking.acquire(blocking=False):
            return
        try:
            self._look_again = time.monotonic() + self._look_every
            seen = _mark(self._path)
            if seen is None or seen != self._seen:
                self._stores.offer(self._read(), connect=self._connect)
                self._seen = seen
                self._in_order()
        except (ValueError, StoreUnavailable) as error:
            self._seen = None  # it is read again at the next look, changed or not
            self._out_of_order(str(error))
        finally:
            self._looking.release()

    def _in_order(self) -> None:
        if self._told is not None:
            LOGGER.info("%s: in order again", self._path)
            self._told = None

    def _out_of_order(self, sentence: str) -> None:
        if sentence != self._told:
            LOGGER.warning("%s: the store that is open is kept: %s", self._path, sentence)
            self._told = sentence


def _mark(path: Path) -> tuple[int, ...] | None:
    """What changes when a file does, also behind a link that is turned to another one; None: it is not there."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return (found.st_dev, found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size)
