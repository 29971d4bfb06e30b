r"""
From a notebook to a service and a browser
==========================================

How does a trained autoencoder get from a notebook to a program that has neither skae
nor torch, and are its results the same there?

A fitted encoder is a function :math:`z = f(x)`, and a fitted decoder a function
:math:`\hat x = g(z)`. There are three ways to pass them on:

- a file of `save`, which is loaded with :func:`skae.load` in Python with skae. It holds
  all parameters and weights, and training can continue;
- a file in the format ONNX, which describes the functions only. It runs with
  onnxruntime, without skae, scikit-learn and torch;
- an HTML page, which contains samples, codes and the decoder, and runs in a browser.

**You learn** how to save a model without pickle, how to export an encoder, a decoder
and a whole pipeline to ONNX and check that the results are equal, and how to write an
interactive page.
"""

# sphinx_gallery_thumbnail_number = 1

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np
import onnxruntime
import pandas as pd
import skl2onnx
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skae
from skae import AutoencoderTransformer, VariationalAutoencoder
from skae.export import register_converters

folder = TemporaryDirectory()
path = Path(folder.name)
X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    (X / 16).astype(np.float32), y, test_size=0.25, random_state=0
)

# %%
# A file without pickle
# ---------------------
# A pickle can run any code when it is loaded, so open only your own. A file of `save`
# consists of weights and text. ``include_optimizer=False`` leaves out the state of the
# optimizer, which is needed to continue training and for nothing else.

ae = AutoencoderTransformer(16, random_state=0).fit(X_train)
ae.save(path / "digits.skae")
ae.save(path / "small.skae", include_optimizer=False)
loaded = skae.load(path / "small.skae")

for file in sorted(path.glob("*.skae")):
    print(f"{file.name}: {file.stat().st_size / 1000:.0f} kB")
print("equal codes:", np.array_equal(loaded.transform(X_test), ae.transform(X_test)))

# %%
# :func:`skae.load` rejects a file that was damaged on its way, even if only a single
# byte has changed:

damaged = bytearray((path / "small.skae").read_bytes())
damaged[-1] ^= 1
(path / "damaged.skae").write_bytes(damaged)
try:
    skae.load(path / "damaged.skae")
except ValueError as error:
    print(str(error).replace(folder.name, "..."))

# %%
# Encoder and decoder in ONNX
# ---------------------------
# `to_onnx` exports the encoder, the decoder or both. Inputs and outputs are rows of
# float32 in the units of X, so the service does not need to scale them. The input is
# always named ``X``, also that of the decoder, which receives codes.

ae.to_onnx(path / "encoder.onnx", part="encoder")
ae.to_onnx(path / "decoder.onnx", part="decoder")
encoder = onnxruntime.InferenceSession(path / "encoder.onnx")
decoder = onnxruntime.InferenceSession(path / "decoder.onnx")

codes = encoder.run(["code"], {"X": X_test})[0]
images = decoder.run(["reconstruction"], {"X": codes})[0]

results = {
    "original": X_test,
    "skae": ae.reconstruct(X_test),
    "onnxruntime": images,
}
_, ax = plt.subplots(figsize=(6.4, 4.2), layout="constrained")
digits = np.stack([*results.values()])[:, :5].reshape(3, 5, 8, 8)
digits = np.pad(digits, ((0, 0), (0, 0), (1, 1), (1, 1)))
ax.imshow(np.block([[*line] for line in digits]), cmap="gray", vmin=0, vmax=1)
ax.set_title("The same images, without torch", fontsize=18)
ax.set_yticks([4.5, 14.5, 24.5], results, fontsize=16)
ax.set_xticks([])
ax.tick_params(length=0)
plt.show()

# %%
# The results differ by rounding, as the two libraries add in another order:

table = pd.DataFrame(
    {
        "codes": {
            "largest value": np.abs(codes).max(),
            "largest difference": np.abs(codes - ae.transform(X_test)).max(),
        },
        "images": {
            "largest value": np.abs(images).max(),
            "largest difference": np.abs(images - ae.reconstruct(X_test)).max(),
        },
    }
)
table.map("{:.1e}".format)

# %%
# A whole pipeline
# ----------------
# skl2onnx converts pipelines of scikit-learn. `register_converters` adds the
# autoencoders of skae to the classes that it knows.

pipe = make_pipeline(
    StandardScaler(),
    AutoencoderTransformer(16, random_state=0),
    LogisticRegression(max_iter=1000),
).fit(X_train, y_train)

register_converters()
model = skl2onnx.to_onnx(pipe, X_test[:1], options={"zipmap": False})
(path / "pipeline.onnx").write_bytes(model.SerializeToString())

# %%
# The service is a program of a few lines. It is started in a new process here, as it
# would be on a server, and imports NumPy and onnxruntime only:

service = """
import sys
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("pipeline.onnx")
labels, probabilities = session.run(None, {"X": np.load("requests.npy")})
np.savez("answers.npz", labels=labels, probabilities=probabilities)
print("torch imported:", "torch" in sys.modules)
"""
np.save(path / "requests.npy", X_test)
command = [sys.executable, "-c", service]
print(subprocess.check_output(command, cwd=path, text=True).strip())
answers = np.load(path / "answers.npz")

difference = np.abs(answers["probabilities"] - pipe.predict_proba(X_test)).max()
print(f"equal labels: {(answers['labels'] == pipe.predict(X_test)).mean():.1%}")
print(f"largest difference of a probability: {difference:.1e}")
print(f"accuracy on new digits: {(answers['labels'] == y_test).mean():.3f}")

# %%
# The exported model does what the pipeline does, its mistakes included. It also encodes
# data of another kind without complaint; see :doc:`plot_09_anomalies` for a guard.
#
# A page for the browser
# ----------------------
# :func:`skae.explorer.write` writes a map of the codes as one HTML file. It contains
# the samples, their codes and the decoder. The file opens from disk and loads nothing
# from the network, so it can be sent to someone who does not use Python.

vae = VariationalAutoencoder(2, random_state=0).fit(X_train)
page = path / "digits.html"
skae.explorer.write(vae, X_test, page, labels=y_test, image_shape=(8, 8))
print(f"{page.name}: {page.stat().st_size / 1e6:.0f} MB")

# %%
# In the page, a click decodes any place of the map, and up to four samples can be
# blended. The following page shows larger images, those of :doc:`plot_08_gaps`:
#
# .. explorer::
#
# Which way is best? Use `save` as long as the model stays in Python and may be trained
# further, ONNX for a service, a telephone or another language, and the page to show a
# latent space to people. :doc:`/guide/deployment` describes all options, and
# :doc:`/reliability` what a file from someone else may do.

folder.cleanup()
