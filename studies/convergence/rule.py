"""Means over replicas, the slopes fitted to them, and how many replicas that needs.

    log (E W^2)^{1/2} = c + s log n,   and with the known correction   c + s log n + b / n

W^2 on the line and the field error are smooth functionals of the empirical measure of independent tokens: n E W^2 has
an expansion in 1/n, of which b is the first term. Without it its size, a tenth at n = 32 and depth 1, would be taken
for a part of the slope. At depth 0 on the line it has no other term at all: for the uniform law on an interval of
length L, E W2^2 = L^2 / (6 n) for every n. (With L = 1 the i-th of n tokens has mean i/(n+1) and variance
i(n+1-i)/((n+1)^2 (n+2)); the variances sum to 1/(6(n+1)), what the means miss of u on ((i-1)/n, i/n) to 1/(6n(n+1)).)
So root mean squares are fitted: the mean of W2 itself has a correction even there.

E W^2 is the intercept of a regression of W^2 on `controls` of known mean 0, where there are any. The fit is weighted by
the standard errors of the logarithms. Intervals are percentiles over bootstrap samples of the replicas, for each n by
itself, with the regression done again in each.
"""

from __future__ import annotations

import numpy as np

from particles.checks import Array

_TWO_SIDED = 1.959963984540054  # of the normal law, 95 %


def design(sizes: Array, corrected: bool) -> Array:
    """Return the columns that are fitted: 1, log n and perhaps 1/n."""
    n = np.asarray(sizes, dtype=float)
    columns = [np.ones_like(n), np.log(n)] + ([1 / n] if corrected else [])
    return np.stack(columns, axis=1)


def slopes(sizes: Array, logs: Array, errors: Array, corrected: bool) -> Array:
    """Return the weighted least squares slope for each row of logs (..., sizes)."""
    weights = 1 / errors if (errors > 0).all() else np.ones(len(errors))
    return logs @ (np.linalg.pinv(design(sizes, corrected) * weights[:, None])[1] * weights)


def target(sizes: Array, corrected: bool, width: float) -> float:
    """Return the standard error of each logarithm with which the slope's 95 % interval is `width` wide."""
    return float(width / (2 * _TWO_SIDED * np.linalg.norm(np.linalg.pinv(design(sizes, corrected))[1])))


def mean_squares(values: Array, controls: Array) -> tuple[Array, Array]:
    """Return estimates of E W^2 from values (R, depths), and the standard errors of their logarithms' halves.

    Parameters
    ----------
    values : (R, depths) array
        W of each replica.
    controls : (R, p) array
        Variables of mean 0; p may be 0.
    """
    squares, count = values**2, len(values)
    if count == 1:
        return squares[0], np.zeros(values.shape[1])
    columns = np.column_stack([np.ones(count), controls])
    gram = np.einsum("ri,rj->ij", columns, columns)  # not BLAS, whose last bits depend on the number of threads
    fitted = np.linalg.solve(gram, np.einsum("ri,rk->ik", columns, squares))
    residuals = squares - np.einsum("ri,ik->rk", columns, fitted)
    variance = (residuals**2).sum(axis=0) / (count - columns.shape[1])
    return fitted[0], 0.5 * np.sqrt(variance * np.linalg.inv(gram)[0, 0]) / fitted[0]


def resampled(values: Array, controls: Array, resamples: int, rng: np.random.Generator) -> Array:
    """Return estimates of log (E W^2)^{1/2} from bootstrap samples of values (R,); shape (resamples,)."""
    count = len(values)
    times = rng.multinomial(count, np.full(count, 1 / count), size=resamples).astype(float)
    columns = np.column_stack([np.ones(count), controls])
    size = columns.shape[1]
    products = (columns[:, :, None] * np.column_stack([columns, values**2])[:, None, :]).reshape(count, -1)
    sums = np.einsum("br,rk->bk", times, products).reshape(resamples, size, size + 1)
    return 0.5 * np.log(np.linalg.solve(sums[..., :size], sums[..., size:])[:, 0, 0])
