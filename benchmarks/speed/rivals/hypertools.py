"""HyperTools' reducers, which standardise."""

from hypertools.reduce.autoencoders import DeepAutoencoder, VariationalAutoencoder

from benchmarks.speed.rivals._case import EPOCHS, LR, LeftOut, Trained, scaled


def prepare(case):
    """Prepare one of the two reducers."""
    if case.kind == "convolutional":
        raise LeftOut("HyperTools convolves over the columns of a row, not images")
    if case.kind == "denoising":
        raise LeftOut("HyperTools has no denoising reducer")
    settings = {
        "n_components": case.code,
        "hidden_dims": case.hidden,
        "epochs": EPOCHS,
        "batch_size": case.batch_size,
        "lr": LR,
        "device": "cpu",
        "random_state": 0,
    }
    kind = DeepAutoencoder
    if case.kind == "variational":
        kind = VariationalAutoencoder
        settings.update(kl_weight=2 * case.code / case.X.shape[1])

    def fit():
        reducer = kind(**settings).fit(scaled(case.X))
        return Trained(lambda X: reducer.inverse_transform(reducer.transform(X)))

    return fit
