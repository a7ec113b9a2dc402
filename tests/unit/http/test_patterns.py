from __future__ import annotations

import botocore.loaders
import pytest

from lamina.http._patterns import compiled


def test_every_pattern_of_the_model_compiles():
    shapes = botocore.loaders.Loader().load_service_model("lambda", "service-2")["shapes"].values()

    for pattern in [shape["pattern"] for shape in shapes if "pattern" in shape]:
        compiled(pattern)


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        (r"[a-zA-Z0-9-_\.]+", "a-b_c.1", True),
        (r"[a-zA-Z0-9-_\.]+", "a\n", False),
        (r"[0-9A-Za-z\.\-_]*(?<!\.)", "bucket.", False),
        (r"[0-9A-Za-z\.\-_]*(?<!\.)", "my.bucket", True),
        (r"(?!^[0-9]+$)([a-zA-Z0-9-_]+)", "2024", False),
        (r"(?!^[0-9]+$)([a-zA-Z0-9-_]+)", "2024-01-02", True),
        (r"((?!^\d+$)^[0-9a-zA-Z-_]+$)", "1", False),
        (r"((?!^\d+$)^[0-9a-zA-Z-_]+$)", "v1", True),
        (r"$|kafka://.*", "", True),
        (r"\d{12}", "١٢٣٤٥٦٧٨٩٠١٢", False),
        (r"[^\s]+", "a\u00a0b", True),
        (r".*", "a\u2028b", False),
        (r"[\s\S]*", "a\n\u00a0b", True),
        (r"[^.]x", "\nx", True),
        (r"([\p{L}\p{Z}\p{N}_.:/=+\-@]*)", "Größe 東京\u3000½ a-b@c", True),
        (r"([\p{L}\p{Z}\p{N}_.:/=+\-@]*)", "a\tb", False),
        (r"\p{L}+", "é!", False),
    ],
)
def test_means_what_it_means_in_java(pattern, text, matches):
    assert bool(compiled(pattern).fullmatch(text)) is matches
