"""Coefficients of the normal kernel: the Mills ratio without cancellation, and the normal density.

Usage: python3 normal_coefficients.py [--check]     (needs mpmath; seconds, half a minute to check)

For a >= 0 let M(a) = Phi(-a) / phi(a) be the Mills ratio. Its continued fraction is

    1 / M(a) = a + 1/(a + f(a)),     f(a) = 2/(a + 3/(a + 4/(a + ...))),

and a normal variable with mean -a and unit variance, truncated to [0, inf), has

    mean G = 1/(a + f),     second moment 1 - a G = G f,     1/M = a + G.

The textbook forms subtract nearly equal numbers when a is large. With a rational f = P/Q there is
no such cancellation: with T = a Q + P,

    G = Q/T,     G f = P/T,     1/M = a + Q/T,

and since all the coefficients are positive, Horner's rule only adds positive numbers. The evaluation
needs one polynomial of degree m, one of degree m + 1, and one division, on all of [0, inf).

P/Q is the minimax approximation (Remez) with the tolerance 1/(f G + 1/CAP). The error of G is that of
f times -f G, whose absolute value is 1 at a = 0 but decreases as 2/a^2. An equal error in G would
therefore leave f inaccurate for large a; the cap keeps the error of f below CAP times that of G.
CAP = 6 and m = 10, the smallest degree that works, give 1.7e-17 in G and 1.0e-16 in f.

P/Q does not depend on a common factor of P and Q, so two factors are chosen after Remez: 2^-400 keeps
T finite for a up to 1e35, and the factor between 1 and 2 is the one for which rounding the
coefficients to double has the smallest effect (ten times smaller than for a typical factor).

phi(z) = 2^-k p(r) with k = round(z^2 / (2 ln 2)), r = z^2 - 2 k ln 2, p(r) = exp(-r/2)/sqrt(2 pi):
the 1/2 and the 1/sqrt(2 pi) are included in the coefficients of p at no cost.

--check evaluates everything as the core does (double, fused multiply-add emulated exactly, and
again without it) at 20,000 points and prints the largest errors in units in the last place.
"""

import sys

from mpmath import cos, erfc, exp, inf, log, lu_solve, matrix, mp, mpf, nstr, pi, sqrt
from mpmath.libmp import from_float, mpf_add, mpf_mul, to_float

mp.dps = 60

DEGREE = 10  # of P; Q has one more
CAP = 6
SCALE_EXPONENT = -400
EXP_DEGREE = 11


def tail(a):
    """f(a) = 2/(a + 3/(a + ...)), to at least 50 digits."""
    if a == inf:
        return mpf(0)
    if a > 40:  # the continued fraction converges fast
        value = mpf(0)
        for k in range(300, 1, -1):
            value = k / (a + value)
        return value
    with mp.workdps(mp.dps + 25):
        mills = sqrt(pi / 2) * exp(a * a / 2) * erfc(a / sqrt(mpf(2)))
        return 1 / (1 / mills - a) - a


def horner(coefficients, x):
    value = mpf(0)
    for c in reversed(coefficients):
        value = value * x + c
    return value


def remez(points, target, tolerance, p_basis, q_basis):
    """Minimise max |p/q/target - 1| / tolerance over the points, which must be sorted.

    p_basis and q_basis hold, point by point, the values of the basis functions of p and q.
    The coefficient of the first function of q is fixed at 1. Returns the coefficients of p and of q
    and the largest weighted error.
    """
    n_p, n_q = len(p_basis[0]), len(q_basis[0])
    n = n_p + n_q
    reference = [round((1 - cos(pi * i / (n - 1))) / 2 * (len(points) - 1)) for i in range(n)]
    q = [mpf(1)] + [mpf(0)] * (n_q - 1)
    level = mpf(0)
    for _ in range(50):
        for _ in range(50):  # Newton on p - target q (1 +- level tolerance) = 0: it is bilinear
            lhs, rhs = matrix(n, n), matrix(n, 1)
            for row, i in enumerate(reference):
                signed = tolerance[i] if row % 2 else -tolerance[i]
                goal = target[i] * (1 + signed * level)
                slope = target[i] * signed * sum(c * v for c, v in zip(q, q_basis[i]))
                for k in range(n_p):
                    lhs[row, k] = p_basis[i][k]
                for k in range(1, n_q):
                    lhs[row, n_p + k - 1] = -goal * q_basis[i][k]
                lhs[row, n - 1] = -slope
                rhs[row] = goal * q_basis[i][0] - slope * level
            solution = list(lu_solve(lhs, rhs))
            p, q = solution[:n_p], [mpf(1)] + solution[n_p:-1]
            step, level = abs(solution[-1] - level), solution[-1]
            if step <= abs(level) * mpf(10) ** -20:
                break
        extrema = []  # the largest error of each run of one sign
        for i in range(len(points)):
            value = sum(c * v for c, v in zip(p, p_basis[i]))
            value /= sum(c * v for c, v in zip(q, q_basis[i])) * target[i]
            error = (value - 1) / tolerance[i]
            if extrema and (extrema[-1][1] > 0) == (error > 0):
                if abs(error) > abs(extrema[-1][1]):
                    extrema[-1] = (i, error)
            else:
                extrema.append((i, error))
        while len(extrema) > n:
            extrema.pop(0 if abs(extrema[0][1]) < abs(extrema[-1][1]) else -1)
        if len(extrema) < n:
            raise ArithmeticError("the error does not alternate: no approximation of this degree")
        worst = max(abs(e) for _, e in extrema)
        reference = [i for i, _ in extrema]
        if worst <= abs(level) * (1 + mpf(10) ** -6):
            break
    return p, q, worst


def product(x, y):
    out = [mpf(0)] * (len(x) + len(y) - 1)
    for i, u in enumerate(x):
        for j, v in enumerate(y):
            out[i + j] += u * v
    return out


def fit_tail(degree, cap, centre=4, size=2001):
    """P and Q, ascending powers of a, from Remez in t = (a - centre)/(a + centre) on [-1, 1].

    (a + centre) f is a function of t without a singularity at t = 1, where it is 2.
    """
    ts = [-cos(pi * i / (size - 1)) for i in range(size)]
    target, tolerance = [], []
    for t in ts:
        a = centre * (1 + t) / (1 - t) if t < 1 else inf
        f = tail(a)
        target.append((a + centre) * f if t < 1 else mpf(2))
        tolerance.append(1 / ((f / (a + f) if t < 1 else 0) + mpf(1) / cap))
    powers = [[t**k for k in range(degree + 2)] for t in ts]
    p, q, worst = remez(ts, target, tolerance, [v[:-1] for v in powers], powers)

    def in_a(coefficients):
        top = len(coefficients) - 1
        out = [mpf(0)] * (top + 1)
        for k, c in enumerate(coefficients):
            term = [c]
            for j in range(top):
                term = product(term, [mpf(-centre if j < k else centre), mpf(1)])
            out = [u + v for u, v in zip(out, term)]
        return out

    p, q = in_a(p), in_a(q)
    return [v / q[-1] for v in p], [v / q[-1] for v in q], worst


def round_ratio(p, q, cap, candidates=4000):
    """Round s p and s q to double for the s in [1, 2) that changes p/q least."""
    grid = [0.0] + [10 ** (i / 20) for i in range(-60, 81)]
    rows = []
    for x in grid:
        a = mpf(x)
        pv, qv = horner(p, a), horner(q, a)
        weight = float(pv / (a * qv + pv)) * cap + 1  # an error in G counts cap times
        rows.append([weight * float(a**k / pv) for k in range(len(p))]
                    + [-weight * float(a**k / qv) for k in range(len(q))])
    best = (float("inf"),)
    for i in range(candidates):
        s = 1 + mpf(i) / candidates
        change = [float((mpf(float(s * v)) - s * v) / s) for v in p + q]
        worst = 0.0
        for row in rows:
            worst = max(worst, abs(sum(r * c for r, c in zip(row, change))))
            if worst > best[0]:
                break
        else:
            best = (worst, s)
    s = best[1] * mpf(2) ** SCALE_EXPONENT
    return [float(s * v) for v in p], [float(s * v) for v in q]


def fit_density(degree, size=2001):
    """p(r) = exp(-r/2)/sqrt(2 pi) on [-ln 2, ln 2], ascending powers of r."""
    rs = [-log(2) * cos(pi * i / (size - 1)) for i in range(size)]
    target = [exp(-r / 2) / sqrt(2 * pi) for r in rs]
    one = [[mpf(1)]] * size
    p, _, worst = remez(rs, target, [mpf(1)] * size,
                        [[r**k for k in range(degree + 1)] for r in rs], one)
    return [float(v) for v in p], worst


def rust(name, values, comment):
    body = "".join(f"    {v!r},\n" for v in values)
    return f"/// {comment}\npub const {name}: [f64; {len(values)}] = [\n{body}];\n"


def fused(x, y, z):
    """fma(x, y, z): a single rounding, exactly as in IEEE 754 (normal range)."""
    return to_float(mpf_add(mpf_mul(from_float(x), from_float(y)), from_float(z), 53, "n"))


def unfused(x, y, z):
    return x * y + z


class Kernel:
    """The evaluation in double, operation by operation as in the core."""

    def __init__(self, p, q, density, fma):
        self.p, self.q, self.density, self.fma = p, q, density, fma
        two_ln2 = 2 * log(2)
        self.inverse = float(1 / two_ln2)
        self.whole = float(two_ln2)
        self.high = float(mp.floor(two_ln2 * 2**40) / 2**40)  # k * high is exact for k < 4096
        self.low = float(two_ln2 - mpf(self.high))

    def poly(self, coefficients, x):
        value = coefficients[-1]
        for c in coefficients[-2::-1]:
            value = self.fma(value, x, c)
        return value

    def terms(self, a):
        p, q = self.poly(self.p, a), self.poly(self.q, a)
        t = self.fma(a, q, p)
        return p, q, t, self.fma(a, t, q)

    def phi(self, z, careful):
        square = z * z
        k = float(round(square * self.inverse))
        if careful:  # z * z never rounded: full relative accuracy
            r = self.fma(-k, self.low, self.fma(z, z, -k * self.high))
        else:  # absolute accuracy
            r = self.fma(-k, self.whole, square)
        return self.poly(self.density, r) * 2.0 ** int(-k)

    def negative(self, a):
        """Mean, second moment, variance, 1/M and M at z = -a."""
        p, q, t, w = self.terms(a)
        g, second = q / t, p / t
        return {"G": g, "f": p / q, "G f": second, "variance": self.fma(-g, g, second),
                "w = W/T": w / t, "w = a + G": a + g, "M = T/W": t / w}

    def positive(self, z, careful):
        """The same for z >= 0, where the density enters: h = phi (W/(W - phi T))."""
        _, _, t, w = self.terms(z)
        d = self.phi(z, careful)
        rest = self.fma(-d, t, w)
        h = d * (w / rest)  # not (d * w) / rest: that underflows from z = 33 on
        mean = z + h
        return {"phi": d, "h": h, "mean": mean, "second": self.fma(z, mean, 1.0),
                "variance": self.fma(-h, mean, 1.0), "Phi": rest / w}


def truth_negative(x):
    a = mpf(x)
    f = tail(a)
    g = 1 / (a + f)
    return {"G": g, "f": f, "G f": g * f, "variance": g * (f - g), "w = W/T": a + g,
            "w = a + G": a + g, "M = T/W": 1 / (a + g)}


def truth_positive(x):
    z = mpf(x)
    d = exp(-z * z / 2) / sqrt(2 * pi)
    cdf = erfc(-z / sqrt(mpf(2))) / 2
    h = d / cdf
    return {"phi": d, "h": h, "mean": z + h, "second": 1 + z * (z + h),
            "variance": 1 - h * (z + h), "Phi": cdf}


class Worst:
    """Largest errors of named values, in ulp, relative, and absolute."""

    def __init__(self):
        self.rows = {}

    def add(self, at, computed, exact):
        for name, value in computed.items():
            true = exact[name]
            error = abs(mpf(value) - true)
            ulp = error / mpf(2) ** (mp.frexp(true)[1] - 53)
            new = (float(ulp), float(error / abs(true)), float(error), at)
            old = self.rows.get(name, (0.0, 0.0, 0.0, None))
            ulps = (new[0], new[3]) if new[0] > old[0] else (old[0], old[3])
            self.rows[name] = (ulps[0], max(new[1], old[1]), max(new[2], old[2]), ulps[1])

    def show(self):
        for name, (ulp, relative, absolute, at) in self.rows.items():
            print(f"    {name:10s} {ulp:6.2f} ulp (at {at:.6g})"
                  f"  relative {relative:.1e}  absolute {absolute:.1e}")


def check(p, q, density):
    mp.dps = 40
    half = 10000
    far = [10 ** (-20 + 48 * i / (half - 1)) for i in range(half)]
    near = [50 * i / half for i in range(half)]
    below = [(x, truth_negative(x)) for x in near + far]
    small = [10 ** (-20 + 20 * i / half) for i in range(half)]
    above = [(x, truth_positive(x)) for x in [9 * i / half for i in range(half)] + small]
    beyond = [(x, truth_positive(x)) for x in [9 + 28 * i / 2000 for i in range(2000)]]
    exact = Worst()
    pm, qm = [mpf(v) for v in p], [mpf(v) for v in q]
    for x, true in below:
        pv, qv = horner(pm, mpf(x)), horner(qm, mpf(x))
        exact.add(x, {"G": qv / (x * qv + pv), "f": pv / qv}, true)
    print("rounded coefficients, exact arithmetic, 0 <= a <= 1e28:")
    exact.show()
    for label, fma in (("with fma", fused), ("without fma", unfused)):
        kernel = Kernel(p, q, density, fma)
        worst = Worst()
        for x, true in below:
            worst.add(x, kernel.negative(x), true)
        print(f"{label}, z = -a, 0 <= a <= 1e28:")
        worst.show()
        for careful in (True, False):
            worst = Worst()
            for x, true in above:
                worst.add(x, kernel.positive(x, careful), true)
            print(f"{label}, 0 <= z <= 9, {'careful' if careful else 'plain'} reduction:")
            worst.show()
            worst = Worst()
            for x, true in beyond:
                worst.add(x, kernel.positive(x, careful), true)
            print(f"{label}, 9 <= z <= 37, {'careful' if careful else 'plain'} reduction:")
            worst.show()


def main():
    p, q, worst = fit_tail(DEGREE, CAP)
    print(f"// minimax: relative error {nstr(worst, 3)} in G, {nstr(worst * CAP, 3)} in f")
    p, q = round_ratio(p, q, CAP)
    assert min(p + q) > 0
    density, worst = fit_density(EXP_DEGREE)
    print(f"// minimax: relative error {nstr(worst, 3)} in the density\n")
    kernel = Kernel(p, q, density, fused)
    print(rust("TAIL_P", p, "Numerator P of f = P/Q, ascending powers of a."))
    print(rust("TAIL_Q", q, "Denominator Q of f = P/Q, ascending powers of a."))
    print(rust("DENSITY", density, "exp(-r/2)/sqrt(2 pi) for |r| <= ln 2, ascending powers of r."))
    print(f"/// 1/(2 ln 2).\npub const INVERSE_TWO_LN2: f64 = {kernel.inverse!r};")
    print(f"/// 2 ln 2.\npub const TWO_LN2: f64 = {kernel.whole!r};")
    print(f"/// 2 ln 2, its leading 41 bits.\npub const TWO_LN2_HIGH: f64 = {kernel.high!r};")
    print(f"/// 2 ln 2 - TWO_LN2_HIGH.\npub const TWO_LN2_LOW: f64 = {kernel.low!r};")
    if "--check" in sys.argv[1:]:
        print()
        check(p, q, density)


if __name__ == "__main__":
    main()
