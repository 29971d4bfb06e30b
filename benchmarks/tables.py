"""What does a linear model make of the code of a table, and what does boosting?

``python -m benchmarks.tables [--quick]``, run from the root of the repository with the
packages of the dependency group *suite*, prints two tables and writes them to
``results/tables.csv`` and ``results/tables_losses.csv``.

Mixed tables of the book *An Introduction to Statistical Learning* (package ISLP, of
which only files are read), each with one column to predict. Contestants are fitted to
four fifths of the rows and predict the others, five times: the median, the least and
the greatest of the coefficient of determination of numbers, or of the area under the
ROC curve of two classes.

A linear model (ridge regression with a penalty chosen by leave-one-out, or logistic
regression with scikit-learn's defaults) gets the columns of ``TableEncoder``; PCA of
them, with half as many components as columns; the code of ``AutoencoderTransformer``
of that size; and that code with the activations of the hidden layer, trained, and
before training: PCA beside random features. All of these are standardised first.
``HistGradientBoosting`` gets the frame itself, with its categories. All else are
defaults, and nothing was chosen by these results.

The second table asks what comes back from the code, with the squared error and with
``BlockLoss``, at two sizes of it: the share of the categories of unseen rows that are
the most probable ones of their reconstruction, and the coefficient of determination of
the numbers.

Not controlled: the folds are the same for all and there is one seed; the models that
predict are not tuned; the tables are small, and integers such as hours are numbers for
all contestants.
"""

import argparse
import importlib.util
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.base import clone, is_classifier
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import r2_score, roc_auc_score
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.common import (
    add_results_option,
    results_folder,
    spread,
    use_threads,
    write,
)
from skae import AutoencoderTransformer
from skae.tabular import BlockLoss, TableEncoder

# Tables -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Table:
    """A file, the column to predict, and columns that are left out.

    Parameters
    ----------
    name : str
        Name of the file.
    target : str
        The column to predict: text is two classes.
    without : tuple of str
        Row numbers, constants, and what is known only together with the target.
    """

    name: str
    target: str
    without: tuple[str, ...] = ()

    def load(self):
        """Return the frame, with text as categories, and the target."""
        package = importlib.util.find_spec("ISLP")  # without importing it
        if package is None:
            raise ModuleNotFoundError("ISLP is not installed.")
        path = Path(package.origin).parent / "data" / f"{self.name}.csv"
        frame = pd.read_csv(path).dropna().drop(columns=list(self.without))
        target = frame.pop(self.target)
        texts = frame.select_dtypes(include="str").columns
        frame = frame.astype(dict.fromkeys(texts, "category"))
        if not pd.api.types.is_numeric_dtype(target):
            target = target == sorted(target.unique())[-1]
        return frame, target.to_numpy()


TABLES = [
    Table("Auto", "mpg", without=("name",)),
    Table("Bikeshare", "bikers", without=("casual", "registered")),
    Table("Carseats", "Sales"),
    Table("Credit", "Balance", without=("ID",)),
    Table("Hitters", "Salary"),
    Table("Wage", "wage", without=("logwage", "region")),
    Table("Caravan", "Purchase"),
    Table("Default", "default"),
    Table("OJ", "Purchase"),
]
N_FOLDS = 5

# Contestants --------------------------------------------------------------------------

BOOSTING = "boosting"


def linear_model(y):
    """Return a linear model of standardised columns, for numbers or two classes."""
    if y.dtype == bool:
        model = LogisticRegression(max_iter=5000)
    else:
        model = RidgeCV(np.logspace(-3, 4, 15))
    return make_pipeline(StandardScaler(), model)


def boosting(y):
    """Return gradient boosting with its defaults, for numbers or two classes."""
    is_class = y.dtype == bool
    cls = HistGradientBoostingClassifier if is_class else HistGradientBoostingRegressor
    return cls(categorical_features="from_dtype", random_state=0)


def features(train, test):
    """Yield a name, and what a linear model gets of the training and the test rows."""
    encoder = TableEncoder().fit(train)
    columns = encoder.transform(train), encoder.transform(test)
    yield "columns", *columns
    n_components = columns[0].shape[1] // 2
    pca = PCA(n_components, random_state=0).fit(columns[0])
    yield "PCA", *map(pca.transform, columns)
    ae = AutoencoderTransformer(n_components, random_state=0)
    untrained = clone(ae).set_params(max_epochs=0).fit(columns[0])
    yield "code", *map(ae.fit(columns[0]).transform, columns)
    for name, model in (("", ae), (", untrained", untrained)):
        wide = [np.hstack([model.transform(X), model.hidden_layer(X)]) for X in columns]
        yield f"code and hidden layer{name}", *wide


def score(model, X, y):
    """Return the coefficient of determination, or the area under the ROC curve."""
    if is_classifier(model):
        return roc_auc_score(y, model.predict_proba(X)[:, 1])
    return r2_score(y, model.predict(X))


def measure(table, n_folds):
    """Return a row for each contestant."""
    frame, y = table.load()
    is_class = y.dtype == bool
    folds = (StratifiedKFold if is_class else KFold)(
        n_folds, shuffle=True, random_state=0
    )
    scores = {}
    for train, test in folds.split(frame, y):
        for name, X, X_test in features(frame.iloc[train], frame.iloc[test]):
            model = linear_model(y).fit(X, y[train])
            scores.setdefault(name, []).append(score(model, X_test, y[test]))
        model = boosting(y).fit(frame.iloc[train], y[train])
        found = score(model, frame.iloc[test], y[test])
        scores.setdefault(BOOSTING, []).append(found)
    width = TableEncoder().fit(frame).blocks_[-1].stop
    return [
        {
            "table": table.name,
            "target": table.target,
            "metric": "AUC" if is_class else "R2",
            "contestant": name,
            **spread("score", values),
            "folds": n_folds,
            "rows": len(frame),
            "columns": frame.shape[1],
            "encoded": width,
            "n_components": width // 2,
        }
        for name, values in scores.items()
    ]


# What comes back ----------------------------------------------------------------------


def restored(blocks, X, reconstruction):
    """Return the share of categories that come back, and R² of the numbers."""
    right, squares, total = [], 0.0, 0.0
    for block in blocks:
        x, found = X[:, block.columns], reconstruction[:, block.columns]
        if block.kind == "category":
            right.append(x.argmax(axis=1) == found.argmax(axis=1))
        else:
            squares += ((x - found) ** 2).sum()
            total += ((x - x.mean(axis=0)) ** 2).sum()
    return np.mean(right), 1 - squares / total


def measure_losses(table, n_folds):
    """Return a row for each loss and size of the code."""
    frame, _ = table.load()
    scores = {}
    for train, test in KFold(n_folds, shuffle=True, random_state=0).split(frame):
        encoder = TableEncoder().fit(frame.iloc[train])
        blocks = encoder.blocks_
        if {block.kind == "category" for block in blocks} != {True, False}:
            return []  # the losses differ where there are both
        X, X_test = (encoder.transform(frame.iloc[rows]) for rows in (train, test))
        for share in (2, 4):
            ae = AutoencoderTransformer(max(2, X.shape[1] // share), random_state=0)
            for loss in ("squared_error", BlockLoss()):
                model = clone(ae).set_params(loss=loss).fit(X)
                name = loss if isinstance(loss, str) else type(loss).__name__
                found = restored(blocks, X_test, model.reconstruct(X_test))
                scores.setdefault((name, share), []).append(found)
    rows = []
    for (name, share), found in scores.items():
        categories, numbers = zip(*found, strict=True)
        rows.append(
            {
                "table": table.name,
                "loss": name,
                "size": f"1/{share}",
                **spread("categories", categories),
                **spread("numbers", numbers),
                "folds": n_folds,
            }
        )
    return rows


def main():
    """Measure all tables, or two of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two tables and folds")
    add_results_option(parser)
    args = parser.parse_args()
    use_threads(1)
    warnings.simplefilter("ignore")  # of codes that hold all, and starts that remain
    chosen = [x for x in TABLES if not args.quick or x.name in ("Credit", "OJ")]
    for name, function in (("tables_losses", measure_losses), ("tables", measure)):
        rows = []
        for table in chosen:
            found = function(table, 2 if args.quick else N_FOLDS)
            for row in found:
                print(*list(row.values())[:5], flush=True)
            rows += found
        write(name, rows, results_folder(args))


if __name__ == "__main__":
    main()
