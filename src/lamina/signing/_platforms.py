"""The platforms that code can be signed for, as GetSigningPlatform shows them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

LAMBDA = "AWSLambda-SHA384-ECDSA"

PLATFORMS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        LAMBDA: {
            "platformId": LAMBDA,
            "displayName": "AWS Lambda",
            "partner": "AWSLambda",
            "target": "SHA384-ECDSA",
            "signingConfiguration": {
                "encryptionAlgorithmOptions": {"allowedValues": ["ECDSA"], "defaultValue": "ECDSA"},
                "hashAlgorithmOptions": {"allowedValues": ["SHA384"], "defaultValue": "SHA384"},
            },
            "signingImageFormat": {"supportedFormats": ["JSONEmbedded"], "defaultFormat": "JSONEmbedded"},
            "maxSizeInMB": 250,
            "revocationSupported": True,
        }
    }
)
