"""High-precision reference values for the tests of the core and of the R package.

Usage: python3 reference_values.py     (needs mpmath; a few seconds; overwrites the CSV files)

Inputs are doubles, printed with 17 significant digits, which identify the double exactly. Values are
computed from them in at least 60 digits and printed with 25. Values outside the range of doubles are
printed as well (1e-400, -5e+199): a reader rounds them to zero, a subnormal or an infinity, as the
code under test should. Only magnitudes below 1e-5000 are written as 0.

All values are computed from the Mills ratio M(a) = Phi(-a)/phi(a): from erfc for a < 40, and from its
continued fraction for larger a. check() compares the two methods where both are accurate, and every
kind of value with numerical quadrature of its definition.
"""

import csv
import random
from pathlib import Path

from mpmath import erfc, exp, inf, log, log1p, mp, mpf, nstr, pi, quad, sqrt

mp.dps = 90

ROOT = Path(__file__).resolve().parent.parent
NORMAL = ROOT / "src/rust/core/tests/data/normal.csv"
TRUNCATED = ROOT / "tests/testthat/fixtures/truncnorm_moments.csv"
EMG = ROOT / "tests/testthat/fixtures/demg.csv"


def log_phi(z):
    return -z * z / 2 - log(2 * pi) / 2


def mills_erfc(a):
    return sqrt(pi / 2) * exp(a * a / 2) * erfc(a / sqrt(mpf(2)))


def fraction(a, terms=600):
    """f(a) = 2/(a + 3/(a + ...)), so that 1/M(a) = a + 1/(a + f(a)); for a > 10 or so."""
    value = mpf(0)
    for k in range(terms, 1, -1):
        value = k / (a + value)
    return value


def mills(a):
    return mills_erfc(a) if a < 40 else 1 / (a + 1 / (a + fraction(a)))


def log_complement(log_value, value):
    """log(1 - value), where value may be tiny; log_value is used where value would round to 0."""
    return log1p(-value) if log_value > -20000 else -exp(log_value)


def normal(z):
    """log Phi, hazard, mean, second moment and variance, at sigma = 1."""
    if z < -40:
        a = -z
        f = fraction(a)
        g = 1 / (a + f)
        return log_phi(z) - log(a + g), a + g, g, g * f, g * (f - g)
    if z > 0:
        log_upper = log_phi(z) + log(mills(z))
        log_cdf = log_complement(log_upper, exp(log_upper))
        h = exp(log_phi(z) - log_cdf)
    else:
        log_cdf = log_phi(z) + log(mills(-z))
        h = 1 / mills(-z)
    return log_cdf, h, z + h, 1 + z * (z + h), 1 - h * (z + h)


def emg(x, rate, sigma):
    """Log density, log distribution function and log of its complement of Exp(rate) + N(0, sigma^2).

    With y = x/sigma and c = rate sigma: density = rate phi(y) M(c - y),
    F = phi(y) (M(-y) - M(c - y)), 1 - F = phi(y) (M(y) + M(c - y)).
    """
    y, c = x / sigma, rate * sigma
    m = mills(c - y)
    log_density = log(rate) + log_phi(y) + log(m)
    log_sf = log_phi(y) + log(mills(y) + m)
    if log_sf < -log(mpf(2)):
        return log_density, log_complement(log_sf, exp(log_sf)), log_sf
    log_cdf = log_phi(y) + log(mills(-y) - m)
    return log_density, log_cdf, log_complement(log_cdf, exp(log_cdf))


def normal_grid():
    """About 400 doubles: powers of ten of both signs, [-40, 40] densely, and ends of branches."""
    rng = random.Random(20250227)
    powers = [-300, -100, -50, -20, -16, -12, -10, -8, -6, -5, -4, -3, -2, -1]
    sizes = [float(f"1e{k}") for k in powers + [2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 20, 28, 50, 100]]
    sizes += [3.3e3, 4.7e7, 2.5e9, 45.5, 77.7, 250.1]
    sizes += [8.2 + 0.05 * i for i in range(13)]
    sizes += [36.9, 37.1, 37.5, 37.6, 38.4, 38.45, 38.5, 38.6]
    grid = [0.0] + sizes + [-v for v in sizes]
    grid += [k / 2 for k in range(-80, 81)]
    grid += [rng.uniform(-40, 40) for _ in range(60)]
    grid += [rng.uniform(-10, 10) for _ in range(50)]
    return sorted(set(grid))


def truncated_grid():
    """About 160 pairs (mean, sd); mean/sd equals a number of `ratios` only up to rounding."""
    ratios = [1e-8, 1e-3, 0.1, 0.5, 1, 2, 3, 5, 8, 8.5, 10, 20, 37, 40, 100]
    ratios += [1e3, 1e4, 1e6, 1e8, 1e10]
    scales = [1e-5, 0.3, 17.0, 1e5]
    pairs = [(sign * r * s, s) for s in scales for r in ratios for sign in (-1, 1)]
    return sorted(pairs + [(0.0, s) for s in scales + [1.0]], key=lambda p: (p[1], p[0]))


def emg_grid():
    """About 160 triples (x, lambda, sigma): both tails, and the transition between them."""
    scales = [1e-3, 0.1, 1.0, 20.0, 1e3]
    triples = []
    for i, c in enumerate([1e-6, 1e-3, 0.01, 0.1, 1.0, 10.0, 100.0, 1e4]):
        points = [-1e3, -40.0, -8.0, -2.0, 0.0, 1.0, 4.0, 40.0, 1e3]  # in units of sigma
        points += [c - 9, c - 3, c, c + 3, c + 9]
        points += [k / c for k in (0.1, 0.5, 3, 40, 800)]  # in units of 1/lambda
        for j, y in enumerate(points):
            sigma = scales[(i + j) % len(scales)]
            triples.append((y * sigma, c / sigma, sigma))
    return sorted(set(triples), key=lambda t: (t[1] * t[2], t[0] / t[2]))


def close(x, y, digits=30):
    assert abs(x - y) <= abs(y) * mpf(10) ** -digits, (x, y)


def check():
    for a in (12, 39.7, 40.3, 150.25, 2.5e3):
        a = mpf(a)
        with mp.workdps(mp.dps + 20):
            direct = mills_erfc(a)
        close(direct, 1 / (a + 1 / (a + fraction(a))), 45)
        close(fraction(a, 1200), fraction(a), 60 if a > 39 else 45)

    for z in (-300.5, -41.0, -39.5, -6.25, -0.3, 0.0, 1.5, 7.0, 11.0):
        z = mpf(z)
        step = 1 / (1 + abs(z)) if z < 0 else mpf(1)
        nodes = [i * step for i in range(0, 30)] + [30 * step, 60 * step, inf]
        if z > 0:
            nodes = [mpf(0)] + [v for v in (z + i for i in range(-12, 13)) if v > 0] + [inf]

        def moment(k):
            return quad(lambda t: t**k * exp(-t * t / 2 + z * t), nodes)

        zero, one, two = moment(0), moment(1), moment(2)
        log_cdf, h, mean, second, variance = normal(z)
        close(log_cdf, log_phi(z) + log(zero))
        close(h, 1 / zero)
        close(mean, one / zero)
        close(second, two / zero)
        close(variance, two / zero - (one / zero) ** 2)

    cases = ((-2.5, 0.7, 1.25), (-30, 0.01, 3), (1, 5, 0.5), (12, 0.25, 2), (0.5, 8, 6))
    for x, rate, sigma in cases:
        x, rate, sigma = mpf(x), mpf(rate), mpf(sigma)
        peak = max(mpf(0), x - rate * sigma**2)
        nodes = [v for v in (peak + i * sigma / 2 for i in range(-40, 41)) if v > 0]
        nodes = [mpf(0)] + nodes + [nodes[-1] + 50 / rate, inf]

        def smooth(kernel):
            return quad(lambda b: rate * exp(-rate * b) * kernel((x - b) / sigma), nodes)

        root = sqrt(mpf(2))
        log_density, log_cdf, log_sf = emg(x, rate, sigma)
        close(log_density, log(smooth(lambda t: exp(log_phi(t)) / sigma)))
        close(log_cdf, log(smooth(lambda t: erfc(-t / root) / 2)), 25)
        close(log_sf, log(smooth(lambda t: erfc(t / root) / 2)), 25)
        z = x / sigma - rate * sigma
        close(log_density, log(rate) + (rate * sigma) ** 2 / 2 - rate * x + normal(z)[0], 50)


def value(v):
    return "0" if v == 0 or abs(v) < mpf(10) ** -5000 else nstr(v, 25)


def write(path, header, inputs, function):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(header)
        for row in inputs:
            exact = [mpf(v) for v in row]
            out.writerow([f"{v:.17g}" for v in row] + [value(v) for v in function(*exact)])
    print(f"{path.relative_to(ROOT)}: {len(inputs)} rows")


def truncated(mean, sd):
    log_mass, _, m, _, variance = normal(mean / sd)
    return sd * m, sd * sd * variance, log_mass


def main():
    check()
    write(NORMAL, ["z", "log_cdf", "hazard", "mean", "second", "variance"],
          [(z,) for z in normal_grid()], normal)
    write(TRUNCATED, ["mean", "sd", "trunc_mean", "trunc_var", "log_mass"],
          truncated_grid(), truncated)
    write(EMG, ["x", "lambda", "sigma", "log_density", "log_cdf", "log_sf"], emg_grid(), emg)


if __name__ == "__main__":
    main()
