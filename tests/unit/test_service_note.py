from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from imgray import service
from imgray.errors import ServiceError


def test_a_service_is_found_while_its_note_is_there(tmp_path: Path) -> None:
    with service.noted(tmp_path, "http://127.0.0.1:1"):
        note = service.find(tmp_path)
        assert note is not None
        assert (note.pid, note.url) == (os.getpid(), "http://127.0.0.1:1")
    assert service.find(tmp_path) is None


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"pid": 1, "born": "", "url": ""}'])
def test_a_note_that_says_nothing_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / service.NOTE).write_text(content)
    assert service.find(tmp_path) is None


def test_a_process_that_got_the_id_of_a_dead_service_is_left_alone(tmp_path: Path) -> None:
    """After a power cut the note is still there, and its number may be anyone's."""
    (tmp_path / service.NOTE).write_text(json.dumps({"pid": os.getpid(), "born": "1", "url": "http://x"}))
    with pytest.raises(ServiceError, match="No service is running"):
        service.stop(tmp_path, 30)
