"""How sure a hit is: what queries of the same form, made of random pictures and words, find in this gallery."""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pictrieve.gallery.ranking import Aim
from pictrieve.gallery.spaces import Spaces
from pictrieve.gallery.store import Store
from pictrieve.rank import Calibration

logger = logging.getLogger("pictrieve.gallery")

_SAMPLE = 500  # items that stand for the unrelated ones, and queries at most: a fit takes a tenth of a second
_STALE = 0.25  # a gallery that grew or shrank by this share is measured anew
_FEWEST = 3
# What people search for: whether a gallery has it does not matter, each has most of them not.
_THINGS = (  # noqa: SIM905 (a literal of sixty lines hides what surrounds it)
    "a dog, a red car, children playing, a birthday cake, the sea at sunset, an old church, a cup of coffee, a "
    "bicycle, mountains in the snow, a woman with a hat, fresh vegetables on a table, a train, a cat asleep, "
    "flowers, a crowd, a football match, a living room, a bridge over a river, an airplane, a horse in a field, a "
    "street at night, pizza, a man reading a newspaper, a laptop, a forest in autumn, a wedding, a kitchen, a "
    "boat, two people talking, a bird, a guitar, a market, a tall building, a baby, a waterfall, a bus stop, a "
    "bowl of soup, shoes, a swimming pool, fireworks, a map, a bear, a window, a soldier, a chair, a handwritten "
    "letter, an apple tree, a clock, traffic, a scientist in a laboratory, a tent, an elephant, jewellery, a "
    "skateboard, a statue, a bathroom, a beach, a bottle"
).split(", ")


class Confidence:
    """Calibrations of one gallery, by channel and form of the query; fitted when first asked for, kept on disk.

    A query's form is the kinds and weights of its terms. Its null distribution is measured with queries of that form
    made of random items of the gallery and of everyday words: words are farther from pictures than pictures are.
    """

    def __init__(self, store: Store, spaces: Spaces) -> None:
        """Know nothing yet."""
        self._path = store.directory / "index" / "confidence.json"
        self._read_only = store.read_only
        self._spaces = spaces
        self._known: dict[str, Calibration] | None = None
        self._words: NDArray[np.float32] | None = None

    def of(self, aims: Sequence[Aim], ids: NDArray[np.int64], items: int) -> NDArray[np.float64] | None:
        """Give the chance that no unrelated one of so many items is as near to the query; the best of its parts.

        None where the gallery has too few items to tell.
        """
        if any(len(aim.index) < _FEWEST for aim in aims):
            return None
        best = np.zeros(len(ids))
        for aim in aims:
            cosines = aim.index.reconstruct(ids) @ aim.query
            best = np.maximum(best, self._calibration(aim).confidence(cosines, items))
        return best

    def _calibration(self, aim: Aim) -> Calibration:
        if self._known is None:
            self._known = self._read()
        form = f"{aim.channel}:" + " ".join(f"{w:+.2f} {kind}" for kind, w in zip(aim.kinds, aim.shares, strict=True))
        known = self._known.get(form)
        if known is None or abs(known.items - len(aim.index)) > _STALE * known.items:
            known = self._known[form] = self._fit(aim)
            if len(aim.kinds) == 1:
                self._write()
        return known

    def _fit(self, aim: Aim) -> Calibration:
        if aim.kinds == ("item",):
            return Calibration.fit(aim.index, sample=_SAMPLE)
        random = np.random.default_rng(0)
        count = len(_THINGS) if aim.kinds == ("words",) else _SAMPLE
        queries = np.zeros((count, aim.index.dim), np.float32)
        for kind, share in zip(aim.kinds, aim.shares, strict=True):
            if kind == "words":
                pool = self._encoded_words()
            else:
                drawn = random.choice(aim.index.ids, min(_SAMPLE, len(aim.index)), replace=False)
                pool = aim.index.reconstruct(drawn)
            at = np.arange(count) if aim.kinds == ("words",) else random.integers(0, len(pool), count)
            queries += share * pool[at]
        return Calibration.fit(aim.index, queries=queries, sample=_SAMPLE)

    def _encoded_words(self) -> NDArray[np.float32]:
        if self._words is None:
            self._words = self._spaces.encode_texts(_THINGS)
        return self._words

    def _read(self) -> dict[str, Calibration]:
        try:
            saved = json.loads(self._path.read_text(encoding="utf-8"))
            return {form: Calibration.from_dict(state) for form, state in saved.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, AttributeError) as error:
            logger.warning("%s: measuring confidence anew (%s)", self._path, error)
            return {}

    def _write(self) -> None:
        """Keep what belongs to queries of one term; a failure to write costs the next process a fit."""
        if self._read_only:
            return
        simple = {form: one.to_dict() for form, one in (self._known or {}).items() if form.count(" ") == 1}
        temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            self._path.parent.mkdir(exist_ok=True)
            temporary.write_text(json.dumps(simple), encoding="utf-8")
            temporary.replace(self._path)
        except OSError as error:
            logger.warning("%s: confidence was not kept (%s)", self._path, error)
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
