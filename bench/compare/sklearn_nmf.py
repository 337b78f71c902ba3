"""Seconds an iteration of scikit-learn's NMF, rank 1: sklearn_nmf.py FILE ORDER"""

import sys
import time
import warnings

import numpy
from sklearn.decomposition import NMF

warnings.filterwarnings("ignore")
file, order = sys.argv[1], int(sys.argv[2])
matrix = numpy.fromfile(file).reshape(order, order)


def seconds(iterations):
    """One call, or the mean over as many as take 0.05 seconds together."""

    def call():
        start = time.perf_counter()
        NMF(1, init="random", tol=0, max_iter=iterations, random_state=0).fit(matrix)
        return time.perf_counter() - start

    once = call()
    calls = min(1000, int(0.05 / once))
    return sum(call() for _ in range(calls)) / calls if calls > 1 else once


few, many = 2, 22
seconds(few)
print((seconds(many) - seconds(few)) / (many - few))
