"""The trainer: mixed precision, checkpoints, exact resume, several processes and reports, for any `Task`."""

from pictrieve.finetune.trainer.callbacks import Callback
from pictrieve.finetune.trainer.report import Example, Report, WorseWarning
from pictrieve.finetune.trainer.run import Run
from pictrieve.finetune.trainer.settings import Settings
from pictrieve.finetune.trainer.trainer import Trainer

__all__ = ["Callback", "Example", "Report", "Run", "Settings", "Trainer", "WorseWarning"]
