"""The environment in which git is run: without settings of the user or the machine."""

from __future__ import annotations

import os

NO_SETTINGS = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_ATTR_NOSYSTEM": "1",
}
"""Environment in which git ignores the configuration of its user and of the machine.

Attributes of the user's own would be below HOME, which git does not get.
"""
