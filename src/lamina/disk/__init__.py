"""What every store of files needs: to know what is on the disk, and one thread at a time to put it there."""

from lamina.disk._disk import boot_id, flush_file_system, flush_folder, make_empty
from lamina.disk._turns import Turns

__all__ = ["Turns", "boot_id", "flush_file_system", "flush_folder", "make_empty"]
