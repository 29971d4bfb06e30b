"""Writing a file completely or not at all."""

from __future__ import annotations

import os
import shutil
import uuid
from typing import Any


def write_whole(path: str | bytes | os.PathLike[Any], content: bytes) -> None:
    """Write a file; an existing one stays until the new one is complete.

    Parameters
    ----------
    path : str or path-like
        Where to write. The target of a symbolic link is replaced, and not the link. A
        replaced file passes its permissions on.
    content : bytes
        What to write.
    """
    path = os.path.realpath(os.fsdecode(path))
    unfinished = f"{path}.{uuid.uuid4().hex}"
    try:
        with open(unfinished, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if os.path.exists(path):
            shutil.copymode(path, unfinished)
        os.replace(unfinished, path)
    except BaseException:
        if os.path.exists(unfinished):
            os.remove(unfinished)
        raise
