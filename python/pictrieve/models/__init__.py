"""Which models there are, where their weights lie, under which licence, and how the files of each maker are read."""

from pictrieve.models.catalogue import DEFAULT_DUAL, ModelInfo, ModelTable, list_models
from pictrieve.models.labels import ImageClass, imagenet_classes, imagenet_labels
from pictrieve.models.resolve import is_dual, locate, resolve
from pictrieve.models.resolved import ResolvedModel, read_json

__all__ = [
    "DEFAULT_DUAL",
    "ImageClass",
    "ModelInfo",
    "ModelTable",
    "ResolvedModel",
    "imagenet_classes",
    "imagenet_labels",
    "is_dual",
    "list_models",
    "locate",
    "read_json",
    "resolve",
]
