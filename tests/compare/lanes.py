"""Two runs beside each other, ours with Nova's and the kubelet's: when one fails, the other ends too."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["Interrupted", "Progress", "beside"]

A = TypeVar("A")
B = TypeVar("B")
Progress = Callable[[str], None]


class Interrupted(Exception):
    """The other one has ended by an error."""


def beside(first: Callable[[Progress], A], second: Callable[[Progress], B], *, progress: Progress) -> tuple[A, B]:
    """`first` is run by the calling thread. Each tells its progress often, and learns there that it shall end."""
    texts, lock, over = ["", ""], threading.Lock(), threading.Event()

    def telling(place: int) -> Progress:
        def tell(text: str) -> None:
            if over.is_set():
                raise Interrupted
            with lock:
                texts[place] = text
                progress(" | ".join(filter(None, texts)))

        return tell

    def ending(future: "Future[B]") -> None:
        if future.exception() is not None:
            over.set()

    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(second, telling(1))
        other.add_done_callback(ending)
        try:
            found = first(telling(0))
        except Interrupted:
            raise other.exception() or Interrupted from None
        except BaseException:
            over.set()
            raise
        return found, other.result()
