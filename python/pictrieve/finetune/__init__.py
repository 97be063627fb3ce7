"""Training: the core's networks as `torch.nn.Module`s, losses, and recipes. The only part that imports torch."""

from pictrieve.finetune import losses, samplers, trainer
from pictrieve.finetune.adapt import adapt
from pictrieve.finetune.adapter import adapter
from pictrieve.finetune.adversarial import Adversarial
from pictrieve.finetune.align import align
from pictrieve.finetune.autoencoder import autoencoder
from pictrieve.finetune.clip import clip
from pictrieve.finetune.distill import distill
from pictrieve.finetune.feedback import learn_from_feedback
from pictrieve.finetune.fit import fit
from pictrieve.finetune.gan import gan
from pictrieve.finetune.hashing import hashing
from pictrieve.finetune.linear_classifier import Accuracy, LinearClassifier
from pictrieve.finetune.linear_probe import linear_probe
from pictrieve.finetune.marks import Judgement
from pictrieve.finetune.meta import meta_learn
from pictrieve.finetune.multitask import multitask
from pictrieve.finetune.network import Network, network
from pictrieve.finetune.prototypes import Episodes, episodes, prototypes
from pictrieve.finetune.self_supervised import self_supervised
from pictrieve.finetune.task import Batches, Task
from pictrieve.finetune.trainer import Callback, Report, Run, Settings, Trainer, WorseWarning

__all__ = [
    "Accuracy",
    "Adversarial",
    "Batches",
    "Callback",
    "Episodes",
    "Judgement",
    "LinearClassifier",
    "Network",
    "Report",
    "Run",
    "Settings",
    "Task",
    "Trainer",
    "WorseWarning",
    "adapt",
    "adapter",
    "align",
    "autoencoder",
    "clip",
    "distill",
    "episodes",
    "fit",
    "gan",
    "hashing",
    "learn_from_feedback",
    "linear_probe",
    "losses",
    "meta_learn",
    "multitask",
    "network",
    "prototypes",
    "samplers",
    "self_supervised",
    "trainer",
]
