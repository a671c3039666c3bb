"""Figures for one count and one Gaussian belief, by brute quadrature with SciPy, for test/tuning/observation.test.ts.

    python test/peers/observation_reference.py > test/fixtures/observation-reference.json
"""
import json
import sys

import numpy as np
import scipy
from scipy import integrate, stats

PRIOR_COUNT = 2.0


def expected(link, eta):
    return np.exp(eta) if link == "exponential" else PRIOR_COUNT * np.logaddexp(0, eta) / np.log(2)


def log_probability(link, dispersion, count, eta):
    mean = expected(link, eta)
    if dispersion == 0:
        return stats.poisson.logpmf(count, mean)
    return stats.nbinom.logpmf(count, 1 / dispersion, 1 / (1 + dispersion * mean))


def posterior(link, dispersion, m, s2, count):
    eta = np.linspace(m - 14 * np.sqrt(s2), m + 14 * np.sqrt(s2), 400_001)
    log_joint = log_probability(link, dispersion, count, eta) + stats.norm.logpdf(eta, m, np.sqrt(s2))
    peak = log_joint.max()
    weight = np.exp(log_joint - peak)
    evidence = integrate.simpson(weight, x=eta)
    mean = integrate.simpson(weight * eta, x=eta) / evidence
    variance = integrate.simpson(weight * (eta - mean) ** 2, x=eta) / evidence
    return np.log(evidence) + peak, mean, variance


def fisher(link, dispersion, eta):
    """Variance of the numerical score over the distribution of counts."""
    counts = np.arange(0, 4000)
    h = 1e-5
    slope = (log_probability(link, dispersion, counts, eta + h) - log_probability(link, dispersion, counts, eta - h)) / (2 * h)
    p = np.exp(log_probability(link, dispersion, counts, eta))
    return float((p * slope**2).sum())


beliefs = [(0.5, 1.0), (1.2, 0.05), (-2.0, 0.3), (2.5, 0.6)]
cases = []
for link in ("exponential", "softplus"):
    for dispersion in (0.0, 0.05, 0.4):
        for m, s2 in beliefs:
            for count in (0, 1, 4, 30):
                log_predictive, mean, variance = posterior(link, dispersion, m, s2, count)
                cases.append(dict(link=link, dispersion=dispersion, m=m, s2=s2, count=count,
                                  logPredictive=log_predictive, mean=mean, variance=variance))
json.dump(
    {
        "madeBy": f"test/peers/observation_reference.py, SciPy {scipy.__version__}, NumPy {np.__version__}",
        "priorCount": PRIOR_COUNT,
        "cases": cases,
        "points": [
            dict(link=link, dispersion=dispersion, eta=eta, count=count,
                 logLikelihood=float(log_probability(link, dispersion, count, eta)),
                 information=fisher(link, dispersion, eta))
            for link in ("exponential", "softplus") for dispersion in (0.0, 1e-3, 0.3) for eta in (-3.0, 0.0, 2.5)
            for count in (0, 3, 200)
        ],
    },
    sys.stdout,
)
