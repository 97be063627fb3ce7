"""Types of the compiled core; `mypy.stubtest` keeps this equal to the binary."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

# base
class Error(RuntimeError): ...
class DecodeError(Error, ValueError): ...
class FormatError(Error, ValueError): ...

def version() -> str: ...
def num_threads() -> int: ...
def set_num_threads(count: int) -> None: ...
def simd_target() -> str: ...

# index
def pairwise(
    x: NDArray[Any], y: NDArray[Any], metric: str, score: bool, out: NDArray[np.float32] | None
) -> NDArray[np.float32]: ...

class SearchParams:
    def __init__(self, ef_search: int, nprobe: int, k_factor: int) -> None: ...
    @property
    def ef_search(self) -> int: ...
    @property
    def nprobe(self) -> int: ...
    @property
    def k_factor(self) -> int: ...

class IndexInfo:
    @property
    def dim(self) -> int: ...
    @property
    def metric(self) -> str: ...
    @property
    def factory(self) -> str: ...
    @property
    def dtype(self) -> str: ...
    @property
    def params(self) -> SearchParams: ...
    @property
    def approximate(self) -> bool: ...
    @property
    def trained(self) -> bool: ...
    @property
    def removed(self) -> int: ...
    @property
    def bytes_vectors(self) -> int: ...
    @property
    def bytes_structure(self) -> int: ...

_Found = tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64] | None]

class Index:
    @staticmethod
    def create(dim: int, metric: str, factory: str, dtype: str, seed: int, ef_construction: int) -> Index: ...
    @staticmethod
    def load(path: str | bytes, map: bool) -> Index: ...
    def add(
        self,
        x: NDArray[Any],
        ids: NDArray[np.int64] | None,
        replace: bool,
        progress: Callable[[int, int], object] | None,
    ) -> None: ...
    def train(self, x: NDArray[np.float32], progress: Callable[[int, int], object] | None) -> None: ...
    def compact(self, progress: Callable[[int, int], object] | None) -> None: ...
    def remove(self, ids: NDArray[np.int64]) -> int: ...
    def search(
        self,
        queries: NDArray[Any],
        k: int,
        where_ids: NDArray[np.int64] | None,
        where_mask: NDArray[np.uint8] | None,
        min_score: float | None,
        params: SearchParams,
        exact: bool,
        out_ids: NDArray[np.int64] | None,
        out_scores: NDArray[np.float32] | None,
    ) -> _Found: ...
    def range_search(
        self,
        queries: NDArray[Any],
        threshold: float,
        where_ids: NDArray[np.int64] | None,
        where_mask: NDArray[np.uint8] | None,
    ) -> _Found: ...
    def reconstruct(self, ids: NDArray[np.int64]) -> NDArray[Any]: ...
    def ids(self) -> NDArray[np.int64]: ...
    def size(self) -> int: ...
    def info(self) -> IndexInfo: ...
    def set_params(self, params: SearchParams) -> None: ...
    def save(self, path: str | bytes, note: str) -> None: ...
    def note(self) -> str: ...
    def verify(self) -> None: ...

def read_faiss(path: str | bytes, factory: str, progress: Callable[[int, int], object] | None) -> Index: ...
def write_faiss(index: Index, path: str | bytes, progress: Callable[[int, int], object] | None) -> None: ...
def read_annoy(
    path: str | bytes, dim: int, metric: str, factory: str, progress: Callable[[int, int], object] | None
) -> Index: ...

# text
class TokenizerFrame:
    def __init__(
        self,
        added: list[tuple[str, int, bool, bool, bool, bool]],
        normalizer: list[tuple[str, str | bytes, str]],
        before: list[int],
        after: list[int],
        pad_to: int,
        pad_id: int,
    ) -> None: ...

class Tokenizer:
    def encode(self, text: object) -> NDArray[np.int64]: ...
    def encode_batch(
        self,
        texts: list[str],
        max_length: int,
        padding: bool,
        pad_id: int,
        progress: Callable[[int, int], object] | None,
    ) -> tuple[NDArray[np.int64], NDArray[np.int64] | None, NDArray[np.int64], tuple[int, int]]: ...
    def decode(self, ids: NDArray[np.int64], skip_special_tokens: bool) -> str: ...
    def id_of(self, token: str) -> int: ...
    def vocabulary(self) -> list[str]: ...
    @property
    def least_length(self) -> int: ...
    @property
    def vocab_size(self) -> int: ...

class WordPieceTokenizer(Tokenizer):
    def __init__(
        self,
        tokens: list[str],
        lowercase: bool,
        strip_accents: bool | None,
        tokenize_chinese: bool,
        max_chars_per_word: int,
        unknown: str,
        frame: TokenizerFrame,
    ) -> None: ...

class BpeTokenizer(Tokenizer):
    def __init__(
        self,
        tokens: list[str],
        merges: list[str],
        pattern: str,
        add_prefix_space: bool,
        end_of_word: str,
        whole_words: bool,
        unknown: int,
        frame: TokenizerFrame,
    ) -> None: ...

class UnigramTokenizer(Tokenizer):
    def __init__(
        self,
        tokens: list[str],
        scores: NDArray[np.float64],
        cut: str,
        prefix: str,
        unknown: int,
        byte_fallback: bool,
        frame: TokenizerFrame,
    ) -> None: ...

def read_vocabulary(path: str | bytes | os.PathLike[str]) -> list[str]: ...

# weights
def read_weights(path: str | bytes | os.PathLike[str]) -> dict[str, NDArray[Any]]: ...
def write_safetensors(
    path: str | bytes | os.PathLike[str], tensors: Mapping[str, NDArray[Any]], metadata: Mapping[str, str] = {}
) -> None: ...
def copy_weights(
    source: str | bytes | os.PathLike[str], target: str | bytes | os.PathLike[str], metadata: dict[str, str]
) -> None: ...
def weights_fingerprint(path: str | bytes | os.PathLike[str]) -> str: ...

# evaluate
def evaluate_rankings(
    ranked: tuple[NDArray[np.int64], NDArray[np.int64]],
    relevant: tuple[NDArray[np.int64], NDArray[np.int64]],
    gains: NDArray[np.float64] | None,
    junk: tuple[NDArray[np.int64], NDArray[np.int64]] | None,
    ks: NDArray[np.int64],
    divisor: str,
    relevant_gain: float,
) -> NDArray[np.float64]: ...
def evaluate_embeddings(
    queries: NDArray[Any],
    gallery: NDArray[Any] | None,
    metric: str,
    levels: Sequence[
        tuple[tuple[NDArray[np.int64], NDArray[np.int64]], NDArray[np.float64] | None, float, NDArray[np.int64]]
    ],
    junk: tuple[NDArray[np.int64], NDArray[np.int64]] | None,
    leave_one_out: bool,
    ties: str,
    max_memory: int,
    ks: NDArray[np.int64],
    divisor: str,
    relevant_gain: float,
    progress: Callable[[int, int], None] | None,
) -> NDArray[np.float64]: ...
def count_pairs(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[int, int, int, int]: ...

# rank: fusion, diversity, calibration
def fuse_rankings(
    channels: list[tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]],
    k: int,
    value: str,
    constant: float,
    weights: list[float],
    missing: float | None,
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]: ...
def mmr(
    ids: NDArray[np.int64],
    scores: NDArray[np.float32] | None,
    rows: NDArray[np.int64],
    offsets: NDArray[np.int64],
    queries: NDArray[np.float32] | None,
    vectors: NDArray[np.float32],
    k: int,
    diversity: float,
    metric: str,
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]: ...
def null_confidences(
    means: NDArray[np.float64],
    deviations: NDArray[np.float64],
    fisher: bool,
    items: int,
    scores: NDArray[np.float64],
) -> NDArray[np.float64]: ...

# rerank
def expand_queries(
    index: Index,
    queries: NDArray[np.float32],
    n: int,
    alpha: float,
    where_ids: NDArray[np.int64] | None,
    where_mask: NDArray[np.uint8] | None,
) -> NDArray[np.float32]: ...
def augment_database(index: Index, n: int, alpha: float) -> NDArray[np.float32]: ...
def k_reciprocal(
    index: Index,
    queries: NDArray[np.float32],
    k: int,
    where_ids: NDArray[np.int64] | None,
    where_mask: NDArray[np.uint8] | None,
    candidates: int,
    k1: int,
    k2: int,
    weight: float,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]: ...
def diffusion(
    index: Index,
    queries: NDArray[np.float32],
    k: int,
    where_ids: NDArray[np.int64] | None,
    where_mask: NDArray[np.uint8] | None,
    neighbours: int,
    candidates: int,
    alpha: float,
    iterations: int,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]: ...

# feedback
def fit_linear(
    rows: NDArray[np.float32],
    targets: NDArray[np.int8],
    weights: NDArray[np.float64],
    loss: str,
    l2: float,
    start: NDArray[np.float64] | None,
    start_bias: float,
    seed: int,
) -> tuple[NDArray[np.float64], float, NDArray[np.float64], float, int, float]: ...
def rocchio(
    query: NDArray[np.float32] | None,
    relevant: NDArray[np.float32],
    irrelevant: NDArray[np.float32],
    alpha: float,
    beta: float,
    gamma: float,
) -> NDArray[np.float32]: ...
def choose_questions(
    rows: NDArray[np.float32], scores: NDArray[np.float32], boundary: float, pool: int, count: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]: ...
def spherical_kmeans(
    rows: NDArray[np.float32], weights: NDArray[np.float64], count: int, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.int64], float]: ...
def silhouette(rows: NDArray[np.float32], weights: NDArray[np.float64], labels: NDArray[np.int64]) -> float: ...

# nn
def image_architectures() -> list[str]: ...
def text_architectures() -> list[str]: ...
def image_facts(architecture: str, config: dict[str, Any]) -> tuple[int, int, int, int]: ...

class FrozenImageNetwork:
    def __init__(self, architecture: str, config: dict[str, Any], weights: str | None, seed: int) -> None: ...
    def run(self, pixels: NDArray[np.float32], outputs: list[str]) -> list[NDArray[np.float32]]: ...
    @property
    def dim(self) -> int: ...
    @property
    def classes(self) -> int: ...
    @property
    def input_size(self) -> int: ...
    @property
    def least_size(self) -> int: ...

class FrozenTextNetwork:
    def __init__(self, architecture: str, config: dict[str, Any], weights: str | None, seed: int) -> None: ...
    def hidden_states(self, ids: NDArray[np.int32], offsets: NDArray[np.int64]) -> NDArray[np.float32]: ...
    @property
    def dim(self) -> int: ...
    @property
    def hidden_size(self) -> int: ...
    @property
    def max_tokens(self) -> int: ...
    @property
    def pooling(self) -> str: ...

# encode
class ScriptNetwork:
    def __init__(self, path: str) -> None: ...

class ImageEncoder:
    def __init__(
        self,
        network: FrozenImageNetwork | ScriptNetwork,
        views: list[Preprocess],
        pooling: str,
        mean: NDArray[np.float32] | None = None,
        matrix: NDArray[np.float32] | None = None,
    ) -> None: ...
    def encode(
        self,
        images: list[Any],
        features: NDArray[np.float32],
        probabilities: NDArray[np.float32],
        *,
        normalize: bool,
        stop_at_failure: bool,
        first_index: int,
        progress: Callable[[int, int], object] | None = None,
    ) -> list[tuple[int, str]]: ...
    @property
    def dim(self) -> int: ...
    @property
    def classes(self) -> int: ...

class TextEncoder:
    def __init__(self, network: FrozenTextNetwork, tokenizer: Tokenizer, pooling: str, max_length: int) -> None: ...
    def encode(
        self,
        texts: list[str],
        rows: NDArray[np.float32],
        *,
        normalize: bool,
        progress: Callable[[int, int], object] | None = None,
    ) -> tuple[int, int]: ...
    @property
    def dim(self) -> int: ...

# detect
class Detector:
    def __init__(self, config: dict[str, Any], weights: str | None, seed: int, options: dict[str, Any]) -> None: ...
    def detect(
        self, images: list[Any], progress: Callable[[int, int], object] | None = None
    ) -> list[tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]]: ...
    @property
    def classes(self) -> int: ...

# image
_Source = str | bytes | NDArray[np.uint8]

def decode(
    source: list[_Source], exif: bool, alpha: str, max_pixels: int, target_short_side: int
) -> NDArray[np.uint8]: ...
def probe(data: bytes) -> tuple[str, int, int, int]: ...
def resize(image: NDArray[np.uint8], height: int, width: int, interpolation: str) -> NDArray[np.uint8]: ...
def encode_jpeg(image: NDArray[np.uint8], quality: int) -> bytes: ...
def encode_png(image: NDArray[np.uint8]) -> bytes: ...
def read_file(path: str) -> bytes: ...

class Preprocess:
    def __init__(self, steps: list[tuple[Any, ...]], interpolation: str, options: dict[str, Any]) -> None: ...
    def apply(self, images: list[_Source], progress: Callable[[int, int], object] | None) -> NDArray[np.float32]: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def height(self) -> int: ...
    @property
    def width(self) -> int: ...

class Augmentation:
    def __init__(self, preprocess: Preprocess, steps: list[tuple[str, dict[str, Any], float]], seed: int) -> None: ...
    @property
    def fits_network(self) -> bool: ...
    def apply(
        self,
        images: list[_Source],
        indices: NDArray[np.int64],
        epoch: int,
        views: int,
        floats: bool,
        stop_at_failure: bool,
    ) -> tuple[NDArray[Any], list[tuple[int, str]]]: ...
    def transform(self, images: list[_Source], indices: NDArray[np.int64], epoch: int) -> list[NDArray[np.uint8]]: ...

def mix(
    pixels: NDArray[Any],
    indices: NDArray[np.int64],
    cut: bool,
    shape: float,
    probability: float,
    seed: int,
    epoch: int,
) -> tuple[NDArray[Any], NDArray[np.int64], NDArray[np.float32]]: ...
