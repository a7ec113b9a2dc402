"""Lamina: a self-hosted function service that speaks the AWS Lambda API."""

__version__ = "0.1.0"
