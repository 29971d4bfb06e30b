"""Keep the docstring entries that several classes share alike, in the source itself.

``python tools/docstrings.py`` rewrites the files, ``--check`` only says which of them
would change and exits with 1 if there are any. The words of a shared entry are those of
the first class or method of its family: edit them there, and run this.
"""

import ast
import inspect
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

import skae

# Sections of results: each of them is one entry, whose name is its title.
_RESULTS = ("Returns", "Raises", "Warns")
_WIDTH = 88

# An entry begins with "name : type", at the indentation of the docstring.
_ENTRY = re.compile(r"^(?P<names>[\w*]+(?:, [\w*]+)*) : (?P<type>.+)$")


@dataclass(frozen=True)
class Family:
    """Classes or methods whose docstrings share entries.

    Of two families with the same entry of the same method, the earlier one decides.

    Parameters
    ----------
    first : str
        Whose words the others take.
    others : tuple of str
        The others: classes, or methods as ``"Class.method"``.
    own : dict of str to set of str
        Entries that one of the others words in its own way.
    shares_results : bool, default=False
        Whether they share what they return, raise and warn of, too.
    """

    first: str
    others: tuple[str, ...]
    own: dict[str, set[str]] = field(default_factory=dict)
    shares_results: bool = False


_SAMPLES = (
    *("LatentSpaceDisplay", "InterpolationDisplay", "BlendDisplay"),
    "TraversalDisplay",
)
_PLOTS = [f"{name}.plot" for name in _SAMPLES]
_MAKERS = [f"{name}.from_estimator" for name in _SAMPLES]
# Methods of all autoencoders that take a condition in the variational one, and what it
# words in its own way.
_OVERRIDDEN = {
    "fit": {"y", "Warns"},
    "partial_fit": set(),
    "transform": {"Returns"},
    "inverse_transform": set(),
    "reconstruct": {"Returns"},
    "score": set(),
    "score_samples": set(),
    "impute": {"n_draws"},
    "sensitivity": set(),
    "hidden_layer": set(),
    "blend": set(),
    "interpolate": set(),
    "mix": set(),
}
# Methods that take the condition of their samples.
_CONDITIONED = [
    f"VariationalAutoencoder.{name}"
    for name in (
        *("reconstruct", "score", "score_samples", "impute", "sensitivity"),
        *("hidden_layer", "mix", "posterior", "log_likelihood"),
    )
]
FAMILIES = [
    Family(
        "AutoencoderTransformer",
        (
            "ConvAutoencoder",
            "ContractiveAutoencoder",
            "DenoisingAutoencoder",
            "SparseAutoencoder",
            "VariationalAutoencoder",
        ),
        own={
            "ConvAutoencoder": {"activation", "decoder"},
            "SparseAutoencoder": {"code_activation", "sparsity"},
            "VariationalAutoencoder": {"activation", "encoder", "hidden_layer_sizes"}
            | {"decoder"},
        },
    ),
    Family(
        "InterpolationDisplay",
        (
            *("BlendDisplay", "TraversalDisplay"),
            *("ReconstructionDisplay", "LatentSpaceDisplay"),
        ),
        own={
            "BlendDisplay": {"artists_"},
            "TraversalDisplay": {"artists_"},
            "ReconstructionDisplay": {"artists_"},
            "LatentSpaceDisplay": {"artists_", "ax_"},
        },
    ),
    Family("ReconstructionDisplay.plot", tuple(_PLOTS)),
    Family(
        "ReconstructionDisplay.from_estimator",
        tuple(_MAKERS),
        own={
            "LatentSpaceDisplay.from_estimator": {"X", "y", "estimator", "random_state"}
            | {"n_samples"},
            "InterpolationDisplay.from_estimator": {"estimator"},
            "BlendDisplay.from_estimator": {"X", "n_steps"},
            "TraversalDisplay.from_estimator": {"X", "n_steps"},
        },
    ),
    Family("TrainingHistoryDisplay", ("LatentDiagnosticsDisplay",)),
    Family("TrainingHistoryDisplay.plot", ("LatentDiagnosticsDisplay.plot",)),
    Family(
        "TrainingHistoryDisplay.from_estimator",
        ("LatentDiagnosticsDisplay.from_estimator",),
        own={"LatentDiagnosticsDisplay.from_estimator": {"estimator"}},
    ),
    *(
        Family(
            f"AutoencoderTransformer.{name}",
            (f"VariationalAutoencoder.{name}",),
            own={f"VariationalAutoencoder.{name}": own},
            shares_results=True,
        )
        for name, own in _OVERRIDDEN.items()
    ),
    Family(
        "VariationalAutoencoder.partial_fit",
        ("VariationalAutoencoder.fit_transform",),
        own={"VariationalAutoencoder.fit_transform": {"X"}},
    ),
    Family("StackedGridSearchCV", ("StackedRandomizedSearchCV",)),
    Family("VariationalAutoencoder.transform", tuple(_CONDITIONED)),
    Family(
        "VariationalAutoencoder.inverse_transform",
        ("VariationalAutoencoder.sample",),
    ),
]


def _resolve(path):
    found = skae
    for name in path.split("."):
        found = getattr(found, name)
    return found


def _node(path, tree):
    """Return the class or the function of a dotted path in the tree of a file."""
    node = tree
    for name in path.split("."):
        node = next(x for x in node.body if getattr(x, "name", None) == name)
    return node


def _split(lines):
    """Return the lines of a docstring as pieces: entries with a name, other text.

    Only parameters, attributes and results are entries; a See Also looks like them.
    """
    pieces = [[None, []]]
    section = None
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if following and set(following) == {"-"}:
            section = line
            pieces.append([section if section in _RESULTS else None, []])
        entry = _ENTRY.match(line) if section in ("Parameters", "Attributes") else None
        if entry:
            pieces.append([entry["names"], []])
        pieces[-1][1].append(line)
    return pieces


def _with_default(line, name, signature):
    """Return the first line of an entry with the default of its own signature."""
    kind = re.sub(r",\s+default=.*", "", line)
    parameter = signature.get(name.split(", ")[0].lstrip("*"))
    if parameter is None or parameter.default is inspect.Parameter.empty:
        return kind
    if kind.endswith(": Ignored"):
        return kind
    return kind + ", default=" + repr(parameter.default).replace("'", '"')


def _is_attribute(name):
    return name.split(", ")[0].endswith("_")


def rewrite(path, words):
    """Return the new text of a docstring.

    Parameters
    ----------
    path : str
        The class or the method.
    words : dict
        Lines of the shared entries, by their names. Other entries stay as they are, but
        for their defaults.
    """
    documented = _resolve(path)
    lines = inspect.cleandoc(documented.__doc__).split("\n")
    signature = dict(inspect.signature(documented).parameters)
    entries = {}
    pieces = _split(lines)
    for name, body in pieces:
        if name is not None:
            taken = words.get(name, body)
            entries[name] = [_with_default(taken[0], name, signature), *taken[1:]]
    listed = [name for name in entries if not _is_attribute(name)]
    # Parameters in the order of the signature, other entries where they stand.
    order = {name: place for place, name in enumerate(signature)}
    known = [name for name in listed if name.split(", ")[0].lstrip("*") in order]
    ranked = iter(sorted(known, key=lambda x: order[x.split(", ")[0].lstrip("*")]))
    written = []
    for name, body in pieces:
        if name is None:
            written += body
            continue
        chosen = next(ranked) if name in known else name
        written += [*_stripped(entries[chosen]), ""]
    text = "\n".join(written)
    return re.sub(r"\n{3,}", "\n\n", text).rstrip()


def _stripped(lines):
    while lines and not lines[-1].strip():
        lines = lines[:-1]
    return lines


def _broken(line, indent):
    """Return a line with its indentation, broken before a default if it is too long."""
    line = (indent + line).rstrip()
    kind, comma, default = line.rpartition(", default=")
    if len(line) <= _WIDTH or not comma:
        return [line]
    return [f"{kind}, \\", f"{indent}        default={default}"]


def _collect():
    """Return the words that each class or method takes from others."""
    taken = {}
    for family in FAMILIES:
        first = inspect.cleandoc(_resolve(family.first).__doc__).split("\n")
        earlier = taken.setdefault(family.first, {})
        words = {name: earlier.get(name, body) for name, body in _split(first)}
        left = {None} if family.shares_results else {None, *_RESULTS}
        for path in family.others:
            kept = left | family.own.get(path, set())
            shared = {name: x for name, x in words.items() if name not in kept}
            taken[path] = shared | taken.get(path, {})
    return taken


def main(check):
    """Rewrite the files, or check them."""
    texts, places = {}, {}
    for path, words in _collect().items():
        documented = inspect.unwrap(_resolve(path))
        source = Path(inspect.getsourcefile(documented))
        places[path] = source, documented.__qualname__
        texts[path] = rewrite(path, words)
    changed = []
    for source in sorted({source for source, _ in places.values()}):
        lines = source.read_text(encoding="utf-8").split("\n")
        tree = ast.parse("\n".join(lines))
        edits = []
        for path, text in texts.items():
            if places[path][0] != source:
                continue
            docstring = _node(places[path][1], tree).body[0]
            indent = " " * docstring.col_offset
            start, stop = docstring.lineno - 1, docstring.end_lineno
            prefix = "r" if lines[start].lstrip().startswith("r") else ""
            body = [x for line in text.split("\n") for x in _broken(line, indent)]
            body[0] = f'{indent}{prefix}"""{text.split(chr(10))[0]}'
            edits.append((start, stop, [*body, f'{indent}"""']))
        new = list(lines)
        for start, stop, body in sorted(edits, reverse=True):
            new[start:stop] = body
        if new != lines:
            changed.append(source)
            if not check:
                source.write_text("\n".join(new), encoding="utf-8")
    for source in changed:
        print(f"{'differs' if check else 'rewritten'}: {source}")
    return 1 if check and changed else 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
