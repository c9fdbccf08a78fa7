"""Two functions that run at once: at every call to AWS chance says which of both goes on.

Each has a thread, and only one of them runs at any moment: what happens is the same whenever it is played again.
"""

import random
import threading
from collections.abc import Callable


class Lanes:
    """The lane of whoever makes it, and a second one."""

    def __init__(self, chance: random.Random, work: Callable[[], None]) -> None:
        self._chance, self._work = chance, work
        self._turns = (threading.Semaphore(0), threading.Semaphore(0))
        self._lane, self._is_over = 0, False
        self._fault: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def at_a_call(self) -> None:
        """Let the other lane go on, or not; returns when it is the turn of this one again."""
        if not self._is_over and self._chance.random() < 0.5:
            self._hand_over()

    def end(self) -> None:
        """The first lane has come to its end: let the second one go on to its own. Raises what it raised."""
        while not self._is_over:
            self._hand_over()
        self._thread.join()
        if self._fault:
            raise self._fault

    def _hand_over(self) -> None:
        mine = self._lane
        self._lane = 1 - mine
        self._turns[self._lane].release()
        self._turns[mine].acquire()

    def _run(self) -> None:
        self._turns[1].acquire()
        try:
            self._work()
        # The first lane raises it.
        except BaseException as fault:
            self._fault = fault
        self._is_over, self._lane = True, 0
        self._turns[0].release()
