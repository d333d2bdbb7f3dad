"""The tables of a problem file, and what each of them builds.

Each model checks what TOML can hold; the numbers themselves are checked by the objects that are built, which
know what is allowed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

import meanfield
import particles
from studies.token_files import read_tokens


def _array(value: Any) -> Any:
    """Return nested lists of numbers as an array, or say where they are not that."""
    _only_numbers(value, "")
    try:
        return np.array(value, dtype=np.float64)
    except ValueError:
        raise ValueError("must be rectangular; its rows have unequal lengths") from None


def _only_numbers(value: Any, place: str) -> None:
    if isinstance(value, list):
        for index, item in enumerate(value):
            _only_numbers(item, f"{place}[{index}]")
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"must hold numbers only; got {value!r}" + (f" at {place}" if place else ""))


Array = Annotated[Any, BeforeValidator(_array)]


class Table(BaseModel):
    """A table of the file; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, arbitrary_types_allowed=True)


class AttentionTable(Table):
    """[attention]: V, and Q and K, identities if left out; one more level of lists means heads."""

    V: Array
    Q: Array = None
    K: Array = None

    def build(self) -> particles.Attention:
        """Return the attention."""
        shape = np.shape(self.V)
        identity = np.eye(*shape[-1:] or (1,))
        if len(shape) == 3:
            identity = np.tile(identity, (shape[0], 1, 1))
        return particles.Attention(
            Q=identity if self.Q is None else self.Q, K=identity if self.K is None else self.K, V=self.V
        )


class RawTable(Table):
    """[law] kind = "raw": equation (1.1)."""

    def build(self, attention: particles.Attention) -> particles.Dynamics:
        """Return the law of motion."""
        return particles.Raw(attention)


class RescaledTable(Table):
    """[law] kind = "rescaled": equation (3.1), or with dt the discrete form of Remark 3.3."""

    dt: float | None = None

    def build(self, attention: particles.Attention) -> particles.Dynamics:
        """Return the law of motion."""
        return particles.Rescaled(attention, dt=self.dt)


class UniformTable(Table):
    """[initial] kind = "uniform"."""

    lower: Array
    upper: Array

    def build(self) -> particles.Measure:
        """Return the uniform measure on the box."""
        return meanfield.Uniform(self.lower, self.upper)


class GaussianTable(Table):
    """[initial] kind = "gaussian"."""

    mean: Array
    cov: Array

    def build(self) -> particles.Measure:
        """Return the Gaussian."""
        return meanfield.Gaussian(self.mean, self.cov)


class TokensTable(Table):
    """[tokens]: a file, or n tokens drawn from [initial]."""

    file: str | None = None
    n: Annotated[int, Field(ge=1)] | None = None
    seed: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _one_source(self) -> TokensTable:
        if (self.file is None) == (self.n is None):
            raise ValueError("needs either `file` or `n`")
        if self.file is not None and "seed" in self.model_fields_set:
            raise ValueError("`seed` goes with `n`, not with `file`")
        return self

    def build(self, folder: Path, initial: particles.Measure | None) -> particles.Empirical:
        """Return the tokens; a relative file lies in `folder`."""
        if self.file is not None:
            return read_tokens(folder / self.file)
        assert self.n is not None and initial is not None
        return particles.Empirical(initial.sample(self.n, np.random.default_rng(self.seed)))


class TimesTable(Table):
    """[times]: the values themselves, or evenly spaced ones."""

    values: Array = None
    start: float = 0.0
    stop: float | None = None
    count: Annotated[int, Field(ge=2)] | None = None

    @model_validator(mode="after")
    def _one_form(self) -> TimesTable:
        spaced = self.model_fields_set - {"values"}
        if self.values is not None and spaced:
            raise ValueError("needs either `values` or `start`, `stop` and `count`; got both")
        if self.values is None and (self.stop is None or self.count is None):
            raise ValueError("needs either `values`, or `stop` and `count` (and `start`, 0 if left out)")
        return self

    def build(self) -> particles.checks.Array:
        """Return the times."""
        if self.values is None:
            assert self.stop is not None and self.count is not None
            times = np.linspace(self.start, self.stop, self.count)
        else:
            times = self.values
        problems = particles.checks.Problems()
        checked = particles.checks.times(times, problems)
        problems.raise_if_any()
        assert checked is not None
        return checked


class ParticleMethodTable(Table):
    """[method] kind = "particles": quadrature particles, their number fixed or found from a tolerance."""

    n: int | None = None
    tol: float | None = None

    @model_validator(mode="after")
    def _one_form(self) -> ParticleMethodTable:
        if (self.n is None) == (self.tol is None):
            raise ValueError("needs either `n` or `tol`")
        return self

    def build(self) -> meanfield.Method:
        """Return the method."""
        return meanfield.ParticleMethod(**self.model_dump(exclude_none=True))


class FiniteVolumeTable(Table):
    """[method] kind = "finite_volume"."""

    cells: int | list[int]
    order: int = 2

    def build(self) -> meanfield.Method:
        """Return the method."""
        return meanfield.FiniteVolume(cells=self.cells, order=self.order)


class SemiLagrangianTable(Table):
    """[method] kind = "semi_lagrangian"."""

    cells: int | list[int]
    dt: float

    def build(self) -> meanfield.Method:
        """Return the method."""
        return meanfield.SemiLagrangian(cells=self.cells, dt=self.dt)


class FrozenFieldTable(Table):
    """[method] kind = "frozen_field": the field held fixed over each tau."""

    tau: float

    def build(self) -> meanfield.Method:
        """Return the method."""
        return meanfield.FrozenField(self.tau)


class RiccatiTable(Table):
    """[method] kind = "riccati": the closed equations of a Gaussian."""

    def build(self) -> meanfield.Method:
        """Return the method."""
        return meanfield.Riccati()


class AdaptiveTable(Table):
    """[stepper] kind = "adaptive"."""

    rtol: float = 1e-8
    atol: float = 1e-10

    def build(self) -> particles.Stepper:
        """Return the stepper."""
        return particles.Adaptive(rtol=self.rtol, atol=self.atol)


class FixedStepTable(Table):
    """[stepper] with a fixed step."""

    scheme: ClassVar[type[particles.RK4] | type[particles.Euler]]
    dt: float

    def build(self) -> particles.Stepper:
        """Return the stepper."""
        return self.scheme(self.dt)


class RK4Table(FixedStepTable):
    """[stepper] kind = "rk4"."""

    scheme = particles.RK4


class EulerTable(FixedStepTable):
    """[stepper] kind = "euler"."""

    scheme = particles.Euler


Kinds = dict[str | None, type[Table]]

# Of every table the models by their `kind`; None where there is only one.
TABLES: dict[str, Kinds] = {
    "attention": {None: AttentionTable},
    "law": {"raw": RawTable, "rescaled": RescaledTable},
    "initial": {"uniform": UniformTable, "gaussian": GaussianTable},
    "tokens": {None: TokensTable},
    "times": {None: TimesTable},
    "method": {
        "particles": ParticleMethodTable,
        "finite_volume": FiniteVolumeTable,
        "semi_lagrangian": SemiLagrangianTable,
        "frozen_field": FrozenFieldTable,
        "riccati": RiccatiTable,
    },
    "stepper": {"adaptive": AdaptiveTable, "rk4": RK4Table, "euler": EulerTable},
}
REQUIRED = ("attention", "law", "times")
