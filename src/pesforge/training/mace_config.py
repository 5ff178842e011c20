"""Settings of the training of a message-passing network: units, ranges and defaults."""

from typing import Annotated, Literal

from pydantic import Field

from pesforge.settings import Count, Fraction, NonNegative, Positive, Section


class MaceTraining(Section):
    """How a message-passing network is trained."""

    epochs: Count = Field(100, description="longest run in epochs")
    max_seconds: Positive | None = Field(
        None, description="longest training in s; it ends at this time, and the learning rate falls towards it"
    )
    patience: Count = Field(30, description="epochs without improvement of the validation groups that end the run")
    validation_fraction: Fraction = Field(0.1, description="share of the groups that decide when to stop")
    batch_size: Count = Field(4, description="structures per step")
    learning_rate: Positive = Field(0.01, le=1, description="first learning rate of Adam")
    final_fraction: Annotated[float, Field(gt=0, le=1)] = Field(
        0.01, description="last learning rate over the first; it falls along a cosine"
    )
    gradient_clip: Positive = Field(10.0, description="largest norm of the gradient")
    average: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.99, description="decay per step of the running mean of the parameters that is judged and kept; 0: none"
    )
    w_energy: Positive = Field(description="weight of the mean squared energy error, per (eV/atom)²")
    w_force: Positive = Field(description="weight of the mean squared force component error, per (eV/Å)²")
    w_stress: NonNegative = Field(description="weight of the mean squared stress component error, per (eV/Å³)²")
    precision: Literal["float32", "float64"] = Field("float32", description="precision of the training")
    seed: Annotated[int, Field(ge=0)] = Field(
        0, description="of first parameters, of groups and of the order of batches"
    )
