from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest

from lamina.errors import InvalidSignatureException
from lamina.http._presign import presign
from tests.unit.http._signing import HOST, KEY, verifier

EMPTY = hashlib.sha256(b"").hexdigest()


def _open(url, *, late=timedelta(), method="GET", host=HOST):
    target, parts = verifier(late=late), urlsplit(url)
    found = target.begin(method, parts.path.encode(), parts.query.encode(), [(b"host", host.encode())])
    target.check(found, EMPTY)
    return found


@pytest.fixture(params=["lambda", "s3"])
def url(request):
    return presign(
        "/_lamina/packages/a%20b",
        key=KEY,
        region="eu-central-1",
        service=request.param,
        host=HOST,
        scheme="http",
        expires_seconds=600,
        now=datetime.now(UTC),
    )


def test_the_verifier_accepts_it(url):
    assert url.startswith(f"http://{HOST}/_lamina/packages/a%20b?")
    assert _open(url).account_id == KEY.account_id


def test_it_expires(url):
    with pytest.raises(InvalidSignatureException, match=r"- 10 min\.\)$"):
        _open(url, late=timedelta(minutes=11))


def test_it_is_for_one_path_method_and_host(url):
    changes = [
        {"url": url.replace("a%20b", "other")},
        {"url": url, "method": "PUT"},
        {"url": url, "host": "elsewhere:4566"},
        {"url": url.replace("Expires=600", "Expires=700")},
    ]
    for change in changes:
        with pytest.raises(InvalidSignatureException):
            _open(**change)
