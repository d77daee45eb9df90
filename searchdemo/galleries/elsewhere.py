"""Files that a service keeps in its cloud: their names are here, and their content comes when somebody asks for it.

Such a file is never read, because that would fetch it. What has no blocks on the disk may well be here: a disk keeps
small or sparse files without, so that says nothing.
"""

from __future__ import annotations

import os
import re

ELSEWHERE = "kept in the cloud, not on this machine"
DATALESS = 0x40000000  # of macOS's st_flags (SF_DATALESS): iCloud Drive, OneDrive, Dropbox, Google Drive
RECALL = 0x00440000  # of Windows' attributes (RECALL_ON_OPEN, RECALL_ON_DATA_ACCESS): the same there


def stands_for(name: str) -> str:
    """ ".a.jpg.icloud", which macOS before 14 leaves in the place of a.jpg, -> "a.jpg"; "" for any other name."""
    found = re.fullmatch(r"\.(.+)\.icloud", name, re.DOTALL)
    return found[1] if found else ""


def placeholder(name: str) -> str:
    """The name of what stands for a file of this name."""
    return f".{name}.icloud"


def is_elsewhere(found: os.stat_result) -> bool:
    """By what the system says of a file. Linux says nothing."""
    return bool(getattr(found, "st_flags", 0) & DATALESS or getattr(found, "st_file_attributes", 0) & RECALL)
