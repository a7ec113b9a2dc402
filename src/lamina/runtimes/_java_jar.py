"""Building the jar of the Java bootstrap: ``python -m lamina.runtimes._java_jar /path/to/javac``.

The jar is part of the repository and of every wheel, because a machine that runs Java functions may have no compiler.
The same sources and the ``javac`` of JDK 17 always give the same bytes, so that a test can prove where it comes from.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from lamina.runtimes._places import BOOTSTRAPS

SOURCES = BOOTSTRAPS / "java/source"
JAR = BOOTSTRAPS / "java/runtime/lib/lamina-runtime.jar"
_FLAGS = ("--release", "8", "-g:source,lines", "-Xlint:all", "-Xlint:-options", "-Werror", "-encoding", "UTF-8")
_EPOCH = (1980, 1, 1, 0, 0, 0)
_MANIFEST = b"Manifest-Version: 1.0\r\nMain-Class: lamina.runtime.Main\r\n\r\n"


def build(javac: Path) -> bytes:
    """Compile the bootstrap; the bytes of its jar. Raises ``CalledProcessError`` when it does not compile."""
    sources = sorted(str(path) for path in SOURCES.rglob("*.java"))
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([str(javac), *_FLAGS, "-d", folder, *sources], check=True)
        classes = {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*.class")}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as jar:  # stored: smaller gains little, and loads more slowly
        for name, content in [("META-INF/MANIFEST.MF", _MANIFEST), *sorted(classes.items())]:
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = 0o100644 << 16
            jar.writestr(entry, content)
    return buffer.getvalue()


if __name__ == "__main__":
    JAR.parent.mkdir(parents=True, exist_ok=True)
    JAR.write_bytes(build(Path(sys.argv[1])))
