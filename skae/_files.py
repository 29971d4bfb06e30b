"""Files that are there as a whole, or not at all."""

from __future__ import annotations

import os
import uuid


def write_whole(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file: until all of it is on the disk, the old one stays.

    Parameters
    ----------
    path : str or path-like
        Where to write; what a symbolic link points at is replaced, and not the link.
    content : bytes
        What to write.
    """
    path = os.path.realpath(path)
    unfinished = f"{path}.{uuid.uuid4().hex}"
    try:
        with open(unfinished, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except BaseException:
        if os.path.exists(unfinished):
            os.remove(unfinished)
        raise
