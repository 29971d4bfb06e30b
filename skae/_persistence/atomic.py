"""Reading a file within limits, and writing one completely or not at all."""

from __future__ import annotations

import errno
import glob
import os
import shutil
import uuid
from contextlib import suppress
from typing import Any


def read_whole(path: str | bytes, max_bytes: int) -> bytes:
    """Return the content of a plain file.

    Parameters
    ----------
    path : str or bytes
        The file. Devices and pipes are refused: they may have no end.
    max_bytes : int
        Size of the largest file that is read.
    """
    if os.path.exists(path) and not os.path.isfile(path):
        kind = IsADirectoryError if os.path.isdir(path) else OSError
        raise kind(errno.EINVAL, "path is no plain file, and is not read", path)
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > max_bytes:
            raise ValueError(
                f"{os.fsdecode(path)} has {size} bytes, more than max_bytes="
                f"{max_bytes}. Raise max_bytes if you expect a file of this size."
            )
        return file.read(size)


def remove_whole(path: str | bytes) -> None:
    """Remove a file, and what killed programs have left of it.

    Parameters
    ----------
    path : str or bytes
        The file, which need not exist.
    """
    folder, name = os.path.split(os.path.realpath(os.fsdecode(path)))
    unfinished = glob.glob(f".{glob.escape(name)}.unfinished-*", root_dir=folder)
    for each in (name, *unfinished):
        with suppress(FileNotFoundError):
            os.remove(os.path.join(folder, each))


def write_whole(path: str | bytes | os.PathLike[Any], content: bytes) -> None:
    """Write a file; an existing one stays until the new one is complete.

    Parameters
    ----------
    path : str or path-like
        Where to write. The target of a symbolic link is replaced, and not the link. A
        replaced file passes its permissions on. A program that is killed meanwhile
        leaves a file ``.NAME.unfinished-...`` beside it, which can be removed.
    content : bytes
        Content of the file.
    """
    given, path = path, os.path.realpath(os.fsdecode(path))
    folder, name = os.path.split(path)
    if not os.path.isdir(folder):
        raise FileNotFoundError(
            errno.ENOENT, "The folder of path does not exist, create it first", given
        )
    if os.path.exists(path) and not os.path.isfile(path):
        kind = IsADirectoryError if os.path.isdir(path) else OSError
        raise kind(errno.EINVAL, "path is no plain file, and is not replaced", given)
    unfinished = os.path.join(folder, f".{name}.unfinished-{uuid.uuid4().hex}")
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
