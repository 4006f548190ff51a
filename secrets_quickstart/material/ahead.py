"""A signing key that is made while something else is waited for; who needs one, and keeps it, is not decided here."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

from secrets_quickstart.material import keys
from secrets_quickstart.sensitive import Sensitive


class SigningKeyAhead:
    """An RSA key begun at once in a thread of its own, for the first who asks for one of its length.

    Until then it is nowhere but in this process, which does not end before it is made: half a second, seldom two.
    """

    def __init__(self, bits: int) -> None:
        self._bits = bits
        pool = ThreadPoolExecutor(1, thread_name_prefix="signing key")
        self._begun: Future[Sensitive] | None = pool.submit(keys.signing_key, bits)
        pool.shutdown(wait=False)

    def __call__(self, bits: int) -> Sensitive:
        """That key, or a new one: no key is given twice."""
        begun = self._begun
        if begun is None or bits != self._bits:
            return keys.signing_key(bits)
        self._begun = None
        return begun.result()
