"""Types of a composed training configuration: units and ranges. Its defaults stand in `config/train`."""

from typing import Annotated, Literal

from pydantic import Field

from pesforge.settings import Count, Fraction, NonNegative, Positive, Section


class ModelConfig(Section):
    """The non-linear head."""

    width: Count = Field(le=1024, description="neurons per hidden layer")
    depth: Annotated[int, Field(ge=0, le=6)] = Field(description="hidden layers; 0: the linear term alone")
    activation: Literal["silu", "tanh"] = Field(description="smooth activation of the hidden layers")
    linear: bool = Field(description="add a trainable linear term in the projections")
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(
        description="probability that a neuron is left out of a training step, for all atoms alike"
    )


class LossConfig(Section):
    """The loss and the regulariser Reg-M."""

    w_energy: Positive = Field(description="weight of the mean squared energy error, per (eV/atom)²")
    w_force: Positive = Field(description="weight of the mean squared force component error, per (eV/Å)²")
    w_stress: NonNegative = Field(description="weight of the mean squared stress component error, per (eV/Å³)²")
    lambda_m: NonNegative = Field(description="weight of Reg-M, per (eV/Å)²")
    kernel: Literal["gaussian", "bump"] = Field(description="mollifier of Reg-M")
    width_ang: Positive = Field(le=1, description="standard deviation (gaussian) or half support (bump) in Å")
    samples: Count = Field(le=64, description="random displacements per step that estimate the integral")


class OptimizerConfig(Section):
    """The optimiser and its learning rate."""

    name: Literal["adam", "adamw", "marquardt"] = Field(
        description="optimiser; `marquardt`: least squares on all training structures, for few parameters, no schedule"
    )
    learning_rate: Positive = Field(le=1, description="first learning rate")
    weight_decay: NonNegative = Field(
        description="L2 term λ/2 ‖θ‖² of the loss (adam, marquardt), or decoupled decay (adamw)"
    )
    schedule: Literal["cosine", "plateau"] = Field(description="how the learning rate falls")
    final_fraction: Annotated[float, Field(gt=0, le=1)] = Field(description="smallest learning rate over the first")
    plateau_patience: Count = Field(description="validations without improvement before `plateau` halves the rate")


class TrainerConfig(Section):
    """The length of a run."""

    max_epochs: Count = Field(description="longest run in epochs")
    batch_size: Count = Field(description="structures per step")
    validate_every: Count = Field(description="epochs between validations")
    patience: Count = Field(description="validations without improvement that end the run")
    gradient_clip: Positive = Field(description="largest norm of the gradient")
    validation_fraction: Fraction = Field(description="share of the training groups that decide when to stop")


class RunConfig(Section):
    """How any network is trained."""

    loss: LossConfig = Field(description="loss")
    optimizer: OptimizerConfig = Field(description="optimiser")
    trainer: TrainerConfig = Field(description="length of the run")


class TrainConfig(RunConfig):
    """A whole composed training configuration of the non-linear head."""

    model: ModelConfig = Field(description="non-linear head")
