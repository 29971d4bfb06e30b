"""Pages of classes with many parameters: in groups, below a short signature."""

import re

# Each parameter of an estimator with a network stands in one of these groups.
GROUPS = {
    "Code and network": """n_components hidden_layer_sizes activation encoder decoder
        channels code_activation whiten image_shape layout""",
    "Objective": """loss sparsity method target_activation n_active contraction jacobian
        n_probes noise noise_level beta kl_warmup condition penalty corruption
        augmentation missing""",
    "Training": """optimizer lr weight_decay lr_schedule max_epochs batch_size
        shuffle_buffer validation_fraction early_stopping n_iter_no_change tol
        warm_start checkpoint callbacks net_params""",
    "Computing": "device dtype precision random_state verbose",
}
_MANY = 20  # parameters, from which a page groups them

_FIELD = re.compile(r":\w[\w ]*:$")
_ENTRY = re.compile(r"    \*\*(\w+)\*\* : ")


def _group(app, what, name, obj, options, lines):
    """Put the entries of the parameters below the names of their groups."""
    if what != "class" or ":Parameters:" not in lines:
        return
    start = lines.index(":Parameters:") + 1
    stop = next((i for i in range(start, len(lines)) if _FIELD.match(lines[i])), None)
    entries = {}
    for line in lines[start:stop]:
        if found := _ENTRY.match(line):
            entry = entries[found[1]] = []
        if entries:
            entry.append(line)
    if len(entries) < _MANY:
        return
    grouped = []
    for group, names in GROUPS.items():
        grouped += ["", f"    .. rubric:: {group}", "       :class: parameters", ""]
        for parameter in names.split():
            grouped += entries.pop(parameter, [])
    if entries:
        raise ValueError(f"In no group of parameters: {', '.join(entries)}")
    lines[start:stop] = [*grouped, ""]


def _shorten(app, what, name, obj, options, signature, return_annotation):
    """Leave out of a long signature what its page lists below."""
    if what == "class" and signature and signature.count("=") >= _MANY:
        first = signature.strip("()").split(",")[0]
        return f"({first}, *, ...)", return_annotation
    return None


def setup(app):
    """Connect both to the build, after numpydoc has rewritten the sections."""
    app.connect("autodoc-process-docstring", _group, priority=600)
    app.connect("autodoc-process-signature", _shorten, priority=600)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
