"""Which encoder writes which channel of a gallery: loaded when first needed, checked by fingerprint."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from pictrieve.gallery.errors import FingerprintError, GalleryError
from pictrieve.gallery.store import Channel
from pictrieve.models import list_models

Floats = NDArray[np.float32]
FEATURES = "features"  # the picture encoder's own vectors: picture against picture
DUAL = "dual"  # pictures and sentences in one space


@runtime_checkable
class ImageEncoderLike(Protocol):
    """What a gallery needs of a picture encoder; `pictrieve.ImageEncoder` is one, yours may be another."""

    name: str
    dim: int
    fingerprint: str

    def encode(self, inputs: Sequence[Any], *, on_error: str, show_progress_bar: bool) -> Any:
        """Give an object with `.embeddings` (kept, dim), `.kept` and `.errors` of (index, reason)."""


@runtime_checkable
class DualEncoderLike(Protocol):
    """What a gallery needs of an encoder of pictures and sentences; `pictrieve.DualEncoder` is one."""

    name: str
    dim: int
    fingerprint: str
    image_encoder: ImageEncoderLike

    def encode_images_both(self, sources: Sequence[Any], *, on_error: str) -> Any:
        """Give an object with `.features`, `.dual`, `.kept` and `.errors` of (index, reason)."""

    def encode_texts(self, texts: Sequence[str]) -> Floats:
        """Give (n, dim) float32 unit rows."""


class EncodedBatch(NamedTuple):
    """Rows of every channel for the pictures that could be read, and the reasons for the others."""

    vectors: dict[str, Floats]
    kept: NDArray[np.int64]
    errors: list[tuple[int, str]]


class Spaces:
    """The encoders of one gallery."""

    def __init__(self, gallery: str, settings: Mapping[str, Any], channels: Mapping[str, Channel]) -> None:
        """Remember what the gallery was written by; no encoder is loaded."""
        self._gallery = gallery
        self._settings = settings
        self._channels = channels
        self._encoder: Any = None
        self._checked: set[str] = set()

    def use(self, encoder: Any) -> None:
        """Take an encoder object (or a name) in place of the recorded one, after comparing fingerprints."""
        if isinstance(encoder, str):
            if encoder == self._settings["encoder"]:
                return
            encoder = load_encoder(encoder)
        _, given = describe(encoder)
        for channel in self._channels.values():
            match = next((spec for spec in given if spec.name == channel.name), None)
            if match is None or match.fingerprint != channel.fingerprint:
                raise self._foreign(getattr(encoder, "name", type(encoder).__name__), channel)
            self._checked.add(channel.name)
        self._encoder = encoder

    def encode_images(self, sources: Sequence[Any]) -> EncodedBatch:
        """Encode pictures for all channels; unreadable ones are reported, not raised."""
        if self._settings["kind"] == "dual":
            dual = self._dual(DUAL, FEATURES)
            both = dual.encode_images_both(sources, on_error="skip")
            return EncodedBatch({FEATURES: both.features, DUAL: both.dual}, both.kept, list(both.errors))
        encoded = self._image().encode(sources, on_error="skip", show_progress_bar=False)
        return EncodedBatch({FEATURES: encoded.embeddings}, encoded.kept, list(encoded.errors))

    def encode_image_query(self, source: Any, channel: str) -> Floats:
        """Encode one picture for one channel, (dim,); raises where it cannot be read."""
        if channel == FEATURES:
            return cast(Floats, self._image().encode([source], on_error="raise", show_progress_bar=False)[0])
        both = self._dual(DUAL).encode_images_both([source], on_error="raise")
        return cast(Floats, both.dual[0])

    def encode_text_query(self, text: str) -> Floats:
        """Encode one sentence into the dual channel, (dim,); the picture network is not needed for it."""
        return cast(Floats, self.encode_texts([text])[0])

    def encode_texts(self, texts: Sequence[str]) -> Floats:
        """Encode sentences into the dual channel, (n, dim)."""
        return self._dual(DUAL).encode_texts(texts)

    def _image(self) -> ImageEncoderLike:
        if self._settings["kind"] == "dual":
            return self._dual(FEATURES).image_encoder
        self._load()
        self._check(FEATURES, self._encoder)
        return cast(ImageEncoderLike, self._encoder)

    def _dual(self, *channels: str) -> DualEncoderLike:
        if self._settings["kind"] != "dual":
            raise GalleryError(
                f"gallery {self._gallery}: it was written by {self._settings['encoder']!r}, which knows no words; "
                f"search with {'vector=' if self._settings['kind'] == 'vectors' else 'a picture'}, or create a gallery "
                f"with encoder='efficientnet_lite0+minilm'"
            )
        self._load()
        for name in channels:
            self._check(name, self._encoder if name == DUAL else self._encoder.image_encoder)
        return cast(DualEncoderLike, self._encoder)

    def _load(self) -> None:
        if self._encoder is not None:
            return
        name = self._settings["encoder"]
        if self._settings["kind"] == "vectors":
            raise GalleryError(
                f"gallery {self._gallery}: it holds vectors of your own, so there is no encoder to turn pictures or "
                f"words into vectors; search with vector=..., add with vectors=..."
            )
        try:
            self._encoder = load_encoder(name)
        except (ValueError, OSError) as error:
            raise GalleryError(
                f"gallery {self._gallery}: its encoder {name!r} cannot be loaded ({error}); pass the "
                f"encoder that wrote "
                f"it: Gallery.open(path, encoder=...)"
            ) from error

    def _check(self, name: str, encoder: Any) -> None:
        if name not in self._checked and encoder.fingerprint != self._channels[name].fingerprint:
            raise self._foreign(encoder.name, self._channels[name])
        self._checked.add(name)

    def _foreign(self, name: str, channel: Channel) -> FingerprintError:
        return FingerprintError(
            f"gallery {self._gallery}: its {channel.name} vectors were written by {self._settings['encoder']!r} "
            f"(fingerprint {channel.fingerprint[:16]}), got {name!r} of another fingerprint; vectors of two encoders "
            f"cannot be compared: open the gallery without encoder=, or create a new one and add the pictures again"
        )


def absolute_model(name: str) -> str:
    """Make directories in an encoder's name absolute, so that the gallery can be opened from anywhere."""
    known = {info.name for info in list_models()}
    parts = (part if part in known or not os.path.isdir(part) else os.path.abspath(part) for part in name.split("+"))
    return "+".join(parts)


def load_encoder(name: str) -> Any:
    """Make the encoder of that name: two names joined by +, or CLIP, give pictures and words in one space."""
    from pictrieve import encoders, models  # late: a search by vector needs no network

    return encoders.DualEncoder(name) if "+" in name or models.is_dual(name) else encoders.ImageEncoder(name)


def describe(encoder: Any) -> tuple[str, list[Channel]]:
    """Give the kind of an encoder ("dual", "image") and the channels that it writes."""
    if isinstance(encoder, DualEncoderLike):
        image = encoder.image_encoder
        return "dual", [
            Channel(1, FEATURES, image.dim, "cosine", image.fingerprint),
            Channel(2, DUAL, encoder.dim, "cosine", encoder.fingerprint),
        ]
    if isinstance(encoder, ImageEncoderLike) and not hasattr(encoder, "tokenizer"):  # a TextEncoder knows no pictures
        return "image", [Channel(1, FEATURES, encoder.dim, "cosine", encoder.fingerprint)]
    raise TypeError(f"encoder: expected a model name, an ImageEncoder or a DualEncoder, got {type(encoder).__name__}")
