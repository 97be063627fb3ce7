"""Data sets: loaders of the usual formats, splits, and readers of vectors. Nothing here downloads anything."""

from pictrieve.datasets.cars import Cars196
from pictrieve.datasets.coco import Coco
from pictrieve.datasets.counts import PUBLISHED, CountWarning
from pictrieve.datasets.cub import CUB200
from pictrieve.datasets.dataset import Dataset, Sample
from pictrieve.datasets.embedding_folder import EmbeddingFolder
from pictrieve.datasets.flickr import Flickr8k, Flickr30k
from pictrieve.datasets.folder import ImageFolder
from pictrieve.datasets.groups import Holidays, UKBench
from pictrieve.datasets.huggingface import HuggingFace
from pictrieve.datasets.karpathy import Karpathy
from pictrieve.datasets.products import InShop, StanfordOnlineProducts
from pictrieve.datasets.revisited import RevisitedOxford, RevisitedParis, relevance
from pictrieve.datasets.safe_pickle import read_pickle
from pictrieve.datasets.splits import duplicate_groups, hold_out_classes, split
from pictrieve.datasets.table import Captions, Table
from pictrieve.datasets.vectors import read_vectors
from pictrieve.datasets.video import VideoFrames
from pictrieve.datasets.webdataset import WebDataset

__all__ = [
    "CUB200",
    "PUBLISHED",
    "Captions",
    "Cars196",
    "Coco",
    "CountWarning",
    "Dataset",
    "EmbeddingFolder",
    "Flickr8k",
    "Flickr30k",
    "Holidays",
    "HuggingFace",
    "ImageFolder",
    "InShop",
    "Karpathy",
    "RevisitedOxford",
    "RevisitedParis",
    "Sample",
    "StanfordOnlineProducts",
    "Table",
    "UKBench",
    "VideoFrames",
    "WebDataset",
    "duplicate_groups",
    "hold_out_classes",
    "read_pickle",
    "read_vectors",
    "relevance",
    "split",
]
