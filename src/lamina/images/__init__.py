"""Container images: references, registries, and layers unpacked once, for sandboxes to mount as root file systems."""

from lamina.images._image import Image, ResolvedImage
from lamina.images._images import Images
from lamina.images._limits import ImageLimits
from lamina.images._merge import merge
from lamina.images._reference import ImageReference, parse_image_uri
from lamina.images._refusals import ImageAccessDenied, ImageDeleted, ImageUnavailable, InvalidImage
from lamina.images._registries import Registries, Registry

__all__ = [
    "Image",
    "ImageAccessDenied",
    "ImageDeleted",
    "ImageLimits",
    "ImageReference",
    "ImageUnavailable",
    "Images",
    "InvalidImage",
    "Registries",
    "Registry",
    "ResolvedImage",
    "merge",
    "parse_image_uri",
]
