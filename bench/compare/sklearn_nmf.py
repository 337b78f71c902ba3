"""Seconds an iteration of scikit-learn's NMF, rank 1: sklearn_nmf.py FILE ORDER"""

import sys
import time
import warnings

import numpy
from sklearn.decomposition import NMF

warnings.filterwarnings("ignore")
file, order = sys.argv[1], int(sys.argv[2])
matrix = numpy.fromfile(file).reshape(order, order)


def run(most):
    """Iterations done, and seconds: of one call, or the mean over as many as take 0.05 s."""
    spent, calls = 0.0, 0
    while spent < 0.05:
        start = time.perf_counter()
        model = NMF(1, init="random", tol=0, max_iter=most, random_state=0).fit(matrix)
        spent += time.perf_counter() - start
        calls += 1
    return model.n_iter_, spent / calls


run(2)
many, long = run(22)
few, short = run(2)
print((long - short) / (many - few))
