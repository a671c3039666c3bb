"""Figures for the fits on all trials at once, by scipy.optimize and finite differences, for test/tuning/batch.test.ts.

    python test/peers/batch_reference.py > test/fixtures/batch-reference.json
"""
import json
import sys

import numpy as np
import scipy
from scipy import integrate, linalg, optimize, stats

rng = np.random.default_rng(20261125)
PRIOR_COUNT, LATENTS, FUNCTIONS, LENGTH, HALF = 2.0, 3, 4, 1.5, 4.5
TRIALS = 120
KAPPA, LOG_PHI_MEAN, LOG_PHI_SD = 0.05, np.log(0.1), 1.5

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


faces = rng.uniform(-3, 3, size=(TRIALS, LATENTS))
x = np.array([basis(z, FUNCTIONS, LENGTH, HALF) for z in faces])
offset = rng.normal(0, 0.2, TRIALS)
weight = rng.uniform(0.3, 1, TRIALS)
rate = 0.4 + 1.5 * np.logaddexp(0, 1.2 * faces[:, 1]) * np.exp(offset)
counts = rng.negative_binomial(4, 4 / (4 + rate))
start = prior_precision(LATENTS, FUNCTIONS, LENGTH, HALF, 1.0, 0.3, 0.4)


def log_probability(link, phi, theta):
    eta = x @ theta
    mean = np.exp(eta + offset) if link == "exponential" else PRIOR_COUNT * np.logaddexp(0, eta) / np.log(2) * np.exp(offset)
    if phi == 0:
        return weight * stats.poisson.logpmf(counts, mean), mean
    return weight * stats.nbinom.logpmf(counts, 1 / phi, 1 / (1 + phi * mean)), mean


def hessian(f, theta, h=1e-3):
    """Central differences, extrapolated once (Richardson)."""

    def crude(h):
        n = len(theta)
        out = np.empty((n, n))
        e = np.eye(n) * h
        for i in range(n):
            for j in range(i + 1):
                out[i, j] = out[j, i] = (
                    f(theta + e[i] + e[j]) - f(theta + e[i] - e[j]) - f(theta - e[i] + e[j]) + f(theta - e[i] - e[j])
                ) / (4 * h * h)
        return out

    return (4 * crude(h) - crude(2 * h)) / 3


def fit(link, phi):
    mean = np.zeros(x.shape[1])
    mean[0] = np.log(PRIOR_COUNT) if link == "exponential" else 0

    def loss(theta):
        return -log_probability(link, phi, theta)[0].sum() + 0.5 * (start * (theta - mean) ** 2).sum()

    found = optimize.minimize(loss, mean, method="BFGS", options={"gtol": 1e-9, "maxiter": 5000})
    curvature = hessian(loss, found.x)
    # Polished by Newton steps with the numerical curvature, on differences of the loss.
    theta = found.x
    for _ in range(4):
        gradient = optimize.approx_fprime(theta, loss, 1e-6) / 2 - optimize.approx_fprime(theta, loss, -1e-6) / -2
        theta = theta - np.linalg.solve(curvature, gradient)
    evidence = -loss(theta) + 0.5 * np.log(start).sum() - 0.5 * np.linalg.slogdet(curvature)[1]
    return dict(link=link, dispersion=phi, mean=theta.tolist(), covariance=linalg.inv(curvature).ravel().tolist(), logEvidence=evidence)


def averaged_prior(hess, linear, mean, groups, at_start):
    """Mean and covariance of the weights, averaged over the log ratios of two groups by brute force on a grid."""
    rho = np.linspace(np.log(1 / 50), np.log(1e4), 81)
    log_hyper = (1 + KAPPA) * rho - (1 + 2 * KAPPA) * np.logaddexp(0, rho)
    weights, means, covariances = [], [], []
    for i, a in enumerate(rho):
        for j, b in enumerate(rho):
            p = at_start.copy()
            p[groups[0]] *= np.exp(a)
            p[groups[1]] *= np.exp(b)
            covariance = np.linalg.inv(hess + np.diag(p))
            pulled = linear + p * mean
            theta = covariance @ pulled
            weights.append(0.5 * np.log(p).sum() + 0.5 * np.linalg.slogdet(covariance)[1] + 0.5 * pulled @ theta + log_hyper[i] + log_hyper[j])
            means.append(theta)
            covariances.append(covariance)
    weights = np.exp(np.array(weights) - max(weights))
    weights /= weights.sum()
    means = np.array(means)
    average = weights @ means
    spread = means - average
    covariance = np.tensordot(weights, np.array(covariances), 1) + (spread * weights[:, None]).T @ spread
    return average, covariance


def dispersion(mean, determined):
    def loss(u):
        phi = np.exp(u)
        value = (weight * stats.nbinom.logpmf(counts, 1 / phi, 1 / (1 + phi * mean))).sum()
        adjustment = 0.5 * determined * np.log((weight * mean / (1 + phi * mean)).sum())
        return -(value - adjustment - 0.5 * ((u - LOG_PHI_MEAN) / LOG_PHI_SD) ** 2)

    bounds = (np.log(1e-4), np.log(10))
    best = optimize.minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-9})
    density = lambda u: np.exp(best.fun - loss(u))
    below = lambda u: integrate.quad(density, bounds[0], u, points=[min(best.x, u)], limit=400)[0]
    total = below(bounds[1])
    at = lambda share: float(np.exp(optimize.brentq(lambda u: below(u) - share * total, *bounds)))
    return dict(determined=determined, dispersion=float(np.exp(best.x)), low=at(0.05), high=at(0.95))


fits = [fit("exponential", 0.0), fit("exponential", 0.3), fit("softplus", 0.0)]
softplus_nb = fit("softplus", 0.3)
poisson = np.array(fits[0]["mean"])
_, expected = log_probability("exponential", 0.0, poisson)


def one_latent(slope, trials):
    """A Gaussian likelihood of one latent's weights, as of Poisson counts of about 2."""
    block = np.array([basis([z], FUNCTIONS, LENGTH, HALF) for z in rng.uniform(-3, 3, trials)])
    eta = np.log(2) + slope * block[:, 1]
    counts = rng.poisson(np.exp(eta))
    hess = (block * np.exp(eta)[:, None]).T @ block
    truth = np.zeros(block.shape[1])
    truth[0], truth[1] = np.log(2), slope
    linear = hess @ truth + block.T @ (counts - np.exp(eta))
    at_start = prior_precision(1, FUNCTIONS, LENGTH, HALF, 1.0, 0.3, 0.4)
    mean = np.zeros(len(truth))
    mean[0] = np.log(PRIOR_COUNT)
    average, covariance = averaged_prior(hess, linear, mean, [[1], list(range(2, len(truth)))], at_start)
    return dict(slope=slope, trials=trials, hessian=hess.ravel().tolist(), linear=linear.tolist(), startPrecision=at_start.tolist(),
                mean=average.tolist(), covariance=covariance.ravel().tolist())


json.dump(
    {
        "madeBy": f"test/peers/batch_reference.py, SciPy {scipy.__version__}, NumPy {np.__version__}",
        "settings": dict(latents=LATENTS, functions=FUNCTIONS, lengthScale=LENGTH, halfWidth=HALF, priorCount=PRIOR_COUNT),
        "faces": faces.tolist(),
        "counts": counts.tolist(),
        "offset": offset.tolist(),
        "weight": weight.tolist(),
        "startPrecision": start.tolist(),
        "fits": fits,
        # Its curvature is the expected one in the server, the observed one here: only the mode is comparable.
        "softplusNegativeBinomial": dict(dispersion=0.3, mean=softplus_nb["mean"]),
        "prior": [one_latent(slope, trials) for slope, trials in ((0.0, 60), (0.0, 400), (0.1, 60), (0.3, 60), (0.3, 400))],
        "dispersion": [dispersion(expected, g) for g in (0.0, 5.0)],
    },
    sys.stdout,
)
