"""Trying again where a store is away for a while."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")

PATIENCE_S = 600.0
"""So long an object store may answer with errors before a sweep gives up."""
LONGEST_WAIT_S = 20.0
LASTING = (FileNotFoundError, FileExistsError, PermissionError, IsADirectoryError, NotADirectoryError)
LASTING_ERRNOS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.ENAMETOOLONG, errno.ENOTEMPTY)
REMOTE = ("aiohttp", "aiobotocore", "azure", "botocore", "gcsfs", "google", "s3fs")
"""Libraries whose errors need not be OSErrors."""


def passes(error: Exception) -> bool:
    """Whether an error may be gone the next time."""
    if isinstance(error, OSError):
        return not isinstance(error, LASTING) and error.errno not in LASTING_ERRNOS
    return type(error).__module__.partition(".")[0] in REMOTE


def patiently(
    do: Callable[[], Result], *, patience_s: float = PATIENCE_S, sleep: Callable[[float], None] = time.sleep
) -> Result:
    """What `do` gives, tried again with growing pauses while its errors may pass. Raises its last error."""
    waited, pause = 0.0, 0.5
    while True:
        try:
            return do()
        except Exception as error:
            if waited >= patience_s or not passes(error):
                raise
        sleep(pause)
        waited, pause = waited + pause, min(2 * pause, LONGEST_WAIT_S)
