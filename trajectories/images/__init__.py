"""Pictures in: files to volumes, volumes to stays, and a compact cache that is read lazily."""

from .cache import ImageCache, Preparation, cache_images
from .files import read_image
from .index import ImageIndex, images_of_meds, images_of_table
from .link import Linked, link_images
from .volume import ImageError, Volume, fit, resample, window

__all__ = [
    "ImageCache",
    "ImageError",
    "ImageIndex",
    "Linked",
    "Preparation",
    "Volume",
    "cache_images",
    "fit",
    "images_of_meds",
    "images_of_table",
    "link_images",
    "read_image",
    "resample",
    "window",
]
