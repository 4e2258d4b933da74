"""What the five papers hold, listed from the papers themselves and not from the ledger."""


def numbered(kind: str, count: int) -> list[str]:
    return [f"{kind} {i}" for i in range(1, count + 1)]


ITEMS = {
    "glo": [*numbered("Table", 1), *numbered("Figure", 7)],
    "flexible-priors": [
        *numbered("Figure", 8),
        *numbered("Claim", 2),
        *numbered("Equation", 2),
        "algorithm 1",
        "Proposition 1",
    ],
    "denoising-feature-matching": [*numbered("Table", 3), *numbered("Figure", 3)],
    "precise-recovery": [*numbered("Table", 2), *numbered("Figure", 2)],
    "partial-measurements": [
        *numbered("Figure", 6),
        "Theorem 1",
        "Corollary 2",
        "Conjecture 3",
        "Theorem 4",
        "Lemmas Sup.2 and Sup.4",
    ],
}
"""Every table, figure, claim, theorem, proposition, corollary, conjecture and lemma."""

NUMBERS: dict[str, dict[str, list[float]]] = {
    "glo": {
        "Table 1, MNIST": [0.011, 0.0002, 0.016, 0.0001, 0.0001, 60000],
        "Table 1, CIFAR-10": [0.016, 0.006, 0.022, 0.005, 0.007, 50000],
        "Table 1, STL-10": [0.039, 0.023, 0.042, 0.019, 0.023, 100000],
        "Table 1, CelebA": [0.024, 0.015, 0.030, 0.010, 0.012, 202599],
        "Table 1, LSUN": [0.036, 0.027, 0.034, 0.021, 0.025, 3033042],
        "Table 1, row PCA": [100, 64, 0.011, 0.016, 0.039, 0.024, 0.036],
        "Figure 1": [100, 512],
        "Figure 4": [512],
        "Figure 7": [8, 0.0002],
        "Section 3.1": [1, 10],
    },
    "flexible-priors": {
        "Claim 2": [20, 0.05, 0.0001],
        "Figure 1": [0.0003, 100],
        "Figure 2": [1024, 0.1, 1.9],
        "Figure 3": [20, 1000],
        "Figure 4, LSUN kitchen": [16, 1547, 2001],
        "Figure 4, LSUN bedroom": [1807, 13309],
        "Figure 4, CelebA": [11390, 39144, 4.35, 2.97],
        "Figure 4, CIFAR-10": [5021, 5352, 6.30, 5.94],
        "Figure 5, LSUN kitchen": [1861, 779],
        "Figure 5, LSUN bedroom": [1810, 746],
        "Figure 5, CelebA": [2492, 863, 4.64, 4.62, 64, 118],
        "Figure 5, CIFAR-10": [2485, 1064, 6.24, 6.59],
        "Figure 7": [5, 20, 400],
        "Figure 8": [100],
        "Appendix E": [20, 512, 256, 128, 64, 4, 0.0003, 100],
    },
    "denoising-feature-matching": {
        "Table 1": [7.72, 0.13, 11.24, 0.12, 8.09, 0.07, 5.34, 0.05, 4.36, 0.04, 50000, 5000],
        "Table 2": [8.51, 0.13, 7.84, 0.07, 26.08, 0.26, 100000, 48, 50],
        "Table 3": [9.18, 0.13, 8.83, 0.14, 25.78, 0.47, 32, 10, 2048],
        "Section 5.1": [40],
        "Equations 4 and 5": [1, 0.03, 1e-4, 0.5],
    },
    "precise-recovery": {
        "Table 1, no clipping": [0.98, 0.986, 0.998, 1.0, 1000, 100000, 100],
        "Table 1, standard clipping": [0.984, 0.99, 1.0, 1.0],
        "Table 1, stochastic clipping": [1.0, 1.0, 1.0, 1.0, 1000],
        "Table 2": [2.03e-4, 1.36e-4, 4.94e-5, 0.0815, 1000, 100],
        "Figure 1": [100, 20000],
        "Figure 2": [0.1, 39.5],
    },
    "partial-measurements": {
        "Figure 4(a)": [16, 1, 5, 3, 2],
        "Figure 5": [32, 10],
        "Figure 6": [64],
        "Section 4.3": [500, 0.1],
        "Conjecture 3": [1],
    },
}
"""The printed results, and the settings that they hold for, by what they belong to."""
