"""Images and documents that an agent made, as far as they can be passed on."""

from __future__ import annotations

from collections.abc import Iterator

from ..events.content import File


def usable_file(file_id: str, name: str, media_type: str, url: str) -> Iterator[File]:
    """Yield a file; nothing if it is too large or at no address of the web: the answer stands without it."""
    made = File(file_id, name, media_type, url)
    if made.check() is None:
        yield made
