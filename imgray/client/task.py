"""A task about an image as the client sees it: what it made, as bytes, images and arrays."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from imgray.client.submitted import Submitted
from imgray.gateway import find_output
from imgray.sources import ImageLike
from imgray.task import DEFAULT_OUTPUT, Output, Task

if TYPE_CHECKING:
    from imgray.client.client import Client


class ClientTask(Submitted):
    """A task that was submitted; `refresh` and `wait` bring it up to date."""

    def __init__(self, client: Client, task: Task, source: ImageLike | None = None) -> None:
        super().__init__(client, task)
        self.source = source
        """What was submitted, as the caller gave it; None for a task looked up by id."""

    def __repr__(self) -> str:
        return f"<imgray task {self.id} {self.state}>"

    def bytes(self, name: str = DEFAULT_OUTPUT) -> bytes:
        """Wait, and return an output as it is encoded.

        Raises:
            TaskFailedError: the task failed; its code and sentence say why.
            TaskCancelledError: it was cancelled.
            OutputNotFoundError: it has no output of this name.
        """
        output = self.output(name)
        if output.path is not None:
            return Path(output.path).read_bytes()
        return self._client.call(self._client.gateway.fetch(self.id, output))

    def image(self, name: str = DEFAULT_OUTPUT) -> Image.Image:
        """Wait, and return an output as a Pillow image. Raises as `bytes` does."""
        image = Image.open(io.BytesIO(self.bytes(name)))
        image.load()
        return image

    def array(self, name: str = DEFAULT_OUTPUT) -> npt.NDArray[Any]:
        """Wait, and return an output as an array of shape (height, width[, channels]). Raises as `bytes` does."""
        return np.asarray(self.image(name))

    def json(self, name: str = DEFAULT_OUTPUT) -> Any:  # noqa: ANN401  # an object, of what was asked for
        """Wait, and return what an output that is JSON says (`info`, `blurhash`, …). Raises as `bytes` does."""
        return json.loads(self.bytes(name))

    def output(self, name: str = DEFAULT_OUTPUT) -> Output:
        """Wait, and describe an output: format, size, checksum. Raises as `bytes` does."""
        return find_output(self.wait().snapshot, name)
