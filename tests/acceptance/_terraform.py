"""Terraform and its AWS provider as this machine has them; nothing is downloaded."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_PLATFORM = "linux_arm64" if os.uname().machine == "aarch64" else "linux_amd64"
_PROVIDER = f"registry.terraform.io/hashicorp/aws/*/{_PLATFORM}/terraform-provider-aws_v*"
_USUAL = (
    "~/.terraform.d/plugins",
    "~/.local/share/terraform/plugins",
    "/usr/local/share/terraform/plugins",
    "/usr/share/terraform/plugins",
    "/opt/tf-plugins",
)


@functools.cache
def missing() -> str:
    """Why Terraform cannot be used here; empty if it can."""
    if shutil.which("terraform") is None:
        return "terraform is not installed"
    return "" if _provider() else "Terraform's AWS provider is in no mirror here (LAMINA_TF_MIRROR)"


class Terraform:
    """Terraform over a copy of the configuration in ``source``, in a folder of its own."""

    def __init__(self, source: Path, folder: Path) -> None:
        provider = _provider()
        assert provider is not None
        self._folder = folder
        shutil.copytree(source, folder)
        config = folder / "terraform.rc"
        # With an override the 700 MB of the provider are not hashed by each command.
        config.write_text(
            f'provider_installation {{\n  dev_overrides {{\n    "hashicorp/aws" = "{provider.parent}"\n  }}\n'
            "  direct {}\n}\ndisable_checkpoint = true\n"
        )
        own = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))}
        self._environment = own | {
            "TF_CLI_CONFIG_FILE": str(config),
            "TF_IN_AUTOMATION": "1",
            "TF_INPUT": "0",
            "HOME": str(folder),
        }

    def run(self, command: str, *arguments: str, **variables: Any) -> subprocess.CompletedProcess[str]:
        """One command, whatever its end."""
        values = {f"TF_VAR_{name}": str(value) for name, value in variables.items()}
        return subprocess.run(
            ["terraform", command, "-no-color", *arguments],
            cwd=self._folder,
            env=self._environment | values,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def apply(self, **variables: Any) -> None:
        """Bring about what the configuration says."""
        done = self.run("apply", "-auto-approve", **variables)
        assert done.returncode == 0, done.stdout + done.stderr

    def outputs(self) -> Mapping[str, Any]:
        """The outputs as they were when it was applied."""
        shown = self.run("output", "-json")
        return {name: output["value"] for name, output in json.loads(shown.stdout).items()}


def _provider() -> Path | None:
    for mirror in _mirrors():
        if found := sorted(mirror.expanduser().glob(_PROVIDER)):
            return found[-1]
    return None


def _mirrors() -> Iterator[Path]:
    if named := os.environ.get("LAMINA_TF_MIRROR"):
        yield Path(named)
        return
    config = Path(os.environ.get("TF_CLI_CONFIG_FILE") or "~/.terraformrc").expanduser()
    if config.is_file():
        yield from map(Path, re.findall(r'\bpath\s*=\s*"([^"]+)"', config.read_text()))
    yield from map(Path, _USUAL)
