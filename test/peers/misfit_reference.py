"""Figures for the checks of misfit, by NumPy and SciPy, for test/tuning/misfit.test.ts.

    python test/peers/misfit_reference.py > test/fixtures/misfit-reference.json
"""
import json
import sys

import numpy as np
import scipy
from scipy import stats

rng = np.random.default_rng(20261126)
TRIALS = 150
z = rng.uniform(-3, 3, (TRIALS, 2))
x = np.column_stack([np.ones(TRIALS), z])
counts = rng.poisson(np.exp(0.8 + 0.3 * z[:, 0] - 0.1 * z[:, 1] + 0.04 * z[:, 0] * z[:, 1]))


def rao(extra):
    """Rao's score statistic for extra features of a Poisson regression on 1, z1, z2 without a prior."""
    theta = np.zeros(3)
    for _ in range(50):
        mean = np.exp(x @ theta)
        theta = theta + np.linalg.solve(x.T @ (x * mean[:, None]), x.T @ (counts - mean))
    mean = np.exp(x @ theta)
    score = extra.T @ (counts - mean)
    cross = x.T @ (extra * mean[:, None])
    information = extra.T @ (extra * mean[:, None]) - cross.T @ np.linalg.solve(x.T @ (x * mean[:, None]), cross)
    return float(score @ np.linalg.solve(information, score))


product = (z[:, 0] * z[:, 1])[:, None]
json.dump(
    {
        "madeBy": f"test/peers/misfit_reference.py, SciPy {scipy.__version__}, NumPy {np.__version__}",
        "z": z.tolist(),
        "counts": counts.tolist(),
        "statistics": [rao(product), rao(np.column_stack([product, z[:, :1] ** 2]))],
        "chiSquareTail": [[v, df, float(stats.chi2.sf(v, df))] for df in (1, 2, 5, 12, 66) for v in (1e-3, 0.5, 3.0, 11.0, 40.0, 200.0)],
    },
    sys.stdout,
)
