"""The base of all public estimators, whose diagrams link to the pages of skae."""

from sklearn.base import BaseEstimator

DOC_PAGES = (
    "https://skae-dev.github.io/skae/generated/{estimator_module}.{estimator_name}.html"
)
TABULAR_PAGES = DOC_PAGES.replace("{estimator_module}", "skae.tabular")


class DocumentedEstimator(BaseEstimator):
    """A BaseEstimator with a link to its page, the "?" of its diagram."""

    _doc_link_module = "skae"
    _doc_link_template = DOC_PAGES
