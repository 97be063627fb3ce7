"""The searchable collection on disk: SQLite for facts, index files as a derived cache."""

from pictrieve.gallery.errors import FingerprintError, GalleryError, GalleryLockedError
from pictrieve.gallery.gallery import Gallery
from pictrieve.gallery.hits import Hit, Hits
from pictrieve.gallery.items import Item
from pictrieve.gallery.ledger import Failure
from pictrieve.gallery.profile import GalleryProfile
from pictrieve.gallery.ranking import Place
from pictrieve.gallery.report import Report
from pictrieve.gallery.session import Session

__all__ = [
    "Failure",
    "FingerprintError",
    "Gallery",
    "GalleryError",
    "GalleryLockedError",
    "GalleryProfile",
    "Hit",
    "Hits",
    "Item",
    "Place",
    "Report",
    "Session",
]
