"""Figures that the tuning tests are held against, computed with SciPy independently of the project's code.

    python test/peers/tuning_reference.py > test/fixtures/tuning-reference.json
"""
import json
import sys

import mpmath
import numpy as np
import scipy
from scipy import integrate, optimize, special, stats

rng = np.random.default_rng(20261124)


def basis(z, functions, length, half):
    """1, then for each latent: z_d and phi_j(z_d) - phi_j(0)."""
    x = [1.0]
    for value in z:
        x.append(value)
        for j in range(1, functions + 1):
            w = np.pi * j / (2 * half)
            x.append((np.sin(w * (value + half)) - np.sin(w * half)) / np.sqrt(half))
    return np.array(x)


def prior_precision(latents, functions, length, half, bias_sd, linear_sd, smooth_sd):
    p = [1 / bias_sd**2]
    for _ in range(latents):
        p.append(1 / linear_sd**2)
        for j in range(1, functions + 1):
            w = np.pi * j / (2 * half)
            p.append(1 / (smooth_sd**2 * np.sqrt(2 * np.pi) * length * np.exp(-0.5 * (length * w) ** 2)))
    return np.array(p)


def newton_map(x, counts, mean, precision):
    """MAP and Laplace covariance of a Poisson GLM with a Gaussian prior, by scipy.optimize."""

    def loss(theta):
        eta = x @ theta
        return np.exp(eta).sum() - counts @ eta + 0.5 * ((theta - mean) ** 2 * precision).sum()

    def grad(theta):
        return x.T @ (np.exp(x @ theta) - counts) + precision * (theta - mean)

    def hess(theta):
        return (x * np.exp(x @ theta)[:, None]).T @ x + np.diag(precision)

    found = optimize.minimize(loss, mean, jac=grad, hess=hess, method="trust-exact", options={"gtol": 1e-11})
    return found.x, np.linalg.inv(hess(found.x))


def lambert(y):
    mpmath.mp.dps = 40
    return float(mpmath.lambertw(mpmath.exp(mpmath.mpf(y))).real)


def information(m, s2):
    """Mutual information of one Poisson count about its log mean ~ N(m, s2), in nats."""
    s = np.sqrt(s2)
    counts = np.arange(0, int(np.exp(m + 6 * s)) + 60)
    nodes, weights = np.polynomial.hermite_e.hermegauss(120)
    weights = weights / weights.sum()
    rho = m + s * nodes
    log_p = stats.poisson.logpmf(counts[None, :], np.exp(rho)[:, None])
    log_marginal = special.logsumexp(log_p + np.log(weights)[:, None], axis=0)
    return float((weights[:, None] * np.exp(log_p) * (log_p - log_marginal[None, :])).sum())


settings = dict(latents=3, functions=4, lengthScale=1.5, halfWidth=4.5, priorCount=2.0, biasSd=1.0, linearSd=0.3, smoothSd=0.4)
faces = rng.uniform(-3, 3, size=(200, 3))
rate = 1 + 3 * np.exp(-((faces[:, 0] - 0.5) ** 2) / 2) + np.log1p(np.exp(faces[:, 1]))
counts = rng.poisson(rate)
x = np.array([basis(z, 4, 1.5, 4.5) for z in faces])
precision = prior_precision(3, 4, 1.5, 4.5, 1.0, 0.3, 0.4)
mean = np.zeros(x.shape[1])
mean[0] = np.log(2.0)

one_mean, one_cov = newton_map(x[:1], np.array([7]), mean, precision)
zero_mean, zero_cov = newton_map(x[:1], np.array([0]), mean, precision)
all_mean, all_cov = newton_map(x, counts, mean, precision)

json.dump(
    {
        "madeBy": f"test/peers/tuning_reference.py, SciPy {scipy.__version__}, NumPy {np.__version__}",
        "settings": settings,
        "faces": faces.tolist(),
        "counts": counts.tolist(),
        "features": x[0].tolist(),
        "oneTrial": [
            {"count": 7, "mean": one_mean.tolist(), "covariance": one_cov.ravel().tolist()},
            {"count": 0, "mean": zero_mean.tolist(), "covariance": zero_cov.ravel().tolist()},
        ],
        "allTrials": {"mean": all_mean.tolist(), "sd": np.sqrt(np.diag(all_cov)).tolist()},
        "lambertWExp": [[y, lambert(y)] for y in [-30.0, -5.0, -1.0, 0.0, 0.5, 1.0, 2.0, 10.0, 100.0, 800.0, 1e5]],
        "lambertwScipy": [[y, float(special.lambertw(np.exp(y)).real)] for y in [-30.0, -5.0, 0.0, 1.0, 10.0, 100.0]],
        "information": [[m, s2, information(m, s2)] for m, s2 in [(np.log(3), 1.0), (0.0, 0.25), (1.0, 0.5), (-1.0, 0.5), (2.0, 0.1)]],
    },
    sys.stdout,
)
