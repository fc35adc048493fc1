"""How much work an import may be: counted in steps, so that the same mail always ends the same."""

from __future__ import annotations

from dataclasses import dataclass

# A patch of 10,000 added lines whose white space is all gone takes half of that.
_STEPS = 300_000
_FOR_EACH_MAIL = 10_000


class TooMuchError(Exception):
    """More steps than any real mail takes."""


@dataclass
class Effort:
    """The steps that are left. A step is one way to read a line, or other work of that size."""

    left: int = _STEPS

    @staticmethod
    def of(mails: int) -> Effort:
        """Return what a series of so many mails may take."""
        return Effort(_STEPS + _FOR_EACH_MAIL * mails)

    def spend(self, steps: int = 1) -> None:
        """Take steps off. Raises TooMuchError if there are none left."""
        self.left -= steps
        if self.left < 0:
            raise TooMuchError
