"""Pictures and sentences to unit vectors, with the names and arguments that sentence-transformers made usual."""

from pictrieve.encoders.binary import BinaryEncoder
from pictrieve.encoders.dual import BothVectors, DualEncoder
from pictrieve.encoders.image import EncodedImages, EncodeError, ImageEncoder
from pictrieve.encoders.text import TextEncoder, TruncationWarning

__all__ = [
    "BinaryEncoder",
    "BothVectors",
    "DualEncoder",
    "EncodeError",
    "EncodedImages",
    "ImageEncoder",
    "TextEncoder",
    "TruncationWarning",
]
