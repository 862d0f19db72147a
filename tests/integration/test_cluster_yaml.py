"""``cluster.yaml`` as the Ray launcher reads it, without a machine to launch."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

from imgray.actors.cluster import RAY_SETTINGS

CLUSTER = Path(__file__).parents[2] / "cluster.yaml"


def aws_variant() -> dict[str, Any]:
    """Apply the variant that the file's last comment gives."""
    config: dict[str, Any] = yaml.safe_load(CLUSTER.read_text())
    comment = CLUSTER.read_text().partition("# The AWS variant.")[2]
    block = "\n".join(line[4:] for line in comment.splitlines() if re.match(r"#   \S|#     ", line))
    return {**config, **yaml.safe_load(block)}


@pytest.mark.parametrize("config", [yaml.safe_load(CLUSTER.read_text()), aws_variant()], ids=["local", "aws"])
def test_the_launcher_takes_it(config: dict[str, Any]) -> None:
    validate_config(prepare_config(config))


def test_it_installs_starts_and_serves() -> None:
    config = yaml.safe_load(CLUSTER.read_text())
    head, workers = config["head_start_ray_commands"], config["worker_start_ray_commands"]
    assert any("pip install" in command for command in config["setup_commands"])
    assert any("ray start --head" in command and "--autoscaling-config=" in command for command in head)
    assert any("imgray serve --address auto" in command and "--detach" in command for command in head)
    assert any("--address=$RAY_HEAD_IP" in command for command in workers)


def test_nothing_listens_beyond_the_machine_without_authentication() -> None:
    text = CLUSTER.read_text()
    assert "0.0.0.0" not in text
    assert all("RAY_AUTH_MODE=token" in line for line in re.findall(r"ulimit.*", text))


def test_ray_is_started_as_imgray_starts_it_itself() -> None:
    config = yaml.safe_load(CLUSTER.read_text())
    for commands in (config["head_start_ray_commands"], config["worker_start_ray_commands"]):
        (start,) = [command for command in commands if "ray start" in command]
        assert all(f"{name}={value} " in start for name, value in RAY_SETTINGS.items())
