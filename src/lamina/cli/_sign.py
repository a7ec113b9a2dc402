"""``lamina sign``: put a signature into a package, beside a running service and without S3.

The package stays here: the service signs its digests (SignPayload).
"""

from __future__ import annotations

import mmap
import os
import secrets
from pathlib import Path

import click
from botocore.exceptions import BotoCoreError, ClientError

from lamina.cli._endpoint import Endpoint
from lamina.signing import PAYLOAD_FORMAT, AlreadySigned, BadZip, add_signature, digests_to_sign, write_payload


def sign(endpoint: Endpoint, package: Path, *, profile: str, output: Path | None) -> None:
    """Sign ``package`` with the profile; into ``output``, by default ``NAME-signed.zip`` beside it."""
    output = output or package.with_name(f"{package.stem}-signed{package.suffix}")
    try:
        with package.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            metadata = _sign(endpoint, mapped, profile, output)
    except AlreadySigned:
        raise click.ClickException(f"{package} is signed already") from None
    except (BadZip, ValueError) as error:  # ValueError: a file of no bytes cannot be mapped
        raise click.ClickException(f"{package} is not a zip file that can be signed: {error}") from None
    except ClientError as error:
        raise click.ClickException(error.response["Error"]["Message"]) from None
    except BotoCoreError as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"{error.filename or package}: {error.strerror}") from None
    click.echo(f"{output}: signed with {metadata['signingProfileVersionArn']} by {metadata['signingJobArn']}")


def _sign(endpoint: Endpoint, mapped: mmap.mmap, profile: str, output: Path) -> dict[str, str]:
    with memoryview(mapped) as data:
        payload = write_payload(digests_to_sign(data))
        answer = endpoint.client("signer").sign_payload(
            profileName=profile, payload=payload, payloadFormat=PAYLOAD_FORMAT
        )
        _write(output, add_signature(data, answer["signature"]))
    metadata: dict[str, str] = answer["metadata"]
    return metadata


def _write(path: Path, data: bytes) -> None:
    """All of it or nothing."""
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        new.write_bytes(data)
        os.replace(new, path)  # noqa: PTH105  # names the file in its error, as write_bytes does
    except OSError:
        new.unlink(missing_ok=True)
        raise
