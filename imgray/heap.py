"""How a process that handles image after image holds its memory."""

from __future__ import annotations

import ctypes
import gc

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # glibc's malloc.h
_KEPT_BYTES = 128 * 2**20
_LARGE_BYTES = 64 * 2**20  # one piece of this size or more is given back at once


def keep_memory() -> None:
    """Keep up to 128 MiB that is free, where the C library is glibc; elsewhere do nothing.

    By default it gives every large piece back, and the kernel has to find each of its pages again for the next image:
    that takes from a twentieth to a third of the time of one, and twice the time that a message of a megabyte needs.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
        mallopt(_MMAP_THRESHOLD, _LARGE_BYTES)


def keep_objects() -> None:
    """Have the garbage collector look no more at what there is now: call it when all that is to stay has been made.

    Else it comes, now and then, to some 300,000 objects of Ray and its libraries, and everything waits a tenth of a
    second for it.
    """
    gc.collect()
    gc.freeze()
